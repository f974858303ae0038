"""What was asked, what it cost and what the cache saved, from counters that ride on requests to Redis made anyway.

Counters are hashes by day (UTC) for the user, for the tenant and for all; nobody's name is in their keys, no question
in their values. The way of a hit only needs `counters`; reading them is for `GET /api/usage`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rowcall.auth import Principal
    from rowcall.cache.store import Store
    from rowcall.deadline import Deadline

COUNTER_SECONDS = 400 * 86400
"""Thirteen months: the same month of last year can be looked up."""

Of = Literal["user", "tenant", "all"]

DAYS_A_MONTH = 30
USD_PER_MISS = Decimal("0.01")
USD_PER_EMBEDDING = Decimal("0.0001")
"""The guide's own assumptions."""


def digest(*parts: str) -> str:
    """No name of a tenant or a user is kept in Redis."""
    return sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:32]


def counters(principal: Principal, day: date | None = None) -> dict[Of, str]:
    """The hashes that count a day of `principal`, today if none is given."""
    stamp = (day or datetime.now(UTC).date()).strftime("%Y%m%d")
    user, tenant = digest(principal.tenant, principal.user), digest(principal.tenant)
    return {
        "user": f"rowcall:usage:user:{user}:{stamp}",
        "tenant": f"rowcall:usage:tenant:{tenant}:{stamp}",
        "all": f"rowcall:usage:all:{stamp}",
    }


@dataclass(slots=True)
class Calls:
    """Calls of one model, or of all."""

    calls: int = 0
    failed: int = 0
    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    nano: int = 0

    def add(self, name: str, amount: int) -> None:
        setattr(self, name, getattr(self, name) + amount)


@dataclass(slots=True)
class Totals:
    """`asked` counts questions, `layers` the answers by layer; `saved_usd` is what hits would have cost to plan."""

    asked: int = 0
    layers: dict[str, int] = field(default_factory=lambda: {"1": 0, "2": 0, "3": 0})
    saved_usd: float = 0.0
    all: Calls = field(default_factory=Calls)
    models: dict[tuple[str, str], Calls] = field(default_factory=dict)

    @property
    def hit_rate(self) -> float | None:
        """The part of all answers that came from the cache; `None` when there were none."""
        answers = sum(self.layers.values())
        return (answers - self.layers["3"]) / answers if answers else None

    def add(self, counted: Mapping[str, str]) -> None:
        for name, text in counted.items():
            kind, _, model = name.partition("|")
            if name == "asked":
                self.asked += int(text)
            elif name.startswith("layer"):
                self.layers[name.removeprefix("layer")] += int(text)
            elif name == "saved_usd":
                self.saved_usd += float(text)
            elif model:
                provider, _, model = model.partition("|")
                self.all.add(kind, int(text))
                self.models.setdefault((provider, model), Calls()).add(kind, int(text))


@dataclass(frozen=True, slots=True)
class Projection:
    """What a load would cost in a month of thirty days."""

    llm_usd: Decimal
    embedding_usd: Decimal

    @property
    def total_usd(self) -> Decimal:
        return self.llm_usd + self.embedding_usd


def read(store: Store, principal: Principal, of: Of, today: date, deadline: Deadline) -> dict[date, Totals]:
    """The totals of every day that counted anything, in one request. Raises `StoreUnavailable`."""
    from rowcall.cache.store import StoreUnavailable, script

    days = [today - timedelta(days=back) for back in range(COUNTER_SECONDS // 86400)]
    replies = store.run(script("usage"), [counters(principal, day)[of] for day in days], deadline)
    if not isinstance(replies, list) or len(replies) != len(days):
        raise StoreUnavailable("malformed reply")
    found = {}
    for day, pairs in zip(days, replies, strict=True):
        if pairs:
            found[day] = Totals()
            found[day].add(dict(zip(pairs[::2], pairs[1::2], strict=True)))
    return found


def total(days: Mapping[date, Totals], among: Iterable[date]) -> Totals:
    """The sum of the days of `among`."""
    whole = Totals()
    for day in among:
        part = days[day]
        whole.asked += part.asked
        whole.saved_usd += part.saved_usd
        for layer, count in part.layers.items():
            whole.layers[layer] += count
        for model, calls in part.models.items():
            for name in Calls.__slots__:
                whole.all.add(name, getattr(calls, name))
                whole.models.setdefault(model, Calls()).add(name, getattr(calls, name))
    return whole


def project(
    queries_per_day: int,
    hit_rate: Decimal,
    usd_per_miss: Decimal = USD_PER_MISS,
    usd_per_embedding: Decimal = USD_PER_EMBEDDING,
) -> Projection:
    """The guide's formula: a month's misses each cost a model, all its queries an embedding."""
    queries = queries_per_day * DAYS_A_MONTH
    return Projection(queries * (1 - hit_rate) * usd_per_miss, queries * usd_per_embedding)


def next_month(now: datetime) -> datetime:
    """When budgets begin anew."""
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return first.replace(year=now.year + now.month // 12, month=now.month % 12 + 1)
