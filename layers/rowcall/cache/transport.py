"""An HTTP client whose every read and write ends at a deadline, however slowly the server drips.

httpx's timeouts are per socket operation; here each operation may take what is left of the whole call.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import Any

import httpcore
import httpx
from httpcore import SOCKET_OPTION, NetworkBackend, NetworkStream, SyncBackend

from rowcall.deadline import Deadline

KEEPALIVE_SECONDS = 300.0
"""httpx closes an idle connection after 5 s by default, which reconnects on every quiet minute."""


class _Current(threading.local):
    deadline: Deadline | None = None

    def left(self, timeout: float | None) -> float | None:
        if self.deadline is None:
            return timeout
        return self.deadline.left(timeout if timeout is not None else float("inf"))


class _Stream(NetworkStream):
    def __init__(self, stream: NetworkStream, current: _Current) -> None:
        self._stream = stream
        self._current = current

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._current.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._current.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._current.left(timeout))
        return _Stream(stream, self._current)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(NetworkBackend):
    def __init__(self, current: _Current) -> None:
        self._backend = SyncBackend()
        self._current = current

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> NetworkStream:
        stream = self._backend.connect_tcp(host, port, self._current.left(timeout), local_address, socket_options)
        return _Stream(stream, self._current)


class DeadlineClient(httpx.Client):
    """An `httpx.Client`; inside `with client.until(deadline):` nothing waits past the deadline, in this thread."""

    def __init__(self, url: str) -> None:
        """For calls to `url` alone. Reading the trusted authorities takes 30 ms, so without TLS none are read."""
        self._current = _Current()
        trust = httpx.create_ssl_context() if url.startswith("https:") else SSLContext(PROTOCOL_TLS_CLIENT)
        transport = httpx.HTTPTransport(verify=trust)
        transport._pool = httpcore.ConnectionPool(
            ssl_context=trust,
            keepalive_expiry=KEEPALIVE_SECONDS,
            network_backend=_Backend(self._current),
        )
        super().__init__(transport=transport, timeout=None)

    @contextmanager
    def until(self, deadline: Deadline) -> Iterator[None]:
        self._current.deadline = deadline
        try:
            yield
        finally:
            self._current.deadline = None
