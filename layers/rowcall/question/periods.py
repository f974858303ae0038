"""Stretches of time in a question, relative and absolute, resolved at one moment in one time zone.

The rules, all half-open `[start, end)`:

- A unit named by itself is the calendar's: "this month", "last week" (ISO, from Monday), "next quarter", "March 2024",
  "Q1 2023", "yesterday", "2024-01-05". A whole year by its number, or "last year", is a `year`.
- A number of units, and "past <unit>", is rolling: "last 7 days" is `[today - 7 days, tomorrow)`, as people write
  `>= current_date - interval '7 days'`; "next 2 weeks" is `[today, today + 2 weeks + 1 day)`; "last 3 full months"
  are the calendar's.
- Hours, minutes and seconds are moments: "last 24 hours" is `[now - 24 hours, now)`.
- "2 months ago" is the calendar's month then; after a comparator ("more than 2 months ago") it is the day.
- What has no year is the latest that has begun: in February, "March" is last year's. A year beside it is its year
  too: "March and April 2024".
- A range takes all of its last unit: "from 2021 to 2023" ends with 2023.
- "01/05/2024" is January 5th, as in the US, unless its first part is over 12; "5.1.2024" has the day first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from rowcall.question.line import Line
from rowcall.question.numbers import NUMBER_WORDS, digits, in_words
from rowcall.question.tokens import word_list, word_set
from rowcall.question.types import Period

_NAMES = word_list("january february march april may june july august september october november december")
_MONTHS = {name: number for number, name in enumerate(_NAMES, start=1)}
_MONTHS |= {name[:3]: number for name, number in _MONTHS.items()} | {"sept": 9}
# Plain in any sentence; the others ("may", "march", "mar", "dec") are months only where a month is looked for.
_CLEAR_MONTHS = frozenset(_NAMES) - {"march", "may"}
_WEEKDAYS = word_list("monday tuesday wednesday thursday friday saturday sunday")
_QUARTERS = {"q1": (1, 3), "q2": (4, 3), "q3": (7, 3), "q4": (10, 3), "h1": (1, 6), "h2": (7, 6)}
_ORDINALS = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4}
_ORDINAL_ENDINGS = ("st", "nd", "rd", "th")

_STEPS = {
    "day": ("day", 1),
    "week": ("day", 7),
    "fortnight": ("day", 14),
    "month": ("month", 1),
    "quarter": ("month", 3),
    "year": ("month", 12),
    "decade": ("month", 120),
    "hour": ("second", 3600),
    "minute": ("second", 60),
    "second": ("second", 1),
}
UNITS = {unit: unit for unit in _STEPS} | {unit + "s": unit for unit in _STEPS}
# In a phrase of time, right after its number, "d" and "h" can be nothing else.
_SHORT_UNITS = UNITS | {
    short: unit
    for unit, shorts in {
        "day": "d",
        "week": "w wk wks",
        "month": "mo mos mth mths",
        "year": "y yr yrs",
        "hour": "h hr hrs",
        "minute": "min mins",
        "second": "sec secs",
    }.items()
    for short in shorts.split()
}
_LAST = frozenset({"last", "previous", "prior", "preceding"})
_PAST = frozenset({"past", "trailing", "rolling"})
_NEXT = frozenset({"next", "coming", "upcoming", "following"})
_FULL = frozenset({"calendar", "full", "complete", "completed", "whole", "entire", "iso"})
_TO_DATE = {"ytd": "year", "qtd": "quarter", "mtd": "month", "wtd": "week"}
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_COMPARATORS = word_set("than over least most within since before after until till by")
_BEFORE_MONTH = word_set("in of during for since before after from until till by through to and or vs versus between")
_TO = frozenset({"to", "until", "till", "through", "thru", "-"})
_AND = frozenset({"and", "-", "to"})
_BESIDE = frozenset({"and", "or", "vs", "versus", ",", "to"})
# "how did it change from March to April" asks for both, and not for what lies between.
_COMPARING = (
    "compar",
    "chang",
    "differ",
    "grow",
    "increas",
    "decreas",
    "declin",
    "improv",
    "rise",
    "rose",
    "fall",
    "fell",
)


class Found(NamedTuple):
    """A stretch of time that ends before token `end`.

    `year` is set where it is that whole year, named as such. `moved` gives the same stretch in a year where none was
    said, or `None` where that year has no such day.
    """

    end: int
    period: Period
    year: int | None = None
    moved: Callable[[int], Period | None] | None = None


def find(line: Line, at: int) -> Found | None:
    """The stretch of time whose words start at token `at`. `line.now` is the moment of asking, in the asker's zone."""
    now = line.now
    try:
        if line.words[at] == "between":
            return _range(line, at + 1, _AND, now)
        if line.words[at] == "from":
            return _range(line, at + 1, _TO, now)
        return _one_or_range(line, at, now)
    except (OverflowError, ValueError):
        return None  # before the year 1, after 9999, or no day of the calendar


