"""The guard: a planner's draft becomes a plan, or is refused by a rule that has a name.

Everything is by allow-list: what is not known to be harmless is refused, whoever wrote it. What is run is
not the text that was proposed but the text that the guard wrote from the tree it has checked. It must never
look at what a draft means, only at what it can do; and never let a draft through because it cannot be read.

    reading     text to a tree of allowed parts          rules      the name and sentence of every rule
    naming      every table and column to the catalog    allowed    nodes, functions, types, operators
                (with the help of tables and outputs)
    work        how much the query can make; expressions the same of its functions
    parameters  placeholders to $1..$n, with types       proof      may the plan serve the whole template?
    writing     the tree back to text

Imports the SQL parser: callers import it where they need it, not where they start.
"""

from __future__ import annotations

from sqlglot.errors import OptimizeError, ParseError, SqlglotError

from rowcall import bind
from rowcall.catalog import Catalog
from rowcall.errors import UnsafePlan
from rowcall.guard import naming, reading, work, writing
from rowcall.guard.parameters import Parameters
from rowcall.guard.proof import Evidence
from rowcall.guard.rules import RULES, unsafe
from rowcall.plan import Draft, Plan
from rowcall.question import Question

__all__ = ["RULES", "check"]

MAX_BYTES = 15_000
"""RDS Proxy pins its session on statements over 16 KB."""


def check(draft: Draft, question: Question, catalog: Catalog) -> Plan:
    """The plan that `draft` proposes for `question`; raises `UnsafePlan` and nothing else."""
    try:
        return _check(draft, question, catalog)
    except UnsafePlan:
        raise
    except ParseError as error:
        description = str(error.errors[0].get("description", "")) if error.errors else ""
        raise unsafe("unreadable", description[:200]) from None
    except OptimizeError as error:
        raise unsafe("column", str(error).partition("\n")[0][:200]) from None
    except RecursionError:
        raise unsafe("too_long", "It is nested too deeply.") from None
    except (SqlglotError, ValueError, TypeError, AttributeError, LookupError, AssertionError) as error:
        # Hostile text takes the parser where its authors never went; what it cannot finish is not a plan.
        raise unsafe("unreadable", f"({type(error).__name__})") from None


def _check(draft: Draft, question: Question, catalog: Catalog) -> Plan:
    types = {column.type for _, column in catalog.columns()}
    tree = reading.read(draft.sql, types)
    parts = reading.Parts(tree)
    evidence = Evidence(parts)
    named = naming.resolve(tree, parts, catalog)
    reading.admit(named.tree, types)  # resolving names makes new parts
    work.check(named)
    parameters = Parameters(named, question).replace_all()
    sql = writing.write(named.tree)
    if len(sql.encode()) > MAX_BYTES:
        raise unsafe("too_long")
    plan = Plan(
        sql=sql,
        parameters=parameters,
        tables=named.tables,
        explanation=draft.explanation,
        exact_only=not evidence.is_templated(question, draft.constants, parameters),
    )
    try:
        bind.values(plan, question, catalog, row_cap=1)
    except bind.DoesNotFit as error:
        raise unsafe("parameters", str(error)) from None
    return plan
