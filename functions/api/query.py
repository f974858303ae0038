"""`POST /api/query` and `POST /api/explain`."""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api import problems
from api.dependencies import Asker, AskerDep, IdempotencyKey, call
from api.idempotency import once
from api.told import Told
from rowcall import document, telemetry
from rowcall.answer import Answer, Ask, answer, explain
from rowcall.document import Document

router = APIRouter(tags=["query"])


class QueryRequest(BaseModel):
    """A question. Limits are settings: 300 characters and 500 rows unless set otherwise."""

    model_config = ConfigDict(extra="forbid", strict=True)

    query: str = Field(description="The question, in plain language.", examples=["top 5 products by revenue"])
    limit: int | None = Field(None, description="Most rows wanted; 50 by default.", ge=1)
    timezone: str | None = Field(None, description="IANA time zone for periods and days.", examples=["Europe/Zurich"])
    near_miss: bool = Field(
        False, description="Tell of a planned answer why the nearest remembered question was not used."
    )
    fresh: bool = Field(False, description="Plan anew instead of using a remembered plan.")


class ResultColumn(Told):
    name: str
    type: str


class Tokens(Told):
    input: int
    output: int


class NearMissDocument(Told):
    """The nearest remembered template, and the rule by which it is not the same."""

    matched_query: str
    similarity: float
    rule: str
    why: str


class Meta(Told):
    """How the rows were found. `cache_layer`: 1 exact template, 2 semantic, 3 planned now."""

    cache_hit: bool
    cache_layer: Literal[1, 2, 3]
    similarity: float | None
    matched_query: str | None
    near_miss: NearMissDocument | None
    planner: str
    model: str | None
    attempts: int
    cost_usd: float
    tokens: Tokens
    passed_over: list[str] = Field(description="Planners that come before this one and could not be asked.")
    latency_ms: float
    degraded: bool
    request_id: str


class QueryResponse(Told):
    query: str
    data: list[dict[str, Any]]
    columns: list[ResultColumn]
    row_count: int
    truncated: bool
    sql: str
    params: list[Any]
    explanation: str
    meta: Meta


class ExplainResponse(Told):
    query: str
    sql: str
    params: list[Any]
    explanation: str
    tables: list[str]
    cache_layer: Literal[1, 2, 3]
    plan: dict[str, Any] = Field(description="Postgres's EXPLAIN (FORMAT JSON) of it; nothing was run.")


@router.post(
    "/api/query",
    response_model=QueryResponse,
    responses=problems.responses(*problems.QUESTION, "conflict", "idempotency_mismatch", "idempotency_unavailable"),
)
async def ask_query(
    body: QueryRequest, request: Request, asker: AskerDep, idempotency_key: IdempotencyKey = None
) -> Response:
    """Answer a question with rows, and say how they were found."""
    make = partial(answered, body, request, asker)
    settings, deadline = asker.services.settings, asker.deadline
    return _json(await call(request, once, idempotency_key, "query", body, asker.principal, settings, deadline, make))


@router.post("/api/explain", response_model=ExplainResponse, responses=problems.responses(*problems.QUESTION))
async def explain_query(body: QueryRequest, request: Request, asker: AskerDep) -> Response:
    """The plan for a question and Postgres's EXPLAIN of it, with nothing run."""
    return _json(await call(request, explained, body, request, asker))


def answered(body: QueryRequest, request: Request, asker: Asker) -> Document:
    """The `QueryResponse` of a question; raises `Problem`."""
    if asker.services.settings.log_query_text:
        request.state.log["query"] = body.query
    found = answer(_ask(body), asker.principal, asker.services, asker.deadline, limits=asker.limits, trace=asker.trace)
    _tell_metrics(request, found)
    seconds = sum(asker.trace.seconds.values())
    return document.of_answer(found, seconds, request.state.request_id, near_miss=body.near_miss)


def explained(body: QueryRequest, request: Request, asker: Asker) -> Document:
    """The `ExplainResponse` of a question, with nothing run; raises `Problem`."""
    if asker.services.settings.log_query_text:
        request.state.log["query"] = body.query
    told = explain(_ask(body), asker.principal, asker.services, asker.deadline, limits=asker.limits, trace=asker.trace)
    return document.of_explanation(body.query, told)


def _tell_metrics(request: Request, answered: Answer) -> None:
    plan = answered.plan
    request.state.log |= {
        "layer": answered.layer,
        "similarity": answered.match.similarity if answered.match else None,
        "near_miss": answered.near_miss.rule if answered.near_miss else None,
        "sql_sha256": sha256(plan.sql.encode()).hexdigest()[:16],
        "planner": plan.planner,
        "model": plan.model or None,
        "rows": len(answered.rows),
        "truncated": answered.truncated,
        "degraded": answered.degraded,
    }
    if answered.layer == 3:
        request.state.log |= {
            "attempts": plan.attempts,
            "cost_usd": plan.cost_usd,
            "passed_over": list(plan.passed_over),
        }
    seconds = sum(request.state.trace.seconds.values())
    telemetry.emit_answer(answered.layer, seconds, degraded=answered.degraded)


def _ask(body: QueryRequest) -> Ask:
    return Ask(body.query, body.limit, body.timezone, body.fresh)


def _json(told: document.Document) -> Response:
    return Response(document.encode(told), media_type="application/json")