# --- ranges -----------------------------------------------------------------------------------------------------------


def _range(line: Line, at: int, joins: Container[str], now: datetime) -> Found | None:
    """What follows "between" and "from", if it has two parts."""
    at += line.words[at] == "the"
    first = _one(line, at, now, in_range=True) or _day_of_same_month(line, at, joins, now)
    return first and _joined(line, at, first, joins, now)


def _one_or_range(line: Line, at: int, now: datetime) -> Found | None:
    first = _one(line, at, now)
    if first is None:
        return None
    if found := _joined(line, at, first, _TO, now):
        return found
    if first.moved:
        return _with_year_beside(line, first, now)
    return first


def _joined(line: Line, at: int, first: Found, joins: Container[str], now: datetime) -> Found | None:
    """`first`, which starts at `at`, up to what it is joined with."""
    words = line.words
    if words[first.end] not in joins or any(word.startswith(_COMPARING) for word in words[max(0, at - 8) : at]):
        return None
    follows = first.end + 1
    if words[follows] in ("now", "present", "date"):
        second: Found | None = Found(follows + 1, _days(now.date()))
    else:
        second = _one(line, follows + (words[follows] == "the"), now, in_range=True)
    if second is None:
        return None
    start, end = first.period.start, second.period.end
    if first.moved and not second.moved:
        start = _start(first.moved, second.period.end.year, before=end) or start
    elif second.moved:
        end = _end(second.moved, first.period.start.year, after=start) or end
    if isinstance(start, datetime) != isinstance(end, datetime) or not start < end:
        return None
    return Found(second.end, Period(start, end))


def _start(moved: Callable[[int], Period | None], year: int, before: date) -> date | None:
    periods = [moved(year), moved(year - 1)]
    return next((period.start for period in periods if period and period.start < before), None)


def _end(moved: Callable[[int], Period | None], year: int, after: date) -> date | None:
    periods = [moved(year), moved(year + 1)]
    return next((period.end for period in periods if period and period.end > after), None)


def _with_year_beside(line: Line, first: Found, now: datetime) -> Found:
    """`first` in the year that is said once for several: "January, February and March 2024"."""
    other = first
    for _ in range(12):
        if line.words[other.end] not in _BESIDE:
            break
        at = other.end + 1
        beside = _one(line, at + (line.words[at] in ("and", "or")), now, in_range=True)
        if beside is None:
            break
        if not beside.moved:
            year = beside.period.start.year
            period = first.moved(year) if first.moved and line.tokens[at].kind == "word" else None
            return Found(first.end, period) if period else first
        other = beside
    return first


def _day_of_same_month(line: Line, at: int, joins: Container[str], now: datetime) -> Found | None:
    """The "1" of "between 1 and 15 March 2024"."""
    day, end = _day_number(line, at)
    if not day or line.words[end] not in joins:
        return None
    second = _one(line, end + 1, now, in_range=True)
    if second is None or second.period != _days(second.period.start):
        return None
    return Found(end, _days(second.period.start.replace(day=day)))


# --- one stretch ------------------------------------------------------------------------------------------------------


