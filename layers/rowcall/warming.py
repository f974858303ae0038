"""The warmer: plans made before they are asked for, and hits of layer 2 checked after.

For every tenant that asks this database: the configured questions, those that had to be planned most often, plans that
soon reach their cap, and samples of semantic hits, whose rows are compared with those of a fresh plan. It asks through
`answer` like everybody else, one run at a time, within limits of time, money and concurrency. A question that fails
never stops the others.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

from aws_lambda_powertools.metrics import MetricUnit

from rowcall import telemetry
from rowcall.answer import VERSIONS, Answer, Ask, answer, read, scope
from rowcall.auth import LOCAL, QUERY, Principal
from rowcall.cache.plans import LEASE, SCOPE_SECONDS, Scope
from rowcall.cache.seal import unseal
from rowcall.cache.store import StoreUnavailable, script
from rowcall.deadline import Deadline
from rowcall.errors import Problem

if TYPE_CHECKING:
    from rowcall.bootstrap import Services
    from rowcall.cache.inventory import Holdings

GATHER = script("gather")

USER = "warmer"
LOCK = "rowcall:warmer"
AHEAD_SECONDS = 86400
"""A pinned plan is planned anew so long before it is older than a plan may become."""
MOST_SCOPES = 1000
MOST_RENEWED = 100
MOST_SAMPLES = 50
LEAST_SECONDS = 2.0
"""With less than this left no further question is asked."""

Reason = Literal["configured", "missed", "renewed", "sampled"]
Outcome = Literal["known", "planned", "failed", "skipped"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(slots=True)
class Summary:
    """What one run did. `questions` counts by outcome: known already, planned now, failed, or skipped for time.

    Of the samples of layer 2 that could be compared, `shadow_false` gave other rows than a fresh plan.
    """

    ran: bool = False
    tenants: int = 0
    questions: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    cost_usd: float = 0.0
    shadow_total: int = 0
    shadow_false: int = 0
    total_schemas: int = 0
    pinned_schemas: int = 0
    avg_use_count: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Task:
    """A question to ask for `principal`."""

    principal: Principal
    reason: Reason
    query: str
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of a task; `false_hit` only of a sample that could be compared."""

    outcome: Outcome
    cost_usd: float = 0.0
    false_hit: bool | None = None


def warm(services: Services, deadline: Deadline) -> Summary:
    """One run, unless another one is under way. Raises `Problem` when Redis or the database cannot be reached."""
    settings = services.settings
    deadline = deadline.within(settings.warm_seconds)
    summary, started = Summary(), time.monotonic()
    with closing(services.for_warmer()) as own:
        token = secrets.token_hex(8)
        try:
            if not _lock(own, token, deadline):
                telemetry.logger().info("warmer", ran=False)
                return summary
            try:
                _run(own, summary, deadline)
            finally:
                own.store.run(LEASE, [LOCK, token, 0], Deadline.after(settings.redis_timeout))
        except StoreUnavailable as error:
            raise Problem("cache_unavailable") from error
    summary.seconds = round(time.monotonic() - started, 3)
    _tell(summary)
    return summary


def _lock(services: Services, token: str, deadline: Deadline) -> bool:
    milliseconds = int(deadline.left() * 1000) + 1000
    return bool(services.store.execute(["SET", LOCK, token, "NX", "PX", milliseconds], deadline))


def _run(services: Services, summary: Summary, deadline: Deadline) -> None:
    summary.ran = True
    groups = scopes(services, deadline)
    summary.tenants = len(groups)
    tasks: list[_Task] = []
    for group, earlier in groups.items():
        tasks += _tasks(services, group, earlier, deadline)
    with ThreadPoolExecutor(services.settings.warm_parallel) as pool:
        for done in pool.map(lambda task: _do(task, services, deadline), tasks):
            summary.questions[done.outcome] += 1
            summary.cost_usd += done.cost_usd
            summary.shadow_total += done.false_hit is not None
            summary.shadow_false += bool(done.false_hit)
    held = [services.inventory.holdings(group, deadline) for group in groups if deadline.open]
    _measure(summary, held)


def scopes(services: Services, deadline: Deadline) -> dict[Scope, list[Scope]]:
    """The scopes to warm, each with those of earlier versions of ours, whose questions are asked again after a deploy.

    A scope of another structure may be of another database, so it is left alone.
    """
    settings = services.settings
    fingerprint = services.catalogs.current(deadline).fingerprint
    sealed = services.store.execute(
        ["ZREVRANGEBYSCORE", "rowcall:scopes", "+inf", int(time.time()) - SCOPE_SECONDS, "LIMIT", 0, MOST_SCOPES],
        deadline,
    )
    groups: dict[Scope, list[Scope]] = {}
    tenant = settings.warm_tenant or ("" if settings.auth else LOCAL.tenant)
    if tenant:
        groups[Scope(tenant, LOCAL.role, fingerprint, VERSIONS)] = []
    for entry in sealed:
        payload = unseal(settings.plan_seal_key.get_secret_value().encode(), "scope", entry)
        if payload is None:
            continue  # of another deployment, or planted
        known = Scope(**json.loads(payload))
        if known.fingerprint == fingerprint:
            groups.setdefault(Scope(known.tenant, known.role, fingerprint, VERSIONS), []).append(known)
    return groups


