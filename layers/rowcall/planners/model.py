"""What planners by model share: prompt, retries, a key that is read again after a 401, metrics, prices.

A provider's module only builds its SDK's client and says what a reply holds.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aws_lambda_powertools.metrics import MetricUnit

from rowcall import telemetry
from rowcall.deadline import Deadline
from rowcall.planners import Asking, PlannerUnavailable, Proposal, Unusable
from rowcall.planners.prompt import Prompt, build
from rowcall.planners.retrying import CallFailed, Retrying
from rowcall.pricing import Price, Tokens, dollars

if TYPE_CHECKING:
    from rowcall.planners.transport import DeadlineClient

T = TypeVar("T")

OVERHEAD_TOKENS = 2_000
"""What a provider adds to a prompt for tools and schema; generously, as it is part of the worst case."""

Key = Callable[[bool], str]
"""The provider's key; with True it is read anew from where secrets are kept."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may take."""

    retrying: Retrying
    catalog_tokens: int
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Connection(Generic[T]):
    """An SDK's client and the HTTP client under it, which knows the deadline."""

    client: T
    http: DeadlineClient


class ModelPlanner(ABC, Generic[T]):
    """A planner by one model of one provider. Safe to use from several threads."""

    def __init__(self, name: str, model: str, price: Price, key: Key, limits: Limits) -> None:
        self.name = name
        self.model = model
        self.price = price
        self._key = key
        self._current = key(False)
        self._limits = limits
        self._lock = threading.Lock()
        self._connection: Connection[T] | None = None

    def worst_cost(self, asking: Asking) -> int:
        prompt = build(asking, self._limits.catalog_tokens)
        return self.price.worst(prompt.bytes + OVERHEAD_TOKENS, self._limits.max_tokens)

    def propose(self, asking: Asking, deadline: Deadline) -> Proposal:
        prompt = build(asking, self._limits.catalog_tokens)
        self.load()  # takes long once, and is none of the provider's time
        try:
            return self._limits.retrying.call(self.name, lambda until: self._call(prompt, until), deadline)
        except PlannerUnavailable as failure:
            telemetry.logger().warning(
                "planner unavailable", planner=self.name, model=self.model, reason=failure.reason
            )
            raise

    def _call(self, prompt: Prompt, deadline: Deadline) -> Proposal:
        key = self._current
        try:
            return self._timed(prompt, deadline)
        except CallFailed as failure:
            if failure.status != 401 or not self._renew(key):
                raise
            return self._timed(prompt, deadline)

    def load(self) -> Connection[T]:
        """Import the SDK and build its client, if that is yet to be done; connects to nothing."""
        with self._lock:
            if self._connection is None:
                from rowcall.planners.transport import DeadlineClient

                http = DeadlineClient()
                self._connection = Connection(self._build(http), http)
            return self._connection

    def close(self) -> None:
        """Close what was opened."""
        with self._lock:
            if self._connection is not None:
                self._connection.http.close()
                self._connection = None

    def _renew(self, refused: str) -> bool:
        """Whether there is another key than the one that was refused."""
        fresh = self._key(True)
        with self._lock:
            if self._current == refused:
                self._current = fresh
                self._connection = self._connection and Connection(
                    self._build(self._connection.http), self._connection.http
                )
            return self._current != refused

    def _timed(self, prompt: Prompt, deadline: Deadline) -> Proposal:
        tokens = Tokens()
        started = time.perf_counter()
        try:
            proposal = self._once(prompt, self.load(), deadline)
            tokens = proposal.tokens
            return proposal
        finally:
            self._measure(tokens, time.perf_counter() - started)

    def _measure(self, tokens: Tokens, seconds: float) -> None:
        cost = dollars(self.price.cost(tokens))
        telemetry.emit(
            {
                "llm_call_duration_seconds": (seconds, MetricUnit.Seconds),
                "llm_cost_usd_total": (cost, MetricUnit.Count),
            },
            model=self.model,
            provider=self.name,
        )
        for kind in ("input", "cached", "cache_write", "output"):
            if count := getattr(tokens, kind):
                telemetry.emit({"llm_tokens_total": (count, MetricUnit.Count)}, model=self.model, type=kind)

    @abstractmethod
    def _build(self, http: DeadlineClient) -> T:
        """The SDK's client, with the current key."""

    @abstractmethod
    def _once(self, prompt: Prompt, connection: Connection[T], deadline: Deadline) -> Proposal:
        """One call. Raises `CallFailed`."""


REFUSED = Unusable("the model declined to reply", final=True)
CUT_OFF = Unusable("the reply was longer than it may be")


def unusable(error: Exception) -> CallFailed:
    """A reply that is none of this protocol, or a client that cannot ask; asking again would not mend it."""
    telemetry.logger().warning("a provider cannot be used", error=type(error).__name__)
    return CallFailed("cannot be used", status=200)


def count(value: Any) -> int:
    """A number of tokens as a provider told it; 0 for whatever is none."""
    return value if isinstance(value, int) and 0 <= value < 10**9 else 0
