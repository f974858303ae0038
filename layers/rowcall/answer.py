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

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rowcall import admission, bind, question, usage
from rowcall.cache.plans import Scope
from rowcall.database.connection import StatementFailed
from rowcall.errors import Problem, Unanswerable
from rowcall.trace import Trace

if TYPE_CHECKING:
    from rowcall.admission import Limit
    from rowcall.auth import Principal
    from rowcall.bootstrap import Services
    from rowcall.cache.plans import Lease, Match, NearMiss, Recalled
    from rowcall.catalog import Catalog
    from rowcall.database.connection import ResultColumn, Rows
    from rowcall.deadline import Deadline
    from rowcall.plan import Plan
    from rowcall.question import Question

VERSIONS = "plan 2, guard 1, grammar 1, prompt 1"
"""Part of every scope: raise one when plans, the guard's rules or the grammar change, and old plans are not met."""


POLL_SECONDS = (0.02, 0.08)
"""How long to wait between looks while someone else plans; drawn anew each time, so that waiters do not march."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a caller wants to know. `limit` is the most rows wanted; `fresh` plans anew."""

    query: str
    limit: int | None = None
    timezone: str | None = None
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows, and how they were found. `layer` is 1 (exact template), 2 (semantic, by `match`) or 3 (planned now)."""

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
    trace = trace or Trace()
    with trace.counting(redis=services.store.calls, postgres=services.database.calls):
        return _answer(ask, principal, services, deadline, limits, trace)


def _answer(
    ask: Ask,
    principal: Principal,
    services: Services,
    deadline: Deadline,
    limits: Sequence[Limit],
    trace: Trace,
) -> Answer:
    limit = row_limit(ask, services)

    with trace.step("read"):
        catalog = services.catalogs.current(deadline)
        asked = read(ask, catalog, services)

    recalled = recall(ask, asked, catalog, principal, services, deadline, limits, trace)

    if recalled.known:
        plan = recalled.known.plan
        try:
            with trace.step("postgres"):
                params, found = run(plan, asked, catalog, principal, services, limit, deadline)
            return tell(ask, plan, params, found, limit, recalled)
        except bind.DoesNotFit:
            pass
        except StatementFailed:
            services.plans.forget(scope(principal, catalog), [recalled.known.id], deadline)
            catalog = services.catalogs.refresh(deadline)
            asked = read(ask, catalog, services)

    with services.plans.holding(recalled.lease, deadline):
        with trace.step("plan"):
            plan = make_plan(asked, principal, catalog, recalled.lease, services, limit, deadline)
        with trace.step("postgres"):
            params, found = run_new(plan, asked, catalog, principal, services, limit, deadline)
    with trace.step("redis"):
        theirs, seconds = scope(principal, catalog), trace.seconds["plan"]
        kept = services.plans.remember(
            theirs,
            asked,
            plan,
            recalled.lease,
            deadline,
            counters=list(usage.counters(principal).values()),
            seconds=seconds,
        )
    planned = replace(recalled, known=None, match=None, degraded=recalled.degraded or not kept)
    return tell(ask, plan, params, found, limit, planned)


def explain(
    ask: Ask,
    principal: Principal,
    services: Services,
    deadline: Deadline,
    *,
    limits: Sequence[Limit] = (),
    trace: Trace | None = None,
) -> tuple[Plan, Sequence[object], int, dict[str, object]]:
    """The plan for `ask`, its parameters, the layer it came from and Postgres's EXPLAIN; nothing is run."""
    limit = row_limit(ask, services)
    catalog = services.catalogs.current(deadline)
    asked = read(ask, catalog, services)
    theirs = scope(principal, catalog)
    recalled = recall(ask, asked, catalog, principal, services, deadline, limits, trace or Trace())
    if recalled.known:
        plan = recalled.known.plan
    else:
        with services.plans.holding(recalled.lease, deadline):
            plan = make_plan(asked, principal, catalog, recalled.lease, services, limit, deadline)
        counters = list(usage.counters(principal).values())
        services.plans.remember(theirs, asked, plan, recalled.lease, deadline, counters=counters)
    params = bind.values(plan, asked, catalog, limit + 1)
    try:
        explained = services.database.explain(plan.sql, params, deadline, principal.tenant)
        return plan, params, recalled.layer, explained
    except StatementFailed as error:
        raise Unanswerable("The database refused the plan for this question.") from error


