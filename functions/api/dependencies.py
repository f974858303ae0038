"""What routes ask for: the services of this environment, who is asking, and until when."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated, ParamSpec, TypeVar

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from rowcall import auth, bootstrap
from rowcall.auth import Principal
from rowcall.bootstrap import Services
from rowcall.deadline import Deadline

P = ParamSpec("P")
T = TypeVar("T")

MARGIN_SECONDS = 1.0
"""Kept of Lambda's remaining time, to tell the asker what happened."""


@cache
def services() -> Services:
    return bootstrap.start()


async def _services() -> Services:
    return services()


async def _principal() -> Principal:
    return auth.LOCAL


async def _deadline(request: Request) -> Deadline:
    deadline = Deadline.after(services().settings.request_timeout)
    context = request.scope.get("aws.context")
    if context is None:
        return deadline
    return deadline.within(context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS)


ServicesDep = Annotated[Services, Depends(_services)]
PrincipalDep = Annotated[Principal, Depends(_principal)]
DeadlineDep = Annotated[Deadline, Depends(_deadline)]


async def call(request: Request, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run the domain's synchronous `function`.

    A Lambda environment serves one request at a time, so it runs in place (a thread costs 0.4 ms); a server
    serves many, so there it runs in a thread.
    """
    if "aws.context" in request.scope:
        return function(*args, **kwargs)
    return await run_in_threadpool(function, *args, **kwargs)
