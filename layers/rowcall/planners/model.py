"""What planners by model share: the prompt, its worst cost, one call of the provider at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from rowcall.deadline import Deadline
from rowcall.planners import Asking, Proposal, Unusable
from rowcall.planners.prompt import Prompt, build
from rowcall.planners.provider import OVERHEAD_TOKENS, OfProvider, Provider


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may take, in tokens."""

    catalog_tokens: int
    max_tokens: int


class ModelPlanner(OfProvider, ABC):
    """A planner by one model of one provider. Safe to use from several threads."""

    def __init__(self, provider: Provider, limits: Limits) -> None:
        super().__init__(provider)
        self._limits = limits

    def worst_cost(self, asking: Asking) -> int:
        prompt = build(asking, self._limits.catalog_tokens)
        return self.price.worst(prompt.bytes + OVERHEAD_TOKENS, self._limits.max_tokens)

    def propose(self, asking: Asking, deadline: Deadline) -> Proposal:
        prompt = build(asking, self._limits.catalog_tokens)
        return self.provider.call(lambda until: self._once(prompt, until), deadline)

    def _once(self, prompt: Prompt, deadline: Deadline) -> Proposal:
        with self.provider.measuring() as spent, self.provider.asking(deadline) as client:
            proposal = self._ask(client, prompt)
            spent.tokens = proposal.tokens
            return proposal

    @abstractmethod
    def _ask(self, client: Any, prompt: Prompt) -> Proposal:
        """One call of the SDK's client."""


REFUSED = Unusable("the model declined to reply", final=True)
CUT_OFF = Unusable("the reply was longer than it may be")
