"""Errors to Sentry: loaded only with a DSN, nothing instrumented by itself, scrubbed before it leaves.

What is sent: the exception's type and stack without its variables, our error code and route, the request id. Never a
header, a body, a question, a parameter, or a message that a driver or an SDK wrote.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

FLUSH_SECONDS = 1.0
"""Lambda freezes the environment after an answer, so an event is sent before it; never for longer than this."""


class Reporter:
    """Sends to `dsn`; does nothing without one."""

    def __init__(self, dsn: str, stage: str) -> None:
        self._dsn = dsn
        if not dsn:
            return
        import sentry_sdk

        sentry_sdk.init(
            dsn=dsn,
            environment=stage,
            auto_enabling_integrations=False,
            default_integrations=False,
            include_local_variables=False,
            include_source_context=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            server_name="",
            before_send=scrub,
        )

    def report(self, error: BaseException, request_id: str, route: str, code: str) -> None:
        """Send one error, within a second."""
        if not self._dsn:
            return
        import sentry_sdk

        with sentry_sdk.new_scope() as scope:
            scope.set_tag("request_id", request_id)
            scope.set_tag("route", route)
            scope.set_tag("code", code)
            scope.capture_exception(error)
        sentry_sdk.flush(timeout=FLUSH_SECONDS)


def scrub(event: Event, _: Hint) -> Event:
    """Keep types, stacks and our own tags. Messages may quote values, so they go."""
    kept: dict[str, Any] = {
        name: event[name]
        for name in ("event_id", "timestamp", "platform", "level", "environment", "release", "tags", "sdk")
        if name in event
    }
    values = event.get("exception", {}).get("values", [])
    kept["exception"] = {"values": [_without_message(value) for value in values]}
    return kept  # type: ignore[return-value]


def _without_message(value: dict[str, Any]) -> dict[str, Any]:
    frames = value.get("stacktrace", {}).get("frames", [])
    shown = [
        {name: frame[name] for name in ("filename", "function", "module", "lineno", "in_app") if name in frame}
        for frame in frames
    ]
    return {"type": value.get("type"), "module": value.get("module"), "stacktrace": {"frames": shown}}
