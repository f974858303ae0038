"""Placeholders to parameters: their types and columns, and the proof that a plan may serve its whole template."""

# ruff: noqa: S608 - these statements are what is tested, and reach no database
from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from rowcall.errors import UnsafePlan
from rowcall.plan import Parameter
from rowcall.question import Kind, Period, Slot
from tests.unit.guarding import check

SPAN = (0, 1)
COUNT = Slot("count", 5, SPAN)
NUMBER = Slot("number", Decimal("2.5"), SPAN)
PERCENT = Slot("percent", Decimal(15), SPAN)
TEXT = Slot("text", "blue_2", SPAN)
YEAR = Slot("year", 2023, SPAN)
DATE = Slot("date", date(2024, 5, 1), SPAN)
PERIOD = Slot("period", Period(date(2024, 1, 1), date(2024, 4, 1)), SPAN)
PAID = Slot("entity", "paid", SPAN, ("orders.status",))
WEEK = Slot("period", Period(date(2024, 5, 10), date(2024, 5, 17)), SPAN)
HOURS = Slot("period", Period(datetime(2024, 5, 16, 9, tzinfo=UTC), datetime(2024, 5, 17, 9, tzinfo=UTC)), SPAN)
CAP = Parameter(None, "row_cap", "bigint")


def parameters(sql: str, *slots: Slot) -> tuple[Parameter, ...]:
    found = check(sql, *slots).parameters
    assert found[-1] == CAP
    return found[:-1]


def test_the_cap_is_the_last_parameter_and_bounds_the_questions_own_limit() -> None:
    plan = check("SELECT id FROM users ORDER BY id LIMIT :s0", COUNT)
    assert plan.sql == (
        "SELECT users.id FROM public.users ORDER BY id LIMIT LEAST(CAST($1 AS BIGINT), CAST($2 AS BIGINT))"
    )
    assert plan.parameters == (Parameter(0, "value", "bigint"), CAP)


def test_a_limit_inside_is_the_questions_alone() -> None:
    plan = check("SELECT count(*) FROM (SELECT id FROM users LIMIT :s0) x", COUNT)
    assert "LIMIT CAST($1 AS BIGINT)) AS x LIMIT CAST($2 AS BIGINT)" in plan.sql


@pytest.mark.parametrize(
    ("slot", "sql", "type_"),
    [
        (NUMBER, "SELECT id FROM orders WHERE total > :s0", "numeric"),
        (Slot("money", Decimal(5), SPAN), "SELECT id FROM orders WHERE total > :s0", "numeric"),
        (PERCENT, "SELECT id FROM orders WHERE total * :s0 / 100 > 3", "numeric"),
        (COUNT, "SELECT user_id FROM orders GROUP BY 1 HAVING count(*) > :s0", "integer"),
        (YEAR, "SELECT id FROM orders WHERE extract(year FROM placed_at) = :s0", "integer"),
        (NUMBER, "SELECT id FROM orders WHERE total > :s0::double precision", "double precision"),
        (NUMBER, "SELECT id FROM orders WHERE total > CAST(:s0 AS numeric(10, 2))", "numeric"),
        (COUNT, "SELECT id FROM orders WHERE placed_at > now() - (:s0)::int * interval '1 day'", "integer"),
        (TEXT, "SELECT id FROM users WHERE name = :s0", ""),
        (TEXT, "SELECT id FROM users WHERE name = :s0::text", "text"),
        (PAID, "SELECT id FROM orders WHERE status = :s0", ""),
        (PAID, "SELECT id FROM orders WHERE status = :s0::order_status", "text"),
    ],
)
def test_a_value_has_the_type_that_it_is_cast_to_or_that_of_its_kind(slot: Slot, sql: str, type_: str) -> None:
    assert [parameter.type for parameter in parameters(sql, slot)] == [type_]


