"""Step 5: a plan, made now. Planners are asked in order; what one proposes is guarded, checked and explained by
Postgres with this question's values, and what fails goes back to the same model with what was wrong.

A planner that cannot be reached is passed over, and the plan says so. Nothing a planner returns is run or remembered
before the guard has written it anew. Imported on a miss only: it brings the SQL parser.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import takewhile
from typing import TYPE_CHECKING

from rowcall import bind, guard, telemetry
from rowcall.budget import Admitted, Call, Ledger, ShutOff
from rowcall.cache.store import StoreUnavailable
from rowcall.catalog import Catalog
from rowcall.database.connection import Database, StatementFailed
from rowcall.deadline import Deadline
from rowcall.errors import Problem, Unanswerable, UnsafePlan
from rowcall.plan import Draft, Plan
from rowcall.planners import (
    Asking,
    CannotAnswer,
    Clarification,
    Failed,
    Outcome,
    Planner,
    PlannerUnavailable,
    Unusable,
)
from rowcall.planners.choosing import Choosing
from rowcall.pricing import Tokens, dollars
from rowcall.question import Question

if TYPE_CHECKING:
    from rowcall.auth import Principal

LEAST_SECONDS = 1.0
"""With less than this left no model is asked."""

_NAME = re.compile(r"[a-z_][a-z0-9_]{2,}", re.IGNORECASE)

_STATES = {
    # https://www.postgresql.org/docs/current/errcodes-appendix.html, in words that carry no value of a row
    "42703": "a column does not exist there",
    "42P01": "a table does not exist",
    "42883": "no function or operator takes values of these types; a cast may be needed",
    "42804": "types do not match; a cast may be needed",
    "42803": "a column must stand in GROUP BY or in an aggregate",
    "42702": "a column name is ambiguous; it needs its table",
    "42725": "a function call is ambiguous; a cast may be needed",
    "42P18": "the type of a parameter cannot be told; a cast is needed",
    "42601": "the syntax is wrong",
    "22P02": "a value is not written as its type demands",
    "22007": "a date or time is not written as its type demands",
    "0A000": "this is not supported",
}


class _Refused(Exception):
    """A draft is no plan: `problem` for a person, `complaint` for its planner."""

    def __init__(self, problem: Problem, complaint: str) -> None:
        super().__init__(complaint)
        self.problem = problem
        self.complaint = complaint


class Planning:
    """Makes plans with `planners`, asked in order. `repairs` is how often one may mend what it proposed."""

    def __init__(
        self, planners: Sequence[Planner], database: Database, ledger: Ledger, *, cost_ceiling: float, repairs: int
    ) -> None:
        self.planners = planners
        self.database = database
        self.ledger = ledger
        self.cost_ceiling = cost_ceiling
        self.repairs = repairs

    def make(
        self,
        question: Question,
        catalog: Catalog,
        principal: Principal,
        row_cap: int,
        deadline: Deadline,
        examples: Callable[[], Sequence[tuple[str, str]]] = tuple,
    ) -> Plan:
        """A guarded plan that Postgres accepts. `examples` are loaded when a model is to be asked.

        Raises `Unanswerable`, `UnsafePlan`, `ambiguous`, `budget_exceeded`, or `planner_unavailable` when no planner
        that might have known could be asked.
        """
        return _Work(self, Asking(question, catalog), principal, row_cap, deadline, examples).plan()


class _Work:
    """One question on its way through the planners."""

    def __init__(
        self,
        planning: Planning,
        asking: Asking,
        principal: Principal,
        row_cap: int,
        deadline: Deadline,
        examples: Callable[[], Sequence[tuple[str, str]]],
    ) -> None:
        self.planning = planning
        self.asking = asking
        self.principal = principal
        self._row_cap = row_cap
        self.deadline = deadline
        self._choosing = Choosing(planning.ledger, principal)
        self._load_examples = cache(examples)

    def plan(self) -> Plan:
        abstained: Unanswerable | None = None
        waiting = list(self.planning.planners)
        while waiting:
            if waiting[0].price is None:
                try:
                    return self._without_model(waiting.pop(0))
                except Unanswerable as error:
                    abstained = error
            elif plan := self._with_models(waiting):
                return plan
        raise (
            self._choosing.over_budget
            or self._choosing.none_reached()
            or abstained
            or Unanswerable("No planner can read this.")
        )

    def _without_model(self, planner: Planner) -> Plan:
        proposal = planner.propose(self.asking, self.deadline)
        match proposal.outcome:
            case Draft() as draft:
                try:
                    return self.made(self.check(draft), planner, _Bill(attempts=1))
                except _Refused as refused:
                    telemetry.logger().warning("refused draft", planner=planner.name, complaint=refused.complaint)
                    raise _does_not_work() from refused
            case CannotAnswer(reason, suggestions):
                raise Unanswerable(reason, suggestions)
            case other:
                raise Unanswerable(f"This question cannot be read: {other}.")

    def _with_models(self, waiting: list[Planner]) -> Plan | None:
        """The plan of the first model that may be asked and replies; what was asked or passed over leaves `waiting`."""
        models = list(takewhile(lambda planner: planner.price is not None, waiting))
        del waiting[: len(models)]
        self.asking = replace(self.asking, examples=tuple(self._load_examples()))
        chosen = self._choosing.choose(models, lambda planner: planner.worst_cost(self.asking), self.deadline)
        waiting[:0] = models
        if chosen is None:
            return None
        planner, admitted = chosen
        others = any(planner.price is not None for planner in waiting)
        try:
            return self._with_model(planner, admitted, self.deadline.within(self.deadline.left() * _share(others)))
        except PlannerUnavailable as error:
            self._choosing.passed_over.append(error)
            return None

    def _with_model(self, planner: Planner, admitted: Admitted, deadline: Deadline) -> Plan:
        """The plan of one model, mended if need be. Raises `PlannerUnavailable` when it gave nothing usable."""
        conversation = _Conversation(self, planner, admitted, deadline)
        try:
            return conversation.plan()
        finally:
            conversation.settle()

    def made(self, plan: Plan, planner: Planner, bill: _Bill) -> Plan:
        return replace(
            plan,
            planner=planner.name,
            model=planner.model,
            cost_usd=dollars(bill.nano),
            attempts=bill.attempts,
            input_tokens=bill.tokens.total_input,
            output_tokens=bill.tokens.output,
            passed_over=tuple(error.planner for error in self._choosing.passed_over),
        )

    def check(self, draft: Draft) -> Plan:
        """The plan that `draft` is; raises `_Refused`."""
        question, catalog = self.asking.question, self.asking.catalog
        try:
            plan = guard.check(draft, question, catalog)
            values = bind.values(plan, question, catalog, self._row_cap)
            explained = self.planning.database.explain(plan.sql, values, self.deadline, self.principal.tenant)
        except UnsafePlan as error:
            raise _Refused(error, f"{error.detail}{_closest(draft.sql, catalog)}") from error
        except bind.DoesNotFit as error:
            raise _Refused(_does_not_work(), f"A value of the question does not fit: {error}.") from error
        except StatementFailed as error:
            words = _STATES.get(error.sqlstate, f"Postgres refuses it with SQLSTATE {error.sqlstate}")
            near = f", near {plan.sql[error.position - 1 :][:40]!r}" if error.position else ""
            raise _Refused(_does_not_work(), f"{words}{near}.{_closest(draft.sql, catalog)}") from error
        cost, ceiling = float(explained["Plan"]["Total Cost"]), self.planning.cost_ceiling
        if cost > ceiling:
            raise _Refused(
                Unanswerable("Answering this would keep the database busy too long. Ask for less at once."),
                f"Its estimated cost is {cost:.0f} and {ceiling:.0f} is the most: read fewer rows.",
            )
        return plan


class _Conversation:
    """The proposals of one model for one question, each admitted before it is asked for and settled after."""

    def __init__(self, work: _Work, planner: Planner, admitted: Admitted, deadline: Deadline) -> None:
        self._work = work
        self._planner = planner
        self._admitted: Admitted | None = admitted
        self._ended: tuple[Admitted, Call] | None = None
        self._deadline = deadline
        self._asking = work.asking
        self._bill = _Bill()

    def plan(self) -> Plan:
        kept: Plan | None = None
        refusal: Problem | PlannerUnavailable | None = None
        for _ in range(self._work.planning.repairs + 1):
            try:
                outcome = self._propose()
            except (PlannerUnavailable, StoreUnavailable, Problem):
                if kept or refusal:
                    break  # the first proposal counts, not that it could not be mended
                raise
            match outcome:
                case CannotAnswer(reason, suggestions):
                    if kept:
                        break
                    raise Unanswerable(reason, suggestions)
                case Clarification(question, choices):
                    if kept:
                        break
                    raise Problem("ambiguous", question, suggestions=choices)
                case Unusable(reason, final):
                    refusal = refusal or PlannerUnavailable(self._planner.name, f"gave no plan: {reason}")
                    self._complain("", reason)
                    if final:
                        break
                case Draft() as draft:
                    try:
                        plan = self._work.check(draft)
                    except _Refused as refused:
                        refusal = refused.problem
                        self._complain(draft.sql, refused.complaint)
                        continue
                    if kept or not (plan.exact_only and self._asking.question.slots):
                        return self._work.made(plan, self._planner, self._bill)
                    kept = plan
                    self._complain(draft.sql, _values_kept(plan, self._asking.question))
        if kept:
            return self._work.made(kept, self._planner, self._bill)
        assert refusal is not None  # noqa: S101 -- no proposal is left without a plan or a refusal
        raise refusal

    def _propose(self) -> Outcome:
        planner = self._planner
        admitted, self._admitted = self._admitted or self._admit_again(), None
        self._ended = admitted, Call(planner.name, planner.model)
        if not Deadline(self._deadline.at - LEAST_SECONDS).open:
            raise PlannerUnavailable(planner.name, "had no time left to reply")
        try:
            proposal = planner.propose(self._asking, self._deadline)
        except PlannerUnavailable:
            self._ended = admitted, Call(planner.name, planner.model, ok=False)
            raise
        nano = planner.price.cost(proposal.tokens) if planner.price else 0
        self._ended = admitted, Call(planner.name, planner.model, ok=True, tokens=proposal.tokens, nano=nano)
        self._bill.add(proposal.tokens, nano)
        if isinstance(proposal.outcome, Unusable):
            telemetry.logger().warning("unusable reply", planner=planner.name, reason=proposal.outcome.reason)
        return proposal.outcome

    def _admit_again(self) -> Admitted:
        """The right to a further call; the one that ended is settled in the same request."""
        ended, self._ended = self._ended, None
        candidate = (self._planner.name, self._planner.worst_cost(self._asking))
        work = self._work
        admitted = work.planning.ledger.admit(work.principal, [candidate], work.deadline, ended=ended)
        if isinstance(admitted, ShutOff):
            raise PlannerUnavailable(self._planner.name, "has failed too often of late", admitted.retry_after)
        return admitted

    def settle(self) -> None:
        """Settle the call that ended last, or the right to one that was not used."""
        if self._admitted is not None:
            self._ended = self._admitted, Call(self._planner.name, self._planner.model)
        if self._ended is not None:
            self._work.planning.ledger.settle(self._work.principal, *self._ended, self._work.deadline)

    def _complain(self, sql: str, complaint: str) -> None:
        self._asking = replace(self._asking, failed=(*self._asking.failed, Failed(sql, complaint)))


@dataclass(slots=True)
class _Bill:
    """What the proposals of one planner took."""

    attempts: int = 0
    tokens: Tokens = field(default=Tokens())
    nano: int = 0

    def add(self, tokens: Tokens, nano: int) -> None:
        self.attempts += 1
        self.tokens += tokens
        self.nano += nano


def _share(others_follow: bool) -> float:
    """The part of the time left that one model may take: the next one, or the database, needs the rest."""
    return 0.5 if others_follow else 0.75


def _does_not_work() -> Unanswerable:
    return Unanswerable("No plan for this question works on this database.")


def _values_kept(plan: Plan, question: Question) -> str:
    """Why a plan serves this very question only."""
    used = {parameter.slot for parameter in plan.parameters}
    unused = [f":s{index}" for index in range(len(question.slots)) if index not in used]
    if unused:
        return f"It works, but for these values only: it does not use {', '.join(unused)}."
    return "It works, but for these values only: a placeholder stands twice, or a literal is neither slot nor constant."


def _closest(sql: str, catalog: Catalog) -> str:
    """For names in `sql` that the catalog does not have, those that look like them."""
    known = {table.name for table in catalog.tables.values()} | {column.name for _, column in catalog.columns()}
    found = []
    for name in dict.fromkeys(_NAME.findall(sql)):
        if name not in known and (similar := difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.75)):
            found.append(f"{name}: {', '.join(similar)}")
    return f" Names that exist: {'; '.join(found[:8])}." if found else ""
