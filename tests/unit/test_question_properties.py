"""What holds for any question: reading never raises, and gives back exactly the values that were written."""

import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rowcall.catalog import Catalog, Column, Table
from rowcall.question import Period, Question, Slot, normalise, read
from rowcall.question.tokens import tokenise

NOW = datetime(2024, 2, 29, 22, 30, tzinfo=UTC)
TODAY = NOW.date()
TIERS = ("Gold", "silver", "out of stock", "not-ready", "Größe L", "Smith & Sons", "3M", "大阪", "Books", "A+")
CATALOG = Catalog(
    {
        "customers": Table(
            "customers",
            (Column("id", "integer"), Column("tier", "text", values=TIERS), Column("street_2", "text")),
        ),
        "orders": Table(
            "orders",
            (Column("total", "numeric"), Column("status", "text", values=("new", "all", "orders", "May", "in"))),
        ),
    },
    "fingerprint",
)


def ask(text: str) -> Question:
    return read(text, CATALOG, NOW, "UTC")


# --- any text ---------------------------------------------------------------------------------------------------------

PIECES = r"""
    top last past next this first between and from to in on a an the one two hundred thousand million dozen
    days weeks months year years hours ago now date may march jan january 2nd 5th q1 h2 quarter half of monday
    please thanks show me customers orders gold silver out stock not ready 3M may all in new A+ tier couple
    10 0 2023 1,234.5 1999 2024-02-30 2024-01-05 13/13/2023 1.5.2024 23:59 9999999 -5 .5 1e9 10k 24h 90s 10.0.0.1
    $ € % # - – _ . , ; : ? ! ' " ‘ ’ “ ” « » ` ( ) { } {count} & / @ a@b.c ½ ٣ 大阪 é
    99999999999999999999999999999999999999999999
"""
any_text = st.text(alphabet=st.characters(exclude_categories=()), max_size=200)
pieces = st.lists(st.sampled_from([*PIECES.split(), "\u0301", "\u200d", "\ud800", "\0", " "]), max_size=25)
any_question = any_text | pieces.map(" ".join) | pieces.map("".join)


@given(any_question)
@example("1" * 5000)
@example("last " + "9" * 5000 + " days")
@example("\ud83d\ude00 \udfff")
@example("\u0301" * 300)
@example("ﷺ" * 300)
@example("{" * 300)
@settings(max_examples=400)
def test_any_text_is_read(text: str) -> None:
    question = ask(text)

    # the normal form is its own, and all that the reading depends on
    assert question.text == normalise(text) == normalise(question.text)
    assert ask(question.text) == question
    question.template.encode()

    # slots stand in order, on words, and do not overlap
    end = 0
    for slot in question.slots:
        assert end <= slot.span[0] < slot.span[1] <= len(question.text)
        end = slot.span[1]
        assert not question.text[slot.span[0]].isspace()
        assert not question.text[end - 1].isspace()
        well_formed(slot, question)
    # what stands for them is in the template, in the same order
    assert types_of(question.template) == [slot.type for slot in question.slots]


def well_formed(slot: Slot, question: Question) -> None:
    value = slot.value
    if slot.kind in ("number", "money", "percent"):
        assert isinstance(value, Decimal)
        assert value.is_finite()
    elif slot.kind == "count":
        assert type(value) is int
        assert value >= 0
    elif slot.kind == "year":
        assert type(value) is int
        assert 1 <= value <= 9999
    elif slot.kind == "period":
        assert isinstance(value, Period)
        assert type(value.start) is type(value.end)
        assert value.start < value.end
        assert not isinstance(value.start, datetime) or value.start.tzinfo is not None
    elif slot.kind == "entity":
        assert slot.columns
        assert all(value in CATALOG.entities[str(value).casefold()] for _ in slot.columns)
    else:
        assert slot.kind == "text"
        assert str(value) in question.text


