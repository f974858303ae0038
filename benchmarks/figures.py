"""What a benchmark found, in the one form in which it is shown, kept and drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Plot:
    """Draw the columns `y` over the column `x`, both axes logarithmic where `log` says so."""

    x: str
    y: tuple[str, ...]
    unit: str
    log: bool = True


@dataclass(frozen=True, slots=True)
class Figures:
    """A table. `name` names its plot's file, `method` says what was measured against what, and how often.

    The first column says what a row is of; a float is shown with two digits.
    """

    name: str
    title: str
    method: str
    headings: tuple[str, ...]
    rows: list[tuple[Value, ...]]
    plot: Plot | None = None

    def document(self) -> dict[str, Any]:
        return asdict(self)

    def table(self) -> Table:
        """For a terminal."""
        table = Table(title=self.title, title_justify="left")
        for number, heading in enumerate(self.headings):
            table.add_column(heading, justify="right" if number else "left")
        for row in self.rows:
            table.add_row(*(shown(value) for value in row))
        return table


def of(document: Mapping[str, Any]) -> Figures:
    """What `document` was made from."""
    plot = document["plot"]
    return Figures(
        name=document["name"],
        title=document["title"],
        method=document["method"],
        headings=tuple(document["headings"]),
        rows=[tuple(row) for row in document["rows"]],
        plot=Plot(plot["x"], tuple(plot["y"]), plot["unit"], plot["log"]) if plot else None,
    )


def shown(value: Value) -> str:
    match value:
        case None:
            return ""
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"
        case _:
            return value


Measure = Callable[[], Figures]
