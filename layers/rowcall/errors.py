"""Every error a person can meet, in one table: code, HTTP status, sentence.

The domain raises `Problem`; `functions/api` turns it into `application/problem+json` (RFC 9457) in one place.
A message never holds a driver's text, a stack, a secret or another tenant's name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Kind:
    """`title` is the sentence of the code; `status` its HTTP status; `advice` what to do about it, in Markdown."""

    status: int
    title: str
    advice: str


KINDS: dict[str, Kind] = {
    "invalid_request": Kind(400, "The request is not valid.", "`errors` names each field and what is wrong with it."),
    "budget_exceeded": Kind(
        402,
        "This month's budget for models is spent.",
        "Questions that are remembered, or that need no model, are still answered. It resets with the month (UTC).",
    ),
    "unauthenticated": Kind(
        401,
        "Sign in: send a valid token or API key.",
        "Get a new token, or check that the API key is whole and has not expired.",
    ),
    "forbidden": Kind(403, "You may not do this.", "`detail` names the scope that is missing."),
    "not_found": Kind(
        404, "There is nothing here.", "Check the address; what belongs to somebody else is not found either."
    ),
    "method_not_allowed": Kind(
        405, "This address does not take that method.", "The `Allow` header names those it takes."
    ),
    "conflict": Kind(
        409,
        "The same request is still in progress.",
        "Wait for its answer, or ask again after `Retry-After` with the same key.",
    ),
    "payload_too_large": Kind(413, "The request body is too large.", "Send less than `MAX_BODY_BYTES`."),
    "unsupported_media_type": Kind(415, "The request body must be JSON.", "Send `Content-Type: application/json`."),
    "unanswerable": Kind(
        422,
        "This database cannot answer that question.",
        "`suggestions`, where there are any, are questions that work.",
    ),
    "ambiguous": Kind(
        422,
        "That question can be read in more than one way.",
        "`detail` asks back; `suggestions` are ways to say which is meant.",
    ),
    "unsafe": Kind(
        422,
        "The plan for this question was refused as unsafe.",
        "Ask for the rows themselves; nothing but reading visible tables is allowed.",
    ),
    "idempotency_mismatch": Kind(
        422, "This idempotency key was used for another request.", "Use a new key for a new request."
    ),
    "rate_limited": Kind(
        429, "You have asked too often.", "Wait for `Retry-After` seconds; `violated_policies` names the limits."
    ),
    "internal": Kind(500, "Something went wrong on our side.", "Tell us the `request_id`."),
    "planner_unavailable": Kind(
        502, "No planner could be reached.", "Try again after `Retry-After`; questions that are remembered still work."
    ),
    "reply_cut": Kind(502, "The model's reply broke off.", "What came before is not the whole reply; ask again."),
    "sign_in_unavailable": Kind(503, "Signing in is not possible at the moment.", "Try again after `Retry-After`."),
    "limits_unavailable": Kind(503, "Limits cannot be checked at the moment.", "Try again after `Retry-After`."),
    "idempotency_unavailable": Kind(
        503,
        "Idempotency-Key cannot be honoured at the moment.",
        "Try again after `Retry-After`, or without the header.",
    ),
    "conversations_unavailable": Kind(
        503,
        "Conversations cannot be reached at the moment.",
        "Try again after `Retry-After`, or chat without `conversation_id`.",
    ),
    "jobs_unavailable": Kind(
        503,
        "Jobs cannot be taken or looked up at the moment.",
        "Try again after `Retry-After`; a job that was accepted goes on.",
    ),
    "usage_unavailable": Kind(503, "Usage cannot be looked up at the moment.", "Try again in a moment."),
    "cache_unavailable": Kind(
        503, "The cache cannot be reached.", "Try again after `Retry-After`; questions are answered all the same."
    ),
    "database_unavailable": Kind(
        503, "The database cannot be reached.", "Try again in a moment; `/health` tells when it is back."
    ),
    "deadline_exceeded": Kind(
        504, "The question took too long and was cancelled.", "Ask for less at once, such as a shorter period."
    ),
}


class Problem(Exception):
    """An error of `KINDS`. `detail` says what happened here; `suggestions` are questions that would work.

    `members` are further members of the problem document (RFC 9457, 3.2).
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        suggestions: Sequence[str] = (),
        fields: Sequence[tuple[str, str]] = (),
        retry_after: float | None = None,
        members: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        self.code = code
        self.kind = KINDS[code]
        self.detail = detail or "; ".join(f"{name} {wrong}" for name, wrong in fields) or self.kind.title
        self.suggestions = tuple(suggestions)
        self.fields = tuple(fields)
        self.retry_after = retry_after
        self.members = dict(members)
        super().__init__(f"{code}: {self.detail}")


class UnsafePlan(Problem):
    """The guard refused a statement. `rule` names the rule that did."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__("unsafe", detail)
        self.rule = rule


class Unanswerable(Problem):
    """No planner can answer this question on this database."""

    def __init__(self, detail: str, suggestions: Sequence[str] = ()) -> None:
        super().__init__("unanswerable", detail, suggestions=suggestions)
