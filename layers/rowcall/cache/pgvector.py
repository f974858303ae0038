"""Nearest templates in Postgres, by pgvector: for those who outgrow the memory of an environment.

It lives in a schema of rowcall's own, behind a URL of its own whose role may write; never in the database that is
asked. What stands here is only found: the plan itself is in Redis, sealed.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pg8000.core import CoreConnection
from pg8000.exceptions import InterfaceError

from rowcall.cache.index import Entry, Found, IndexUnavailable
from rowcall.database.address import Address
from rowcall.deadline import Deadline
from rowcall.embedders.vectors import Vector

_TEMPLATES = Path(__file__).with_name("sql") / "templates.sql"


class PgVectorIndex:
    """An `Index` for vectors of `dimensions`. Thread-safe: each thread has a connection of its own."""

    def __init__(
        self,
        url: str,
        dimensions: int,
        *,
        ca_file: str = "",
        connect_timeout: float = 2.0,
        setting: str = "L2_DATABASE_URL",
    ) -> None:
        """Raises `InvalidSettings` for a `url` that cannot be understood; connects to nothing."""
        self._address = Address.parse(url, ca_file=ca_file, setting=setting)
        self._connect_timeout = connect_timeout
        self._dimensions = dimensions
        self._own = threading.local()
        self._opened: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._prepared = False

    def add(self, space: str, entry: Entry, deadline: Deadline, /) -> None:
        self._run(
            f"INSERT INTO rowcall.templates_{self._dimensions} (space, id, signature, template, vector)"  # noqa: S608
            f" VALUES ($1, $2, $3, $4, $5::halfvec) ON CONFLICT (space, id) DO UPDATE"
            f" SET signature = excluded.signature, template = excluded.template, vector = excluded.vector",
            (space, entry.id, entry.signature, entry.template, self._text(entry.vector)),
            deadline,
        )

    def remove(self, space: str, entry_id: str, deadline: Deadline, /) -> None:
        sql = f"DELETE FROM rowcall.templates_{self._dimensions} WHERE space = $1 AND id = $2"  # noqa: S608
        self._run(sql, (space, entry_id), deadline)

    def search(self, space: str, signature: str, vector: Vector, k: int, deadline: Deadline, /) -> list[Found]:
        sql = f"SELECT * FROM rowcall.nearest_{self._dimensions}($1::halfvec, $2, $3, $4::integer)"  # noqa: S608
        rows = self._run(sql, (self._text(vector), space, signature, k), deadline)
        return [Found(id_, template, float(similarity), True) for id_, template, similarity in rows]

    def close(self) -> None:
        """Close every thread's connection. No thread may be using one."""
        for connection in list(self._opened):
            connection.drop()

    def _text(self, vector: Vector) -> str:
        if len(vector.values) != self._dimensions:
            raise ValueError("a vector of another size than those of its space")
        return str(memoryview(vector.values).cast("b").tolist())

    def _run(self, sql: str, values: Sequence[object], deadline: Deadline) -> Any:
        try:
            kept: _Connection | None = getattr(self._own, "connection", None)
            if kept is not None and kept.usable:
                with suppress(OSError, InterfaceError):  # the server may have closed it since: then once more, anew
                    return kept.run(sql, values, deadline)
            return self._connect(deadline).run(sql, values, deadline)
        except Exception as error:
            raise IndexUnavailable(type(error).__name__) from error

    def _connect(self, deadline: Deadline) -> _Connection:
        connection = self._own.connection = _Connection(self._address, deadline.within(self._connect_timeout))
        self._opened.add(connection)
        if not self._prepared:
            connection.prepare(_TEMPLATES.read_text("utf-8").replace("DIMENSIONS", str(self._dimensions)), deadline)
            self._prepared = True
        return connection


class _Connection(CoreConnection):  # type: ignore[misc]
    """Every wait on its socket ends at the deadline of the call."""

    def __init__(self, address: Address, deadline: Deadline) -> None:
        self.usable = False
        self._socket = address.open(deadline)
        super().__init__(
            user=address.user,
            password=address.password,
            database=address.database,
            sock=self._socket,
            ssl_context=False,
            application_name="rowcall",
        )
        self.usable = True

    def run(self, sql: str, values: Sequence[object], deadline: Deadline) -> Any:
        """The rows of one statement in a transaction of its own, as a pooler needs it."""
        with self._within(deadline):
            self.execute_simple("BEGIN")
            rows = self.execute_unnamed(sql, values).rows
            self.execute_simple("COMMIT")
            return rows

    def prepare(self, script: str, deadline: Deadline) -> None:
        with self._within(deadline):
            self.execute_simple(script)

    @contextmanager
    def _within(self, deadline: Deadline) -> Iterator[None]:
        """What fails leaves an answer unread, which would be the next question's: the connection is dropped."""
        self._socket.deadline = deadline
        try:
            yield
        except BaseException:
            self.drop()
            raise

    def drop(self) -> None:
        self.usable = False
        with suppress(OSError):
            self._socket.close()
