"""Whether a plan may serve every question of its template, or only the one that it was made for.

A template leaves the values out, so the plan must not have kept any: each value of the question stands in it
as a parameter, once, and no constant of the SQL could have come from a value. Where that is not plain, the
plan is exact-only, which is never wrong, only less useful.

Constants that need no declaration, because they say nothing that a question could: NULL and booleans, 0, 1 and
100, ordinals of GROUP BY and ORDER BY, digits of round(), formats of to_char(), units of time, keys of JSON,
sizes of types, and texts without a letter or a digit. Even these are held against the question's values, but
for those that can only be structure: ordinals, digits, sizes and units.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation

from sqlglot import exp

from rowcall.guard.parameters import REQUEST, read_placeholder
from rowcall.guard.reading import Parts
from rowcall.plan import Parameter
from rowcall.question import Period, Question, Slot

Constant = Decimal | str

_HARMLESS = frozenset(map(Decimal, (0, 1, 100)))
_DATE_LIKE = re.compile(r"\d{4}-\d{1,2}")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_DIGITS_OF = frozenset({"ROUND", "TRUNC"})
_FORMATS_OF = frozenset({"TO_CHAR", "TO_DATE", "TO_TIMESTAMP", "TO_NUMBER"})
_UNITS_OF = frozenset({"DATE_TRUNC", "DATE_PART"})
_JSON = (exp.JSONExtract, exp.JSONExtractScalar, exp.JSONBExtract, exp.JSONBExtractScalar)


class Evidence:
    """What the SQL looked like before names were resolved, which copies expressions about."""

    def __init__(self, parts: Parts) -> None:
        self.placeholders = Counter(str(node.this or "") for node in parts.of(exp.Placeholder))
        self.constants = list(_constants(parts.of(exp.Literal)))

    def is_templated(self, question: Question, declared: Iterable[str], parameters: Sequence[Parameter]) -> bool:
        return (
            all(times == 1 or name in REQUEST for name, times in self.placeholders.items())
            and self._uses_every_slot(question)
            and self._declares_constants(set(map(_canonical, declared)))
            and not self._keeps_a_value(question)
            and _entities_stand_by_their_columns(question, parameters)
        )

    def _uses_every_slot(self, question: Question) -> bool:
        used = {read_placeholder(name, question)[0] for name in self.placeholders}
        return used >= set(range(len(question.slots)))

    def _declares_constants(self, declared: set[Constant]) -> bool:
        return all(
            is_harmless or constant in declared or (is_interval and _numbers(constant) <= declared)
            for constant, is_harmless, is_interval in self.constants
        )

    def _keeps_a_value(self, question: Question) -> bool:
        numbers: set[Decimal] = set()
        texts: set[str] = {question.timezone.casefold()} - {"utc", "etc/utc"}
        is_temporal = False
        for slot in question.slots:
            is_temporal |= slot.kind in ("date", "period", "year")
            numbers |= set(_traces(slot))
            if isinstance(slot.value, str):
                texts.add(slot.value.casefold())
        for constant, _, _ in self.constants:
            if _numbers(constant) & numbers:
                return True
            if isinstance(constant, str):
                if is_temporal and _DATE_LIKE.search(constant):
                    return True
                if any(re.search(rf"(?<!\w){re.escape(text)}(?!\w)", constant) for text in texts if text):
                    return True
        return False


def _entities_stand_by_their_columns(question: Question, parameters: Sequence[Parameter]) -> bool:
    return all(
        parameter.slot is None
        or question.slots[parameter.slot].kind != "entity"
        or parameter.column in question.slots[parameter.slot].columns
        for parameter in parameters
    )


# Constants of the SQL ----------------------------------------------------------------------------------------


def _constants(literals: Sequence[exp.Literal]) -> Iterator[tuple[Constant, bool, bool]]:
    """Each constant, whether it needs no declaration, and whether it is an interval; mere structure is left out."""
    for node in literals:
        if _is_structure(node):
            continue
        is_interval = isinstance(node.parent, exp.Interval)
        unit = node.parent.text("unit") if is_interval and node.parent else ""
        constant = _canonical(f"{node.name} {unit}")
        yield constant, _is_harmless(constant, node), is_interval


def _is_structure(node: exp.Literal) -> bool:
    parent = node.parent
    if isinstance(parent, (exp.Ordered, exp.Group, exp.GroupingSets, exp.Cube, exp.Rollup, exp.DataTypeParam)):
        return True
    if isinstance(parent, exp.Tuple) and isinstance(parent.parent, exp.Distinct):
        return True
    if isinstance(parent, exp.Anonymous):
        place = node.index
        return (parent.name in _UNITS_OF and place == 0) or (parent.name in _DIGITS_OF and place == 1)
    return False


def _is_harmless(constant: Constant, node: exp.Literal) -> bool:
    if isinstance(constant, Decimal):
        return constant in _HARMLESS
    parent = node.parent
    return (
        not any(character.isalnum() for character in constant)
        or (isinstance(parent, exp.Anonymous) and parent.name in _FORMATS_OF and node.index == 1)
        or (isinstance(parent, _JSON) and parent.expression is node)
        or (isinstance(parent, exp.Interval) and _numbers(constant) <= {Decimal(1)})
    )


def _canonical(text: str) -> Constant:
    """5, 5.0 and "5" are one constant; of a text, case and outer space say nothing."""
    try:
        number = Decimal(text.strip().strip("'"))
    except InvalidOperation:
        return " ".join(text.strip().strip("'").casefold().split())
    return number if number.is_finite() else text.casefold()


def _numbers(constant: Constant) -> set[Decimal]:
    """The numbers that a constant has: of a number, itself; of "30 days", 30."""
    if isinstance(constant, Decimal):
        return {constant}
    return set(map(Decimal, _NUMBER.findall(constant)))


# Values of the question --------------------------------------------------------------------------------------


def _traces(slot: Slot) -> Iterator[Decimal]:
    """The numbers that a planner may have made of a value by itself."""
    value = slot.value
    if isinstance(value, Period):
        yield from _traces_of_period(value)
    elif isinstance(value, date):
        yield from (Decimal(part) for part in (value.year, value.month, value.day) if part > 1)
    elif isinstance(value, (int, Decimal)):
        yield Decimal(value)
        if slot.kind == "percent":
            part = Decimal(value) / 100
            yield from (part, 1 - part, 1 + part, 100 - Decimal(value), 100 + Decimal(value))


def _traces_of_period(period: Period) -> Iterator[Decimal]:
    start, end = (_day(moment) for moment in (period.start, period.end))
    days = (end - start).days
    months = (end.year - start.year) * 12 + end.month - start.month
    lengths = {days, days * 24, days // 7, months, months // 3, months // 12}
    if isinstance(period.start, datetime) and isinstance(period.end, datetime):
        lengths.add(int((period.end - period.start).total_seconds() // 3600))
    yield from (Decimal(length) for length in lengths if length > 1)
    yield from map(Decimal, range(start.year, (end - timedelta(days=1)).year + 1))


def _day(moment: date | datetime) -> date:
    return moment.date() if isinstance(moment, datetime) else moment
