"""What a chat's model may do: ask the database in plain language, have a plan explained, look at the tables.

A tool takes a question, never SQL, and goes the way of every question: guard, scope, limits and caches. What the
database holds is told to the model as data, between marks, and no more of it than helps; the asker gets all of it.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rowcall import document, telemetry
from rowcall.answer import Ask, answer, explain
from rowcall.chat import Event, Rows, Tool
from rowcall.chat.models import Call, Result, ToolSchema
from rowcall.errors import Problem
from rowcall.planners.prompt import block
from rowcall.trace import Trace

if TYPE_CHECKING:
    from rowcall.admission import Limit
    from rowcall.auth import Principal
    from rowcall.bootstrap import Services
    from rowcall.deadline import Deadline
    from rowcall.document import Document

MODEL_ROWS, MODEL_CHARACTERS, CELL_CHARACTERS = 50, 6_000, 300
"""How much of an answer a model sees: enough to speak of it, at a price that is known (some 3,000 tokens)."""

MOST_ARGUMENTS = 8_000
"""Characters; the longest question has a fraction of that."""

EMPTY = "No row matches. Tell the user plainly that the result is empty."


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Query(_Arguments):
    """Ask the database one question in plain language and get its rows. The user sees the rows, the SQL and its
    parameters too. Put every value into the question itself, such as "top 5 products by revenue in 2024"."""

    question: str = Field(description="A complete question in one plain sentence, never SQL.")
    limit: int | None = Field(None, description="Most rows wanted.", ge=1)


class Explain(_Arguments):
    """How the database would answer a question: the SQL and its estimated cost. Nothing is run."""

    question: str = Field(description="A complete question in one plain sentence, never SQL.")


class ListTables(_Arguments):
    """The tables that questions can be about; with a name the columns, keys and values of that table."""

    name: str | None = Field(None, description="One table, to see its columns.")


TOOLS: dict[str, type[_Arguments]] = {"query": Query, "explain": Explain, "list_tables": ListTables}


@cache
def schemas() -> tuple[ToolSchema, ...]:
    """The tools as a model is told of them; made once, as that takes milliseconds."""
    found = []
    for name, arguments in TOOLS.items():
        schema = arguments.model_json_schema()
        wanted = ("type", "properties", "required", "additionalProperties")
        parameters: Mapping[str, Any] = {key: schema[key] for key in wanted if key in schema}
        found.append(ToolSchema(name, " ".join((arguments.__doc__ or "").split()), parameters))
    return tuple(found)


class Tools:
    """The tools in the hands of one principal. `limits` are the policies that each question is under."""

    def __init__(
        self,
        principal: Principal,
        services: Services,
        deadline: Deadline,
        *,
        timezone: str,
        limits: Sequence[Limit],
        request_id: str,
    ) -> None:
        self._principal = principal
        self._services = services
        self._deadline = deadline
        self._timezone = timezone
        self._limits = limits
        self.request_id = request_id
        self.degraded = False
        self.failed = False

    def use(self, call: Call) -> Generator[Event, None, Result]:
        """Run `call`; the generator returns its `Result`. Whatever a model asks for becomes a result, or a failed one.

        Raises `Problem` only when the deadline is over, as nothing can follow.
        """
        given: Document = {}
        try:
            try:
                arguments = _arguments(call)
            except Problem:
                yield Tool(call.id, call.name[:100], given, "started")
                raise
            given = arguments.model_dump(exclude_none=True)
            yield Tool(call.id, call.name, given, "started")
            match arguments:
                case Query():
                    return (yield from self._query(call, arguments, given))
                case Explain():
                    return (yield from self._explain(call, arguments, given))
                case ListTables():
                    return (yield from self._list_tables(call, arguments, given))
            raise AssertionError("unreachable")
        except Problem as problem:
            self.failed = True
            yield Tool(call.id, call.name[:100], given, "failed", problem)
            if not self._deadline.open:
                raise
            return _failure(call, problem)

    def _query(self, call: Call, arguments: Query, given: Document) -> Generator[Event, None, Result]:
        trace = Trace()
        ask = Ask(arguments.question, arguments.limit, self._timezone)
        answered = answer(ask, self._principal, self._services, self._deadline, limits=self._limits, trace=trace)
        seconds = sum(trace.seconds.values())
        telemetry.emit_answer(answered.layer, seconds, degraded=answered.degraded)
        self.degraded = self.degraded or answered.degraded
        told = document.of_answer(answered, seconds, self.request_id)
        yield Tool(call.id, call.name, given, "done")
        yield Rows(call.id, call.name, told)
        return Result(call.id, block("rows", _rows(told)), shape(told))

    def _explain(self, call: Call, arguments: Explain, given: Document) -> Generator[Event, None, Result]:
        ask = Ask(arguments.question, None, self._timezone)
        told = explain(ask, self._principal, self._services, self._deadline, limits=self._limits)
        found = document.of_explanation(arguments.question, told)
        yield Tool(call.id, call.name, given, "done", result=found)
        plan: Any = told.explained["Plan"]
        brief = {name: found[name] for name in ("sql", "params", "explanation", "tables")}
        brief |= {"estimated_cost": plan.get("Total Cost"), "estimated_rows": plan.get("Plan Rows")}
        return Result(call.id, block("plan", _line(brief)), f"explained {arguments.question!r}")

    def _list_tables(self, call: Call, arguments: ListTables, given: Document) -> Generator[Event, None, Result]:
        catalog = self._services.catalogs.current(self._deadline)
        if arguments.name is None:
            found = document.of_tables(catalog)
        else:
            table = catalog.table(arguments.name)
            if table is None:
                raise Problem("not_found", "There is no such table, or it is not visible.")
            found = document.of_table(table)
        yield Tool(call.id, call.name, given, "done", result=found)
        text = _line(found)
        if len(text) > MODEL_CHARACTERS:
            text = text[:MODEL_CHARACTERS] + "… (cut: ask for one table by its name)"
        return Result(call.id, block("tables", text), "looked at the tables")


def shape(told: Document) -> str:
    """An answer in a few words: what was asked, and how many rows of what came."""
    columns = ", ".join(column["name"] for column in told["columns"])
    more = "more than " if told["truncated"] else ""
    return f"{told['query']!r}: {more}{told['row_count']} rows of ({columns})"[:400]


def too_many(call: Call, most: int) -> Result:
    """The result of a call beyond the `most` that one reply may ask for."""
    return _failure(
        call, Problem("invalid_request", f"At most {most} tools can be called at once; call this one later.")
    )


def _arguments(call: Call) -> _Arguments:
    kind = TOOLS.get(call.name)
    if kind is None:
        raise Problem("invalid_request", f"There is no such tool; there are {', '.join(TOOLS)}.")
    if len(call.arguments) > MOST_ARGUMENTS:
        raise Problem("invalid_request", "The arguments are too long.")
    try:
        return kind.model_validate_json(call.arguments or "{}")
    except ValidationError as error:
        fields = [
            (".".join(map(str, item["loc"])) or "arguments", item["msg"])
            for item in error.errors(include_url=False, include_context=False, include_input=False)[:5]
        ]
        raise Problem("invalid_request", fields=fields) from None


def _failure(call: Call, problem: Problem) -> Result:
    told: Document = {"failed": problem.code, "why": problem.detail}
    if problem.suggestions:
        told["suggestions"] = list(problem.suggestions)
    return Result(call.id, block("problem", _line(told)), f"{call.name[:20]} failed: {problem.code}", failed=True)


def _rows(told: Document) -> str:
    """The rows as a model sees them: as many as it may see, and told plainly when there are none or more."""
    names = [column["name"] for column in told["columns"]]
    shown: list[str] = []
    size = 0
    for row in told["data"][:MODEL_ROWS]:
        line = _line([_cell(row[name]) for name in names])
        size += len(line)
        if size > MODEL_CHARACTERS and shown:
            break
        shown.append(line[: 2 * MODEL_CHARACTERS])
    notes = []
    if not told["data"]:
        notes.append(EMPTY)
    if len(shown) < told["row_count"]:
        notes.append(f"You see the first {len(shown)} of {told['row_count']} rows; the user sees all of these.")
    if told["truncated"]:
        notes.append("The database holds more rows than were asked for.")
    facts = {name: told[name] for name in ("sql", "params", "explanation", "row_count", "truncated")}
    return "\n".join([_line(facts), f"columns {_line(names)}", *shown, *notes])


def _cell(value: Any) -> Any:
    if isinstance(value, (str, list, dict)):
        text = value if isinstance(value, str) else _line(value)
        return text if len(text) <= CELL_CHARACTERS else text[:CELL_CHARACTERS] + "…"
    return value


def _line(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace").decode()
