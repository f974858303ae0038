"""The way of a question, top to bottom. There is no second path to the database.

1 authenticate   who is asking: the caller of `answer` brings a `Principal`
2 read           text -> Question(template, typed slots); no I/O
3 admit          in the one request to Redis that is also
4 recall         layer 1: the plan of the same template, to be bound with this question's slots
5 plan           only on a miss: planner, guard, EXPLAIN
6 run            bind, one READ ONLY transaction, cancelled at the deadline
7 tell           rows, columns, SQL, parameters, layer, timings
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeVar
from zoneinfo import ZoneInfo

from rowcall import admission, bind, question, usage
from rowcall.cache.plans import RANDOM, Scope
from rowcall.database.connection import Rows, StatementFailed
from rowcall.errors import Problem, Unanswerable
from rowcall.trace import Trace

if TYPE_CHECKING:
    from rowcall.admission import Limit
    from rowcall.auth import Principal
    from rowcall.bootstrap import Services
    from rowcall.cache.plans import Known, Lease, Match, NearMiss, Recalled
    from rowcall.catalog import Catalog
    from rowcall.database.connection import ResultColumn, Stream
    from rowcall.deadline import Deadline
    from rowcall.plan import Plan
    from rowcall.question import Question
    from rowcall.settings import Settings

T = TypeVar("T")

VERSIONS = "plan 2, guard 1, grammar 2, prompt 1"
"""Part of every scope: raise one when plans, the guard's rules or the grammar change, and old plans are not met."""

NOT_COMPUTED = "The database could not compute an answer to this question."

POLL_SECONDS, MOST_POLL_SECONDS = 0.05, 0.5
"""How long to wait between looks while someone else plans: half as long again each time, drawn anew so that waiters do
not march."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a caller wants to know. `limit` is the most rows wanted; `fresh` plans anew.

    What the warmer asks is not counted, and of its plans only those are remembered for which no planner was passed
    over, as they may replace what a better one made. To `compare` a plan with another, nothing is remembered. An
    `export` is a question whose rows are streamed, up to a limit of its own.
    """

    query: str
    limit: int | None = None
    timezone: str | None = None
    fresh: bool = False
    purpose: Literal["question", "export", "warm", "compare"] = "question"

    @property
    def counts(self) -> bool:
        """Whether somebody asks, and not the warmer."""
        return self.purpose in ("question", "export")

    def keeps(self, plan: Plan) -> bool:
        """Whether a plan that was made for this is to be remembered."""
        return self.counts or (self.purpose == "warm" and not plan.passed_over)


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows, and how they were found: `layer` is 1 (exact template), 2 (semantic, by `match`) or 3 (planned now).

    `cost_usd` is what this answer cost in models and embeddings.
    """

    query: str
    rows: list[list[object]]
    columns: Sequence[ResultColumn]
    truncated: bool
    plan: Plan
    params: Sequence[object]
    layer: int
    match: Match | None
    near_miss: NearMiss | None
    degraded: bool
    cost_usd: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """A plan, its parameters, the layer it came from, and Postgres's EXPLAIN of it."""

    plan: Plan
    params: Sequence[object]
    layer: int
    explained: dict[str, object]


def answer(
    ask: Ask,
    principal: Principal,
    services: Services,
    deadline: Deadline,
    *,
    limits: Sequence[Limit] = (),
    trace: Trace | None = None,
) -> Answer:
    """Answer `ask` for `principal`, or raise a `Problem`. `trace` is told what it took, either way."""
    way = _Way(ask, principal, services, deadline, limits, trace or Trace())
    with way.trace.counting(redis=services.store.calls, postgres=services.database.calls):
        plan, rows, recalled = way.find(way.run)
        return way.tell(plan, rows, recalled)


@contextmanager
def export(
    ask: Ask, principal: Principal, services: Services, deadline: Deadline, *, trace: Trace | None = None
) -> Iterator[tuple[Answer, Iterator[list[list[object]]]]]:
    """Answer `ask`, whose purpose is `export`: the answer without its rows, and these by batches while it is open.

    There is one row more than the limit if there are more. Raises a `Problem`, then or with any batch.
    """
    way = _Way(ask, principal, services, deadline, (), trace or Trace())
    with ExitStack() as streaming, way.trace.counting(redis=services.store.calls, postgres=services.database.calls):
        plan, stream, recalled = way.find(lambda plan: streaming.enter_context(way.stream(plan)))
        yield way.tell(plan, Rows(stream.columns, []), recalled), _computed(stream)


