"""`GET /api/usage`: what was asked, what it cost, what is left of the budgets, and what a load would cost."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from api import problems
from api.dependencies import DeadlineDep, PrincipalDep, ServicesDep, call
from api.told import Told
from rowcall import auth, usage
from rowcall.auth import Principal
from rowcall.bootstrap import Services
from rowcall.cache.store import StoreUnavailable
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.pricing import dollars
from rowcall.usage import Calls, Totals

router = APIRouter(tags=["usage"])

DAYS_SHOWN = 31


class TokenCounts(Told):
    """`input` are those that came neither from a provider's cache nor went there."""

    input: int
    cached: int
    cache_write: int
    output: int


class ModelUsage(Told):
    provider: str
    model: str
    calls: int
    failed: int = Field(description="Calls that the provider failed to answer; they are among `calls`.")
    cost_usd: float
    tokens: TokenCounts


class UsageTotals(Told):
    """`layers` counts answers: 1 exact template, 2 semantic, 3 planned. `saved_usd` is what hits would have cost."""

    asked: int
    layers: dict[Literal["1", "2", "3"], int]
    hit_rate: float | None
    saved_usd: float
    cost_usd: float
    calls: int
    tokens: TokenCounts
    models: list[ModelUsage]


class DayUsage(UsageTotals):
    day: date


class MonthUsage(UsageTotals):
    month: str = Field(examples=["2026-11"])


class Budget(Told):
    """A month's budget for models. Without a limit nothing remains to be said."""

    budget: Literal["user", "tenant"]
    spent_usd: float
    limit_usd: float | None
    remaining_usd: float | None
    percentage: float | None
    reset: datetime


class ProjectionDocument(Told):
    """A month of thirty days: `queries_per_day` of which `hit_rate` need no model."""

    queries_per_day: int
    hit_rate: float
    usd_per_miss: float
    usd_per_embedding: float
    llm_usd: float
    embedding_usd: float
    total_usd: float


class UsageDocument(Told):
    of: usage.Of
    today: UsageTotals
    month: UsageTotals
    days: list[DayUsage]
    months: list[MonthUsage]
    budgets: list[Budget]
    projection: ProjectionDocument | None


class Load(BaseModel):
    """What to project: a load, and what a miss and an embedding cost; the guide's assumptions unless given."""

    queries_per_day: int | None = Field(None, ge=0, le=10**9, description="Asks for a projection.")
    hit_rate: Decimal | None = Field(None, ge=0, le=1, description="This month's own unless given.")
    usd_per_miss: Decimal = Field(usage.USD_PER_MISS, ge=0, le=1000)
    usd_per_embedding: Decimal = Field(usage.USD_PER_EMBEDDING, ge=0, le=1000)


@router.get(
    "/api/usage",
    responses=problems.responses(
        *problems.SIGN_IN, "forbidden", "invalid_request", "usage_unavailable", "deadline_exceeded"
    ),
)
async def show_usage(
    request: Request,
    services: ServicesDep,
    principal: PrincipalDep,
    deadline: DeadlineDep,
    load: Annotated[Load, Query()],
    of: Annotated[usage.Of, Query(description="`tenant` and `all` need the scope `operator`.")] = "user",
) -> UsageDocument:
    """Spend, tokens and calls by model, hits by layer and what they saved, by day and month (UTC)."""
    principal.require(auth.QUERY if of == "user" else auth.OPERATOR)
    return await call(request, _document, services, principal, of, load, deadline)


def _document(services: Services, principal: Principal, of: usage.Of, load: Load, deadline: Deadline) -> UsageDocument:
    now = datetime.now(UTC)
    try:
        days = usage.read(services.store, principal, of, now.date(), deadline)
        spent = services.ledger.spent(principal, deadline)
    except StoreUnavailable as error:
        raise Problem("usage_unavailable") from error
    by_month: dict[str, list[date]] = {}
    for day in days:
        by_month.setdefault(f"{day:%Y-%m}", []).append(day)
    month = usage.total(days, by_month.get(f"{now:%Y-%m}", []))
    return UsageDocument(
        of=of,
        today=_totals(days.get(now.date(), Totals())),
        month=_totals(month),
        days=[DayUsage(day=day, **_totals(days[day]).model_dump()) for day in sorted(days, reverse=True)[:DAYS_SHOWN]],
        months=[
            MonthUsage(month=name, **_totals(usage.total(days, among)).model_dump())
            for name, among in sorted(by_month.items(), reverse=True)
        ],
        budgets=_budgets(spent, now) if of != "all" else [],
        projection=_projection(load, month),
    )


def _totals(totals: Totals) -> UsageTotals:
    return UsageTotals(
        asked=totals.asked,
        layers={"1": totals.layers["1"], "2": totals.layers["2"], "3": totals.layers["3"]},
        hit_rate=totals.hit_rate,
        saved_usd=round(totals.saved_usd, 9),
        cost_usd=dollars(totals.all.nano),
        calls=totals.all.calls,
        tokens=_tokens(totals.all),
        models=[
            ModelUsage(
                provider=provider,
                model=model,
                calls=calls.calls,
                failed=calls.failed,
                cost_usd=dollars(calls.nano),
                tokens=_tokens(calls),
            )
            for (provider, model), calls in sorted(totals.models.items())
        ],
    )


def _tokens(calls: Calls) -> TokenCounts:
    return TokenCounts(input=calls.input, cached=calls.cached, cache_write=calls.cache_write, output=calls.output)


def _budgets(spent: Mapping[Literal["user", "tenant"], tuple[int, int]], now: datetime) -> list[Budget]:
    return [
        Budget(
            budget=name,
            spent_usd=dollars(used),
            limit_usd=dollars(limit) if limit else None,
            remaining_usd=dollars(max(limit - used, 0)) if limit else None,
            percentage=round(used / limit * 100, 2) if limit else None,
            reset=usage.next_month(now),
        )
        for name, (used, limit) in spent.items()
    ]


def _projection(load: Load, month: Totals) -> ProjectionDocument | None:
    if load.queries_per_day is None:
        return None
    hit_rate = load.hit_rate
    if hit_rate is None:
        if month.hit_rate is None:
            raise Problem("invalid_request", fields=[("hit_rate", "is needed, as nothing was asked this month")])
        hit_rate = Decimal(str(month.hit_rate))
    projected = usage.project(load.queries_per_day, hit_rate, load.usd_per_miss, load.usd_per_embedding)
    return ProjectionDocument(
        queries_per_day=load.queries_per_day,
        hit_rate=float(hit_rate),
        usd_per_miss=float(load.usd_per_miss),
        usd_per_embedding=float(load.usd_per_embedding),
        llm_usd=float(projected.llm_usd),
        embedding_usd=float(projected.embedding_usd),
        total_usd=float(projected.total_usd),
    )