def _tasks(services: Services, group: Scope, earlier: Iterable[Scope], deadline: Deadline) -> list[_Task]:
    """What to ask in one scope, each question once, and what is about to be missed first."""
    settings = services.settings
    today = datetime.now(UTC).date()
    weeks = (today, today - timedelta(days=7))
    asked = {
        "prefix": group.prefix,
        "missed": [one.missed(day) for one in {group, *earlier} for day in weeks],
        "top": settings.warm_top,
        "cap": settings.plan_cap_seconds,
        "ahead": AHEAD_SECONDS,
        "most": MOST_RENEWED,
        "samples": MOST_SAMPLES,
    }
    missed, renewed, sampled = services.store.run(GATHER, [json.dumps(asked)], deadline)
    principal = Principal(USER, group.tenant, frozenset({QUERY}), group.role)
    tasks = [_Task(principal, "renewed", *pair) for pair in _pairs(renewed)]
    tasks += [_Task(principal, "sampled", *pair) for pair in _pairs(sampled)]
    tasks += [_Task(principal, "configured", query) for query in settings.warm_questions]
    tasks += [_Task(principal, "missed", query) for query in missed]
    zone = settings.default_timezone
    return list({(task.query, task.timezone or zone): task for task in reversed(tasks)}.values())[::-1]


def _pairs(entries: Sequence[str]) -> list[tuple[str, str]]:
    """Questions with their time zones; what is not of that form was not put there by us."""
    pairs = []
    for entry in entries:
        with suppress(ValueError, TypeError):
            query, timezone, *_ = json.loads(entry)
            pairs.append((str(query), str(timezone)))
    return pairs


def _do(task: _Task, services: Services, deadline: Deadline) -> _Done:
    if not Deadline(deadline.at - LEAST_SECONDS).open:
        return _Done("skipped")
    try:
        if task.reason == "sampled":
            return _compare(task, services, deadline)
        found = _ask(task, services, deadline, fresh=task.reason == "renewed")
    except Problem as problem:
        telemetry.logger().info("a question could not be warmed", reason=task.reason, code=problem.code)
        return _Done("failed")
    except Exception:
        telemetry.logger().exception("a question could not be warmed")
        return _Done("failed")
    return _Done("planned" if found.layer == 3 else "known", _cost(found))


def _ask(task: _Task, services: Services, deadline: Deadline, *, fresh: bool = False, compare: bool = False) -> Answer:
    ask = Ask(
        task.query,
        limit=services.settings.max_limit,
        timezone=task.timezone,
        fresh=fresh,
        purpose="compare" if compare else "warm",
    )
    return answer(ask, task.principal, services, deadline.within(services.settings.request_timeout))


def _compare(task: _Task, services: Services, deadline: Deadline) -> _Done:
    """Whether a hit gives the rows of a fresh plan; a false one is parted from its plan, as by feedback."""
    catalog = services.catalogs.current(deadline)
    theirs = scope(task.principal, catalog)
    asked = read(Ask(task.query, timezone=task.timezone), catalog, services.settings)
    led = services.inventory.follow(theirs, asked, deadline)
    if led is None or not led.alias:  # it expired, or was planned for itself since
        return _Done("known")
    hit = _ask(task, services, deadline)
    fresh = _ask(task, services, deadline, fresh=True, compare=True)
    same = same_rows(hit, fresh)
    if same is False:  # the data may have changed in between
        same = same_rows(_ask(task, services, deadline), fresh)
    if same is False:
        services.inventory.part(theirs, led, deadline)
    return _Done("known", _cost(fresh), None if same is None else not same)


def same_rows(one: Answer, other: Answer) -> bool | None:
    """Whether two answers have the same rows, in the same order if both plans order; `None` when it cannot be told."""
    if (one.plan.sql, one.params) == (other.plan.sql, other.params):
        return True
    ordered = _orders(one) and _orders(other)
    if not ordered and (one.truncated or other.truncated):
        return None
    rows, others = ([_key(row) for row in found.rows] for found in (one, other))
    return rows == others if ordered else Counter(rows) == Counter(others)


def _orders(found: Answer) -> bool:
    import sqlglot

    return bool(sqlglot.parse_one(found.plan.sql, read="postgres").args.get("order"))


def _key(row: Sequence[object]) -> str:
    """A row as text; sums of floats differ in their last digits by the order of adding."""
    return json.dumps([f"{value:.9g}" if isinstance(value, float) else value for value in row], sort_keys=True)


def _cost(found: Answer) -> float:
    return found.plan.cost_usd if found.layer == 3 else 0.0


def _measure(summary: Summary, held: Sequence[Holdings]) -> None:
    uses = sum(one.uses for one in held)
    summary.total_schemas = sum(one.plans for one in held)
    summary.pinned_schemas = sum(one.pinned for one in held)
    summary.avg_use_count = round(uses / summary.total_schemas, 3) if summary.total_schemas else 0.0


def _tell(summary: Summary) -> None:
    told: dict[str, Any] = asdict(summary)
    telemetry.logger().info("warmer", **told)
    count = MetricUnit.Count
    telemetry.emit(
        {
            "warmer_cost_usd": (summary.cost_usd, MetricUnit.NoUnit),
            "warmer_duration_seconds": (summary.seconds, MetricUnit.Seconds),
            "shadow_total": (summary.shadow_total, count),
            "shadow_false_total": (summary.shadow_false, count),
            "total_schemas": (summary.total_schemas, count),
            "pinned_schemas": (summary.pinned_schemas, count),
            "avg_use_count": (summary.avg_use_count, MetricUnit.NoUnit),
        }
    )
    for outcome, number in summary.questions.items():
        telemetry.emit({"warmer_questions_total": (number, count)}, outcome=outcome)
