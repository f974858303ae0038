"""What becomes of an answer that someone found right or wrong. The question is read again; no state is needed.

A wrong answer by layer 2 parts the two templates for good; a wrong plan is dropped. A right one becomes an example
for planners by model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from rowcall import admission, telemetry
from rowcall.answer import Ask, read, scope
from rowcall.errors import Problem
from rowcall.plan import Parameter, Plan
from rowcall.trace import Trace

if TYPE_CHECKING:
    from rowcall.admission import Limit
    from rowcall.auth import Principal
    from rowcall.bootstrap import Services
    from rowcall.cache.inventory import Led
    from rowcall.cache.plans import Scope
    from rowcall.deadline import Deadline
    from rowcall.question import Question

Effect = Literal["example_kept", "alias_removed", "plan_dropped"]


def judge(
    ask: Ask,
    right: bool,
    principal: Principal,
    services: Services,
    deadline: Deadline,
    *,
    limits: Sequence[Limit] = (),
    trace: Trace | None = None,
) -> Effect:
    """Learn that the remembered answer to `ask` is `right`, or not.

    Raises `not_found` when none is remembered, `rate_limited`, and `cache_unavailable` without Redis.
    """
    trace = trace or Trace()
    with trace.counting(redis=services.store.calls, postgres=services.database.calls), trace.step("redis"):
        catalog = services.catalogs.current(deadline)
        asked = read(ask, catalog, services.settings)
        theirs = scope(principal, catalog)
        trace.verdicts = services.plans.admit(limits, deadline)
        admission.require(trace.verdicts)
        led = services.inventory.follow(theirs, asked, deadline)
        if led is None:
            raise Problem("not_found", "No answer to this question is remembered.")
        effect = _keep(theirs, asked, led, services, deadline) if right else _doubt(theirs, led, services, deadline)
    telemetry.logger().info("feedback", effect=effect, plan=led.known.id)
    return effect


def _keep(theirs: Scope, asked: Question, led: Led, services: Services, deadline: Deadline) -> Effect:
    plan = led.known.plan
    words = asked.text if plan.exact_only else asked.template
    services.examples.add(theirs, led.known.id, words, as_drafted(plan), deadline)
    return "example_kept"


def _doubt(theirs: Scope, led: Led, services: Services, deadline: Deadline) -> Effect:
    if led.alias:
        services.inventory.part(theirs, led, deadline)
        return "alias_removed"
    services.inventory.delete(theirs, led.known.id, deadline)
    return "plan_dropped"


def as_drafted(plan: Plan) -> str:
    """The plan's SQL with the placeholders that a planner writes, and without the cap that the guard added."""
    capped = re.escape(f"${len(plan.parameters)}")
    sql = re.sub(rf" LIMIT CAST\({capped} AS BIGINT\)", "", plan.sql)
    sql = re.sub(rf"LEAST\((.+), CAST\({capped} AS BIGINT\)\)", r"\1", sql)
    for number, parameter in reversed(list(enumerate(plan.parameters, 1))):
        sql = sql.replace(f"${number}", _placeholder(parameter))
    return sql


def _placeholder(parameter: Parameter) -> str:
    if parameter.slot is None:
        return f":{parameter.part}"
    return f":s{parameter.slot}" + ("" if parameter.part == "value" else f"_{parameter.part}")