def _one(line: Line, at: int, now: datetime, *, in_range: bool = False) -> Found | None:
    if at >= len(line.tokens):
        return None
    kind, word = line.tokens[at].kind, line.words[at]
    if kind in ("day", "month"):
        return _numeric(word, at, now)
    if kind == "number":
        return _from_number(line, at, now)
    if kind != "word":
        return None
    if word in _MONTHS:
        return _from_month(line, at, now, in_range)
    if word in _QUARTERS:
        return _months_of(line, at + 1, _QUARTERS[word], now, bare=not line.vocabulary.has(word))
    if (word in _ORDINALS or word == "last") and (found := _ordinal(line, at, now)):
        return found
    reader = _READERS.get(word)
    return reader(line, at, now) if reader else None


def starts(word: str) -> bool:
    """Whether a stretch of time can start with this word."""
    return word in _STARTS


def _numeric(word: str, at: int, now: datetime) -> Found | None:
    """2024-01-05, 01/05/2024, 5.1.2024, 2024-01, 2024-01-05 14:30."""
    day, _, clock = word.replace(" at ", "t").replace(" ", "t").partition("t")
    parts = [int(part) for part in re.findall("[0-9]+", day)]
    if len(parts) == 2:
        year, month = parts if parts[0] > 12 else reversed(parts)
        return Found(at + 1, _months(year, month)) if 1900 <= year < 2100 else None
    if parts[0] > 31:
        start = date(*parts)
    else:
        first, second, year = parts
        if "/" in day and len(day) - day.rindex("/") == 3:
            year += 2000 if year < 70 else 1900
        start = date(year, second, first) if "." in day or first > 12 else date(year, first, second)
    if not clock:
        return Found(at + 1, _days(start))
    moment = datetime.combine(start, time.fromisoformat(clock.upper().zfill(len(clock) + (clock[1] == ":"))))
    moment = moment.replace(tzinfo=moment.tzinfo or now.tzinfo)
    length = timedelta(minutes=1) if clock.count(":") == 1 else timedelta(seconds=1)
    return Found(at + 1, _moments(moment, moment.astimezone(UTC) + length, now))


def _from_number(line: Line, at: int, now: datetime) -> Found | None:
    words = line.words
    day, end = _day_number(line, at)
    if day:
        month = _MONTHS.get(words[end + (words[end] == "of")])
        if month:
            return _day_of_year(line, end + 1 + (words[end] == "of"), month, day, now)
    if line.glued(at + 1):
        if words[at + 1] == "s":
            return _decade(line, at)
        if words[at] + words[at + 1] in _ORDINALS:
            return _ordinal(line, at, now)
    if found := _ago(line, at, now):
        return found
    if not line.is_year(at):
        return None
    year = int(words[at])
    follows = at + 1 + (words[at + 1] == "-" and line.glued(at + 1))
    if words[follows] in _QUARTERS:
        return Found(follows + 1, _months(year, *_QUARTERS[words[follows]]))
    return Found(at + 1, _calendar("year", date(year, 1, 1), 0), year)


def _from_month(line: Line, at: int, now: datetime, in_range: bool) -> Found | None:
    """January 5th, 2024; March 1-15, 2024; Mar 2024; March last year; March."""
    words, month = line.words, _MONTHS[line.words[at]]
    end = at + 1
    if words[end] in ("-", ".") and line.glued(end) and words[end + 1][:1].isdigit():
        end += 1  # "Jan-2024", "Jan. 5"
    day, after = _day_number(line, end)
    if day:
        found = _day_of_year(line, after, month, day, now)
        if found and words[after] in ("-", "to", "through"):
            until, last = _day_number(line, after + 1)
            closing = _day_of_year(line, last, month, until, now) if until > day else None
            if closing and words[last] not in UNITS:
                start = found.period.start.replace(year=closing.period.start.year)
                return Found(closing.end, Period(start, closing.period.end))
        return found
    before = words[at - 1] if at else ""
    clear = in_range or words[at] in _CLEAR_MONTHS or before in _BEFORE_MONTH
    return _months_of(line, end, (month, 1), now, bare=clear and not line.vocabulary.has(words[at]))


