"""An HTTP client for the SDKs whose every read and write ends at a deadline, however slowly a server drips.

httpx2's timeouts are per socket operation; here each operation may take what is left of the whole call.
The SDKs are built on httpx2 and httpcore2, so `rowcall.cache.transport`, made for httpx, does not fit them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from ssl import SSLContext
from typing import Any

import httpcore2
import httpx2

from rowcall.deadline import Deadline

KEEPALIVE_SECONDS = 300.0


class _Current(threading.local):
    deadline: Deadline | None = None

    def left(self, timeout: float | None) -> float | None:
        if self.deadline is None:
            return timeout
        return self.deadline.left(float("inf") if timeout is None else timeout)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream, current: _Current) -> None:
        self._stream = stream
        self._current = current

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._current.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._current.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, self._current.left(timeout)), self._current)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore2.NetworkBackend):
    def __init__(self, current: _Current) -> None:
        self._backend = httpcore2.SyncBackend()
        self._current = current

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        stream = self._backend.connect_tcp(host, port, self._current.left(timeout), local_address, socket_options)
        return _Stream(stream, self._current)


@cache
def _trust() -> SSLContext:
    """Made once: reading the authorities takes longer than all the rest."""
    return httpx2.create_ssl_context()


class DeadlineClient(httpx2.Client):
    """An `httpx2.Client`; inside `with client.until(deadline):` nothing waits past the deadline, in this thread.

    It follows no redirect, as that would carry a key to wherever it leads.
    """

    def __init__(self) -> None:
        self._current = _Current()
        transport = httpx2.HTTPTransport(verify=_trust())
        transport._pool = httpcore2.ConnectionPool(
            ssl_context=_trust(),
            keepalive_expiry=KEEPALIVE_SECONDS,
            network_backend=_Backend(self._current),
        )
        super().__init__(transport=transport, timeout=None, trust_env=False)

    @contextmanager
    def until(self, deadline: Deadline) -> Iterator[None]:
        self._current.deadline = deadline
        try:
            yield
        finally:
            self._current.deadline = None
