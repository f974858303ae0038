"""`GET /health`: each dependency with a deadline of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from api.dependencies import ServicesDep, call
from rowcall import telemetry
from rowcall.bootstrap import Services
from rowcall.cache.store import StoreUnavailable
from rowcall.deadline import Deadline
from rowcall.errors import Problem

router = APIRouter(tags=["health"])

CHECK_SECONDS = 2.0

State = Literal["ok", "down"]


class Health(BaseModel):
    """`unhealthy`, with status 503, when a dependency is down; `services` names which."""

    status: Literal["healthy", "unhealthy"]
    timestamp: datetime
    services: dict[str, State]


@router.get("/health", responses={503: {"model": Health, "description": "A dependency is down."}})
@router.get("/api/health", include_in_schema=False)
async def health(request: Request, response: Response, services: ServicesDep) -> Health:
    """Whether the database and the cache answer."""
    states = await call(request, _states, services)
    healthy = set(states.values()) == {"ok"}
    response.status_code = 200 if healthy else 503
    return Health(status="healthy" if healthy else "unhealthy", timestamp=datetime.now(UTC), services=states)


def _states(services: Services) -> dict[str, State]:
    return {
        "database": _state("database", lambda deadline: services.database.ping(deadline)),
        "cache": _state("cache", lambda deadline: services.store.ping(deadline)),
    }


def _state(name: str, ping: Callable[[Deadline], object]) -> State:
    try:
        ping(Deadline.after(CHECK_SECONDS))
    except (Problem, StoreUnavailable) as error:
        telemetry.logger().warning("dependency down", dependency=name, reason=str(error))
        return "down"
    return "ok"
