"""Which model of a chain is asked next: the first that its circuit breaker allows and the budget covers.

Planning and chat both choose here, so both say the same of models that were passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from rowcall.budget import BREAKER_SECONDS, Admitted, Ledger, ShutOff
from rowcall.cache.store import StoreUnavailable
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.planners import PlannerUnavailable

if TYPE_CHECKING:
    from rowcall.auth import Principal


class Named(Protocol):
    @property
    def name(self) -> str: ...


M = TypeVar("M", bound=Named)


class Choosing:
    """The models asked for one question or reply: who was passed over and why, and whether money was the reason."""

    def __init__(self, ledger: Ledger, principal: Principal) -> None:
        self._ledger = ledger
        self._principal = principal
        self.passed_over: list[PlannerUnavailable] = []
        self.over_budget: Problem | None = None

    def choose(self, waiting: list[M], worst_cost: Callable[[M], int], deadline: Deadline) -> tuple[M, Admitted] | None:
        """The first of `waiting` that may be asked, and the right to one call; `None` when none may.

        It and those passed over leave `waiting`.
        """
        models, waiting[:] = list(waiting), []
        try:
            candidates = [(model.name, worst_cost(model)) for model in models]
            admitted = self._ledger.admit(self._principal, candidates, deadline)
        except StoreUnavailable:
            self._pass_over(models, "is not asked while what it costs cannot be counted", None)
            return None
        except Problem as problem:
            if problem.code != "budget_exceeded":
                raise
            self.over_budget = problem
            self._pass_over(models, "would cost more than the budget allows", None)
            return None
        if isinstance(admitted, ShutOff):
            self._pass_over(models, "has failed too often of late", admitted.retry_after)
            return None
        self._pass_over(models[: admitted.candidate], "has failed too often of late", None)
        waiting[:] = models[admitted.candidate + 1 :]
        return models[admitted.candidate], admitted

    def none_reached(self) -> Problem | None:
        """What to say when nobody was left to ask; `None` if nobody was passed over."""
        if not self.passed_over:
            return None
        said = "; ".join(f"{error.planner} {error.reason}" for error in self.passed_over)
        waits = [error.retry_after for error in self.passed_over if error.retry_after]
        return Problem(
            "planner_unavailable",
            f"Answering this needs a model, and none could be asked: {said}.",
            retry_after=min(waits) if waits else BREAKER_SECONDS,
            members={"planners": [error.planner for error in self.passed_over]},
        )

    def _pass_over(self, models: Sequence[Named], reason: str, retry_after: float | None) -> None:
        self.passed_over += [PlannerUnavailable(model.name, reason, retry_after) for model in models]
