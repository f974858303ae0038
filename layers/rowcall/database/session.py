"""One connection to Postgres, on which BEGIN READ ONLY, one statement and COMMIT make one round trip.

All stand before one Sync, so Postgres skips what follows a part that failed: the statement cannot run outside of its
transaction or without its tenant, and a transaction pooler gives all to one server. Statements are unnamed and go by
the extended protocol, which refuses a second statement in the same text.
https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from struct import Struct
from typing import Any

from pg8000.converters import PY_TYPES, make_params
from pg8000.core import Context, CoreConnection
from pg8000.exceptions import DatabaseError, InterfaceError

from rowcall.database.address import Address
from rowcall.database.values import CONVERTERS, Converter, as_text
from rowcall.deadline import Deadline

CANCEL_SECONDS = 0.5
"""How long a cancellation may take, beyond the deadline that made it necessary."""

MAX_RESULT_BYTES = 32 * 2**20

READY = b"Z"
IDLE = b"I"
OPEN = b"T"
_header = Struct("!ci").unpack_from


class ConnectionLost(Exception):
    """The connection failed, not the statement; `__cause__` tells how."""


class TimedOut(Exception):
    """The deadline passed; the statement was cancelled."""


class ResultTooLarge(Exception):
    """The answer has more than `MAX_RESULT_BYTES`; the statement was cancelled."""


def encode(
    statement: str, values: Sequence[object], setting: tuple[str, str] | None = None, first: int | None = None
) -> bytes:
    """All that is sent for one transaction, in which alone `setting`, a name and a value, holds.

    With `first`, the transaction begins with so many rows and is left open, for `fetch` to go on. Raises `ValueError`
    for text that Postgres cannot hold.
    """
    texts: list[str | None] = [statement, *(setting or ()), *make_params(PY_TYPES, values)]
    if any(text is not None and "\0" in text for text in texts):
        raise ValueError("a zero character")
    text, *parameters = [None if text is None else text.encode() for text in texts]
    parts = [_BEGIN]
    if setting:
        parts += (_SET, _bind(parameters[:2]), _EXECUTE)
        del parameters[:2]
    rest = (_EXECUTE, COMMIT) if first is None else (fetch(first),)
    return b"".join((*parts, _parse(text or b""), _bind(parameters), _DESCRIBE, *rest))


def fetch(rows: int) -> bytes:
    """What is sent for the next `rows` of a transaction that was left open: the portal goes on where it stopped."""
    return _message(b"E", b"\0" + rows.to_bytes(4, "big")) + _SYNC


class Session(CoreConnection):  # type: ignore[misc]
    """A connection. Where `usable` is false, something may be left unread on it: never use it again."""

    message_types: dict[bytes, Any]

    def __init__(self, address: Address, deadline: Deadline) -> None:
        self.usable = False
        self._usock: Any = None
        self._sock: Any = None
        self._unread = bytearray()
        self._address = address
        connected = address.open(deadline)
        try:
            super().__init__(
                user=address.user,
                password=address.password,
                database=address.database,
                sock=connected,
                ssl_context=False,
                application_name="rowcall",
                startup_params={"client_encoding": "UTF8", "DateStyle": "ISO", "TimeZone": "UTC"},
            )
        except BaseException:
            connected.close()
            raise
        self.pg_types = _Converters(CONVERTERS)
        # Functions in place of bound methods: without that cycle a thread's end ends its connection at once.
        self.message_types = {code: handle.__func__ for code, handle in self.message_types.items()}
        self.usable = True

    def __del__(self) -> None:
        self.drop()

    def transact(self, message: bytes, deadline: Deadline, answer: Context | None = None) -> Context:
        """Send what `encode` made and read the answer. Raises `DatabaseError` for an error of the statement.

        An `answer` gets the rows of a transaction that is left open.
        """
        self.usable = False
        self._usock.deadline = deadline
        try:
            return self._exchange(message, answer or Context(""), OPEN if answer else IDLE)
        except (DatabaseError, ConnectionLost):
            raise
        except TimeoutError as error:
            if error.errno is not None:  # TCP gave up on the peer, long before the deadline
                raise ConnectionLost from error
            self._cancel()
            raise TimedOut from error
        except ResultTooLarge:
            self._cancel()
            raise
        except Exception as error:  # of the network, or over bytes that are not Postgres's protocol
            raise ConnectionLost from error
        except BaseException:  # an interrupt of this process
            self._cancel()
            raise
        finally:
            if not self.usable:
                self.drop()

    def drop(self) -> None:
        """Close it, telling the server so."""
        self.usable = False
        connected, self._usock, self._sock = self._usock, None, None
        if connected is not None:
            with connected, suppress(OSError):
                connected.deadline = Deadline.after(CANCEL_SECONDS)
                connected.sendall(_TERMINATE)

    def handle_messages(self, context: Context) -> None:
        """Read up to ReadyForQuery, many messages at a time. Overrides pg8000's, which makes two reads for each."""
        unread, handlers, received = self._unread, self.message_types, 0
        while True:
            at = 0
            while len(unread) - at >= 5:
                code, size = _header(unread, at)
                end = at + 1 + size
                if size < 4:
                    raise InterfaceError("not a message of Postgres's")
                if end > len(unread):
                    break
                handlers[code](self, bytes(unread[at + 5 : end]), context)
                at = end
                if code == READY:
                    del unread[:at]
                    if context.error is not None:
                        raise context.error
                    return
            del unread[:at]
            block = self._sock.read1(65536)
            if not block:
                raise context.error or InterfaceError("the server closed the connection")
            received += len(block)
            if received > MAX_RESULT_BYTES:
                raise ResultTooLarge
            unread += block

    def _exchange(self, message: bytes, context: Context, status: bytes) -> Context:
        try:
            self._send(message)
            self.handle_messages(context)
        except DatabaseError as error:
            if self._transaction_status is None:
                raise ConnectionLost from error
            if self._transaction_status != IDLE:
                self._send(_ROLLBACK)
                self.handle_messages(Context(""))
            self.usable = self._transaction_status == IDLE
            raise
        self.usable = self._transaction_status == status
        return context

    def _send(self, message: bytes) -> None:
        self._transaction_status = None
        self._usock.sendall(message)

    def _cancel(self) -> None:
        """End the statement in the server, and see the server close this connection, if that is quick."""
        if self._backend_key_data is None:
            return
        limit = Deadline.after(CANCEL_SECONDS)
        scrap = bytearray(65536)
        with suppress(OSError):
            with self._address.open(limit) as request:
                request.sendall(_CANCEL_REQUEST + self._backend_key_data)
                while request.recv_into(scrap):
                    pass
            self._usock.deadline = limit
            self._send(_TERMINATE)
            while self._usock.recv_into(scrap):
                pass


