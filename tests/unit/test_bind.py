"""A question's values for a plan's parameters: each its own, of its own type, or not at all."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg8000.converters import PY_TYPES, make_param

from rowcall.bind import MAX_COUNT, DoesNotFit, Value, values
from rowcall.catalog import Catalog, Column, Table
from rowcall.plan import Parameter, Part, Plan
from rowcall.question import Kind, Period, Question, Slot

SPAN = (0, 1)
NOW = datetime(2024, 5, 17, 22, 30, tzinfo=UTC)  # already the 18th in Berlin
CATALOG = Catalog(
    {
        "orders": Table(
            "orders", (Column("status", "text", values=("paid", "Sent", "lost", "LOST")), Column("note", "text"))
        )
    },
    "",
)
Q1 = Period(date(2024, 1, 1), date(2024, 4, 1))


def bind(
    *parameters: Parameter, slots: tuple[Slot, ...] = (), zone: str = "Europe/Berlin", cap: int = 51
) -> list[Value]:
    plan = Plan("", parameters, (), "", exact_only=False)
    return values(plan, Question("", "", slots, NOW, zone), CATALOG, cap)


def one(
    value: object, kind: Kind, type_: str = "", part: Part = "value", column: str = "", zone: str = "Europe/Berlin"
) -> Value:
    slot = Slot(kind, value, SPAN)  # type: ignore[arg-type]
    return bind(Parameter(0, part, type_, column), slots=(slot,), zone=zone)[0]


def rendered(value: Value) -> str:
    """As pg8000 writes it to Postgres."""
    return str(make_param(PY_TYPES, value))


@pytest.mark.parametrize(
    ("kind", "value", "type_", "bound", "sent"),
    [
        ("count", 5, "bigint", 5, "5"),
        ("count", -5, "bigint", 0, "0"),
        ("count", 10**30, "bigint", MAX_COUNT, "2147483647"),
        ("count", 7, "numeric", 7, "7"),
        ("count", 7, "text", "7", "7"),
        ("number", Decimal("2.50"), "numeric", Decimal("2.50"), "2.50"),
        ("number", Decimal("1E+3"), "numeric", Decimal(1000), "1E+3"),
        ("number", Decimal("1E+3"), "bigint", 1000, "1000"),
        ("number", Decimal("-0.5"), "double precision", Decimal("-0.5"), "-0.5"),
        ("number", Decimal(3), "", Decimal(3), "3"),
        ("money", Decimal("9.99"), "money", Decimal("9.99"), "9.99"),
        ("percent", Decimal(10), "numeric", Decimal(10), "10"),
        ("year", 2024, "integer", 2024, "2024"),
        ("year", 2024, "text", "2024", "2024"),
        ("text", "a%b_c\\", "", "a%b_c\\", "a%b_c\\"),
        ("text", "", "text", "", ""),
        ("date", date(2024, 2, 29), "date", date(2024, 2, 29), "2024-02-29"),
        ("date", date(99, 1, 1), "date", date(99, 1, 1), "0099-01-01"),
        ("date", date(2024, 2, 29), "text", "2024-02-29", "2024-02-29"),
        ("date", date(2024, 2, 29), "timestamp", datetime(2024, 2, 29), "2024-02-29T00:00:00"),  # noqa: DTZ001
    ],
)
def test_a_value_in_its_own_type(kind: Kind, value: object, type_: str, bound: Value, sent: str) -> None:
    found = one(value, kind, type_)
    assert found == bound
    assert type(found) is type(bound)
    assert rendered(found) == sent


@pytest.mark.parametrize(
    ("kind", "value", "type_", "part"),
    [
        ("number", Decimal("2.5"), "bigint", "value"),
        ("number", Decimal("NaN"), "numeric", "value"),
        ("number", Decimal("Infinity"), "numeric", "value"),
        ("number", Decimal(40000), "smallint", "value"),
        ("number", Decimal(-(2**31) - 1), "integer", "value"),
        ("number", Decimal(1), "date", "value"),
        ("number", "5", "numeric", "value"),
        ("count", True, "bigint", "value"),
        ("count", 5, "uuid", "value"),
        ("text", "x\0y", "", "value"),
        ("text", "\ud800", "", "value"),
        ("text", "5", "bigint", "value"),
        ("text", 5, "", "value"),
        ("text", "x", "", "start"),
        ("text", "x", "bigint", "contains"),
        ("text", "x", "", "row_cap"),
        ("text", "x", "", "today"),
        ("entity", "paid", "", "contains"),
        ("date", date(2024, 2, 29), "bigint", "value"),
        ("date", date(2024, 1, 1), "uuid", "value"),
        ("date", date(2024, 1, 1), "date", "end"),
        ("date", "2024-01-01", "date", "value"),
        ("period", Q1, "date", "value"),
        ("period", Q1, "bigint", "end"),
        ("period", Q1, "interval", "start"),
        ("period", date(2024, 1, 1), "date", "start"),
        ("year", 0, "date", "start"),
        ("year", 9999, "date", "end"),
        ("year", "2024", "date", "end"),
        ("year", 1, "timestamptz", "start"),
    ],
)
def test_what_does_not_fit(kind: Kind, value: object, type_: str, part: Part) -> None:
    with pytest.raises(DoesNotFit):
        one(value, kind, type_, part)


def test_a_slot_that_is_not_there_does_not_fit() -> None:
    for index in (-1, 1):
        with pytest.raises(DoesNotFit):
            bind(Parameter(index, "value", "bigint"), slots=(Slot("count", 5, SPAN),))
    with pytest.raises(DoesNotFit):
        bind(Parameter(None, "start", "date"))


@pytest.mark.parametrize(
    ("part", "pattern"), [("contains", r"%50\%\_off\\%"), ("prefix", r"50\%\_off\\%"), ("suffix", r"%50\%\_off\\")]
)
def test_a_pattern_matches_its_text_and_no_wildcard(part: Part, pattern: str) -> None:
    assert one("50%_off\\", "text", "", part) == pattern


@pytest.mark.parametrize(("value", "bound"), [("paid", "paid"), ("PAID", "paid"), ("sent", "Sent"), ("LOST", "LOST")])
def test_an_entity_is_spelled_as_its_column_spells_it(value: str, bound: str) -> None:
    assert one(value, "entity", "", column="orders.status") == bound


@pytest.mark.parametrize(
    ("value", "column"),
    [("missing", "orders.status"), ("Lost", "orders.status"), ("paid", "orders.gone"), ("paid", "x.y")],
)
def test_an_entity_that_its_column_does_not_have_does_not_fit(value: str, column: str) -> None:
    with pytest.raises(DoesNotFit):
        one(value, "entity", "", column=column)


def test_values_of_the_request() -> None:
    zone = Parameter(None, "timezone", "text")
    today, midnight = Parameter(None, "today", "date"), Parameter(None, "today", "timestamptz")
    cap = Parameter(None, "row_cap", "bigint")
    assert bind(zone, today, cap) == ["Europe/Berlin", date(2024, 5, 18), 51]
    assert bind(today, zone="America/New_York") == [date(2024, 5, 17)]
    assert bind(midnight) == [datetime(2024, 5, 17, 22, tzinfo=UTC)]


# Times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "zone", "instant"),
    [
        (date(2024, 1, 15), "Europe/Berlin", "2024-01-14T23:00:00+00:00"),
        (date(2024, 7, 15), "Europe/Berlin", "2024-07-14T22:00:00+00:00"),
        (date(2024, 3, 31), "Europe/Berlin", "2024-03-30T23:00:00+00:00"),
        (date(2024, 4, 1), "Europe/Berlin", "2024-03-31T22:00:00+00:00"),
        (date(2024, 7, 15), "America/New_York", "2024-07-15T04:00:00+00:00"),
        (date(2024, 7, 15), "Asia/Kolkata", "2024-07-14T18:30:00+00:00"),
        (date(2024, 7, 15), "UTC", "2024-07-15T00:00:00+00:00"),
        # midnight was skipped: the day began at 01:00, which is when the clocks were put forward
        (date(2018, 11, 4), "America/Sao_Paulo", "2018-11-04T03:00:00+00:00"),
        # midnight came twice: the day began with the first
        (date(2023, 10, 29), "Atlantic/Azores", "2023-10-29T00:00:00+00:00"),
        (date(2023, 11, 5), "America/Havana", "2023-11-05T04:00:00+00:00"),
    ],
)
def test_a_day_begins_at_local_midnight(day: date, zone: str, instant: str) -> None:
    period = Period(day, day + timedelta(days=1))
    assert rendered(one(period, "period", "timestamptz", "start", zone=zone)) == instant
    assert one(period, "period", "timestamp", "start", zone=zone) == datetime(day.year, day.month, day.day)  # noqa: DTZ001
    assert one(period, "period", "date", "start", zone=zone) == day


def test_the_end_of_a_year_is_the_start_of_the_next() -> None:
    assert one(2023, "year", "date", "start") == date(2023, 1, 1)
    assert one(2023, "year", "date", "end") == date(2024, 1, 1)
    assert one(2023, "year", "bigint", "end") == 2024
    assert one(Period(date(2023, 1, 1), date(2024, 1, 1)), "period", "bigint", "start") == 2023


def test_moments_are_the_same_moments_in_every_type() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    period = Period(datetime(2024, 5, 17, 9, 30, tzinfo=berlin), datetime(2024, 5, 18, 9, 30, tzinfo=berlin))
    assert one(period, "period", "timestamptz", "start") == datetime(2024, 5, 17, 7, 30, tzinfo=UTC)
    assert one(period, "period", "timestamp", "end") == datetime(2024, 5, 18, 9, 30)  # noqa: DTZ001
    assert one(period, "period", "timestamp", "end", zone="UTC") == datetime(2024, 5, 18, 7, 30)  # noqa: DTZ001
    assert one(period, "period", "date", "start") == date(2024, 5, 17)
    # the 18th has begun, so a day's column must take it in
    assert one(period, "period", "date", "end") == date(2024, 5, 19)
    midnight = Period(datetime(2024, 5, 17, tzinfo=berlin), datetime(2024, 5, 18, tzinfo=berlin))
    assert one(midnight, "period", "date", "end") == date(2024, 5, 18)


DAYS = st.dates(date(1900, 1, 1), date(2100, 1, 1))
ZONES = st.sampled_from(sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("posix")))


@given(DAYS, ZONES)
def test_days_touch_and_never_overlap(day: date, zone: str) -> None:
    """The end of a day is the start of the next, and the instant before belongs to the day before."""
    following = Period(day + timedelta(days=1), day + timedelta(days=2))
    end = one(Period(day, day + timedelta(days=1)), "period", "timestamptz", "end", zone=zone)
    assert rendered(end) == rendered(one(following, "period", "timestamptz", "start", zone=zone))
    assert isinstance(end, datetime)
    first = end.astimezone(UTC)
    assert first.astimezone(ZoneInfo(zone)).date() >= day + timedelta(days=1)
    assert (first - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date() <= day


# Slots never cross ----------------------------------------------------------------------------------------------

KINDS: dict[Kind, st.SearchStrategy[object]] = {
    "count": st.integers(0, 10**6),
    "number": st.decimals(-(10**9), 10**9, places=2),
    "money": st.decimals(0, 10**9, places=2),
    "percent": st.decimals(0, 100, places=1),
    "year": st.integers(1, 9998),
    "text": st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30),
    "entity": st.sampled_from(["paid", "Sent", "lost"]),
    "date": DAYS,
    "period": st.tuples(DAYS, st.integers(1, 400)).map(lambda p: Period(p[0], p[0] + timedelta(days=p[1]))),
}
PARTS: dict[Kind, list[tuple[Part, str]]] = {
    "count": [("value", "bigint"), ("value", "numeric")],
    "number": [("value", "numeric")],
    "money": [("value", "numeric")],
    "percent": [("value", "numeric")],
    "year": [("value", "integer"), ("start", "date"), ("end", "timestamptz")],
    "text": [("value", ""), ("contains", ""), ("prefix", "text"), ("suffix", "")],
    "entity": [("value", "")],
    "date": [("value", "date"), ("value", "timestamptz"), ("value", "timestamp")],
    "period": [("start", "date"), ("end", "date"), ("start", "timestamptz"), ("end", "timestamp")],
}
SLOT = st.sampled_from(sorted(KINDS)).flatmap(lambda kind: KINDS[kind].map(lambda value: Slot(kind, value, SPAN)))  # type: ignore[arg-type]


@st.composite
def bindings(draw: st.DrawFn) -> tuple[tuple[Slot, ...], tuple[Parameter, ...]]:
    slots = tuple(draw(st.lists(SLOT, min_size=1, max_size=5)))
    parameters = []
    for index in draw(st.lists(st.integers(0, len(slots) - 1), max_size=8)):
        kind = slots[index].kind
        part, type_ = draw(st.sampled_from(PARTS[kind]))
        parameters.append(Parameter(index, part, type_, "orders.status" if kind == "entity" else ""))
    return slots, tuple(parameters)


@given(bindings(), st.integers(1, 500))
def test_each_parameter_takes_its_own_slot_and_no_other(
    case: tuple[tuple[Slot, ...], tuple[Parameter, ...]], cap: int
) -> None:
    """What a parameter is bound to is what it would be bound to if its slot were the only one."""
    slots, parameters = case
    found = bind(*parameters, Parameter(None, "row_cap", "bigint"), slots=slots, cap=cap)
    assert found.pop() == cap
    for parameter, value in zip(parameters, found, strict=True):
        assert parameter.slot is not None
        slot = slots[parameter.slot]
        assert [value] == bind(Parameter(0, parameter.part, parameter.type, parameter.column), slots=(slot,))
        assert rendered(value) is not None


@given(bindings(), st.data())
def test_changing_one_value_changes_only_its_own_parameters(
    case: tuple[tuple[Slot, ...], tuple[Parameter, ...]], data: st.DataObject
) -> None:
    slots, parameters = case
    changed = data.draw(st.integers(0, len(slots) - 1))
    other = Slot(slots[changed].kind, data.draw(KINDS[slots[changed].kind]), SPAN)  # type: ignore[arg-type]
    before = bind(*parameters, slots=slots)
    after = bind(*parameters, slots=(*slots[:changed], other, *slots[changed + 1 :]))
    for parameter, old, new in zip(parameters, before, after, strict=True):
        assert parameter.slot == changed or old == new


def test_an_aware_moment_of_any_zone_is_that_moment() -> None:
    moment = datetime(2024, 5, 17, 12, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    assert rendered(one(Period(moment, moment), "period", "timestamptz", "start")) == "2024-05-17T06:15:00+00:00"