def _ordinal(line: Line, at: int, now: datetime) -> Found | None:
    """The first quarter of 2023, 2nd half of last year."""
    words = line.words
    end = at + 1 if line.tokens[at].kind == "word" else at + 2
    number, unit = _ORDINALS.get("".join(words[at:end]), 0), words[end]
    size = {"quarter": 3, "half": 6}.get(unit, 0)
    if not size or number > 12 // size:
        return None
    number = number or 12 // size  # the last one
    bare = words[at] != "last" and unit == "quarter" and at > 0 and words[at - 1] in {"the", *_BEFORE_MONTH}
    return _months_of(line, end + 1, ((number - 1) * size + 1, size), now, bare=bare)


def _months_of(line: Line, at: int, months: tuple[int, int], now: datetime, *, bare: bool) -> Found | None:
    """Some months of the year that is said at `at`, or, if they may stand `bare`, of the latest."""
    if said := _year(line, at, now):
        return Found(said[1], _months(said[0], *months))
    if not bare:
        return None
    return _latest(at, lambda year: _months(year, *months), now)


def _day_of_year(line: Line, at: int, month: int, day: int, now: datetime) -> Found | None:
    if said := _year(line, at, now):
        return Found(said[1], _days(date(said[0], month, day)))

    def moved(year: int) -> Period | None:
        try:
            return _days(date(year, month, day))
        except ValueError:
            return None

    return _latest(at, moved, now)


def _latest(end: int, moved: Callable[[int], Period | None], now: datetime) -> Found | None:
    """In the latest year in which it has begun; February 29th may be eight years back."""
    periods = (moved(year) for year in range(now.year, now.year - 9, -1))
    begun = next((period for period in periods if period and period.start <= now.date()), None)
    return Found(end, begun, moved=moved) if begun else None


def _year(line: Line, at: int, now: datetime) -> tuple[int, int] | None:
    """The year said at `at`, behind a month or a day: "2024", ", 2024", "of last year"."""
    words = line.words
    comma = words[at] == ","
    at += comma
    if words[at] == "-" and line.glued(at):
        at += 1
    at += words[at] == "of"
    at += words[at] == "the"
    if words[at + 1] == "year" and words[at] in ("this", "current", *_LAST, *_NEXT) and not comma:
        return now.year + (words[at] in _NEXT) - (words[at] in _LAST), at + 2
    if words[at] == "year" and words[at - 1] == "the" and not line.is_year(at + 1):
        return now.year, at + 1
    at += words[at] == "year"
    return (int(words[at]), at + 1) if line.is_year(at) else None


def _day_number(line: Line, at: int) -> tuple[int, int]:
    """A day of the month in digits and where it ends ("5", "5th"), or 0."""
    if at >= len(line.tokens) or line.tokens[at].end - line.tokens[at].start > 2:
        return 0, at
    value = digits(line.tokens[at])
    if value is None or not 1 <= value <= 31:
        return 0, at
    if not line.glued(at + 1) or line.tokens[at + 1].kind != "word":
        return int(value), at + 1
    return (int(value), at + 2) if line.words[at + 1] in _ORDINAL_ENDINGS else (0, at)


def _decade(line: Line, at: int) -> Found | None:
    """The 1990s, the '90s."""
    word = line.words[at]
    if len(word) == 2 and word[1] == "0" and at and line.words[at - 1] in ("the", "'"):
        word = ("20" if word < "30" else "19") + word
    if len(word) != 4 or word[3] != "0" or not word.isascii() or not "1900" <= word < "2100":
        return None
    return Found(at + 2, _months(int(word), 1, 120))


# --- relative to now --------------------------------------------------------------------------------------------------


def _integer(line: Line, at: int) -> tuple[int, int] | None:
    """A number of units and where it ends, in digits or words."""
    words = line.words
    if words[at] == "couple":
        return 2, at + 1 + (words[at + 1] == "of")
    if at < len(line.tokens) and (value := digits(line.tokens[at])) is not None:
        return (int(value), at + 1) if value == int(value) and value < 10**7 else None
    return in_words(words, at)


def _units(line: Line, at: int) -> tuple[int, str, bool, int] | None:
    """A number of units: how many, of what, whether of the calendar, and where it ends."""
    words = line.words
    number = _integer(line, at)
    if number is None or number[0] < 1:
        return None
    count, end = number
    if words[end] == "-":
        end += 1
    full = words[end] in _FULL
    end += full
    unit = (_SHORT_UNITS if line.glued(end) else UNITS).get(words[end])
    return (count, unit, full, end + 1) if unit else None


