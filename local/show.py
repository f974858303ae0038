"""Shows an answer of the API to a person at a terminal, and what it took."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import cast

from rich.console import Console
from rich.text import Text

from rowcall_client import Answer, Rowcall, show

TIMING = re.compile(r'(\w+);dur=([\d.]+)(?:;desc="([^"]*)")?')


@dataclass(frozen=True, slots=True)
class Asked:
    """What came back for a question, and the milliseconds it took over HTTP."""

    question: str
    answer: Answer
    timing: dict[str, tuple[float, str]]
    milliseconds: float

    def trips(self, part: str) -> str:
        """How often `part` was asked, as the API counted."""
        return self.timing.get(part, (0.0, "0"))[1].split()[0]


def ask(client: Rowcall, question: str) -> Asked:
    """Raises `RowcallError`."""
    begin = time.perf_counter()
    response = client.request("POST", "/api/query", {"query": question})
    milliseconds = (time.perf_counter() - begin) * 1000
    timing = {
        name: (float(duration), description)
        for name, duration, description in TIMING.findall(response.headers.get("server-timing", ""))
    }
    return Asked(question, cast(Answer, response.json()), timing, milliseconds)


def answer(console: Console, asked: Asked, rows: int = 10) -> None:
    """The first rows as a table, the SQL with its parameters, and how they were found."""
    told = asked.answer
    hidden = show.rows(console, told["columns"], told["data"][:rows])
    if note := show.left_out(told, rows, hidden):
        console.print(Text(f"  {note}", "dim"))
    console.print()
    show.sql(console, told["sql"], told["params"])
    trips = [f"{part} {trips} in {ms:.1f} ms" for part, (ms, trips) in asked.timing.items() if trips]
    console.print(Text(f"\n  {show.layer(told)} · {asked.milliseconds:.1f} ms over HTTP", "green"))
    console.print(Text(f"  {' · '.join(trips)}", "green"))
