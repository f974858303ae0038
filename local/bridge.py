"""Upstash's REST protocol over a real Redis, so that the client which is deployed runs unchanged on a laptop.

Follows https://upstash.com/docs/redis/features/restapi: single commands (as a JSON array or as a path), pipelines
and transactions, plain or base64 replies, a token on every path. It counts what it is asked. One connection to
Redis serves all requests, so commands that change or block a connection are refused, as Upstash refuses them.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import socket
from base64 import b64encode
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, unquote

import hiredis
import uvicorn

MAX_REQUEST = 10 * 1024 * 1024
# fmt: off
REFUSED = frozenset((
    # block the connection
    "BLMOVE", "BLMPOP", "BLPOP", "BRPOP", "BRPOPLPUSH", "BZMPOP", "BZPOPMAX", "BZPOPMIN", "WAIT", "WAITAOF",
    # change it
    "ASKING", "AUTH", "CLIENT", "DISCARD", "EXEC", "HELLO", "MULTI", "QUIT", "READONLY", "READWRITE", "RESET",
    "SELECT", "UNWATCH", "WATCH",
    # push to it
    "MONITOR", "PSUBSCRIBE", "PSYNC", "PUNSUBSCRIBE", "SSUBSCRIBE", "SUBSCRIBE", "SUNSUBSCRIBE", "SYNC",
    "UNSUBSCRIBE",
    # administer the server
    "CLUSTER", "CONFIG", "DEBUG", "FAILOVER", "MIGRATE", "MODULE", "REPLICAOF", "SHUTDOWN", "SLAVEOF", "SWAPDB",
))
# fmt: on

Command = tuple[str | bytes | int | float, ...]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class Refused(Exception):
    """A request that is answered by an error: its HTTP status and Upstash's `error` text."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


