"""Shows what the API told to a person at a terminal.

What comes from the database or from a model is never written as it is: a character that a terminal would obey
(an escape sequence, a cursor movement, a change of the writing direction) is shown as its escape instead.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from rowcall_client.documents import Answer, Column
from rowcall_client.http import RowcallError

LAYERS = {1: "remembered plan", 2: "similar question's plan", 3: "new plan"}
NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
WIDEST = 28
OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""C0, DEL and C1 controls, what sets the writing direction (Unicode TR 36, 2.10), other line ends, half characters."""


def plain(text: object, keep: str = "") -> str:
    """`text` with every character that a terminal would obey as its escape, but those to `keep`."""
    return OBEYED.sub(
        lambda found: found[0] if found[0] in keep else found[0].encode("unicode_escape").decode(), str(text)
    )


def as_json(document: object, file: TextIO) -> None:
    """Any JSON reader reads the same values again; a terminal obeys none of them."""
    text = json.dumps(document, ensure_ascii=False, indent=2)
    file.write(OBEYED.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text) + "\n")


def as_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], file: TextIO) -> None:
    """RFC 4180 with values as they are, for a program to read; a terminal is shown what it would obey as escapes."""
    shown = file.isatty()
    writer = csv.writer(file, lineterminator="\n" if shown else "\r\n")
    for cells in (columns, *([_field(row[column]) for column in columns] for row in rows)):
        writer.writerow([plain(cell) for cell in cells] if shown else cells)


def _field(value: object) -> str:
    match value:
        case None:
            return ""
        case bool() | dict() | list():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value).encode(errors="replace").decode()


def rows(console: Console, columns: Sequence[Column], data: Sequence[Mapping[str, Any]], *, whole: bool = False) -> int:
    """A table of as many columns as the terminal is wide, or of all; tells how many are left out."""
    table = Table(show_edge=False, header_style="bold")
    room = console.width
    shown: list[list[str]] = []
    for column in columns:
        name = plain(column["name"])
        cells = [_cell(row[column["name"]], column["type"]) for row in data]
        width = max(map(len, [name, *cells]))
        if not whole:
            width = min(WIDEST, width)
            room -= width + 3
            if room < 0 and shown:
                break
        shown.append(cells)
        table.add_column(
            Text(name),
            justify="right" if column["type"] in NUMBERS else "left",
            no_wrap=True,
            overflow="ellipsis",
            max_width=width,
        )
    for row in zip(*shown, strict=True):
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
    return len(columns) - len(shown)


def _cell(value: object, type_: str) -> str:
    if value is None:
        return "–"
    if type_.startswith("timestamp"):
        return plain(value)[:16].replace("T", " ")
    if isinstance(value, float) and type_ == "numeric":
        return f"{value:,.2f}"
    return plain(json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value)


def left_out(answer: Answer, shown: int, columns: int) -> str:
    """What a table of the first `shown` rows does not show of an answer, `columns` among it."""
    parts = [f"{answer['row_count'] - shown} more rows"] if answer["row_count"] > shown else []
    parts += [f"others beyond the limit of {answer['row_count']}"] if answer["truncated"] else []
    parts += [f"{columns} more columns"] if columns else []
    return f"… {', '.join(parts)}" if parts else ""


def sql(console: Console, statement: str, params: Sequence[Any]) -> None:
    """A statement and its parameters."""
    text = plain(statement, keep="\n\t")
    values = ", ".join(f"${number} = {plain(repr(value))}" for number, value in enumerate(params, 1)) or "no parameters"
    if console.is_terminal:
        console.print(Padding(Syntax(text, "postgresql", word_wrap=True, background_color="default"), (0, 2)))
        console.print(Padding(Text(values, "dim"), (0, 2)))
    else:  # neither wrapped nor filled up
        for line in [*text.splitlines(), values]:
            console.print(Text(f"  {line}"), soft_wrap=True)


def layer(answer: Answer) -> str:
    """How an answer was found."""
    meta = answer["meta"]
    degraded = ", degraded" if meta["degraded"] else ""
    return f"layer {meta['cache_layer']}: {LAYERS[meta['cache_layer']]}, made by {plain(meta['planner'])}{degraded}"


def failure(console: Console, error: Exception) -> None:
    """Say what went wrong, and what would work instead."""
    console.print(Text(f"✗ {plain(error)}", "red"), soft_wrap=True)
    if isinstance(error, RowcallError):
        for suggestion in getattr(error, "suggestions", ()):
            console.print(Text(f"  try: {plain(suggestion)}"), soft_wrap=True)