@pytest.mark.parametrize(
    ("condition", "type_"),
    [
        ("placed_at >= :s0_start", "timestamptz"),
        ("delivered_at >= :s0_start", "timestamp"),
        ("due >= :s0_start", "date"),
        (":s0_start <= due", "date"),
        ("(due) >= (:s0_start)", "date"),
        ("due BETWEEN :s0_start AND '2030-01-01'", "date"),
        ("due IN (:s0_start)", "date"),
        ("placed_at::date >= :s0_start", "date"),
        ("date(placed_at) >= :s0_start", "date"),
        ("placed_at AT TIME ZONE 'UTC' >= :s0_start", "timestamp"),
        ("date_trunc('day', placed_at) >= :s0_start", "timestamptz"),
        ("date_trunc('day', delivered_at) >= :s0_start", "timestamp"),
        ("placed_at - interval '1 day' >= :s0_start", "timestamptz"),
        ("placed_at >= :s0_start - interval '1 month'", "timestamptz"),
        ("due >= :s0_start - 7", "date"),
        ("coalesce(delivered_at, now()) >= :s0_start", "timestamp"),
        ("to_char(placed_at, 'YYYY-MM-DD') >= :s0_start", "text"),
        ("extract(year FROM placed_at) >= :s0_start", "bigint"),
        ("user_id >= :s0_start", "bigint"),
        ("due >= :s0_start::timestamptz", "timestamptz"),
        ("(SELECT max(due) FROM orders) >= :s0_start", "date"),
        (":s0_start IS NOT NULL", "timestamptz"),
    ],
)
def test_a_time_has_the_type_of_what_it_is_compared_with(condition: str, type_: str) -> None:
    found = parameters(f"SELECT id FROM orders WHERE {condition}", PERIOD)
    assert found == (Parameter(0, "start", type_),)


def test_types_are_found_through_subqueries() -> None:
    sql = "WITH x AS (SELECT o.due AS d FROM orders o) SELECT y.e FROM (SELECT d AS e FROM x) y WHERE y.e < :s0_end"
    assert parameters(sql, PERIOD) == (Parameter(0, "end", "date"),)
    sql = "SELECT m FROM (SELECT date_trunc('month', delivered_at) AS m FROM orders) x WHERE m >= :s0_start"
    assert parameters(sql, PERIOD) == (Parameter(0, "start", "timestamp"),)


def test_one_placeholder_is_one_parameter_for_each_type_that_it_takes() -> None:
    sql = "SELECT id FROM orders WHERE placed_at >= :s0_start OR placed_at > :s0_start OR due >= :s0_start"
    plan = check(sql, PERIOD)
    assert plan.parameters == (Parameter(0, "start", "timestamptz"), Parameter(0, "start", "date"), CAP)
    assert plan.sql.count("CAST($1 AS TIMESTAMPTZ)") == 2


def test_values_of_the_request() -> None:
    plan = check("SELECT id FROM orders WHERE (placed_at AT TIME ZONE :timezone)::date = :today")
    assert plan.parameters == (Parameter(None, "timezone", "text"), Parameter(None, "today", "date"), CAP)
    assert not plan.exact_only
    assert parameters("SELECT id FROM orders WHERE placed_at >= :today - interval '7 days'") == (
        Parameter(None, "today", "timestamptz"),
    )


@pytest.mark.parametrize(
    ("condition", "column"),
    [
        ("status = :s0", "orders.status"),
        (":s0 = status", "orders.status"),
        ("status <> :s0", "orders.status"),
        ("status IN ('pending', :s0)", "orders.status"),
        ("status::text = :s0", "orders.status"),
        ("lower(status::text) = lower(:s0)", "orders.status"),
        ("status::text LIKE :s0", "orders.status"),
        ("status = ANY (ARRAY[:s0]::order_status[])", "orders.status"),
        ("status IS DISTINCT FROM :s0", "orders.status"),
        ("note = :s0", "orders.note"),
        ("status::text || 'x' = :s0", ""),
        ("length(:s0) > 3", ""),
        (":s0 IS NOT NULL", ""),
    ],
)
def test_an_entity_knows_the_column_that_it_is_compared_with(condition: str, column: str) -> None:
    slot = Slot("text", "paid", SPAN)
    found = parameters(f"SELECT id FROM orders WHERE {condition}", slot)
    assert found[0].column == column


def test_a_column_is_known_through_subqueries_and_under_other_names() -> None:
    sql = "WITH x (s) AS (SELECT o.status AS t FROM orders o) SELECT 1 FROM (SELECT s FROM x) y WHERE y.s = :s0"
    assert parameters(sql, PAID) == (Parameter(0, "value", "", "orders.status"),)