def _back(line: Line, at: int, now: datetime) -> Found | None:
    words = line.words
    past = words[at] in _PAST
    full = words[at + 1] in _FULL
    follows = at + 1 + full
    if several := _units(line, follows):
        count, unit, counted_full, end = several
        full = full or counted_full
        if full and _STEPS[unit][0] != "second":
            first = _calendar(unit, now.date(), -count).start
            return Found(end, Period(first, _calendar(unit, now.date(), 0).start))
        return Found(_up_to_now(words, end), _rolling(unit, count, now))
    word, end = words[follows], follows + 1
    unit = word if word in _STEPS else ""
    if unit:
        if words[end] == "of":
            return None  # "the last day of the month"
        rolling = past or (word == "day" and words[at] == "last")
        if rolling or _STEPS[unit][0] == "second":
            return Found(_up_to_now(words, end), _rolling(unit, 1, now))
        return _whole(unit, end, now, -1)
    if word in _WEEKDAYS:
        return Found(end, _days(now.date() - timedelta(days=(now.weekday() - _WEEKDAYS.index(word) - 1) % 7 + 1)))
    if months := _named_months(word):
        found = next(p for p in (_months(now.year - back, *months) for back in range(3)) if p.end <= now.date())
        return Found(end, found)
    return None


def _here(line: Line, at: int, now: datetime) -> Found | None:
    word, end = line.words[at + 1], at + 2
    unit = word if word in _STEPS else ""
    if unit and line.words[end] != "of":
        return _whole(unit, end, now, 0) if _STEPS[unit][0] != "second" else None
    if word in _WEEKDAYS:
        return Found(end, _days(now.date() + timedelta(days=_WEEKDAYS.index(word) - now.weekday())))
    months = _named_months(word)
    return Found(end, _months(now.year, *months)) if months else None


def _ahead(line: Line, at: int, now: datetime) -> Found | None:
    if several := _units(line, at + 1):
        count, unit, full, end = several
        if full and _STEPS[unit][0] != "second":
            after = _calendar(unit, now.date(), count).end
            return Found(end, Period(_calendar(unit, now.date(), 1).start, after))
        return Found(end, _rolling(unit, -count, now))
    word, end = line.words[at + 1], at + 2
    unit = word if word in _STEPS else ""
    if unit:
        if line.words[end] == "of":
            return None
        return Found(end, _rolling(unit, -1, now)) if _STEPS[unit][0] == "second" else _whole(unit, end, now, 1)
    if word in _WEEKDAYS:
        return Found(end, _days(now.date() + timedelta(days=(_WEEKDAYS.index(word) - now.weekday() - 1) % 7 + 1)))
    if months := _named_months(word):
        found = next(p for p in (_months(now.year + on, *months) for on in range(2)) if p.start > now.date())
        return Found(end, found)
    return None


def _ago(line: Line, at: int, now: datetime) -> Found | None:
    """3 days ago, a year ago; 2 weeks from now."""
    words = line.words
    if words[at] in ("a", "an", "one"):
        unit = UNITS.get(words[at + 1])
        several = (1, unit, False, at + 2) if unit else _units(line, at)
    else:
        several = _units(line, at)
    if several is None:
        return None
    count, unit, _, end = several
    if words[end] != "ago":
        if words[end] != "from" or words[end + 1] != "now":
            return None
        count, end = -count, end + 1
    if _STEPS[unit][0] == "second":
        size = _STEPS[unit][1]
        moment = now.astimezone(UTC) - timedelta(seconds=size * count)
        return Found(end + 1, _moments(moment, moment + timedelta(seconds=size), now))
    if at and words[at - 1] in _COMPARATORS:
        step, size = _STEPS[unit]
        return Found(end + 1, _days(_shift(now.date(), step, -size * count)))
    return _whole(unit, end + 1, now, -count)


