"""`GET /health`: each dependency with a deadline of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter, Request, Response

from api import problems
from api.dependencies import ServicesDep, call
from api.told import Told
from rowcall import telemetry
from rowcall.bootstrap import Services
from rowcall.cache.store import StoreUnavailable
from rowcall.deadline import Deadline
from rowcall.errors import Problem

router = APIRouter(tags=["health"])

CHECK_SECONDS = 2.0

State = Literal["ok", "down"]


class Check(Told):
    """How one dependency answered just now, and how long that took."""

    state: State
    milliseconds: float


class Health(Told):
    """`unhealthy`, with status 503, when a dependency is down; `services` names which. `checks` only when deep."""

    status: Literal["healthy", "unhealthy"]
    timestamp: datetime
    services: dict[str, State]
    checks: dict[str, Check] | None = None


@router.get(
    "/health",
    response_model_exclude_none=True,
    responses=problems.responses("invalid_request") | {503: {"model": Health, "description": "A dependency is down."}},
)
@router.get("/api/health", include_in_schema=False, response_model_exclude_none=True)
async def health(request: Request, response: Response, services: ServicesDep, deep: bool = False) -> Health:
    """Whether the database and the cache answer; `deep` tells how each of them did."""
    checks = await call(request, _checks, services)
    states = {name: check.state for name, check in checks.items()}
    healthy = set(states.values()) == {"ok"}
    response.status_code = 200 if healthy else 503
    return Health(
        status="healthy" if healthy else "unhealthy",
        timestamp=datetime.now(UTC),
        services=states,
        checks=checks if deep else None,
    )


def _checks(services: Services) -> dict[str, Check]:
    return {
        "database": _check("database", services.database.ping),
        "cache": _check("cache", services.store.ping),
    }


def _check(name: str, ping: Callable[[Deadline], object]) -> Check:
    started = time.perf_counter()
    state: State = "ok"
    try:
        ping(Deadline.after(CHECK_SECONDS))
    except (Problem, StoreUnavailable) as error:
        telemetry.logger().warning("dependency down", dependency=name, reason=str(error))
        state = "down"
    return Check(state=state, milliseconds=round((time.perf_counter() - started) * 1000, 2))