def _computed(stream: Stream) -> Iterator[list[list[object]]]:
    try:
        yield from stream.batches
    except StatementFailed as error:
        raise Unanswerable(NOT_COMPUTED) from error


def explain(
    ask: Ask,
    principal: Principal,
    services: Services,
    deadline: Deadline,
    *,
    limits: Sequence[Limit] = (),
    trace: Trace | None = None,
) -> Explanation:
    """The plan that would answer `ask`; nothing is run. Raises a `Problem`."""
    way = _Way(ask, principal, services, deadline, limits, trace or Trace())
    with way.trace.counting(redis=services.store.calls, postgres=services.database.calls):
        way.read()
        recalled = way.recall()
        if recalled.known:
            try:
                return way.explain(recalled.known.plan, recalled)
            except bind.DoesNotFit:
                pass
            except StatementFailed:
                way.forget(recalled.known)
        with services.plans.holding(recalled.lease, deadline):
            plan = way.plan(recalled.lease)
        return way.explain(plan, way.remember(plan, recalled))


def check(ask: Ask, settings: Settings) -> None:
    """What can be said of `ask` without reading it. Raises `invalid_request`."""
    if not ask.query.strip():
        raise Problem("invalid_request", fields=[("query", "is empty")])
    if len(ask.query) > settings.max_query_length:
        raise Problem("invalid_request", fields=[("query", f"has more than {settings.max_query_length} characters")])
    if any((ord(character) < 32 and character not in "\t\n\r") or ord(character) == 127 for character in ask.query):
        raise Problem("invalid_request", fields=[("query", "holds control characters")])
    zone(ask.timezone, settings)
    rows_wanted(ask, settings)


def rows_wanted(ask: Ask, settings: Settings) -> int:
    """The limit that holds for `ask`. Raises `invalid_request`."""
    most = settings.export_max_rows if ask.purpose == "export" else settings.max_limit
    limit = (most if ask.purpose == "export" else settings.default_limit) if ask.limit is None else ask.limit
    if not 1 <= limit <= most:
        raise Problem("invalid_request", fields=[("limit", f"must be between 1 and {most}")])
    return limit


def read(ask: Ask, catalog: Catalog, settings: Settings) -> Question:
    """Step 2. Raises `invalid_request` for a question or time zone that cannot be read."""
    check(ask, settings)
    return question.read(ask.query, catalog, datetime.now(UTC), zone(ask.timezone, settings).key)


def zone(timezone: str | None, settings: Settings) -> ZoneInfo:
    """The asker's time zone, or the default. Raises `invalid_request`."""
    try:
        return ZoneInfo(timezone or settings.default_timezone)
    except (OSError, ValueError, KeyError):
        raise Problem(
            "invalid_request", fields=[("timezone", "is not an IANA time zone such as Europe/Zurich")]
        ) from None


def scope(principal: Principal, catalog: Catalog) -> Scope:
    """Whose plans may answer `principal`."""
    return Scope(principal.tenant, principal.role, catalog.fingerprint, VERSIONS)


