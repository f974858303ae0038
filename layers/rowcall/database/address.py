"""Where a database is and how it is reached: its URL, understood once, and sockets opened by it.

TLS is verified or absent, never opportunistic. An error here names the setting, never its value.
"""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from io import BufferedReader
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from rowcall.deadline import Deadline
from rowcall.settings import InvalidSettings

SSL_REQUEST = bytes.fromhex("00000008 04d2162f")
"""https://www.postgresql.org/docs/current/protocol-message-formats.html, SSLRequest"""

FOLLOWED = {"host", "sslmode", "sslrootcert"}
IGNORED = {"application_name", "channel_binding", "connect_timeout", "target_session_attrs"}
"""libpq's parameters of a URL; the ignored ones change nothing of what is read."""

UNACKNOWLEDGED_SECONDS = 3
"""So long the peer's kernel may stay silent: a connection that was forgotten while a Lambda slept is then replaced."""


class Stream:
    """Buffers what is read and nothing that is written, so that nothing unsent outlives its socket."""

    def __init__(self, connected: socket.socket) -> None:
        incoming = BufferedReader(socket.SocketIO(connected, "r"))
        self.read = incoming.read
        self.read1 = incoming.read1
        self.write = connected.sendall

    def flush(self) -> None:
        """There is nothing to flush."""


class TimedSocket(socket.socket):
    """Every wait on it ends at `deadline`, in however small pieces the peer sends."""

    deadline: Deadline

    def arm(self) -> None:
        """Let the next wait end at `deadline`; raises `TimeoutError` when that has passed."""
        self.settimeout(seconds_left(self.deadline))

    def makefile(self, *_: Any, **__: Any) -> Any:
        return Stream(self)

    def recv_into(self, *args: Any) -> int:
        self.arm()
        return super().recv_into(*args)

    def send(self, *args: Any) -> int:
        self.arm()
        return super().send(*args)

    def sendall(self, *args: Any) -> None:
        self.arm()
        super().sendall(*args)


class TimedTlsSocket(TimedSocket, ssl.SSLSocket):
    """The same over TLS."""


@dataclass(frozen=True, slots=True)
class Address:
    """`host` is a name, an IP address or the directory of a Unix socket; `tls` is `None` where none is wanted."""

    host: str
    port: int
    user: str
    password: str | None
    database: str | None
    tls: ssl.SSLContext | None

    @classmethod
    def parse(cls, url: str, *, ca_file: str = "", setting: str = "DATABASE_URL") -> Address:
        """Understand the `url` that `setting` holds; raises `InvalidSettings`."""
        try:
            parts = urlsplit(url.strip())
            port = parts.port or 5432
            given = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        except ValueError:
            raise InvalidSettings(f"{setting}: is not a URL (special characters must be percent-encoded)") from None
        host = given.get("host") or parts.hostname or ""
        if parts.scheme not in ("postgres", "postgresql") or not host or not parts.username or parts.fragment:
            raise InvalidSettings(f"{setting}: must be like postgresql://role:password@host:port/name")
        if "," in host:
            raise InvalidSettings(f"{setting}: must name one host")
        if not given.keys() <= FOLLOWED | IGNORED:
            raise InvalidSettings(f"{setting}: may have the parameters {', '.join(sorted(FOLLOWED | IGNORED))} only")
        return cls(
            host=host,
            port=port,
            user=unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
            database=unquote(parts.path[1:]) or None,
            tls=_tls(host, given.get("sslmode", ""), ca_file or given.get("sslrootcert", ""), setting),
        )

    def open(self, deadline: Deadline) -> TimedSocket:
        """A connected socket, its TLS handshake done if there is one; raises `OSError`."""
        plain = self._dial(deadline)
        if self.tls is None:
            return plain
        try:
            plain.sendall(SSL_REQUEST)
            if plain.recv(1) != b"S":
                raise ConnectionError("the server refuses TLS")
            plain.arm()
            secured = cast(TimedTlsSocket, self.tls.wrap_socket(plain, server_hostname=self.host))
        except BaseException:
            plain.close()
            raise
        secured.deadline = deadline
        return secured

    def _dial(self, deadline: Deadline) -> TimedSocket:
        failure = OSError("the host has no address")
        for family, place in self._places(deadline):
            plain = TimedSocket(family, socket.SOCK_STREAM)
            plain.deadline = deadline
            try:
                if family != socket.AF_UNIX:
                    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    if hasattr(socket, "TCP_USER_TIMEOUT"):
                        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_SECONDS * 1000)
                plain.arm()
                plain.connect(place)
            except OSError as error:
                plain.close()
                failure = error
            except BaseException:
                plain.close()
                raise
            else:
                return plain
        raise failure

    def _places(self, deadline: Deadline) -> list[tuple[int, Any]]:
        if self.host.startswith("/"):
            return [(socket.AF_UNIX, f"{self.host}/.s.PGSQL.{self.port}")]
        return _resolve(self.host, self.port, seconds_left(deadline))


def seconds_left(deadline: Deadline) -> float:
    seconds = deadline.at - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds


def _resolve(host: str, port: int, seconds: float) -> list[tuple[int, Any]]:
    """Addresses of `host`, asked for in a thread because the resolver knows no timeout."""
    answers: SimpleQueue[list[tuple[int, Any]] | OSError] = SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([(int(family), place) for family, _, _, _, place in found])
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else OSError("the host's name is malformed"))

    Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise TimeoutError("the host's name was not resolved in time") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _tls(host: str, mode: str, ca_file: str, setting: str) -> ssl.SSLContext | None:
    if mode not in ("", "disable", "require", "verify-ca", "verify-full"):
        raise InvalidSettings(f"{setting}: sslmode must be disable, require, verify-ca or verify-full")
    if host.startswith("/") or mode == "disable" or (not mode and _is_this_machine(host)):
        return None
    try:
        context = ssl.create_default_context(cafile=ca_file if ca_file != "system" else None)
    except OSError:
        raise InvalidSettings("DATABASE_CA_FILE: is not a readable PEM file of certificates") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Chain and name are verified as libpq does; the formalities that Python 3.13 adds fail many private authorities.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.sslsocket_class = TimedTlsSocket
    return context


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
