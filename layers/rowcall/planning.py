"""Step 5: a plan, made now: planner, guard, and EXPLAIN with this question's values.

Imported on a miss only: it brings the SQL parser.
"""

from __future__ import annotations

from dataclasses import replace

from rowcall import bind, guard
from rowcall.catalog import Catalog
from rowcall.database.connection import Database, StatementFailed
from rowcall.deadline import Deadline
from rowcall.errors import Unanswerable
from rowcall.plan import Plan
from rowcall.planners import grammar
from rowcall.question import Question


def make(question: Question, catalog: Catalog, database: Database, row_cap: int, deadline: Deadline) -> Plan:
    """A guarded plan that Postgres accepts; raises `Unanswerable` or `UnsafePlan`."""
    draft = grammar.plan(question, catalog)
    plan = replace(guard.check(draft, question, catalog), planner="grammar")
    try:
        database.explain(plan.sql, bind.values(plan, question, catalog, row_cap), deadline)
    except (StatementFailed, bind.DoesNotFit) as error:
        raise Unanswerable("The planner's reading of this question does not work on this database.") from error
    return plan