class _Connection(asyncio.Protocol):
    """Redis's own protocol: replies come in the order of the commands, so a queue of those who wait is enough."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._waiting: deque[tuple[asyncio.Future[list[Any]], list[Any], int]] = deque()
        self._transport: asyncio.Transport | None = None

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        """The replies to `commands`, sent as one; an error reply is among them as a `hiredis.ReplyError`."""
        if self._transport is None:
            raise ConnectionError("not connected")
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append((future, [], len(commands)))
        # The stub of `pack_command` says a tuple of one where it means of any length.
        packed = (hiredis.pack_command(command) for command in commands)  # type: ignore[arg-type]
        self._transport.write(b"".join(packed))
        return future

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- narrows the type
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            future, replies, expected = self._waiting[0]
            replies.append(reply)
            if len(replies) == expected:
                self._waiting.popleft()
                if not future.done():
                    future.set_result(replies)

    def connection_lost(self, _: Exception | None) -> None:
        while self._waiting:
            future, *_rest = self._waiting.popleft()
            if not future.done():
                future.set_exception(ConnectionError("Redis closed the connection"))


class Bridge:
    """The REST endpoint `url` with its `token`. `requests` and `commands` count what was asked with the token.

    Over HTTP the counts are at `GET /-/counts`, which does not count itself.
    """

    def __init__(self, port: int, password: str) -> None:
        self.token = secrets.token_urlsafe(32)
        self.requests = 0
        self.commands = 0
        self._redis = ("127.0.0.1", port)
        self._password = password
        self._connection: _Connection | None = None
        self._connecting = asyncio.Lock()
        # asyncio turns Nagle's algorithm off only on sockets that say they are TCP; with it, an answer takes 44 ms.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._loop = asyncio.new_event_loop()
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._serve,
                interface="asgi3",
                http="httptools",
                proxy_headers=False,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_keep_alive=3600,
                timeout_graceful_shutdown=1,
                server_header=False,
                date_header=False,
            )
        )
        self._thread = Thread(target=self._run, name="bridge", daemon=True)
        self._thread.start()
        self.command("PING")

    def command(self, *command: str | bytes | int | float) -> Any:
        """Ask Redis directly, uncounted: what tests and tools set up and look up."""
        reply = asyncio.run_coroutine_threadsafe(self._ask([command]), self._loop).result(10)[0]
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        return reply

    def reset(self) -> None:
        """Forget every key, script and count."""
        self.command("FLUSHALL")
        self.command("SCRIPT", "FLUSH")
        self.requests = self.commands = 0

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._server.serve(sockets=[self._socket]))
        if self._connection:
            self._connection.close()
            self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _ask(self, commands: Sequence[Command]) -> list[Any]:
        if self._connection is None or not self._connection.open:
            async with self._connecting:
                if self._connection is None or not self._connection.open:
                    _, connection = await self._loop.create_connection(_Connection, *self._redis)
                    (reply,) = await connection.ask([("AUTH", self._password)])
                    if isinstance(reply, hiredis.ReplyError):
                        raise ConnectionError(str(reply))
                    self._connection = connection
        return await self._connection.ask(commands)

    async def _serve(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        try:
            status, answer = 200, await self._answer(scope, await _body(receive))
        except Refused as refused:
            status, answer = refused.status, {"error": str(refused)}
        except OSError as error:
            status, answer = 503, {"error": f"ERR Redis cannot be reached: {error}"}
        content = json.dumps(answer).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})

    async def _answer(self, scope: dict[str, Any], body: bytes) -> Any:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        query = parse_qsl(scope["query_string"].decode(), keep_blank_values=True)
        self._authorise(headers, query)
        path = scope["raw_path"].decode().strip("/")
        if scope["method"] not in ("GET", "POST", "PUT", "HEAD"):
            raise Refused(405, f"ERR method not allowed: {scope['method']}")
        if path == "-/counts":
            return {"requests": self.requests, "commands": self.commands}
        self.requests += 1
        encode = _base64 if headers.get(b"upstash-encoding", b"").lower() == b"base64" else _plain
        if path in ("pipeline", "multi-exec"):
            commands = [_command(command) for command in _array(body)]
            if not commands:
                raise Refused(400, "ERR empty pipeline request")
            self.commands += len(commands)
            if path == "pipeline":
                return [_result(reply, encode) for reply in await self._ask(commands)]
            *_, reply = await self._ask([("MULTI",), *commands, ("EXEC",)])
            if isinstance(reply, hiredis.ReplyError):
                raise Refused(400, str(reply))
            return [_result(item, encode) for item in reply]
        if path:
            arguments: list[Any] = [unquote(part) for part in path.split("/")]
            arguments += [body] if body else []
            arguments += [part for name, value in query if name != "_token" for part in (name, value) if part]
            command = _command(arguments)
        elif scope["method"] == "POST":
            command = _command(_array(body))
        else:
            raise Refused(404, "ERR no command in the path")
        self.commands += 1
        result = _result((await self._ask([command]))[0], encode)
        if "error" in result:
            raise Refused(400, result["error"])
        return result

    def _authorise(self, headers: dict[bytes, bytes], query: list[tuple[str, str]]) -> None:
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else dict(query).get("_token", "")
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            raise Refused(401, "WRONGPASS invalid or missing auth token")


async def _body(receive: Receive) -> bytes:
    """The whole body; one that is too large is read to its end all the same, so that the client hears why."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if size <= MAX_REQUEST:
            parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    if size > MAX_REQUEST:
        raise Refused(413, f"ERR max request size exceeded. Limit: {MAX_REQUEST} bytes, Actual: {size} bytes")
    return b"".join(parts)


def _array(body: bytes) -> list[Any]:
    try:
        found = json.loads(body)
    except ValueError:
        raise Refused(400, "ERR failed to parse the request: not JSON") from None
    if not isinstance(found, list):
        raise Refused(400, "ERR failed to parse the request: not a JSON array")
    return found


def _command(items: Any) -> Command:
    if not isinstance(items, list) or not items:
        raise Refused(400, "ERR empty command or not a JSON array")
    for item in items:
        if not isinstance(item, str | bytes | int | float):
            raise Refused(400, f"ERR invalid argument: {json.dumps(item)[:80]}")
    command = tuple(json.dumps(item) if isinstance(item, bool) else item for item in items)
    name = str(items[0]).upper()
    blocks = name in ("XREAD", "XREADGROUP") and any(str(item).upper() == "BLOCK" for item in items)
    if name in REFUSED or blocks:
        raise Refused(400, f"ERR Command is not available: '{items[0]}'")
    return command


def _result(reply: Any, encode: Callable[[bytes], str]) -> dict[str, Any]:
    return {"error": str(reply)} if isinstance(reply, hiredis.ReplyError) else {"result": _value(reply, encode)}


def _value(reply: Any, encode: Callable[[bytes], str]) -> Any:
    if isinstance(reply, bytes):
        return encode(reply)
    if isinstance(reply, list):
        return [_value(item, encode) for item in reply]
    return str(reply) if isinstance(reply, hiredis.ReplyError) else reply


def _plain(value: bytes) -> str:
    return value.decode(errors="replace")


def _base64(value: bytes) -> str:
    return "OK" if value == b"OK" else b64encode(value).decode()
