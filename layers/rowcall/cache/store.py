"""The only place that speaks to Redis: `upstash-redis` over REST, wrapped once.

One error type, one deadline, no retries (a lost reply to a counter would be counted twice), and a count of requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from typing import Any, cast

import httpx
from upstash_redis import Redis
from upstash_redis.errors import UpstashError
from upstash_redis.http import SyncHttpClient, make_headers

from rowcall.cache.transport import DeadlineClient
from rowcall.calls import Calls
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.rotation import Rotating

NO_SCRIPT = "NOSCRIPT"


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script of `cache/lua/`, and the SHA-1 by which Redis knows it once it has seen it."""

    text: str
    sha: str


def script(name: str) -> Script:
    text = (Path(__file__).parent / "lua" / f"{name}.lua").read_text()
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


class StoreUnavailable(Exception):
    """Redis could not be asked, or answered with nonsense. Callers go on without it and say `degraded`."""


class _Http(SyncHttpClient):
    """The SDK's, on a client with a deadline: its own has no timeout at all, and costs a TLS context to throw away."""

    def __init__(self, client: httpx.Client) -> None:
        self._encoding = None
        self._retries = 0
        self._retry_interval = 0
        self._sync_token_cb = None
        self._client = client


class _Redis(Redis):
    def __init__(self, url: str, token: str, client: httpx.Client) -> None:
        self._url = url
        self._read_your_writes = False
        self._headers = make_headers(token, None, allow_telemetry=False)
        self._http = _Http(client)


class _Refused(Exception):
    """401: the token is not, or no longer, the right one."""


def _refuse(reply: httpx.Response) -> None:
    if reply.status_code == 401:
        raise _Refused


class Store:
    """Redis over HTTPS. `timeout` bounds each request, in seconds; `calls.count` counts those of this thread."""

    def __init__(self, url: str, token: str | Rotating, *, timeout: float = 1.0) -> None:
        self._timeout = timeout
        self._token = token if isinstance(token, Rotating) else Rotating(token, lambda: self._token.value)
        self._client = DeadlineClient(url)
        self._client.event_hooks = {"response": [_refuse]}
        self._redis = _Redis(url, self._token.value, self._client)
        self.calls = Calls()

    def execute(self, command: Sequence[str | int], deadline: Deadline) -> Any:
        """One command in one request, a second one where the token was rotated; raises `StoreUnavailable`."""
        used = self._token.value
        try:
            return self._execute(command, deadline)
        except _Refused as error:
            if not self._token.renewed(used):
                raise StoreUnavailable("the token is refused") from error
            self._redis = _Redis(self._redis._url, self._token.value, self._client)
        try:
            return self._execute(command, deadline)
        except _Refused as error:
            raise StoreUnavailable("the token is refused") from error

    def _execute(self, command: Sequence[str | int], deadline: Deadline) -> Any:
        self.calls.count += 1
        try:
            with self._client.until(Deadline.after(deadline.left(self._timeout))):
                return self._redis.execute(list(command))
        except (UpstashError, httpx.HTTPError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        except Problem as error:
            if error.code != "deadline_exceeded":
                raise
            raise StoreUnavailable("timeout") from error

    def run(self, script: Script, args: Sequence[str | int], deadline: Deadline) -> Any:
        """Run a script in one request; in two where Redis does not know it yet."""
        try:
            return self.execute(["EVALSHA", script.sha, 0, *args], deadline)
        except StoreUnavailable as error:
            if NO_SCRIPT not in str(error.__cause__):
                raise
            return self.execute(["EVAL", script.text, 0, *args], deadline)

    def get_many(self, keys: Sequence[str], deadline: Deadline) -> list[str | None]:
        values = self.execute(["MGET", *keys], deadline)
        if not isinstance(values, list) or len(values) != len(keys):
            raise StoreUnavailable("malformed reply")
        return [value if isinstance(value, str) else None for value in values]

    def put(self, key: str, value: str, ttl_seconds: int, deadline: Deadline) -> None:
        self.execute(["SET", key, value, "EX", ttl_seconds], deadline)

    def delete(self, key: str, deadline: Deadline) -> None:
        self.execute(["DEL", key], deadline)

    def ping(self, deadline: Deadline) -> None:
        if cast("str", self.execute(["PING"], deadline)) != "PONG":
            raise StoreUnavailable("malformed reply")

    def close(self) -> None:
        self._client.close()