def _to_date(line: Line, at: int, now: datetime) -> Found | None:
    """Year to date, year-to-date, YTD."""
    words, end = line.words, at + 1
    unit = _TO_DATE.get(words[at])
    if unit is None:
        unit = words[at]
        dashes = words[end] == "-"
        if words[end : end + 4] == ["-", "to", "-", "date"]:
            end += 4
        elif not dashes and words[end : end + 2] == ["to", "date"]:
            end += 2
        else:
            return None
    return Found(end, Period(_calendar(unit, now.date(), 0).start, now.date() + timedelta(days=1)))


def _day_word(line: Line, at: int, now: datetime) -> Found | None:
    return Found(at + 1, _days(now.date() + timedelta(days=_DAYS[line.words[at]])))


def _day_beyond(line: Line, at: int, now: datetime) -> Found | None:
    """The day before yesterday, the day after tomorrow."""
    beyond = {("before", "yesterday"): -2, ("after", "tomorrow"): 2}.get((line.words[at + 1], line.words[at + 2]))
    return Found(at + 3, _days(now.date() + timedelta(days=beyond))) if beyond else None


def _up_to_now(words: list[str], end: int) -> int:
    """Take in the "from today" of "the last 6 months from today", which says nothing more."""
    if words[end] in ("from", "until", "till", "to") and words[end + 1] in ("today", "now"):
        return end + 2
    return end


# --- the calendar -----------------------------------------------------------------------------------------------------


def _shift(day: date, step: str, count: int) -> date:
    """`day` and `count` days or months. Past a month's end is its last day, as in Postgres."""
    if step == "day":
        return day + timedelta(days=count)
    month = day.year * 12 + day.month - 1 + count
    first = date(month // 12, month % 12 + 1, 1)
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return first + timedelta(days=min(day.day, (following - first).days) - 1)


def _days(start: date) -> Period:
    return Period(start, start + timedelta(days=1))


def _months(year: int, month: int, count: int = 1) -> Period:
    start = date(year, month, 1)
    return Period(start, _shift(start, "month", count))


def _moments(start: datetime, end: datetime, now: datetime) -> Period:
    return Period(start.astimezone(now.tzinfo), end.astimezone(now.tzinfo))


def _named_months(word: str) -> tuple[int, int] | None:
    return (_MONTHS[word], 1) if word in _MONTHS else _QUARTERS.get(word)


def _calendar(unit: str, today: date, offset: int) -> Period:
    """The calendar's unit that holds `today`, or the one `offset` units from it."""
    step, size = _STEPS[unit]
    if step == "day":
        start = today - timedelta(days=0 if unit == "day" else today.weekday())
    else:
        month = today.year * 12 + today.month - 1
        month -= month % size
        start = date(month // 12, month % 12 + 1, 1)
    return Period(_shift(start, step, offset * size), _shift(start, step, (offset + 1) * size))


def _whole(unit: str, end: int, now: datetime, offset: int) -> Found:
    period = _calendar(unit, now.date(), offset)
    return Found(end, period, period.start.year if unit == "year" else None)


def _rolling(unit: str, count: int, now: datetime) -> Period:
    """The `count` units up to now, today included; from now on where it is negative."""
    step, size = _STEPS[unit]
    if step == "second":
        moved = now.astimezone(UTC) - timedelta(seconds=size * count)
        return _moments(moved, now, now) if count > 0 else _moments(now, moved, now)
    today, moved_day = now.date(), _shift(now.date(), step, -size * count)
    day = timedelta(days=1)
    return Period(moved_day, today + day) if count > 0 else Period(today, moved_day + day)


_READERS: dict[str, Callable[[Line, int, datetime], Found | None]] = {
    **dict.fromkeys(_LAST | _PAST, _back),
    **dict.fromkeys(_NEXT, _ahead),
    **dict.fromkeys(("this", "current"), _here),
    **dict.fromkeys(_DAYS, _day_word),
    **dict.fromkeys((*_TO_DATE, "year", "quarter", "month", "week"), _to_date),
    **dict.fromkeys(("a", "an", "couple", *NUMBER_WORDS), _ago),
    "day": _day_beyond,
}
_STARTS = frozenset({*_READERS, *_MONTHS, *_QUARTERS, *_ORDINALS, "between", "from"})
