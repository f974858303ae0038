"""What routes ask for: the services of this environment, who is asking, and until when.

FastAPI takes 20 us to solve a dependency, also one that it has solved already. So none of these depends on another:
they ask each other as functions, and what a question needs is one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, ParamSpec, TypeVar

from fastapi import Depends, Header, Request
from starlette.concurrency import run_in_threadpool
from starlette.types import Scope

from rowcall import auth, bootstrap
from rowcall.admission import Limit, chat_limits, query_limits, require
from rowcall.auth import Principal
from rowcall.bootstrap import Services
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.trace import Trace

P = ParamSpec("P")
T = TypeVar("T")

MARGIN_SECONDS = 1.0
"""Kept of Lambda's remaining time, to tell the asker what happened."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks a question, under which policies, of what, until when, and where it is told what that took."""

    principal: Principal
    limits: list[Limit]
    services: Services
    deadline: Deadline
    trace: Trace


@cache
def services() -> Services:
    return bootstrap.start()


async def _services() -> Services:
    return services()


def until(scope: Scope, seconds: float) -> Deadline:
    """So many seconds from now, and never longer than Lambda lets this request run."""
    deadline = Deadline.after(seconds)
    if "aws.context" in scope:
        return deadline.within(scope["aws.context"].get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS)
    if "aws.ends" in scope:
        return deadline.within(scope["aws.ends"] - time.time() - MARGIN_SECONDS)
    return deadline


async def _deadline(request: Request) -> Deadline:
    deadline: Deadline = request.state.deadline
    return deadline


ServicesDep = Annotated[Services, Depends(_services)]
DeadlineDep = Annotated[Deadline, Depends(_deadline)]


async def _principal(request: Request) -> Principal:
    principal = await call(request, _sign_in, request, services(), request.state.deadline)
    request.state.log |= {"user": principal.user, "tenant": principal.tenant}
    return principal


def _sign_in(request: Request, services: Services, deadline: Deadline) -> Principal:
    address = client_address(request, services.settings.trusted_proxies)
    services.sign_ins.require(address)
    try:
        return services.authenticator.principal(authorization(request), deadline)
    except Problem as problem:
        if problem.code == "unauthenticated":
            request.state.trace.verdicts = services.sign_ins.failed(address, deadline)
            require(request.state.trace.verdicts)
        raise


def authorization(request: Request) -> str:
    """The one Authorization header; nothing where there are more, or an event that tells two stories.

    Mangum keeps the last of names that differ in case, and joins the values of one: neither may decide who is asking.
    """
    event = request.scope.get("aws.event")
    if event is None:
        found = request.headers.getlist("authorization")
        return found[0] if len(found) == 1 else ""
    many, single = (
        [given for name, given in (event.get(part) or {}).items() if name.strip().lower() == "authorization"]
        for part in ("multiValueHeaders", "headers")
    )
    said = [values if isinstance(values, list) else [values] for values in many or single]
    if len(said) != 1 or len(said[0]) != 1 or any(value != said[0][0] for value in single):
        return ""
    return str(said[0][0])


PrincipalDep = Annotated[Principal, Depends(_principal)]


async def _operator(request: Request) -> Principal:
    principal = await _principal(request)
    principal.require(auth.OPERATOR)
    return principal


OperatorDep = Annotated[Principal, Depends(_operator)]


async def _chatter(request: Request) -> Principal:
    principal = await _principal(request)
    principal.require(auth.CHAT)
    return principal


ChatterDep = Annotated[Principal, Depends(_chatter)]


async def _asker(request: Request) -> Asker:
    principal = await _principal(request)
    principal.require(auth.QUERY)
    settings = services().settings
    address = client_address(request, settings.trusted_proxies)
    limits = query_limits(settings, f"{principal.tenant}/{principal.user}", address)
    return Asker(principal, limits, services(), request.state.deadline, request.state.trace)


@dataclass(frozen=True, slots=True)
class Talker(Asker):
    """Who sends a chat message. `limits` are of the message, `question_limits` of each question that comes of it."""

    question_limits: list[Limit]


async def _talker(request: Request) -> Talker:
    principal = await _principal(request)
    principal.require(auth.CHAT)
    settings = services().settings
    user, address = f"{principal.tenant}/{principal.user}", client_address(request, settings.trusted_proxies)
    by_user = [limit for limit in query_limits(settings, user, address) if limit.policy.name != "address"]
    deadline = until(request.scope, settings.chat_timeout)
    limits = chat_limits(settings, user, address)
    return Talker(principal, limits, services(), deadline, request.state.trace, by_user)


TalkerDep = Annotated[Talker, Depends(_talker)]

IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="The same key and body give the same answer, without running again."),
]
AskerDep = Annotated[Asker, Depends(_asker)]


def client_address(request: Request, trusted_proxies: int) -> str:
    """The address that API Gateway (or the socket) saw; a header's entry only as far as proxies are trusted."""
    if trusted_proxies:
        forwarded = [entry.strip() for entry in request.headers.get("x-forwarded-for", "").split(",")]
        if len(forwarded) > trusted_proxies:
            return forwarded[-trusted_proxies - 1]
    return request.client.host if request.client else ""


async def call(request: Request, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run the domain's synchronous `function`.

    A Lambda environment serves one request at a time, so it runs in place (a thread costs 0.4 ms); a server
    serves many, so there it runs in a thread.
    """
    if "aws.context" in request.scope:
        return function(*args, **kwargs)
    return await run_in_threadpool(function, *args, **kwargs)
