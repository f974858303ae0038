"""Runs one statement in one READ ONLY transaction, never past its deadline.

A statement past its time is cancelled in the server. A connection that fails in any way but a clean error of the
statement is dropped, since an answer left unread on it would be the next question's. A driver's text stays in
`StatementFailed` and in causes: it is for the log and for a planner, never for a person.
"""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pg8000.core import Context
from pg8000.exceptions import DatabaseError

from rowcall.calls import Calls
from rowcall.database.address import Address
from rowcall.database.session import COMMIT, ConnectionLost, ResultTooLarge, Session, TimedOut, encode, fetch
from rowcall.database.values import TYPE_NAMES
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.rotation import Rotating
from rowcall.settings import InvalidSettings

QUERY_CANCELED = "57014"
LOCK_NOT_AVAILABLE = "55P03"
UNAVAILABLE = ("40", "53", "57", "58")
"""Classes of https://www.postgresql.org/docs/current/errcodes-appendix.html that are no fault of a statement:
rollback (a replica's conflict with recovery), resources, operator intervention, system."""
NOT_LET_IN = ("28000", "28P01")
"""invalid_authorization_specification, invalid_password"""

_EXPLAIN = "EXPLAIN (FORMAT JSON) "


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """`type` is Postgres's name of a built-in type, and "text" for every other."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Rows:
    """What a statement returned, its values safe for JSON."""

    columns: list[ResultColumn]
    rows: list[list[object]]


@dataclass(frozen=True, slots=True)
class Stream:
    """The rows of a statement that is still running, a batch at a time; as in `Rows`, safe for JSON."""

    columns: list[ResultColumn]
    batches: Iterator[list[list[object]]]


class StatementFailed(Exception):
    """Postgres could not run the statement. `position` is the character of it, from 1, where Postgres saw why."""

    def __init__(self, sqlstate: str, message: str, position: int | None = None) -> None:
        super().__init__(f"{sqlstate}: {message}")
        self.sqlstate = sqlstate
        self.message = message
        self.position = position


class Database:
    """Thread-safe: each thread has a connection of its own, opened when first needed."""

    def __init__(
        self,
        url: str | Rotating,
        *,
        ca_file: str = "",
        connect_timeout: float = 2.0,
        setting: str = "DATABASE_URL",
        tenant_setting: str = "",
        sign: Callable[[Address], str] | None = None,
    ) -> None:
        """`tenant_setting` is what a statement's tenant is told to Postgres by, if at all, for row-level security.

        `sign` makes each connection's password, which is then sent by TLS or not at all; the `url` needs none.
        Raises `InvalidSettings` for a `url` or `ca_file` that cannot be understood; connects to nothing.
        """
        self._url = url if isinstance(url, Rotating) else Rotating(url, lambda: self._url.value)
        self._parse = partial(Address.parse, ca_file=ca_file, setting=setting)
        self._address = self._parse(self._url.value)
        self._sign = sign
        if sign and self._address.tls is None:
            raise InvalidSettings(f"{setting}: must lead to the database by TLS with DATABASE_AUTH=iam")
        self._connect_timeout = connect_timeout
        self._tenant_setting = tenant_setting
        self._own = threading.local()
        self._lock = threading.Lock()
        self._sessions: weakref.WeakSet[Session] = weakref.WeakSet()
        self._transactions = 0
        self.calls = Calls()

    @property
    def transactions(self) -> int:
        """How many have been started so far, by all threads; `calls.count` is this thread's."""
        return self._transactions

    def query(self, sql: str, values: Sequence[object], deadline: Deadline, tenant: str | None = None) -> Rows:
        """The rows of one statement, as `tenant` may see them. Raises `Problem` or `StatementFailed`."""
        context = self._transact(sql, values, deadline, tenant)
        return Rows(_columns(context), context.rows or [])

    @contextmanager
    def stream(
        self, sql: str, values: Sequence[object], deadline: Deadline, tenant: str | None = None, *, rows: int = 500
    ) -> Iterator[Stream]:
        """One statement's rows, at most `rows` of them in memory. Raises `Problem` or `StatementFailed`, then or later.

        The portal of the extended protocol is the server-side cursor, as for JDBC's fetch size: the statement is sent
        as any other is, and planned for all of its rows, which DECLARE CURSOR is not. RDS Proxy pins a connection with
        a cursor until it is closed, so this one is the stream's own and ends with it: for the jobs worker alone.
        """
        context = Context("")
        message = self._encode(sql, values, tenant, first=rows)
        session = self._open(deadline)
        try:
            self._count()
            with _meanings():
                session.transact(message, deadline, context)
            yield Stream(_columns(context), self._batches(session, context, deadline, rows))
        finally:
            session.drop()

    def _batches(
        self, session: Session, context: Context, deadline: Deadline, rows: int
    ) -> Iterator[list[list[object]]]:
        while batch := context.rows:
            context.rows = []
            yield batch
            if len(batch) < rows:
                break
            deadline.left()
            with _meanings():
                session.transact(fetch(rows), deadline, context)
        with _meanings():
            session.transact(COMMIT, deadline)

    def explain(
        self, sql: str, values: Sequence[object], deadline: Deadline, tenant: str | None = None
    ) -> dict[str, Any]:
        """Postgres's plan for a statement that is not run. Raises `Problem` or `StatementFailed`."""
        try:
            context = self._transact(_EXPLAIN + sql, values, deadline, tenant)
        except StatementFailed as error:
            if error.position is not None:
                error.position -= len(_EXPLAIN)
            raise
        document = context.rows[0][0]  # text, where it is nested too deep for an answer
        plan: dict[str, Any] = (json.loads(document) if isinstance(document, str) else document)[0]
        return plan

    def ping(self, deadline: Deadline) -> None:
        """Raises `Problem` unless the database answers."""
        self._transact("SELECT 1", (), deadline)

    def close(self) -> None:
        """Close every thread's connection. No thread may be using one."""
        for session in list(self._sessions):
            session.drop()

    def _transact(self, sql: str, values: Sequence[object], deadline: Deadline, tenant: str | None = None) -> Any:
        message = self._encode(sql, values, tenant)
        with _meanings():
            try:
                return self._attempt(message, deadline)
            except ConnectionLost:
                return self._attempt(message, deadline)  # once more: reading twice harms nobody

    def _encode(self, sql: str, values: Sequence[object], tenant: str | None, first: int | None = None) -> bytes:
        told = (self._tenant_setting, tenant) if self._tenant_setting and tenant is not None else None
        try:
            return encode(sql, values, told, first)
        except ValueError as error:
            raise StatementFailed("22021", "text that Postgres cannot hold") from error

    def _attempt(self, message: bytes, deadline: Deadline) -> Any:
        session = self._session(deadline)
        deadline.left()
        self._count()
        return session.transact(message, deadline)

    def _count(self) -> None:
        self.calls.count += 1
        with self._lock:
            self._transactions += 1

    def _session(self, deadline: Deadline) -> Session:
        session: Session | None = getattr(self._own, "session", None)
        if session is None or not session.usable:
            session = self._own.session = self._open(deadline)
        return session

    def _open(self, deadline: Deadline) -> Session:
        try:
            session = self._connect(deadline)
        except Exception as error:  # refused, unknown, untrusted, not let in, or no Postgres at all
            deadline.left()
            raise Problem("database_unavailable") from error
        with self._lock:
            self._sessions.add(session)
        return session

    def _connect(self, deadline: Deadline) -> Session:
        """A new connection; with the password read anew when the server refuses the one we knew."""
        used = self._url.value
        try:
            return self._session_at(self._address, deadline)
        except DatabaseError as error:
            if error.args[0].get("C") not in NOT_LET_IN or not self._url.renewed(used):
                raise
        self._address = self._parse(self._url.value)
        return self._session_at(self._address, deadline)

    def _session_at(self, address: Address, deadline: Deadline) -> Session:
        if self._sign:
            address = replace(address, password=self._sign(address))
        return Session(address, deadline.within(self._connect_timeout))


def _columns(context: Context) -> list[ResultColumn]:
    return [
        ResultColumn(column["name"], TYPE_NAMES.get(column["type_oid"], "text")) for column in context.columns or ()
    ]


@contextmanager
def _meanings() -> Iterator[None]:
    """What a session raises, as what it means to an asker."""
    try:
        yield
    except ConnectionLost as error:
        raise Problem("database_unavailable") from error
    except TimedOut as error:
        raise Problem("deadline_exceeded") from error
    except ResultTooLarge as error:
        raise StatementFailed("54000", "the result is too large") from error
    except DatabaseError as error:
        raise _meaning(error) from error


def _meaning(error: DatabaseError) -> Exception:
    fields = error.args[0]
    state = fields.get("C", "")
    if state == QUERY_CANCELED:
        return Problem("deadline_exceeded")
    if state == LOCK_NOT_AVAILABLE or state.startswith(UNAVAILABLE):
        return Problem("database_unavailable")
    position = fields.get("P")
    return StatementFailed(state, fields.get("M", ""), int(position) if position else None)
