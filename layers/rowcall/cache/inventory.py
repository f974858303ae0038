"""What the cache holds of one scope, for those who look after it: figures, plans by page, pins, and where a question
leads.

Everything is found by its name, never by KEYS or SCAN; another scope's plans have other names and are never met.
Without Redis there is nothing to tell: `cache_unavailable`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rowcall import telemetry
from rowcall.cache.plans import Known, NearMiss, Plans, Scope, exact_key, load, template_key
from rowcall.cache.seal import seal, unseal
from rowcall.cache.store import Script, Store, StoreUnavailable, script
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.question import Question
from rowcall.usage import Totals

TALLY = script("tally")
SHELF = script("shelf")
DESCRIBE = script("describe")
PIN = script("pin")
UNPIN = script("unpin")
FOLLOW = script("follow")
USAGE = script("usage")
PART = script("part")
NEARS = script("nears")

TALLIED = 1000
"""Plans counted in one request: a script holds up everybody while it runs."""

STEP = 0.01
"""How much stricter than a false hit a plan becomes: more than two ways to compute a similarity can differ."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """The living plans of a scope."""

    plans: int
    pinned: int
    uses: int

    @property
    def average_uses(self) -> float:
        return self.uses / self.plans if self.plans else 0.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A plan and what became of it. `expires` is `None` for one that does not; `stricter` is what feedback added to
    the similarity that layer 2 asks for."""

    known: Known
    created: datetime
    used: datetime
    uses: int
    pinned: bool
    stricter: float
    expires: datetime | None
    aliases: int


@dataclass(frozen=True, slots=True)
class Led:
    """Where a question leads: by `key`, to a plan. It is an alias where layer 2 found that plan for it."""

    key: str
    known: Known

    @property
    def alias(self) -> bool:
        return self.key != self.known.id


class Inventory:
    """Reads and changes what `plans` keeps."""

    def __init__(self, store: Store, seal_key: bytes, plans: Plans, *, ttl_seconds: int) -> None:
        self._store = store
        self._seal_key = seal_key
        self._plans = plans
        self._ttl = ttl_seconds

    def traffic(self, scope: Scope, days: int, deadline: Deadline) -> Totals:
        """What was asked today and on the `days` - 1 days before, in UTC."""
        today = datetime.now(UTC).date()
        counters = [scope.counter(today - timedelta(days=back)) for back in range(days)]
        totals = Totals()
        for pairs in self._run(USAGE, counters, deadline):
            totals.add(dict(zip(pairs[::2], pairs[1::2], strict=True)))
        return totals

    def holdings(self, scope: Scope, deadline: Deadline) -> Holdings:
        after, total = 0, [0, 0, 0]
        while True:
            after, *page = self._run(TALLY, [scope.prefix, after, TALLIED], deadline)
            total = [one + other for one, other in zip(total, page, strict=True)]
            if not after:
                return Holdings(*total)

    def page(self, scope: Scope, cursor: int, limit: int, deadline: Deadline) -> tuple[list[Kept], int]:
        """At most `limit` plans, the newest first, and the cursor of the next page; 0 begins, and is the end."""
        ids, following = self._run(SHELF, [scope.prefix, cursor or "+inf", limit], deadline)
        return [kept for kept in self._describe(scope, ids, deadline) if kept], int(following)

    def show(self, scope: Scope, plan_id: str, deadline: Deadline) -> Kept | None:
        return self._describe(scope, [plan_id], deadline)[0]

    def pin(self, scope: Scope, plan_id: str, deadline: Deadline) -> bool:
        """Whether there is such a plan; it and its pointer now stay until they are let go or deleted."""
        pointer = seal(self._seal_key, scope.place(f"pointer:{plan_id}"), f"p{plan_id}")
        return bool(self._run(PIN, [scope.prefix, plan_id, pointer], deadline))

    def unpin(self, scope: Scope, plan_id: str, deadline: Deadline) -> bool:
        return bool(self._run(UNPIN, [scope.prefix, plan_id, self._ttl], deadline))

    def delete(self, scope: Scope, plan_id: str, deadline: Deadline) -> bool:
        """Whether there was such a plan; it is gone from layer 1, its aliases and layer 2, in all environments."""
        with _reaching():
            return bool(self._plans.drop(scope, [plan_id], deadline))

    def near_misses(self, scope: Scope, deadline: Deadline) -> list[tuple[str, NearMiss]]:
        """The latest templates that were planned although another was near, each with that other; the newest first."""
        sealed = self._run(NEARS, [scope.prefix], deadline)
        opened = (unseal(self._seal_key, scope.place("near"), entry) for entry in sealed)
        return [(asked, NearMiss(*missed)) for asked, *missed in map(json.loads, filter(None, opened))]

    def follow(self, scope: Scope, question: Question, deadline: Deadline) -> Led | None:
        """The plan that answers the question from layer 1, if there is one."""
        found = self._run(FOLLOW, [scope.prefix, template_key(question), exact_key(question)], deadline)
        if not found:
            return None
        key, pointer, entry = found
        target = unseal(self._seal_key, scope.place(f"pointer:{key}"), pointer)
        if target is None or not target.startswith("p"):
            return None
        known = self._opened(scope, target[1:], entry or "")
        return Led(key, known) if known else None

    def part(self, scope: Scope, led: Led, deadline: Deadline) -> None:
        """Remove an alias, and make its plan so much stricter that the two templates never meet again."""
        self._run(PART, [scope.prefix, led.key, led.known.id, str(STEP)], deadline)
        self._plans.outdate(scope, [led.known.id])

    def _describe(self, scope: Scope, ids: Sequence[str], deadline: Deadline) -> list[Kept | None]:
        if not ids:
            return []
        told = self._run(DESCRIBE, [scope.prefix, *ids], deadline)
        return [self._kept(scope, plan_id, fields) for plan_id, fields in zip(ids, told, strict=True)]

    def _kept(self, scope: Scope, plan_id: str, fields: Sequence[Any] | None) -> Kept | None:
        if not fields:
            return None
        entry, created, used, uses, pinned, stricter, seconds, aliases = fields
        known = self._opened(scope, plan_id, entry)
        if known is None:
            return None
        return Kept(
            known=known,
            created=_moment(created),
            used=_moment(used),
            uses=int(uses or 0),
            pinned=bool(pinned),
            stricter=float(stricter or 0),
            expires=datetime.now(UTC) + timedelta(seconds=seconds) if seconds >= 0 else None,
            aliases=aliases,
        )

    def _opened(self, scope: Scope, plan_id: str, entry: str) -> Known | None:
        payload = unseal(self._seal_key, scope.place(f"plan:{plan_id}"), entry)
        if payload is None:
            telemetry.logger().error("a cached plan fails its seal and is ignored", plan=plan_id)
            return None
        return load(payload)

    def _run(self, what: Script, args: Sequence[str | int], deadline: Deadline) -> Any:
        with _reaching():
            return self._store.run(what, args, deadline)


@contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except StoreUnavailable as error:
        raise Problem("cache_unavailable", retry_after=1) from error


def _moment(seconds: str | None) -> datetime:
    return datetime.fromtimestamp(int(seconds or 0), UTC)
