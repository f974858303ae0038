"""An answer put into a sentence, and a refusal too: how rowcall chats where no model can be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowcall.errors import Problem

if TYPE_CHECKING:
    from rowcall.document import Document

SHOWN = 5


def of_answer(told: Document) -> str:
    """The rows of an answer's document in a sentence or a short list."""
    names = [column["name"] for column in told["columns"]]
    rows = [[row[name] for name in names] for row in told["data"]]
    meaning = told["explanation"].rstrip(".")
    match rows:
        case []:
            return f"The result is empty: no row matches. I looked for: {meaning}."
        case [[value]]:
            return f"{meaning}: {_value(value)}."
        case [row]:
            return f"{meaning}: {_row(names, row)}."
    count = f"more than {len(rows)}" if told["truncated"] else str(len(rows))
    lines = [f"{number}. {_row(names, row)}" for number, row in enumerate(rows[:SHOWN], 1)]
    rest = f"\nThe other {len(rows) - SHOWN} are in the table." if len(rows) > SHOWN else ""
    return f"{meaning}: {count} rows.\n" + "\n".join(lines) + rest


def of_refusal(problem: Problem) -> str:
    """Why a question has no answer here, and what could be asked instead."""
    offered = "".join(f"\n- {question}" for question in problem.suggestions)
    return f"{problem.detail} You could ask:{offered}" if offered else problem.detail


def _row(names: list[str], row: list[Any]) -> str:
    first, *others = (
        f"{name.replace('_', ' ')} {_value(value)}" if position else _value(value)
        for position, (name, value) in enumerate(zip(names, row, strict=True))
    )
    return ", ".join([first, *others])


def _value(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(str(value).split())