def types_of(template: str) -> list[str]:
    """The slots of a template. A brace of the question itself stands twice in it."""
    found, at = [], 0
    while at < len(template):
        if template[at] not in "{}":
            at += 1
        elif template[at : at + 2] in ("{{", "}}"):
            at += 2
        else:
            end = template.index("}", at)
            found.append(template[at : end + 1])
            at = end + 1
    return found


# --- values written into templates ------------------------------------------------------------------------------------


class Written(NamedTuple):
    """A value as words, and what they must be read as."""

    words: str
    value: object
    unit: str = ""


UNITS = {"day": 1, "week": 7, "fortnight": 14}
MONTHS = [date(2024, month, 1).strftime("%B") for month in range(1, 13)]
SMALL = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
QUOTES = ("''", '""', "“”", "«»", "``")


def grouped(number: int) -> Written:
    return Written(f"{number:,}", Decimal(number))


counts = st.integers(0, 10**6).map(lambda n: Written(str(n), n)) | st.integers(0, 12).map(
    lambda n: Written(SMALL[n], n)
)
numbers = (
    st.integers(-(10**9), 10**9).map(lambda n: Written(str(n), Decimal(n)))
    | st.integers(0, 10**12).map(grouped)
    | st.decimals(-9999, 9999, places=2).map(lambda d: Written(f"{d:f}", d))
    | st.integers(2, 12).map(lambda n: Written(SMALL[n], Decimal(n)))
    | st.integers(1, 999).map(lambda n: Written(f"{n}k", Decimal(n * 1000)))
    | st.integers(1, 999).map(lambda n: Written(f"{n} million", Decimal(n * 10**6)))
)
dollars = st.decimals(0, 10**6, places=2).map(lambda d: Written(f"${d}", d, "usd")) | st.integers(0, 10**6).map(
    lambda n: Written(f"{n} dollars", Decimal(n), "usd")
)
percents = st.integers(0, 100).flatmap(
    lambda n: st.sampled_from((f"{n}%", f"{n} %", f"{n} percent")).map(lambda words: Written(words, Decimal(n)))
)
letters = st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"), exclude_characters="'\"“”«»`‘’„")
texts = st.tuples(st.text(letters, max_size=20).map(normalise), st.sampled_from(QUOTES)).map(
    lambda pair: Written(pair[1][0] + pair[0] + pair[1][1], pair[0])
)
years = st.integers(1900, 2099).map(lambda year: Written(str(year), year)) | st.just(Written("last year", 2023))
entities = st.sampled_from(TIERS).flatmap(
    lambda tier: st.sampled_from((tier, tier.upper(), tier.lower(), tier.replace("-", " ").replace("&", "and"))).map(
        lambda words: Written(words, tier)
    )
)


def day(start: date) -> Period:
    return Period(start, start + timedelta(days=1))


def month(first: date) -> Period:
    return Period(first, (first + timedelta(days=32)).replace(day=1))


some_days = st.dates(date(1900, 1, 1), date(2099, 12, 31))
periods = (
    some_days.flatmap(
        lambda on: st.sampled_from(
            (
                f"{on:%Y-%m-%d}",
                f"{on:%m/%d/%Y}",
                f"{on:%d.%m.%Y}",
                f"{on.day} {MONTHS[on.month - 1]} {on.year}",
                f"{MONTHS[on.month - 1][:3]} {on.day}, {on.year}",
            )
        ).map(lambda words: Written(words, day(on)))
    )
    | some_days.map(lambda on: Written(f"{MONTHS[on.month - 1]} {on.year}", month(on.replace(day=1))))
    | st.tuples(st.integers(1, 999), st.sampled_from(sorted(UNITS))).map(
        lambda pair: Written(
            f"last {pair[0]} {pair[1]}s",
            Period(TODAY - timedelta(days=pair[0] * UNITS[pair[1]]), TODAY + timedelta(days=1)),
        )
    )
    | st.integers(1, 999).map(lambda n: Written(f"{n} days ago", day(TODAY - timedelta(days=n))))
    | st.tuples(some_days, some_days)
    .map(sorted)
    .map(lambda pair: Written(f"{pair[0]} to {pair[1]}", Period(pair[0], pair[1] + timedelta(days=1))))
)
moments = st.integers(1, 9999).map(lambda n: Written(f"last {n} hours", Period(NOW - timedelta(hours=n), NOW)))

