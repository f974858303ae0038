"""`POST /api/feedback`: an answer was right, or wrong."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from api import problems
from api.dependencies import AskerDep, IdempotencyKey, call
from api.idempotency import once
from api.told import Told
from rowcall.answer import Ask
from rowcall.feedback import Effect, judge

router = APIRouter(tags=["query"])


class FeedbackRequest(BaseModel):
    """The question as it was asked, and whether its answer was right."""

    model_config = ConfigDict(extra="forbid", strict=True)

    query: str = Field(description="The question, as it was asked.", examples=["top 5 products by revenue"])
    timezone: str | None = Field(None, description="The IANA time zone it was asked with.", examples=["Europe/Zurich"])
    verdict: Literal["right", "wrong"]


class FeedbackResponse(Told):
    """What was learnt: an example was kept, two questions are no longer taken for the same, or a plan was dropped."""

    effect: Effect


@router.post(
    "/api/feedback",
    responses=problems.responses(
        *problems.SIGN_IN,
        "forbidden",
        "invalid_request",
        "payload_too_large",
        "not_found",
        "rate_limited",
        "conflict",
        "idempotency_mismatch",
        "idempotency_unavailable",
        "cache_unavailable",
        "database_unavailable",
        "deadline_exceeded",
    ),
)
async def give_feedback(
    body: FeedbackRequest, request: Request, asker: AskerDep, idempotency_key: IdempotencyKey = None
) -> FeedbackResponse:
    """Say that the remembered answer to a question is right or wrong."""
    services, deadline, settings = asker.services, asker.deadline, asker.services.settings

    def make() -> dict[str, Any]:
        ask, right = Ask(body.query, timezone=body.timezone), body.verdict == "right"
        return {
            "effect": judge(ask, right, asker.principal, services, deadline, limits=asker.limits, trace=asker.trace)
        }

    document = await call(request, once, idempotency_key, "feedback", body, asker.principal, settings, deadline, make)
    return FeedbackResponse(**document)