class _Converters(dict[int, Converter]):
    def __missing__(self, oid: int) -> Converter:
        return as_text


def _message(kind: bytes, body: bytes = b"") -> bytes:
    """https://www.postgresql.org/docs/current/protocol-message-formats.html"""
    return kind + (len(body) + 4).to_bytes(4, "big") + body


def _parse(statement: bytes) -> bytes:
    return _message(b"P", b"\0" + statement + b"\0\0\0")


def _bind(parameters: Sequence[bytes | None]) -> bytes:
    parts = [b"\0\0\0\0", len(parameters).to_bytes(2, "big")]
    for value in parameters:
        parts += (b"\xff\xff\xff\xff",) if value is None else (len(value).to_bytes(4, "big"), value)
    return _message(b"B", b"".join((*parts, b"\0\0")))


_DESCRIBE = _message(b"D", b"P\0")
_EXECUTE = _message(b"E", b"\0\0\0\0\0")
_BEGIN = _parse(b"BEGIN READ ONLY") + _bind(()) + _EXECUTE
_SET = _parse(b"SELECT FROM set_config($1, $2, true) AS value WHERE value IS NULL")  # returns no row
_SYNC = _message(b"S")
COMMIT = _parse(b"COMMIT") + _bind(()) + _EXECUTE + _SYNC
_ROLLBACK = _message(b"Q", b"ROLLBACK\0")
_TERMINATE = _message(b"X")
_CANCEL_REQUEST = bytes.fromhex("00000010 04d2162e")