VALUES = {
    "{count}": counts,
    "{number}": numbers,
    "{money:usd}": dollars,
    "{percent}": percents,
    "{text}": texts,
    "{year}": years,
    "{period}": periods,
    "{period:time}": moments,
    "{entity:customers.tier}": entities,
}
TEMPLATES = (
    "top {count} customers by total",
    "last {count} orders",
    "orders over {number}",
    "orders with total between {number} and {number}",
    "customers with more than {number} orders in {period}",
    "orders of at least {money:usd} since {year}",
    "orders over {money:usd} or with {percent} off",
    "customers named {text} or {text}",
    "top {count} {entity:customers.tier} customers with total > {number} in {period}",
    "not {entity:customers.tier} or {entity:customers.tier} customers",
    "orders in {period:time} by customers named {text}",
    "orders before {year} or after {year}",
    "orders since {period} ({percent})",
    "average total in {period} of {entity:customers.tier} customers, top {count}",
)


def written(template: str) -> st.SearchStrategy[tuple[str, list[Written]]]:
    """The template with values for its slots, and these values."""
    types = types_of(template)

    def fill(values: tuple[Written, ...]) -> tuple[str, list[Written]]:
        text = template
        for type_, value in zip(types, values, strict=True):
            text = text.replace(type_, value.words.replace("{", "\0").replace("}", "\1"), 1)
        return text.replace("\0", "{").replace("\1", "}"), list(values)

    return st.tuples(*(VALUES[type_] for type_ in types)).map(fill)


@pytest.mark.parametrize("template", TEMPLATES)
@given(data=st.data())
@settings(max_examples=40)
def test_a_template_with_any_values_is_read_as_itself_with_exactly_these(template: str, data: st.DataObject) -> None:
    text, values = data.draw(written(template))
    question = ask(text)
    assert question.template == template
    assert [(slot.value, slot.unit) for slot in question.slots] == [(value.value, value.unit) for value in values]
    assert [question.text[slice(*slot.span)] for slot in question.slots] == [normalise(value.words) for value in values]


# --- very long texts --------------------------------------------------------------------------------------------------

REPEATED = (
    *(
        "' ",
        '"a ',
        "“a ",
        " 'a",
        "«",
        "`",
        "1,23,",
        "9",
        "1.2.3.",
        "a ",
        "a.",
        "a@",
        "a'",
        "_a",
        "-",
        "a-",
        "-$",
        "{",
        "大",
    ),
    *("between from ", "march and ", "january, ", "2023 to ", "2023 and ", "last 3 ", "first quarter of ", "1 day "),
    *("one hundred and ", "a million ", "usd ", "new ", "not ", "out of ", "please ", ", thank you", "of the year "),
    *("abcdef01-abcd-", "2024-01-", "10:30:", "compare 2020 to ", "than is ", "top the ", "between 5 and "),
)


def calls(text: str) -> int:
    """How many functions are called to read `text`."""
    count = 0

    def on_event(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(on_event)
    try:
        ask(text)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("piece", REPEATED)
def test_the_work_is_linear_in_the_text(piece: str) -> None:
    ask(piece * 400)  # fills the caches
    assert calls(piece * 400) <= 4.4 * calls(piece * 100) + 200


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "piece", ["'a ", '"a ', "“a ", "‘", "«", "`", "1,23,", "9", "1.2.3.", "a.", "a@", "a'", "2024-01-"]
)
def test_the_pattern_does_not_backtrack(piece: str) -> None:
    """Were the search for one token as long as the rest of the text, these would take minutes."""
    text = piece * (100_000 // len(piece))
    assert tokenise(text)[-1].end == len(text.rstrip())
