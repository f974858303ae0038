"""Reading a question: the scan, left to right, that takes the slots out.

Must never raise on any text: what cannot be read as a value stays a word of the template.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rowcall.catalog import Catalog
from rowcall.question import periods
from rowcall.question.line import Line
from rowcall.question.numbers import SPELLED, SYMBOLS, Amount, amount
from rowcall.question.template import template
from rowcall.question.tokens import normalise
from rowcall.question.types import Kind, Period, Question, Slot
from rowcall.question.vocabulary import of_mentioned, vocabulary


class _Found(NamedTuple):
    """A slot that ends before token `end`."""

    end: int
    kind: Kind
    value: int | Decimal | str | date | Period
    columns: tuple[str, ...] = ()
    unit: str = ""


def read(text: str, catalog: Catalog, now: datetime, timezone: str) -> Question:
    """Read `text`, asked at `now` (an aware moment) by somebody in `timezone` (an IANA name)."""
    text = normalise(text)
    line = Line(text, vocabulary(catalog), now.astimezone(ZoneInfo(timezone)))
    slots: list[tuple[Slot, int, int]] = []
    at = 0
    while at < len(line.tokens):
        found = _at(line, at)
        if isinstance(found, int):
            at = found
            continue
        span = line.tokens[at].start, line.tokens[found.end - 1].end
        slot = line.slots[found.end - 1] = Slot(found.kind, found.value, span, found.columns, found.unit)
        slots.append((slot, at, found.end))
        at = found.end
    return Question(text, template(text, line.tokens, slots), tuple([slot for slot, _, _ in slots]), now, timezone)


def _at(line: Line, at: int) -> _Found | int:
    """The slot that starts at token `at`, or else the token to go on with."""
    token, word = line.tokens[at], line.words[at]
    if token.kind == "quote":
        written = line.text[token.start + 1 : token.end - 1]
        return _Found(at + 1, "text", written, of_mentioned(line.vocabulary.quoted(written), line.mentioned))
    if token.kind in ("literal", "code") and line.stands_alone(at):
        return _Found(at + 1, "text", line.text[token.start : token.end])
    entity = _entity(line, at)
    if isinstance(entity, int) or (entity and entity.end > at + 1):
        return entity  # several words say more than a number or a month among them
    if token.kind in ("number", "day", "month"):
        return _digits(line, at)
    if word in SYMBOLS or (word == "-" and line.is_sign(at)):
        return _quantity(line, at, amount(line.tokens, line.words, at))
    if token.kind == "word":
        if periods.starts(word) and (stretch := periods.find(line, at)):
            return _stretch(stretch)
        if entity is None and word in SPELLED:
            return _quantity(line, at, amount(line.tokens, line.words, at))
    return entity or at + 1


def _entity(line: Line, at: int) -> _Found | int | None:
    """A value of the catalog; where a name of the catalog with a number in it stands, the token behind it."""
    match = line.vocabulary.match(line, at)
    if match is None:
        return None
    if match.entry is None:
        return match.end
    if not line.vocabulary.is_plain(match.entry, line, at, match.end):
        return None
    written = line.text[line.tokens[at].start : line.tokens[match.end - 1].end]
    return _Found(match.end, "entity", match.entry.spelling(written), of_mentioned(match.entry.columns, line.mentioned))


def _digits(line: Line, at: int) -> _Found | int:
    if not line.stands_alone(at):
        return at + 1
    quantity = amount(line.tokens, line.words, at)
    bare = quantity is None or (quantity.kind == "number" and quantity.end == at + 1)
    if bare and (stretch := periods.find(line, at)):
        return _stretch(stretch)
    return _quantity(line, at, quantity)


def _stretch(stretch: periods.Found) -> _Found:
    if stretch.year is not None:
        return _Found(stretch.end, "year", stretch.year)
    return _Found(stretch.end, "period", stretch.period)


def _quantity(line: Line, at: int, quantity: Amount | None) -> _Found | int:
    if quantity is None or not line.is_number(at, quantity.end):
        return at + 1
    if quantity.whole and line.is_count(at, quantity.end):
        return _Found(quantity.end, "count", int(quantity.value))
    return _Found(quantity.end, quantity.kind, quantity.value, unit=quantity.unit)
