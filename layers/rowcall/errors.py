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
    """`title` is the sentence of the code; `status` its HTTP status."""

    status: int
    title: str


KINDS: dict[str, Kind] = {
    "invalid_request": Kind(400, "The request is not valid."),
    "budget_exceeded": Kind(402, "This month's budget for models is spent."),
    "unauthenticated": Kind(401, "Sign in: send a valid token or API key."),
    "forbidden": Kind(403, "You may not do this."),
    "not_found": Kind(404, "There is nothing here."),
    "method_not_allowed": Kind(405, "This address does not take that method."),
    "conflict": Kind(409, "The same request is still in progress."),
    "payload_too_large": Kind(413, "The request body is too large."),
    "unsupported_media_type": Kind(415, "The request body must be JSON."),
    "unanswerable": Kind(422, "This database cannot answer that question."),
    "ambiguous": Kind(422, "That question can be read in more than one way."),
    "unsafe": Kind(422, "The plan for this question was refused as unsafe."),
    "idempotency_mismatch": Kind(422, "This idempotency key was used for another request."),
    "rate_limited": Kind(429, "You have asked too often."),
    "internal": Kind(500, "Something went wrong on our side."),
    "planner_unavailable": Kind(502, "No planner could be reached."),
    "sign_in_unavailable": Kind(503, "Signing in is not possible at the moment."),
    "idempotency_unavailable": Kind(503, "Idempotency-Key cannot be honoured at the moment."),
    "usage_unavailable": Kind(503, "Usage cannot be looked up at the moment."),
    "database_unavailable": Kind(503, "The database cannot be reached."),
    "deadline_exceeded": Kind(504, "The question took too long and was cancelled."),
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
        self.detail = detail or self.kind.title
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