@pytest.mark.parametrize(
    ("sql", "slots"),
    [
        ("SELECT id FROM users LIMIT :s1", [COUNT]),
        ("SELECT id FROM users LIMIT :s", [COUNT]),
        ("SELECT id FROM users LIMIT :s0_value", [COUNT]),
        ("SELECT id FROM users WHERE name = :s0_start", [TEXT]),
        ("SELECT id FROM users WHERE name LIKE :s0_contains", [PAID]),
        ("SELECT id FROM users WHERE id > :s0_end", [COUNT]),
        ("SELECT id FROM orders WHERE due = :s0", [PERIOD]),
        ("SELECT id FROM orders WHERE due >= :s0_start", [DATE]),
        ("SELECT id FROM users WHERE name = :s0_contains", [TEXT]),
        ("SELECT id FROM users WHERE :s0_contains LIKE name", [TEXT]),
        ("SELECT id FROM users WHERE name LIKE :s0_prefix ESCAPE '!'", [TEXT]),
        ("SELECT id FROM users WHERE name LIKE :s0_prefix || 'x'", [TEXT]),
        ("SELECT id FROM users LIMIT :row_cap", []),
        ("SELECT id FROM users WHERE name ~ :s0", [TEXT]),
        ("SELECT id FROM orders WHERE total > :s0::date", [NUMBER]),
        ("SELECT id FROM users WHERE created_at > :s0_start::uuid", [PERIOD]),
        ("SELECT id FROM users WHERE name = :s0::int", [TEXT]),
        (
            "SELECT id FROM orders WHERE user_id >= :s0_start",
            [Slot("period", Period(date(2024, 2, 1), date(2024, 3, 1)), SPAN)],
        ),
        ("SELECT id FROM orders WHERE status = :s0", [Slot("entity", "lost", SPAN, ("orders.status",))]),
        ("SELECT id FROM orders WHERE placed_at > now() - interval :s0", [COUNT]),
        ("SELECT id FROM users LIMIT :s0", [NUMBER]),
    ],
)
def test_refuses_a_placeholder_that_the_question_cannot_fill(sql: str, slots: list[Slot]) -> None:
    with pytest.raises(UnsafePlan) as refusal:
        check(sql, *slots)
    assert refusal.value.rule in ("parameters", "construct", "regex", "limit")


@pytest.mark.parametrize("kind", ["contains", "prefix", "suffix"])
def test_a_text_may_be_a_pattern(kind: str) -> None:
    sql = f"SELECT id FROM users WHERE lower(name) LIKE lower(:s0_{kind}) OR false"
    plan = check(sql, TEXT)
    assert (plan.parameters[0].part, plan.parameters[0].column) == (kind, "users.name")


# The proof -----------------------------------------------------------------------------------------------------

TEMPLATED: list[tuple[str, list[Slot], tuple[str, ...]]] = [
    ("SELECT count(*) FROM orders", [], ()),
    ("SELECT count(*) FROM orders WHERE status = :s0", [PAID], ()),
    ("SELECT id FROM orders ORDER BY total DESC LIMIT :s0", [COUNT], ()),
    ("SELECT id FROM orders WHERE placed_at >= :s0_start AND placed_at < :s0_end", [WEEK], ()),
    ("SELECT id FROM orders WHERE placed_at >= :s0_start", [PERIOD], ()),
    ("SELECT 100.0 * count(*) / nullif(count(note), 0) FROM orders WHERE total > :s0", [NUMBER], ()),
    ("SELECT round(avg(total), 2), to_char(due, 'YYYY-MM') FROM orders GROUP BY 2 ORDER BY 2 LIMIT :s0", [COUNT], ()),
    ("SELECT date_trunc('month', placed_at) FROM orders WHERE total > :s0 LIMIT 1", [NUMBER], ()),
    ("SELECT name || ' ' || country FROM users WHERE country <> '' LIMIT :s0", [COUNT], ()),
    ("SELECT attributes->>'color' FROM products WHERE price > :s0", [NUMBER], ()),
    ("SELECT id FROM orders WHERE total > 50 AND status = :s0", [PAID], ("50",)),
    ("SELECT id FROM orders WHERE total > 50.0 AND status = :s0", [PAID], ("50",)),
    ("SELECT id FROM orders WHERE note = 'Gift wrap' AND status = :s0", [PAID], ("gift  wrap",)),
    ("SELECT id FROM orders WHERE placed_at > now() - interval '30 days' AND status = :s0", [PAID], ("30 days",)),
    ("SELECT id FROM orders WHERE placed_at > now() - interval '30 days' AND status = :s0", [PAID], ("30",)),
    ("SELECT id FROM orders WHERE placed_at > now() - interval '1 month' AND status = :s0", [PAID], ()),
    ("SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY total) FROM orders WHERE status = :s0", [PAID], ("0.5",)),
    ("SELECT total::numeric(10, 2) FROM orders WHERE status = :s0", [PAID], ()),
    (
        "SELECT date(placed_at AT TIME ZONE :timezone) FROM orders GROUP BY date(placed_at AT TIME ZONE :timezone)",
        [],
        (),
    ),
]

