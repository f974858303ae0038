"""Planners turn a question and the catalog into a proposal: a draft of SQL, or why there is none.

A planner runs nothing and decides nothing: what it proposes is data that `planning` has guarded, checked and
explained. Those by model bring their SDK when they are first asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rowcall.catalog import Catalog
from rowcall.deadline import Deadline
from rowcall.plan import Draft
from rowcall.pricing import Price, Tokens
from rowcall.question import Question


@dataclass(frozen=True, slots=True)
class CannotAnswer:
    """The catalog holds no answer: `reason`, and questions that it could answer."""

    reason: str
    suggestions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clarification:
    """The question has several readings that differ in their rows: one question back, with `choices`."""

    question: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unusable:
    """A reply that is no proposal: not of the agreed form, declined, or cut off. `final` where asking again is vain."""

    reason: str
    final: bool = False


Outcome = Draft | CannotAnswer | Clarification | Unusable


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a planner proposes, and the tokens that it took."""

    outcome: Outcome
    tokens: Tokens = field(default=Tokens())


@dataclass(frozen=True, slots=True)
class Failed:
    """An earlier proposal for the same question, and what was wrong with it, in our words."""

    sql: str
    complaint: str


@dataclass(frozen=True, slots=True)
class Asking:
    """What a planner is asked: a question over a catalog.

    `examples` are verified pairs of a question and its SQL, the nearest first; `failed` are earlier proposals.
    """

    question: Question
    catalog: Catalog
    examples: Sequence[tuple[str, str]] = ()
    failed: tuple[Failed, ...] = ()


class PlannerUnavailable(Exception):
    """The provider gave no reply: `reason` in our words, and after how many seconds it may be asked again."""

    def __init__(self, planner: str, reason: str, retry_after: float | None = None) -> None:
        super().__init__(f"{planner}: {reason}")
        self.planner = planner
        self.reason = reason
        self.retry_after = retry_after


class Planner(Protocol):
    """`model` and `price` are empty where no model is asked, and nothing is paid."""

    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str: ...

    @property
    def price(self) -> Price | None: ...

    def worst_cost(self, asking: Asking) -> int:
        """The most that one call can cost, in nano-dollars."""

    def propose(self, asking: Asking, deadline: Deadline) -> Proposal:
        """Raises `PlannerUnavailable`, and `Problem` when the deadline is over."""