def read(ask: Ask, catalog: Catalog, services: Services) -> Question:
    """Step 2. Raises `invalid_request` for a question or time zone that cannot be read."""
    settings = services.settings
    if not ask.query.strip():
        raise Problem("invalid_request", fields=[("query", "is empty")])
    if len(ask.query) > settings.max_query_length:
        raise Problem("invalid_request", fields=[("query", f"has more than {settings.max_query_length} characters")])
    if any((ord(character) < 32 and character not in "\t\n\r") or ord(character) == 127 for character in ask.query):
        raise Problem("invalid_request", fields=[("query", "holds control characters")])
    zone = ask.timezone or settings.default_timezone
    try:
        ZoneInfo(zone)
    except (OSError, ValueError, KeyError):
        raise Problem(
            "invalid_request", fields=[("timezone", "is not an IANA time zone such as Europe/Zurich")]
        ) from None
    return question.read(ask.query, catalog, datetime.now(UTC), zone)


def recall(
    ask: Ask,
    asked: Question,
    catalog: Catalog,
    principal: Principal,
    services: Services,
    deadline: Deadline,
    limits: Sequence[Limit],
    trace: Trace,
) -> Recalled:
    """Steps 3 and 4. Layer 1 is one request to Redis; further ones only while someone else plans the same template.

    Raises `rate_limited`, and `unanswerable` when that was found within the last minute.
    """
    theirs, counters = scope(principal, catalog), list(usage.counters(principal).values())
    with trace.step("redis"):
        recalled = services.plans.recall(theirs, asked, deadline, limits=limits, counters=counters, fresh=ask.fresh)
        trace.verdicts = recalled.verdicts
        admission.require(recalled.verdicts)
        while recalled.someone_plans:
            time.sleep(deadline.left(random.uniform(*POLL_SECONDS)))  # noqa: S311
            recalled = services.plans.recall(theirs, asked, deadline, counters=counters, waited=True)
    if recalled.refusal:
        raise recalled.refusal
    if recalled.known or ask.fresh:
        return recalled
    with trace.step("semantic"):
        return services.plans.resemble(theirs, asked, catalog, recalled, deadline, counters=counters)


def make_plan(
    asked: Question,
    principal: Principal,
    catalog: Catalog,
    lease: Lease | None,
    services: Services,
    limit: int,
    deadline: Deadline,
) -> Plan:
    """Step 5. Loaded on a miss only, as it brings the SQL parser."""
    try:
        return services.planning.make(asked, catalog, principal, limit + 1, deadline)
    except Unanswerable as refusal:
        services.plans.refuse(scope(principal, catalog), asked, refusal, lease, deadline)
        raise


def run(
    plan: Plan,
    asked: Question,
    catalog: Catalog,
    principal: Principal,
    services: Services,
    limit: int,
    deadline: Deadline,
) -> tuple[Sequence[object], Rows]:
    """Step 6: the parameters and what came of them, one row more than `limit` if there are more."""
    params = bind.values(plan, asked, catalog, limit + 1)
    deadline = deadline.within(services.settings.query_timeout)
    return params, services.database.query(plan.sql, params, deadline, principal.tenant)


def run_new(
    plan: Plan,
    asked: Question,
    catalog: Catalog,
    principal: Principal,
    services: Services,
    limit: int,
    deadline: Deadline,
) -> tuple[Sequence[object], Rows]:
    """Step 6 for a plan made now: it passed EXPLAIN, so what fails is in the data, such as a division by zero."""
    try:
        return run(plan, asked, catalog, principal, services, limit, deadline)
    except StatementFailed as error:
        raise Unanswerable("The database could not compute an answer to this question.") from error


def tell(ask: Ask, plan: Plan, params: Sequence[object], found: Rows, limit: int, recalled: Recalled) -> Answer:
    """Step 7."""
    return Answer(
        query=ask.query,
        rows=found.rows[:limit],
        columns=found.columns,
        truncated=len(found.rows) > limit,
        plan=plan,
        params=params,
        layer=recalled.layer,
        match=recalled.match,
        near_miss=recalled.near_miss,
        degraded=recalled.degraded,
    )


def row_limit(ask: Ask, services: Services) -> int:
    """The most rows of the answer. Raises `invalid_request` outside of 1..MAX_LIMIT."""
    settings = services.settings
    limit = settings.default_limit if ask.limit is None else ask.limit
    if not 1 <= limit <= settings.max_limit:
        raise Problem("invalid_request", fields=[("limit", f"must be between 1 and {settings.max_limit}")])
    return limit


def scope(principal: Principal, catalog: Catalog) -> Scope:
    return Scope(principal.tenant, principal.role, catalog.fingerprint, VERSIONS)
