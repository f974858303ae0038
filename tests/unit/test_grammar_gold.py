"""What a suite accepts: statements, choices of columns, and when rows are equal."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from evals.gold import orders, same, statements


def test_statements_are_split_outside_of_strings() -> None:
    assert list(statements("SELECT ';' ; SELECT 2;")) == ["SELECT ';'", "SELECT 2"]


def test_a_choice_stands_for_every_subset_and_the_group_follows() -> None:
    assert list(statements("SELECT {a.x, a.y}, count(*) FROM a GROUP BY {}")) == [
        "SELECT a.x, a.y, count(*) FROM a GROUP BY a.x, a.y",
        "SELECT a.x, count(*) FROM a GROUP BY a.x",
        "SELECT a.y, count(*) FROM a GROUP BY a.y",
    ]


def test_only_the_outermost_order_counts() -> None:
    assert orders("SELECT a FROM b ORDER BY a")
    assert not orders("SELECT a FROM (SELECT a FROM b ORDER BY a) AS c")
    assert not orders("SELECT row_number() OVER (ORDER BY a) FROM b")
    assert not orders("SELECT ' order by ' FROM b")


def test_rows_are_equal_in_any_order_of_columns() -> None:
    assert same([(1, "a"), (2, "b")], [("b", 2), ("a", 1)], ordered=False)
    assert not same([(1, "a"), (2, "b")], [("a", 2), ("b", 1)], ordered=False)
    assert not same([(1,)], [(1,), (1,)], ordered=False)
    assert not same([(1, 2)], [(1,)], ordered=False)


def test_order_counts_where_the_gold_orders() -> None:
    assert not same([(1,), (2,)], [(2,), (1,)], ordered=True)
    assert same([(2,), (1,)], [(2,), (1,)], ordered=True)


def test_ties_may_change_places() -> None:
    assert same([("b", 5), ("a", 5), ("c", 1)], [("a", 5), ("b", 5), ("c", 1)], ordered=True)
    assert not same([("c", 1), ("a", 5), ("b", 5)], [("a", 5), ("b", 5), ("c", 1)], ordered=True)


def test_values_compare_by_what_they_are() -> None:
    assert same([(Decimal("1.50"), date(2024, 1, 1))], [(1.5, datetime(2024, 1, 1, tzinfo=UTC))], ordered=False)
    assert not same([(None,)], [(0,)], ordered=False)
    assert not same([(True,)], [("true",)], ordered=False)


def test_nothing_equals_nothing() -> None:
    assert same([], [], ordered=True)
    assert not same([], [(None,)], ordered=False)
