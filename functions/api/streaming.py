"""A chat's events as an HTTP reply, whole or as server-sent events, for as long as somebody listens.

`converse` is a synchronous generator: behind Mangum it runs in place, behind a server each of its steps runs in a
thread, so that nothing else waits. When the client goes it is closed after the step that it is in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import TYPE_CHECKING

from fastapi import Request
from fastapi.sse import KEEPALIVE_COMMENT
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api import problems
from rowcall.chat import Done, Event, Failed, Tool, Usage

if TYPE_CHECKING:
    from api.dependencies import Talker
    from rowcall.chat.converse import Said

Events = Generator[Event, None, None]
Encode = Callable[[Event], bytes]
"""An event as the bytes of server-sent events; empty for one that is not told."""

PING_SECONDS = 15.0
"""Between comments that keep a quiet connection open (HTML, 9.2.7)."""

CLIENT_CLOSED = 499
"""What nginx logs of a client that did not wait, in place of an error of ours."""

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


def replying(request: Request, talker: Talker, said: Said) -> Events:
    """The events of the reply to `said`."""
    from rowcall.chat.converse import converse

    if talker.services.settings.log_query_text and said.messages:
        request.state.log["query"] = said.messages[-1].content
    return converse(
        said,
        talker.principal,
        talker.services,
        talker.deadline,
        limits=talker.limits,
        question_limits=talker.question_limits,
        trace=talker.trace,
        request_id=request.state.request_id,
    )


def whole(request: Request, events: Events, make: Callable[[Iterable[Event]], bytes]) -> Response:
    """One JSON document, made of all events. A reply that failed has the status of its problem."""
    return _Reply(request, events, make=make)


def streamed(request: Request, events: Events, encode: Encode) -> Response:
    """Server-sent events. What fails before the first event has a status of its own; later the stream tells it."""
    return _Reply(request, events, encode=encode)


class _Reply(Response):
    def __init__(
        self,
        request: Request,
        events: Events,
        *,
        make: Callable[[Iterable[Event]], bytes] | None = None,
        encode: Encode = lambda _: b"",
    ) -> None:
        super().__init__()
        self._request = request
        self._events = events
        self._make = make
        self._encode = encode
        self._began = False
        self._step: asyncio.Future[Event | None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "aws.context" in scope:
            with closing(self._events):
                await self._tell(scope, receive, send)
            return
        telling = asyncio.ensure_future(self._tell(scope, receive, send))
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({telling, gone}, return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                await telling
        finally:
            telling.cancel()
            gone.cancel()
            await self._close()
        if gone.done() and not self._began:  # for the log, as nobody is there
            await Response(status_code=CLIENT_CLOSED)(scope, receive, send)

    async def _tell(self, scope: Scope, receive: Receive, send: Send) -> None:
        first = await self._next(scope)
        while first is not None and not first.name:
            first = await self._next(scope)
        if isinstance(first, Failed):
            raise first.problem
        if self._make is not None:
            told: list[Event] = [first] if first else []
            while (event := await self._next(scope)) is not None:
                told.append(event)
            response = Response(self._make(told), media_type="application/json")
            self._began = True
            await response(scope, receive, send)
            return
        self._began = True
        await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
        event = first
        while event is not None:
            await self._send(event, send)
            event = await self._following(scope, send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _following(self, scope: Scope, send: Send) -> Event | None:
        """The next event of a stream; an error that is ours ends it as any other does."""
        try:
            return await self._next(scope, send)
        except Exception as error:
            return Failed(problems.unexpected(error, scope))

    async def _next(self, scope: Scope, send: Send | None = None) -> Event | None:
        if "aws.context" in scope:
            return self._noted(next(self._events, None))
        step = self._step = asyncio.ensure_future(run_in_threadpool(next, self._events, None))
        while True:
            done, _ = await asyncio.wait({step}, timeout=PING_SECONDS)
            if done:
                return self._noted(step.result())
            if send is not None:
                await send({"type": "http.response.body", "body": KEEPALIVE_COMMENT, "more_body": True})

    def _noted(self, event: Event | None) -> Event | None:
        """`event`, and in the request's line what is to be known of it."""
        log = self._request.state.log
        match event:
            case Usage(provider, model, calls, _, cost_usd):
                log |= {"planner": provider, "model": model, "model_calls": calls, "cost_usd": cost_usd}
            case Tool(state="done" | "failed" as state):
                log[f"tools_{state}"] = log.get(f"tools_{state}", 0) + 1
            case Done(cached=cached, degraded=degraded, truncated=truncated):
                log |= {"cached": cached, "degraded": degraded, "truncated": truncated}
            case Failed(problem):
                log |= {"error": problem.code, **problems.why(problem)}
        return event

    async def _send(self, event: Event, send: Send) -> None:
        if told := self._encode(event):
            await send({"type": "http.response.body", "body": told, "more_body": True})

    async def _close(self) -> None:
        """Wait for the step that still runs, and stop what would follow it."""
        if self._step is not None:
            await asyncio.wait({self._step})
            self._step.exception()  # it was told already, or there is nobody to tell
        await run_in_threadpool(self._events.close)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