class _Way:
    """One question on its way, and what is known of it so far: each step is a method."""

    catalog: Catalog
    asked: Question
    scope: Scope
    params: Sequence[object]
    embedding_usd: float = 0.0

    def __init__(
        self,
        ask: Ask,
        principal: Principal,
        services: Services,
        deadline: Deadline,
        limits: Sequence[Limit],
        trace: Trace,
    ) -> None:
        self.ask = ask
        self.principal = principal
        self.services = services
        self.deadline = deadline
        self.limits = limits
        self.trace = trace
        self.counters = list(usage.counters(principal).values()) if ask.counts else None
        self.limit = rows_wanted(ask, services.settings)

    def find(self, run: Callable[[Plan], T]) -> tuple[Plan, T, Recalled]:
        """Steps 2 to 6: the plan that answers, what `run` made of it, and where it came from."""
        self.read()
        recalled = self.recall()
        if recalled.known:
            try:
                return recalled.known.plan, run(recalled.known.plan), recalled
            except bind.DoesNotFit:
                pass
            except StatementFailed:
                self.forget(recalled.known)
        with self.services.plans.holding(recalled.lease, self.deadline):
            plan = self.plan(recalled.lease)
            try:
                found = run(plan)
            except StatementFailed as error:  # it passed EXPLAIN, so it is in the data, such as a division by zero
                raise Unanswerable(NOT_COMPUTED) from error
        return plan, found, self.remember(plan, recalled)

    def read(self) -> None:
        """Step 2."""
        with self.trace.step("read"):
            self._read(self.services.catalogs.current(self.deadline))

    def _read(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.asked = read(self.ask, catalog, self.services.settings)
        self.scope = scope(self.principal, catalog)

    def recall(self) -> Recalled:
        """Steps 3 and 4. Layer 1 is one request to Redis; further ones only while someone else plans the same.

        Raises `rate_limited`, and `unanswerable` when that was found within the last minute.
        """
        plans, fresh = self.services.plans, self.ask.fresh
        with self.trace.step("redis"):
            recalled = plans.recall(
                self.scope, self.asked, self.deadline, limits=self.limits, counters=self.counters, fresh=fresh
            )
            self.trace.verdicts = recalled.verdicts
            admission.require(recalled.verdicts)
            pause = POLL_SECONDS
            while recalled.someone_plans:
                time.sleep(self.deadline.left(RANDOM.uniform(pause / 2, pause)))
                pause = min(1.5 * pause, MOST_POLL_SECONDS)
                recalled = plans.recall(self.scope, self.asked, self.deadline, counters=self.counters, waited=True)
        if recalled.refusal:
            raise recalled.refusal
        if recalled.known or fresh:
            return recalled
        with self.trace.step("semantic"):
            recalled = plans.resemble(
                self.scope, self.asked, self.catalog, recalled, self.deadline, counters=self.counters
            )
            self.embedding_usd = self.services.charge_embeddings(self.principal, self.deadline)
            return recalled

    def forget(self, known: Known) -> None:
        """The database has changed under a remembered plan: drop it, and read the question by the new catalog."""
        self.services.plans.forget(self.scope, [known.id], self.deadline)
        self._read(self.services.catalogs.refresh(self.deadline))

    def plan(self, lease: Lease | None) -> Plan:
        """Step 5. What cannot be answered is remembered for a minute."""

        def examples() -> Sequence[tuple[str, str]]:
            return self.services.examples.nearest(self.scope, self.asked.template, self.deadline)

        with self.trace.step("plan"):
            try:
                return self.services.planning.make(
                    self.asked, self.catalog, self.principal, self.limit + 1, self.deadline, examples
                )
            except Unanswerable as refusal:
                self.services.plans.refuse(self.scope, self.asked, refusal, lease, self.deadline)
                raise

    def remember(self, plan: Plan, recalled: Recalled) -> Recalled:
        """Keep a plan made now; what was recalled is then no longer what answers."""
        if not self.ask.keeps(plan):
            self.services.plans.release(recalled.lease)
            return replace(recalled, known=None, match=None)
        with self.trace.step("redis"):
            kept = self.services.plans.remember(
                self.scope,
                self.asked,
                plan,
                recalled.lease,
                self.deadline,
                counters=self.counters,
                seconds=self.trace.seconds["plan"],
                near_miss=recalled.near_miss,
            )
        return replace(recalled, known=None, match=None, degraded=recalled.degraded or not kept)

    def run(self, plan: Plan) -> Rows:
        """Step 6, for one row more than the limit if there are more."""
        with self.trace.step("postgres"):
            self.params = bind.values(plan, self.asked, self.catalog, self.limit + 1)
            deadline = self.deadline.within(self.services.settings.query_timeout)
            return self.services.database.query(plan.sql, self.params, deadline, self.principal.tenant)

    def stream(self, plan: Plan) -> AbstractContextManager[Stream]:
        """Step 6 for an export."""
        self.params = bind.values(plan, self.asked, self.catalog, self.limit + 1)
        return self.services.database.stream(plan.sql, self.params, self.deadline, self.principal.tenant)

    def tell(self, plan: Plan, found: Rows, recalled: Recalled) -> Answer:
        """Step 7."""
        return Answer(
            query=self.ask.query,
            rows=found.rows[: self.limit],
            columns=found.columns,
            truncated=len(found.rows) > self.limit,
            plan=plan,
            params=self.params,
            layer=recalled.layer,
            match=recalled.match,
            near_miss=recalled.near_miss,
            degraded=recalled.degraded,
            cost_usd=self.embedding_usd + (plan.cost_usd if recalled.layer == 3 else 0.0),
        )

    def explain(self, plan: Plan, recalled: Recalled) -> Explanation:
        with self.trace.step("postgres"):
            params = bind.values(plan, self.asked, self.catalog, self.limit + 1)
            explained = self.services.database.explain(plan.sql, params, self.deadline, self.principal.tenant)
        return Explanation(plan, params, recalled.layer, explained)
