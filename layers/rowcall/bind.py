"""A question's values for a plan's parameters: the step between a plan, however old, and Postgres.

Every answer from the cache comes through here, so it imports nothing but what it needs to make values. It
never puts a value where the plan did not ask for that very slot; what does not fit is `DoesNotFit`, which the
caller takes as if no plan had been found.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import assert_never
from zoneinfo import ZoneInfo

from rowcall.catalog import Catalog
from rowcall.plan import Parameter, Plan
from rowcall.question import Period, Question, Slot

Value = int | Decimal | str | date | datetime
"""What pg8000 renders as text that Postgres reads back as the very same value."""

MAX_COUNT = 2**31 - 1
"""A count is clamped to what Postgres calls an integer; the row cap sees to how many rows come back."""

_INTEGERS = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
_NUMBERS = {"numeric", "real", "double precision", "money", ""}
_TEXTS = {"text", "varchar", "char", ""}


class DoesNotFit(Exception):
    """This question's values do not suit this plan."""


def values(plan: Plan, question: Question, catalog: Catalog, row_cap: int) -> list[Value]:
    """The value of each parameter of `plan`, in order, for `pg8000`'s `execute_unnamed`."""
    return [_value(parameter, question, catalog, row_cap) for parameter in plan.parameters]


def _value(parameter: Parameter, question: Question, catalog: Catalog, row_cap: int) -> Value:
    part = parameter.part
    if parameter.slot is None:
        if part == "row_cap":
            return row_cap
        if part == "timezone":
            return question.timezone
        if part == "today":
            return _moment(_today(question), parameter.type, question.timezone)
        raise DoesNotFit(f"{part} needs a slot")
    if not 0 <= parameter.slot < len(question.slots):
        raise DoesNotFit("the question has fewer values than the plan")
    slot = question.slots[parameter.slot]
    if part == "value":
        return _plain(parameter, slot, question, catalog)
    if part == "start" or part == "end":
        return _edge(parameter, slot, question)
    if part == "contains" or part == "prefix" or part == "suffix":
        if slot.kind != "text" or parameter.type not in _TEXTS:
            raise DoesNotFit(f"a {slot.kind} is no pattern")
        text = _escape(_text(slot))
        return f"{'' if part == 'prefix' else '%'}{text}{'' if part == 'suffix' else '%'}"
    raise DoesNotFit(f"{part} is not a value of the question")


def _plain(parameter: Parameter, slot: Slot, question: Question, catalog: Catalog) -> Value:
    match slot.kind:
        case "count" | "number" | "money" | "percent" | "year":
            return _number(parameter.type, slot)
        case "text":
            if parameter.type not in _TEXTS:
                raise DoesNotFit(f"a text is no {parameter.type}")
            return _text(slot)
        case "entity":
            if parameter.type not in _TEXTS:
                raise DoesNotFit(f"an entity is no {parameter.type}")
            return _entity(parameter, slot, catalog)
        case "date":
            if not isinstance(slot.value, date) or isinstance(slot.value, datetime):
                raise DoesNotFit("a date has no day")
            return _moment(slot.value, parameter.type, question.timezone)
        case "period":
            raise DoesNotFit("a period has two ends")
    assert_never(slot.kind)


def _number(kind: str, slot: Slot) -> Value:
    value = slot.value
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise DoesNotFit(f"a {slot.kind} is not a number")
    if isinstance(value, Decimal) and not value.is_finite():
        raise DoesNotFit(f"a {slot.kind} is not a finite number")
    if slot.kind == "count":
        value = min(max(value, 0), MAX_COUNT)
    if kind in _INTEGERS:
        if value != int(value):
            raise DoesNotFit(f"{slot.kind} is not a whole number")
        if not -_INTEGERS[kind] <= value < _INTEGERS[kind]:
            raise DoesNotFit(f"{slot.kind} is too big")
        return int(value)
    if kind in _NUMBERS:
        return value
    if kind in _TEXTS:
        return str(value)
    raise DoesNotFit(f"a {slot.kind} is no {kind}")


def _text(slot: Slot) -> str:
    if not isinstance(slot.value, str) or "\0" in slot.value:
        raise DoesNotFit(f"a {slot.kind} is not text that Postgres can hold")
    try:
        slot.value.encode()
    except UnicodeEncodeError:
        raise DoesNotFit(f"a {slot.kind} is not text that Postgres can hold") from None
    return slot.value


def _entity(parameter: Parameter, slot: Slot, catalog: Catalog) -> str:
    value = _text(slot)
    if parameter.column:
        column = catalog.column(parameter.column)
        if column is None:
            raise DoesNotFit(f"{parameter.column} is not there any more")
        if column.values and value not in column.values:
            spellings = [other for other in column.values if other.casefold() == value.casefold()]
            if len(spellings) != 1:
                raise DoesNotFit(f"{parameter.column} has no such value")
            return spellings[0]
    return value


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


# Times -------------------------------------------------------------------------------------------------------


def _edge(parameter: Parameter, slot: Slot, question: Question) -> Value:
    """The first moment of a period, or the first moment after it."""
    value = slot.value
    if slot.kind == "year" and isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 9999:
        period = Period(date(value, 1, 1), date(value + 1, 1, 1))
    elif slot.kind == "period" and isinstance(value, Period):
        period = value
    else:
        raise DoesNotFit(f"a {slot.kind} has no {parameter.part}")
    is_end = parameter.part == "end"
    return _moment(period.end if is_end else period.start, parameter.type, question.timezone, is_end)


def _moment(moment: date | datetime, kind: str, timezone: str, is_end: bool = False) -> Value:
    """`moment` as a value of type `kind`; a date is the midnight that it begins with, in `timezone`."""
    if kind == "timestamptz":
        return _aware(moment, timezone)
    local = _aware(moment, timezone).astimezone(ZoneInfo(timezone)) if isinstance(moment, datetime) else moment
    if kind == "timestamp":
        return local.replace(tzinfo=None) if isinstance(local, datetime) else datetime.combine(local, time.min)
    day = _day(local, is_end)
    if kind == "date":
        return day
    if kind in _TEXTS:
        return day.isoformat()
    if kind in _INTEGERS or kind in _NUMBERS:
        if (day.month, day.day) != (1, 1):
            raise DoesNotFit("only whole years can be compared with a number")
        return day.year
    raise DoesNotFit(f"a time is no {kind}")


def _aware(moment: date | datetime, timezone: str) -> datetime:
    """Where midnight comes twice, the first; where it is skipped, the moment that the clocks were put forward."""
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time.min)
    if not moment.tzinfo:
        moment = moment.replace(tzinfo=ZoneInfo(timezone))
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise DoesNotFit("a time is out of all ages") from None


def _day(local: date | datetime, is_end: bool) -> date:
    """Of an end within a day, the next day: the period takes that day in."""
    if not isinstance(local, datetime):
        return local
    return local.date() + timedelta(days=1) if is_end and local.time() != time.min else local.date()


def _today(question: Question) -> date:
    return question.now.astimezone(ZoneInfo(question.timezone)).date()