EXACT: list[tuple[str, list[Slot], tuple[str, ...]]] = [
    # a slot that is not used, or used twice
    ("SELECT count(*) FROM orders", [PAID], ()),
    ("SELECT id FROM orders LIMIT :s0", [COUNT, PAID], ()),
    ("SELECT id FROM orders WHERE user_id = :s0 LIMIT :s0", [COUNT], ()),
    # a constant that nobody declared
    ("SELECT id FROM orders WHERE total > 50 AND status = :s0", [PAID], ()),
    ("SELECT id FROM orders WHERE total > 50 AND status = :s0", [PAID], ("51",)),
    ("SELECT id FROM orders WHERE note = 'Gift' AND status = :s0", [PAID], ()),
    ("SELECT id FROM orders WHERE placed_at > now() - interval '30 days' AND status = :s0", [PAID], ()),
    ("SELECT CASE WHEN total > :s0 THEN 'high' ELSE 'low' END FROM orders", [NUMBER], ()),
    ("SELECT id FROM orders ORDER BY id LIMIT 5", [], ()),
    # a value that was kept, however it was written or declared
    ("SELECT id FROM orders LIMIT 5", [COUNT], ("5",)),
    ("SELECT id FROM orders WHERE user_id > :s0 LIMIT 5", [COUNT], ("5",)),
    ("SELECT id FROM orders WHERE user_id > :s0 AND total > 5.0", [COUNT], ("5",)),
    ("SELECT id FROM orders WHERE user_id > :s0 AND note = '5'", [COUNT], ("5",)),
    ("SELECT id FROM orders WHERE user_id > :s0 AND due > now() - interval '5 days'", [COUNT], ("5 days", "5")),
    ("SELECT id FROM orders WHERE status = :s0 OR status = 'paid'", [PAID], ("paid",)),
    ("SELECT id FROM orders WHERE status = :s0 OR note = 'PAID in full'", [PAID], ("PAID in full",)),
    ("SELECT id FROM users WHERE name = :s0 OR name LIKE '%blue_2%'", [TEXT], ("%blue_2%",)),
    ("SELECT total * 0.15 FROM orders WHERE total > :s0", [PERCENT], ("0.15",)),
    ("SELECT total * 0.85 FROM orders WHERE total > :s0", [PERCENT], ("0.85",)),
    ("SELECT total * 1.15 FROM orders WHERE total > :s0", [PERCENT], ("1.15",)),
    ("SELECT id FROM orders WHERE due >= :s0_start AND due <= '2024-03-31'", [PERIOD], ("2024-03-31",)),
    ("SELECT id FROM orders WHERE due >= :s0_start AND extract(year FROM due) = 2024", [PERIOD], ("2024",)),
    (
        "SELECT id FROM orders WHERE due >= :s0_start AND due < :s0_end AND due > now() - interval '7 days'",
        [WEEK],
        ("7 days",),
    ),
    ("SELECT id FROM orders WHERE due >= :s0_start AND due > now() - interval '24 hours'", [HOURS], ("24 hours",)),
    ("SELECT sum(total) / 3 FROM orders WHERE due >= :s0_start AND due < :s0_end", [PERIOD], ("3",)),
    ("SELECT id FROM orders WHERE extract(year FROM due) = :s0 OR due > '2022-12-31'", [YEAR], ("2022-12-31",)),
    ("SELECT id FROM orders WHERE total > :s0 AND 1 = 1 AND user_id = 100", [Slot("number", Decimal(100), SPAN)], ()),
    ("SELECT date_trunc('day', placed_at AT TIME ZONE 'Europe/Berlin') FROM orders", [], ("Europe/Berlin",)),
    # an entity at a column that its type does not have
    ("SELECT id FROM orders WHERE note = :s0", [PAID], ()),
    ("SELECT :s0 AS status, count(*) FROM orders", [PAID], ()),
    ("SELECT id FROM orders WHERE status = :s0 OR status IN (:s1)", [PAID, Slot("entity", "paid", SPAN, ("x.y",))], ()),
]


@pytest.mark.parametrize(("sql", "slots", "constants"), TEMPLATED)
def test_is_templated(sql: str, slots: list[Slot], constants: tuple[str, ...]) -> None:
    assert not check(sql, *slots, constants=constants).exact_only


@pytest.mark.parametrize(("sql", "slots", "constants"), EXACT)
def test_is_exact_only(sql: str, slots: list[Slot], constants: tuple[str, ...]) -> None:
    assert check(sql, *slots, constants=constants).exact_only


@pytest.mark.parametrize("kind", ["count", "number", "money", "percent", "year"])
def test_two_values_of_a_kind_do_not_cross(kind: Kind) -> None:
    slots = [Slot(kind, 3, SPAN), Slot(kind, 4, SPAN)]
    assert [p.slot for p in parameters("SELECT id FROM users WHERE id > :s1 AND tenant_id < :s0", *slots)] == [1, 0]
