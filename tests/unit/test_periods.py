"""Stretches of time: what each phrase means at one moment, in one zone. NOW is a Wednesday."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from rowcall.catalog import Catalog
from rowcall.question import Period, Question, read

CATALOG = Catalog({}, "none")
NOW = datetime(2024, 2, 14, 15, 30, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def ask(text: str, now: datetime = NOW, timezone: str = "Europe/Berlin") -> Question:
    return read(text, CATALOG, now, timezone)


def period(text: str, now: datetime = NOW, timezone: str = "Europe/Berlin") -> Period:
    (slot,) = ask(text, now, timezone).slots
    assert slot.kind == "period"
    assert isinstance(slot.value, Period)
    return slot.value


def days(start: str, end: str) -> Period:
    return Period(date.fromisoformat(start), date.fromisoformat(end))


@pytest.mark.parametrize(
    ("words", "start", "end"),
    [
        # the calendar's units
        ("today", "2024-02-14", "2024-02-15"),
        ("yesterday", "2024-02-13", "2024-02-14"),
        ("tomorrow", "2024-02-15", "2024-02-16"),
        ("day before yesterday", "2024-02-12", "2024-02-13"),
        ("day after tomorrow", "2024-02-16", "2024-02-17"),
        ("this week", "2024-02-12", "2024-02-19"),
        ("last week", "2024-02-05", "2024-02-12"),
        ("previous ISO week", "2024-02-05", "2024-02-12"),
        ("next week", "2024-02-19", "2024-02-26"),
        ("this month", "2024-02-01", "2024-03-01"),
        ("current month", "2024-02-01", "2024-03-01"),
        ("last month", "2024-01-01", "2024-02-01"),
        ("previous month", "2024-01-01", "2024-02-01"),
        ("next month", "2024-03-01", "2024-04-01"),
        ("this quarter", "2024-01-01", "2024-04-01"),
        ("last quarter", "2023-10-01", "2024-01-01"),
        ("last decade", "2010-01-01", "2020-01-01"),
        ("last fortnight", "2024-01-29", "2024-02-12"),
        ("last Friday", "2024-02-09", "2024-02-10"),
        ("last Wednesday", "2024-02-07", "2024-02-08"),
        ("this Monday", "2024-02-12", "2024-02-13"),
        ("next Wednesday", "2024-02-21", "2024-02-22"),
        ("last January", "2024-01-01", "2024-02-01"),
        ("last February", "2023-02-01", "2023-03-01"),
        ("this March", "2024-03-01", "2024-04-01"),
        ("next February", "2025-02-01", "2025-03-01"),
        ("last Q4", "2023-10-01", "2024-01-01"),
        # rolling
        ("last 7 days", "2024-02-07", "2024-02-15"),
        ("past seven days", "2024-02-07", "2024-02-15"),
        ("last 7-day", "2024-02-07", "2024-02-15"),
        ("previous 7 days", "2024-02-07", "2024-02-15"),
        ("last 7d", "2024-02-07", "2024-02-15"),
        ("past week", "2024-02-07", "2024-02-15"),
        ("past month", "2024-01-14", "2024-02-15"),
        ("past year", "2023-02-14", "2024-02-15"),
        ("last 3 months", "2023-11-14", "2024-02-15"),
        ("last couple of weeks", "2024-01-31", "2024-02-15"),
        ("last 2 quarters", "2023-08-14", "2024-02-15"),
        ("last twelve months from today", "2023-02-14", "2024-02-15"),
        ("trailing 12 months", "2023-02-14", "2024-02-15"),
        ("last 10 years", "2014-02-14", "2024-02-15"),
        ("next 2 weeks", "2024-02-14", "2024-02-29"),
        ("next 3 months", "2024-02-14", "2024-05-15"),
        ("last 3 full months", "2023-11-01", "2024-02-01"),
        ("last 10 calendar months", "2023-04-01", "2024-02-01"),
        ("next 2 full quarters", "2024-04-01", "2024-10-01"),
        ("year to date", "2024-01-01", "2024-02-15"),
        ("year-to-date", "2024-01-01", "2024-02-15"),
        ("MTD", "2024-02-01", "2024-02-15"),
        ("quarter to date", "2024-01-01", "2024-02-15"),
        # so long ago
        ("3 days ago", "2024-02-11", "2024-02-12"),
        ("two weeks ago", "2024-01-29", "2024-02-05"),
        ("a month ago", "2024-01-01", "2024-02-01"),
        ("2 weeks from now", "2024-02-26", "2024-03-04"),
        # months, quarters, halves
        ("March 2024", "2024-03-01", "2024-04-01"),
        ("mar 2024", "2024-03-01", "2024-04-01"),
        ("March, 2024", "2024-03-01", "2024-04-01"),
        ("March of 2024", "2024-03-01", "2024-04-01"),
        ("Jan-2024", "2024-01-01", "2024-02-01"),
        ("December 2023", "2023-12-01", "2024-01-01"),
        ("2023-04", "2023-04-01", "2023-05-01"),
        ("04/2023", "2023-04-01", "2023-05-01"),
        ("March last year", "2023-03-01", "2023-04-01"),
        ("March of this year", "2024-03-01", "2024-04-01"),
        ("Q1 2023", "2023-01-01", "2023-04-01"),
        ("Q4 of 2023", "2023-10-01", "2024-01-01"),
        ("2023 Q2", "2023-04-01", "2023-07-01"),
        ("2023-Q2", "2023-04-01", "2023-07-01"),
        ("first quarter of 2023", "2023-01-01", "2023-04-01"),
        ("3rd quarter of 2023", "2023-07-01", "2023-10-01"),
        ("H1 2024", "2024-01-01", "2024-07-01"),
        ("second half of last year", "2023-07-01", "2024-01-01"),
        # what has no year is the latest that has begun
        ("February", "2024-02-01", "2024-03-01"),
        ("October", "2023-10-01", "2023-11-01"),
        ("Q1", "2024-01-01", "2024-04-01"),
        ("Q2", "2023-04-01", "2023-07-01"),
        ("February 14", "2024-02-14", "2024-02-15"),
        ("February 15", "2023-02-15", "2023-02-16"),
        ("February 29", "2020-02-29", "2020-03-01"),
        # days
        ("2024-01-05", "2024-01-05", "2024-01-06"),
        ("2024/01/05", "2024-01-05", "2024-01-06"),
        ("5 Jan 2024", "2024-01-05", "2024-01-06"),
        ("5th of January 2024", "2024-01-05", "2024-01-06"),
        ("January 5th, 2024", "2024-01-05", "2024-01-06"),
        ("Jan. 5, 2024", "2024-01-05", "2024-01-06"),
        ("01/05/2024", "2024-01-05", "2024-01-06"),
        ("25/12/2023", "2023-12-25", "2023-12-26"),
        ("01/05/24", "2024-01-05", "2024-01-06"),
        ("5.1.2024", "2024-01-05", "2024-01-06"),
        ("29 February 2024", "2024-02-29", "2024-03-01"),
        ("31 December 2023", "2023-12-31", "2024-01-01"),
        # ranges
        ("between 1 March and 15 April 2024", "2024-03-01", "2024-04-16"),
        ("between 1 and 15 March 2024", "2024-03-01", "2024-03-16"),
        ("from March 1 to March 15, 2024", "2024-03-01", "2024-03-16"),
        ("March 1-15, 2024", "2024-03-01", "2024-03-16"),
        ("from 2021 to 2023", "2021-01-01", "2024-01-01"),
        ("between 2021 and 2023", "2021-01-01", "2024-01-01"),
        ("2021-2023", "2021-01-01", "2024-01-01"),
        ("2021 through 2023", "2021-01-01", "2024-01-01"),
        ("from 2024-01-05 until 2024-01-31", "2024-01-05", "2024-02-01"),
        ("2024-01-05 - 2024-01-31", "2024-01-05", "2024-02-01"),
        ("between January and March 2024", "2024-01-01", "2024-04-01"),
        ("from December to February 2024", "2023-12-01", "2024-03-01"),
        ("from November 2023 to January", "2023-11-01", "2024-02-01"),
        ("between November and January", "2023-11-01", "2024-02-01"),
        ("from Q1 to Q3 2023", "2023-01-01", "2023-10-01"),
        ("between last month and today", "2024-01-01", "2024-02-15"),
        ("from 2022 to now", "2022-01-01", "2024-02-15"),
        ("2022 to date", "2022-01-01", "2024-02-15"),
    ],
)
def test_a_phrase_of_time(words: str, start: str, end: str) -> None:
    question = ask(f"orders made {words} by region")
    (slot,) = question.slots
    assert question.text[slice(*slot.span)] == words
    assert slot.value == days(start, end)
    assert question.template == "orders made {period} by region"


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("the 1990s", "1990-01-01", "2000-01-01"),
        ("the '90s", "1990-01-01", "2000-01-01"),
        ("the 20s", "2020-01-01", "2030-01-01"),
        ("in the first quarter", "2024-01-01", "2024-04-01"),
        ("in March", "2023-03-01", "2023-04-01"),
        ("in may", "2023-05-01", "2023-06-01"),
        ("since 2 months ago", "2023-12-14", "2023-12-15"),
        ("more than 2 months ago", "2023-12-14", "2023-12-15"),
        ("over a year ago", "2023-02-14", "2023-02-15"),
        ("on 2024-01-05", "2024-01-05", "2024-01-06"),
        ("after 2024-01-05", "2024-01-05", "2024-01-06"),
        ("before last month", "2024-01-01", "2024-02-01"),
        ("this past week", "2024-02-07", "2024-02-15"),
    ],
)
def test_a_phrase_of_time_among_the_words_that_lead_to_it(text: str, start: str, end: str) -> None:
    assert period(f"orders {text}") == days(start, end)


def test_a_year_that_is_said_once_for_several_months() -> None:
    slots = ask("orders in January, February and March 2023, or in May and June").slots
    assert [slot.value for slot in slots] == [
        days("2023-01-01", "2023-02-01"),
        days("2023-02-01", "2023-03-01"),
        days("2023-03-01", "2023-04-01"),
        days("2023-05-01", "2023-06-01"),
        days("2023-06-01", "2023-07-01"),
    ]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("compare 2021 to 2023", ["year", "year"]),
        ("2021 and 2023", ["year", "year"]),
        ("how revenue changed from last month to this month", ["period", "period"]),
        ("the difference between March and April 2024", ["period", "period"]),
        ("Q1 2023 vs Q1 2024", ["period", "period"]),
        ("this month versus last month", ["period", "period"]),
        ("from 2023 to 2021", ["year", "year"]),
        ("from yesterday to 2 hours ago", ["period", "period"]),
        ("may I see what they march for", []),
        ("the last day of the month", []),
        ("the last week of sales", []),
        ("the last order date", []),
        ("the second order of each customer", []),
        ("day by day, week by week, year over year", []),
        ("a few weeks ago", []),
        ("per quarter", []),
        ("by month", []),
        ("recent orders", []),
        ("2024-13-01", []),
        ("31/31/2024", []),
        ("last 99999999 days", ["number"]),
        ("last 9999999 years", ["number"]),
        ("9999999 weeks ago", ["number"]),
    ],
)
def test_what_is_not_one_stretch_of_time(text: str, kinds: list[str]) -> None:
    assert [slot.kind for slot in ask(text).slots] == kinds


# --- moments ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "length"),
    [
        ("last 24 hours", timedelta(hours=24)),
        ("past 24h", timedelta(hours=24)),
        ("last hour", timedelta(hours=1)),
        ("past 90 minutes", timedelta(minutes=90)),
        ("last 30 seconds", timedelta(seconds=30)),
    ],
)
def test_hours_are_moments_up_to_now(words: str, length: timedelta) -> None:
    found = period(f"orders in the {words}")
    assert found == Period(NOW - length, NOW)
    assert isinstance(found.start, datetime)
    assert found.start.tzinfo == BERLIN
    assert ask(f"orders in the {words}").template == "orders in {period:time}"


def test_moments_ahead_and_ago() -> None:
    assert period("next 2 hours") == Period(NOW, NOW + timedelta(hours=2))
    assert period("3 hours ago") == Period(NOW - timedelta(hours=3), NOW - timedelta(hours=2))


def test_a_written_moment_is_local_unless_it_says_otherwise() -> None:
    local = datetime(2024, 1, 5, 14, 30, tzinfo=BERLIN)
    assert period("since 2024-01-05 14:30") == Period(local, local + timedelta(minutes=1))
    assert period("since 2024-01-05 at 9:30:15").start == datetime(2024, 1, 5, 9, 30, 15, tzinfo=BERLIN)
    assert period("since 2024-01-05T14:30:00Z").start == datetime(2024, 1, 5, 14, 30, tzinfo=UTC)
    assert period("since 2024-01-05T14:30:00-05:00").start == datetime(2024, 1, 5, 19, 30, tzinfo=UTC)


# --- zones and the calendar's edges -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timezone", "today"),
    [("Pacific/Kiritimati", "2024-01-01"), ("UTC", "2023-12-31"), ("America/Los_Angeles", "2023-12-31")],
)
def test_a_day_is_the_askers(timezone: str, today: str) -> None:
    now = datetime(2023, 12, 31, 23, 0, tzinfo=UTC)
    start = date.fromisoformat(today)
    assert period("today", now, timezone) == Period(start, start + timedelta(days=1))
    assert ask("this year", now, timezone).slots[0].value == start.year


@pytest.mark.parametrize(
    ("now", "hours"), [(datetime(2024, 3, 31, 12, tzinfo=BERLIN), 24), (datetime(2024, 10, 27, 12, tzinfo=BERLIN), 24)]
)
def test_24_hours_are_24_hours_when_the_clocks_change(now: datetime, hours: int) -> None:
    found = period("last 24 hours", now)
    assert isinstance(found.start, datetime)
    assert isinstance(found.end, datetime)
    assert found.end.astimezone(UTC) - found.start.astimezone(UTC) == timedelta(hours=hours)
    assert period("yesterday", now) == Period(now.date() - timedelta(days=1), now.date())


@pytest.mark.parametrize(
    ("now", "words", "start", "end"),
    [
        ("2024-02-29", "past year", "2023-02-28", "2024-03-01"),
        ("2024-02-29", "last 4 years", "2020-02-29", "2024-03-01"),
        ("2024-03-31", "past month", "2024-02-29", "2024-04-01"),
        ("2023-03-31", "last 1 month", "2023-02-28", "2023-04-01"),
        ("2024-12-31", "next month", "2025-01-01", "2025-02-01"),
        ("2025-01-01", "yesterday", "2024-12-31", "2025-01-01"),
        ("2025-01-01", "this week", "2024-12-30", "2025-01-06"),
        ("2025-01-01", "last month", "2024-12-01", "2025-01-01"),
        ("2025-01-01", "last quarter", "2024-10-01", "2025-01-01"),
        ("2020-01-01", "last decade", "2010-01-01", "2020-01-01"),
        ("0001-01-01", "today", "0001-01-01", "0001-01-02"),
    ],
)
def test_the_edges_of_the_calendar(now: str, words: str, start: str, end: str) -> None:
    moment = datetime.combine(date.fromisoformat(now), datetime.min.time(), tzinfo=UTC)
    assert period(words, moment, "UTC") == days(start, end)


def test_what_lies_outside_of_all_years_is_no_period() -> None:
    first = datetime(1, 1, 1, tzinfo=UTC)
    last = datetime(9999, 12, 31, tzinfo=UTC)
    for text in ("yesterday", "last month", "last 3 years", "last 24 hours", "3 hours ago"):
        assert "period" not in [slot.kind for slot in ask(text, first, "UTC").slots]
    for text in ("tomorrow", "today", "next month", "this month", "next 24 hours"):
        assert "period" not in [slot.kind for slot in ask(text, last, "UTC").slots]
