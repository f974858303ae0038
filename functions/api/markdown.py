"""What a reply rests on, as Markdown, for whoever shows text alone: rows as a table, SQL with its parameters as code.

Values are data: nothing in them is formatting, a picture, another row or the end of a code block. Of many rows and
long values only the first part is shown, and that is said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from rowcall.document import Document

ROWS, COLUMNS, CHARACTERS = 20, 12, 80
HEADING = "\n\n---\n\n**Rows and SQL**\n"
"""Stands between a reply's prose and what it rests on."""

NUMBERS = frozenset({"smallint", "integer", "bigint", "numeric", "real", "double precision"})
FORMATTING = re.compile(r"[\\`*_\[\]<>|~&$]")
"""What has a meaning inside a line of CommonMark or GFM, or begins a formula; a backslash takes it away."""

UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")


def prose(text: str) -> str:
    """The prose of a reply that may have what it rests on behind it."""
    return text.partition(HEADING.strip())[0].rstrip()


def evidence(answers: Sequence[Document]) -> str:
    """The answers that a reply rests on; nothing if there are none."""
    return HEADING + "\n".join(map(_answer, answers)) if answers else ""


def _answer(answer: Document) -> str:
    columns = answer["columns"][:COLUMNS]
    lines = [f"\nQuestion: {value(answer['query'], 300)}\n"]
    if answer["data"]:
        lines.append(_line(value(column["name"]) for column in columns))
        lines.append(_line("---:" if column["type"] in NUMBERS else "---" for column in columns))
        rows = answer["data"][:ROWS]
        lines += [_line(value(row[column["name"]]) for column in columns) for row in rows]
    else:
        lines.append("No row matches.")
    if left_out := _left_out(answer):
        lines.append(f"\n… {left_out}")
    return "\n".join([*lines, "", _code(answer["sql"], answer["params"])])


def _left_out(answer: Document) -> str:
    parts = [f"{answer['row_count'] - ROWS} more rows"] if answer["row_count"] > ROWS else []
    parts += [f"others beyond the limit of {answer['row_count']}"] if answer["truncated"] else []
    parts += [f"{len(answer['columns']) - COLUMNS} more columns"] if len(answer["columns"]) > COLUMNS else []
    return ", ".join(parts)


def _line(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def value(told: object, most: int = CHARACTERS) -> str:
    """A value as text that Markdown shows as it is, on one line."""
    return FORMATTING.sub(r"\\\g<0>", _short(told, most))


def _short(told: object, most: int = CHARACTERS) -> str:
    text = told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)
    text = UNSEEN.sub(" ", text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _code(sql: str, params: Sequence[Any]) -> str:
    """A fence that is longer than any in it (CommonMark 4.5)."""
    lines = [sql, *(f"-- ${number} = {_short(param)}" for number, param in enumerate(params, 1))]
    longest = max((len(run) for run in re.findall("`+", "\n".join(lines))), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}sql", *lines, fence])
