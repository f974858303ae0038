"""A question as rowcall reads it: a template, and the typed values that were taken out of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

Kind = Literal["count", "number", "money", "percent", "text", "date", "period", "year", "entity"]


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open stretch of days `[start, end)` in the asker's time zone."""

    start: date | datetime
    end: date | datetime


@dataclass(frozen=True, slots=True)
class Slot:
    """One value of a question.

    `span` is where its words stand in `Question.text`. `value` is an `int` (count, year), `Decimal`
    (number, money, percent as written: "10 %" is 10), `str` (text, entity as the catalog spells it),
    `date` (date) or `Period`. `columns` are the catalog columns (`table.column`) that hold an entity,
    sorted; they are part of the slot's type, so that values of different columns never share a template.
    """

    kind: Kind
    value: int | Decimal | str | date | Period
    span: tuple[int, int]
    columns: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        """What stands for it in the template: `{count}`, `{entity:orders.status|payments.status}`."""
        return f"{{{self.kind}:{'|'.join(self.columns)}}}" if self.columns else f"{{{self.kind}}}"


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
