"""What a question means, before it is SQL: sets of rows, conditions on them, measures, and how they are shown.

Plain data. The parser makes it from words; `compose` makes SQL of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rowcall.planners.grammar.schema import Field, Path

Function = Literal["count", "sum", "avg", "min", "max", "median"]


@dataclass(frozen=True)
class Value:
    """The value of a slot, or a constant of the grammar's own ("one", "zero", `true`)."""

    slot: int | None = None
    constant: str | int | bool | None = None


@dataclass(frozen=True)
class Place:
    """A column, and how it is reached from the rows it is asked of."""

    field: Field
    path: Path = ()


@dataclass(eq=False)
class Things:
    """Rows of one table that meet every condition."""

    table: str
    where: list[Condition] = field(default_factory=list)


@dataclass(frozen=True)
class Compare:
    place: Place
    operator: str
    value: Value


@dataclass(frozen=True)
class Between:
    place: Place
    low: Value
    high: Value


@dataclass(frozen=True)
class Within:
    """A date or year column against a period, date or year: in, before, after, since, until."""

    place: Place
    relation: Literal["in", "before", "after", "since", "until"]
    slot: int
    kind: str


@dataclass(frozen=True)
class Like:
    place: Place
    how: Literal["equals", "contains", "prefix", "suffix"]
    slot: int
    folded: bool = False


@dataclass(frozen=True)
class Known:
    """Whether a column has a value at all."""

    place: Place
    known: bool


@dataclass(frozen=True)
class Flag:
    place: Place
    value: bool


@dataclass(frozen=True)
class Against:
    """A column against an aggregate of the same column over all rows: "above average"."""

    place: Place
    operator: str
    function: Function
    things: Things


@dataclass(frozen=True)
class Related:
    """Rows of another table that belong to this one: some, none, or as many as a number says."""

    path: Path
    things: Things
    negated: bool = False
    operator: str = ""
    value: Value | None = None


@dataclass(frozen=True)
class Not:
    condition: Condition


@dataclass(frozen=True)
class Either:
    conditions: tuple[Condition, ...]


Condition = Compare | Between | Within | Like | Known | Flag | Against | Related | Not | Either


@dataclass(frozen=True)
class Measure:
    """A number made of many rows. `place` is reached from the rows of `things`; `times` multiplies it.

    `name` is what it was called where that is no column: "revenue".
    """

    function: Function
    things: Things
    place: Place | None = None
    times: Field | None = None
    distinct: bool = False
    only: tuple[Condition, ...] = ()
    name: str = field(default="", compare=False)


@dataclass(frozen=True)
class Ratio:
    above: Measure | Place
    below: Measure | Place
    percent: bool = False


@dataclass(frozen=True)
class Bucket:
    """A date by year, quarter, month, week or day."""

    place: Place
    unit: str


@dataclass(frozen=True)
class Dimension:
    """What rows are grouped by: a column, a stretch of time, or the things of a table, reached by `path`."""

    place: Place | None = None
    bucket: Bucket | None = None
    things: Things | None = None
    shown: tuple[Place, ...] = ()
    path: Path = ()


Expression = Place | Measure | Ratio


@dataclass(frozen=True)
class Order:
    by: Expression | Dimension
    descending: bool


@dataclass
class Reading:
    """The whole of a question. `things` are the rows asked for, or what the measures are of."""

    things: Things
    shown: list[Expression] = field(default_factory=list)
    dimensions: list[Dimension] = field(default_factory=list)
    having: list[tuple[Measure, str, Value]] = field(default_factory=list)
    order: list[Order] = field(default_factory=list)
    limit: Value | None = None
    distinct: bool = False
    score: float = 1.0
