"""Shows an answer of the API to a person at a terminal."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

import httpx
from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

LAYERS = {1: "remembered plan", 2: "similar question's plan", 3: "new plan"}
NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
WIDEST = 28
TIMING = re.compile(r'(\w+);dur=([\d.]+)(?:;desc="([^"]*)")?')


@dataclass(frozen=True, slots=True)
class Asked:
    """What came back for a question: the answer, or the problem, and the milliseconds it took over HTTP."""

    question: str
    status: int
    document: dict[str, Any]
    timing: dict[str, tuple[float, str]]
    milliseconds: float

    @property
    def layer(self) -> str:
        meta = self.document["meta"]
        degraded = ", degraded" if meta["degraded"] else ""
        return f"{meta['cache_layer']}: {LAYERS[meta['cache_layer']]}, made by {meta['planner']}{degraded}"

    def trips(self, part: str) -> str:
        """How often `part` was asked, as the API counted."""
        return self.timing.get(part, (0.0, "0"))[1].split()[0]


def ask(client: httpx.Client, question: str) -> Asked:
    begin = time.perf_counter()
    response = client.post("/api/query", json={"query": question})
    milliseconds = (time.perf_counter() - begin) * 1000
    timing = {
        name: (float(duration), description)
        for name, duration, description in TIMING.findall(response.headers.get("server-timing", ""))
    }
    try:
        document = response.json()
    except ValueError:
        document = {"detail": response.text[:300]}
    return Asked(question, response.status_code, document, timing, milliseconds)


def failure(console: Console, error: Exception) -> None:
    console.print(Text(f"✗ {error}", "red"), soft_wrap=True)


def problem(console: Console, asked: Asked) -> None:
    """Say what went wrong, and what would work instead."""
    said = asked.document
    console.print(
        f"[red]✗[/] {asked.question!r}: {asked.status}", Text(str(said.get("detail") or said)), soft_wrap=True
    )
    for suggestion in said.get("suggestions", []):
        console.print("  try:", Text(suggestion))


def answer(console: Console, asked: Asked, rows: int = 10) -> None:
    """The first rows as a table, the SQL with its parameters, and how they were found."""
    document = asked.document
    table, columns = _table(console, document, rows)
    console.print(table)
    left_out = [f"{document['row_count'] - rows} more rows"] if document["row_count"] > rows else []
    left_out += [f"others beyond the limit of {document['row_count']}"] if document["truncated"] else []
    left_out += [f"{columns} more columns"] if columns else []
    if left_out:
        console.print(f"  [dim]… {', '.join(left_out)}[/]")
    console.print()
    console.print(Padding(Syntax(document["sql"], "postgresql", word_wrap=True, background_color="default"), (0, 2)))
    if document["params"]:
        values = ", ".join(f"${number} = {value!r}" for number, value in enumerate(document["params"], 1))
        console.print(Padding(Text(values, "dim"), (0, 2)))
    trips = [f"{part} {trips} in {ms:.1f} ms" for part, (ms, trips) in asked.timing.items() if trips]
    console.print(Text(f"\n  layer {asked.layer} · {asked.milliseconds:.1f} ms over HTTP", "green"))
    console.print(Text(f"  {' · '.join(trips)}", "green"))


def _table(console: Console, document: dict[str, Any], rows: int) -> tuple[Table, int]:
    """As many columns as the terminal is wide, and how many are left out."""
    table = Table(show_edge=False, header_style="bold")
    room = console.width
    shown: list[list[str]] = []
    for column in document["columns"]:
        cells = [_cell(row[column["name"]], column["type"]) for row in document["data"][:rows]]
        width = min(WIDEST, max(map(len, [column["name"], *cells])))
        room -= width + 3
        if room < 0 and shown:
            break
        shown.append(cells)
        table.add_column(
            Text(column["name"]),
            justify="right" if column["type"] in NUMBERS else "left",
            no_wrap=True,
            overflow="ellipsis",
            max_width=width,
        )
    for row in zip(*shown, strict=True):
        table.add_row(*(Text(cell) for cell in row))
    return table, len(document["columns"]) - len(shown)


def _cell(value: object, type_: str) -> str:
    if value is None:
        return "–"
    if type_.startswith("timestamp"):
        return str(value)[:16].replace("T", " ")
    if isinstance(value, float) and type_ == "numeric":
        return f"{value:,.2f}"
    return str(value)
