"""What every answer gets, errors too: a request id, a deadline, security headers, a body limit, a log line, metrics.

Pure ASGI: Starlette's `BaseHTTPMiddleware` triples the cost of a request.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import dependencies, problems, web_adapter
from rowcall import settings, telemetry
from rowcall.admission import Verdict
from rowcall.trace import Trace

if TYPE_CHECKING:
    from starlette.middleware.cors import CORSMiddleware

SECURITY_HEADERS = {
    "strict-transport-security": "max-age=63072000; includeSubDomains; preload",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-dns-prefetch-control": "on",
    "x-xss-protection": "0",  # OWASP: the filter it turned on in old browsers could be used to attack
    "referrer-policy": "strict-origin-when-cross-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
_SECURITY_HEADERS = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]

MCP_HEADERS = ("MCP-Protocol-Version", "Mcp-Method", "Mcp-Name")
"""What a browser's MCP client sends (MCP 2026-07-28, Streamable HTTP)."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods that may be a metric's dimension: others are a caller's invention."""


class Cors:
    """Cross-origin calls for the origins of CORS_ORIGIN alone; outermost, so that errors carry its headers too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._cors: CORSMiddleware | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not any(name == b"origin" for name, _ in scope["headers"]):
            await self.app(scope, receive, send)
            return
        origins = dependencies.services().settings.cors_origin
        if self._cors is None or tuple(self._cors.allow_origins) != origins:
            from starlette.middleware.cors import CORSMiddleware

            self._cors = CORSMiddleware(
                self.app,
                allow_origins=origins,
                allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=["Authorization", "Content-Type", "Idempotency-Key", *MCP_HEADERS],
                expose_headers=["RateLimit", "RateLimit-Policy", "Retry-After", "Server-Timing", "X-Request-Id"],
                max_age=3600,
            )
        await self._cors(scope, receive, send)


class Envelope:
    """Wraps the app once."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        if settings.is_behind_web_adapter():
            web_adapter.understand(scope)
        request_id = _request_id(scope)
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id
        state["log"] = {}
        trace = state["trace"] = Trace()
        state["deadline"] = dependencies.until(scope, dependencies.services().settings.request_timeout)
        status = 500

        def told() -> Iterator[tuple[bytes, str]]:
            yield b"x-request-id", request_id
            if trace.seconds:
                yield b"server-timing", server_timing(trace)
            yield from rate_limit(trace.verdicts)

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = headers = [*message.get("headers", ())]
                given = {name for name, _ in headers}
                headers += [header for header in _SECURITY_HEADERS if header[0] not in given]
                headers += [(name, value.encode("latin-1")) for name, value in told()]
            await send(message)

        received = 0
        most = dependencies.services().settings.max_body_bytes

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                raise HTTPException(413)
            return message

        with telemetry.correlation(request_id):
            try:
                await self.app(scope, receive_within_limit, send_with_headers)
            except Exception as error:
                problem = problems.unexpected(error, scope)
                if status == 500:
                    await problems.response(problem, scope)(scope, receive, send_with_headers)
            finally:
                _account(scope, status, time.perf_counter() - started, state)


def server_timing(trace: Trace) -> str:
    """W3C Server Timing: milliseconds by step; how often Redis and Postgres were asked, as descriptions."""
    units = {"redis": "request", "postgres": "transaction"}
    calls = {name: f"{count} {units[name]}{'' if count == 1 else 's'}" for name, count in trace.calls.items()}
    return ", ".join(
        f"{step};dur={seconds * 1000:.2f}" + (f';desc="{calls[step]}"' if step in calls else "")
        for step, seconds in trace.seconds.items()
    )


def rate_limit(verdicts: tuple[Verdict, ...]) -> Iterator[tuple[bytes, str]]:
    """The RateLimit fields of draft-ietf-httpapi-ratelimit-headers-10."""
    if not verdicts:
        return
    policies = (f'"{told.policy.name}";q={told.policy.quota};w={told.policy.window}' for told in verdicts)
    states = (f'"{told.policy.name}";r={told.remaining};t={math.ceil(told.reset)}' for told in verdicts)
    yield b"ratelimit-policy", ", ".join(policies)
    yield b"ratelimit", ", ".join(states)


def _request_id(scope: Scope) -> str:
    """API Gateway's request id, so that its access log and ours meet; else one of our own."""
    context = scope.get("aws.requestContext") or scope.get("aws.event", {}).get("requestContext") or {}
    return str(context.get("requestId") or uuid.uuid4())


def _account(scope: Scope, status: int, seconds: float, state: dict[str, Any]) -> None:
    route, trace = problems.route(scope), state["trace"]
    telemetry.logger().info(
        "request",
        method=scope["method"],
        route=route,
        status=status,
        milliseconds=round(seconds * 1000, 2),
        **{f"{step}_ms": round(taken * 1000, 2) for step, taken in trace.seconds.items()},
        **{f"{name}_calls": count for name, count in trace.calls.items()},
        **{f"{told.policy.name}_remaining": told.remaining for told in trace.verdicts},
        **state["log"],
    )
    telemetry.emit(
        {
            "http_requests_total": (1, MetricUnit.Count),
            "http_request_duration_seconds": (seconds, MetricUnit.Seconds),
        },
        method=scope["method"] if scope["method"] in METHODS and route != "unmatched" else "ANY",
        route=route,
        status=str(status),
    )
    if status >= 500:  # what a release is judged by, so by its own version alone
        telemetry.emit({"http_5xx_total": (1, MetricUnit.Count)}, **settings.running())
    if "error" in state["log"]:
        telemetry.emit({"errors_total": (1, MetricUnit.Count)}, error_type=state["log"]["error"])
