"""`/api/cache`: what operators see and do of their tenant's remembered plans."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from api import problems
from api.dependencies import DeadlineDep, OperatorDep, ServicesDep, call
from api.told import Told
from rowcall.answer import scope
from rowcall.auth import Principal
from rowcall.bootstrap import Services
from rowcall.cache.plans import Scope
from rowcall.deadline import Deadline
from rowcall.errors import Problem

if TYPE_CHECKING:
    from rowcall.cache.inventory import Kept

router = APIRouter(prefix="/api/cache", tags=["cache"])

OPERATING = (
    *problems.SIGN_IN,
    "forbidden",
    "invalid_request",
    "cache_unavailable",
    "database_unavailable",
    "deadline_exceeded",
)
ONE_PLAN = problems.responses(*OPERATING, "not_found")

PlanId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="The plan's id.")]


class LayerCount(Told):
    """Answers of a layer, and their share of all that was asked."""

    count: int
    rate: float


class CacheStats(Told):
    """`misses` are questions that neither layer 1 nor layer 2 answered; `planned` of them got a plan (layer 3)."""

    days: int
    asked: int
    hits: LayerCount
    misses: LayerCount
    layer1: LayerCount
    layer2: LayerCount
    planned: LayerCount
    saved_usd: float = Field(description="What the hits would have cost to plan.")
    entries: int
    pinned: int
    avg_use_count: float


class CachedPlan(Told):
    """A remembered plan. `expires` is null for one that does not."""

    id: str
    template: str
    slots: list[str]
    sql: str
    explanation: str
    tables: list[str]
    exact_only: bool
    planner: str
    model: str | None
    cost_usd: float
    created: datetime
    used: datetime
    uses: int
    aliases: int = Field(description="Templates that share it, as found by layer 2.")
    stricter: float = Field(description="How much nearer than usual another template must be, after false hits.")
    pinned: bool
    expires: datetime | None


class CachedPlans(Told):
    """`cursor` asks for the next page; null on the last."""

    plans: list[CachedPlan]
    cursor: str | None


class NearMiss(Told):
    """A template that was planned, and the remembered one next to it that was found not to mean the same."""

    template: str
    matched_query: str
    similarity: float
    rule: str
    why: str


class NearMisses(Told):
    near_misses: list[NearMiss]


@router.get("/stats", responses=problems.responses(*OPERATING))
async def cache_stats(
    request: Request,
    services: ServicesDep,
    operator: OperatorDep,
    deadline: DeadlineDep,
    days: Annotated[int, Query(ge=1, le=90, description="Today and the days before, in UTC.")] = 7,
) -> CacheStats:
    """Hits and misses by layer, what they saved, and how many plans are remembered."""
    return await call(request, _stats, services, operator, days, deadline)


@router.get("/plans", responses=problems.responses(*OPERATING))
async def list_plans(
    request: Request,
    services: ServicesDep,
    operator: OperatorDep,
    deadline: DeadlineDep,
    cursor: Annotated[str, Query(pattern="^[0-9]{1,15}$", description="From the page before.")] = "0",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> CachedPlans:
    """Remembered plans, the newest first."""
    return await call(request, _page, services, operator, int(cursor), limit, deadline)


@router.get("/plans/{id}", responses=ONE_PLAN)
async def show_plan(
    id: PlanId,  # noqa: A002 -- the name in the address
    request: Request,
    services: ServicesDep,
    operator: OperatorDep,
    deadline: DeadlineDep,
) -> CachedPlan:
    """One remembered plan."""
    return await call(request, _show, services, operator, id, deadline)


@router.get("/near-misses", responses=problems.responses(*OPERATING))
async def list_near_misses(
    request: Request,
    services: ServicesDep,
    operator: OperatorDep,
    deadline: DeadlineDep,
) -> NearMisses:
    """The latest templates that layer 2 kept apart from a near one, and by which rule; templates only, never values."""
    return await call(request, _near_misses, services, operator, deadline)


@router.put("/plans/{id}/pin", status_code=204, responses=ONE_PLAN)
async def pin_plan(
    id: PlanId,  # noqa: A002
    request: Request,
    services: ServicesDep,
    operator: OperatorDep,
    deadline: DeadlineDep,
) -> None:
    """Keep a plan: it neither expires nor is evicted."""
    await call(request, _pin, services, operator, id, deadline)


@router.delete("/plans/{id}/pin", status_code=204, responses=ONE_PLAN)
async def unpin_plan(
    id: PlanId,  # noqa: A002
    request: Request,
    services: ServicesDep,
    operator: OperatorDep,
    deadline: DeadlineDep,
) -> None:
    """Let a pinned plan expire again."""
    await call(request, _unpin, services, operator, id, deadline)


@router.delete("/plans/{id}", status_code=204, responses=ONE_PLAN)
async def delete_plan(
    id: PlanId,  # noqa: A002
    request: Request,
    services: ServicesDep,
    operator: OperatorDep,
    deadline: DeadlineDep,
) -> None:
    """Forget a plan everywhere: its template, those that share it, and layer 2."""
    await call(request, _delete, services, operator, id, deadline)


def _stats(services: Services, operator: Principal, days: int, deadline: Deadline) -> CacheStats:
    theirs = _scope(services, operator, deadline)
    counted = services.inventory.traffic(theirs, days, deadline)
    held = services.inventory.holdings(theirs, deadline)
    layer1, layer2, planned = (counted.layers[layer] for layer in ("1", "2", "3"))

    def share(count: int) -> LayerCount:
        return LayerCount(count=count, rate=round(min(count / counted.asked, 1), 4) if counted.asked else 0.0)

    return CacheStats(
        days=days,
        asked=counted.asked,
        hits=share(layer1 + layer2),
        misses=share(max(counted.asked - layer1 - layer2, 0)),
        layer1=share(layer1),
        layer2=share(layer2),
        planned=share(planned),
        saved_usd=counted.saved_usd,
        entries=held.plans,
        pinned=held.pinned,
        avg_use_count=round(held.average_uses, 3),
    )


def _page(services: Services, operator: Principal, cursor: int, limit: int, deadline: Deadline) -> CachedPlans:
    plans, following = services.inventory.page(_scope(services, operator, deadline), cursor, limit, deadline)
    return CachedPlans(plans=[_document(kept) for kept in plans], cursor=str(following) if following else None)


def _near_misses(services: Services, operator: Principal, deadline: Deadline) -> NearMisses:
    found = services.inventory.near_misses(_scope(services, operator, deadline), deadline)
    return NearMisses(
        near_misses=[
            NearMiss(
                template=asked,
                matched_query=missed.template,
                similarity=missed.similarity,
                rule=missed.rule,
                why=missed.why,
            )
            for asked, missed in found
        ]
    )


def _show(services: Services, operator: Principal, plan_id: str, deadline: Deadline) -> CachedPlan:
    kept = services.inventory.show(_scope(services, operator, deadline), plan_id, deadline)
    if kept is None:
        raise _none()
    return _document(kept)


def _pin(services: Services, operator: Principal, plan_id: str, deadline: Deadline) -> None:
    if not services.inventory.pin(_scope(services, operator, deadline), plan_id, deadline):
        raise _none()


def _unpin(services: Services, operator: Principal, plan_id: str, deadline: Deadline) -> None:
    if not services.inventory.unpin(_scope(services, operator, deadline), plan_id, deadline):
        raise _none()


def _delete(services: Services, operator: Principal, plan_id: str, deadline: Deadline) -> None:
    if not services.inventory.delete(_scope(services, operator, deadline), plan_id, deadline):
        raise _none()


def _scope(services: Services, operator: Principal, deadline: Deadline) -> Scope:
    return scope(operator, services.catalogs.current(deadline))


def _none() -> Problem:
    return Problem("not_found", "No such plan is remembered.")


def _document(kept: Kept) -> CachedPlan:
    plan = kept.known.plan
    return CachedPlan(
        id=kept.known.id,
        template=kept.known.template,
        slots=list(kept.known.slot_types),
        sql=plan.sql,
        explanation=plan.explanation,
        tables=list(plan.tables),
        exact_only=plan.exact_only,
        planner=plan.planner,
        model=plan.model or None,
        cost_usd=plan.cost_usd,
        created=kept.created,
        used=kept.used,
        uses=kept.uses,
        aliases=kept.aliases,
        stricter=kept.stricter,
        pinned=kept.pinned,
        expires=kept.expires,
    )
