"""The types of a question that was read. They are the contract with planners, cache and binder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

Kind = Literal["count", "number", "money", "percent", "text", "date", "period", "year", "entity"]


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open stretch `[start, end)` in the asker's time zone.

    Of days (`date`) for all that is named by days, weeks, months, quarters, years; of moments (aware `datetime` in
    the asker's zone) for hours, minutes and seconds.
    """

    start: date | datetime
    end: date | datetime


@dataclass(frozen=True, slots=True)
class Slot:
    """One value of a question.

    `span` is where its words stand in `Question.text`. `value` is an `int` (count, year), `Decimal`
    (number, money, percent as written: "10 %" is 10), `str` (text, entity as the catalog spells it),
    or `Period`. A day is a period of one day, so that moments compare right with it; every period carries both
    bounds, and the words before it ("since", "before", "until") say which of them is meant.

    `columns` are the catalog columns (`table.column`) that hold an entity, or a text as a value, in any spelling,
    sorted; only those of tables that the question names, if it names any. `unit` is the currency of money, if it has
    one. Both are part of the slot's type, and so is whether a period is of days or of moments: values that one plan
    could not serve alike never share a template.
    """

    kind: Kind
    value: int | Decimal | str | date | Period
    span: tuple[int, int]
    columns: tuple[str, ...] = ()
    unit: str = ""

    @property
    def type(self) -> str:
        """What stands for it in the template: `{count}`, `{money:usd}`, `{entity:orders.status|payments.status}`."""
        detail = "|".join(self.columns) or self.unit
        if isinstance(self.value, Period) and isinstance(self.value.start, datetime):
            detail = "time"
        return f"{{{self.kind}:{detail}}}" if detail else f"{{{self.kind}}}"


@dataclass(frozen=True, slots=True)
class Question:
    """`text` is what was asked, NFKC-normalised, white space folded; `template` is the key of layer 1.

    `now` is the moment and `timezone` the IANA zone at which relative periods were resolved.
    """

    text: str
    template: str
    slots: tuple[Slot, ...]
    now: datetime
    timezone: str
