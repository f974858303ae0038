"""What a model is told: the catalog or its relevant part, the question with its slots, and all of it as data."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcall import question
from rowcall.catalog import Catalog, Column, ForeignKey, Table
from rowcall.planners import Asking, Failed
from rowcall.planners.prompt import build, estimate
from rowcall.question import Period, Question, Slot

NOW = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)


def table(name: str, *columns: str, points_to: str = "", comment: str = "", values: tuple[str, ...] = ()) -> Table:
    keys = (ForeignKey((f"{points_to}_id",), points_to, ("id",)),) if points_to else ()
    names = ["id", *([f"{points_to}_id"] if points_to else []), *columns]
    return Table(
        name,
        tuple(Column(column, "text", values=values if column == "status" else ()) for column in names),
        primary_key=("id",),
        foreign_keys=keys,
        comment=comment,
        rows=10,
    )


def catalog(*tables: Table) -> Catalog:
    return Catalog({found.key: found for found in tables}, "fingerprint")


SHOP = catalog(
    table("customers", "name"),
    table("orders", "status", points_to="customers", values=("pending", "paid")),
    table("payments", "amount", points_to="orders"),
)
WAREHOUSE = catalog(
    *SHOP.tables.values(),
    *(table(f"sensor_{number}", *(f"reading_{part}" for part in range(40))) for number in range(200)),
)


def ask(text: str, found: Catalog = SHOP, zone: str = "UTC") -> Asking:
    return Asking(question.read(text, found, NOW, zone), found)


def test_a_small_catalog_is_told_whole_and_does_not_change_with_the_question() -> None:
    first, second = (build(ask(text), 12_000) for text in ("count pending orders", "customers by name"))
    assert first.catalog == second.catalog, "or no provider could cache it"
    assert first.instructions == second.instructions
    for name in SHOP.tables:
        assert f"table {name}" in first.catalog
    assert "(customers_id) -> customers(id)" in first.catalog
    assert 'status text, one of ["pending", "paid"]' in first.catalog


def test_a_large_catalog_is_pruned_to_what_the_question_is_about_and_what_joins_it() -> None:
    prompt = build(ask("pending orders by customer", WAREHOUSE), 500)
    assert estimate(prompt.catalog) <= 600
    for name in ("orders", "customers"):
        assert f"table {name}" in prompt.catalog
    assert "further tables" in prompt.catalog
    assert "table sensor_7" in build(ask("latest reading of sensor 7", WAREHOUSE), 2_000).catalog


def test_a_wide_table_is_narrowed_before_it_is_left_out() -> None:
    wide = catalog(
        table("logs", "customer_name", *(f"field_{number}" for number in range(2_000))), *SHOP.tables.values()
    )
    told = build(ask("logs by customer name", wide), 500).catalog
    assert "customer_name" in told
    assert "2000 further columns" in told


def test_the_question_is_told_with_its_slots_marked() -> None:
    told = build(ask("pending orders since 2026-11-01"), 500).question
    assert "⟦s0: pending⟧ orders since ⟦s1: 2026-11-01⟧" in told
    assert 's0 value of orders.status: "pending"; placeholders :s0' in told
    assert "s1 period from 2026-11-01 to before 2026-11-02; placeholders :s1_start :s1_end" in told


@pytest.mark.parametrize(("zone", "day"), [("UTC", "Sunday 2026-11-22"), ("Asia/Tokyo", "Monday 2026-11-23")])
def test_today_is_the_askers(zone: str, day: str) -> None:
    assert f"Today is {day}, in {zone}." in build(ask("count orders", zone=zone), 500).question


@pytest.mark.parametrize(
    ("slot", "told"),
    [
        (Slot("money", Decimal("9.50"), (0, 1), unit="usd"), "s0 money 9.50 usd; placeholders :s0"),
        (Slot("text", 'a "b"', (0, 1)), 's0 text "a \\"b\\""; placeholders :s0 :s0_contains :s0_prefix :s0_suffix'),
        (Slot("year", 2026, (0, 1)), "s0 year 2026; placeholders :s0 :s0_start :s0_end"),
        (Slot("period", Period(NOW, NOW), (0, 1)), "placeholders :s0_start :s0_end"),
    ],
)
def test_every_kind_of_slot_has_its_placeholders(slot: Slot, told: str) -> None:
    asked = Question("x", "x", (slot,), NOW, "UTC")
    assert told in build(Asking(asked, SHOP), 500).question


def test_examples_and_refusals_are_data_too() -> None:
    asking = Asking(
        ask("count orders").question,
        SHOP,
        examples=[("how many orders", "SELECT count(*)\nFROM orders")],
        failed=(Failed("SELECT x", 'no "x"\nthere'),),
    )
    told = build(asking, 500).question
    assert '"how many orders"\n"SELECT count(*)\\nFROM orders"' in told
    assert '"SELECT x"\n"no \\"x\\"\\nthere"' in told


@given(comment=st.text(), name=st.text(min_size=1), value=st.text())
def test_nothing_inside_a_block_can_close_it_or_begin_a_line(comment: str, name: str, value: str) -> None:
    hostile = catalog(table(name, "status", comment=comment, values=(value,)))
    told = build(Asking(Question("q", "q", (), NOW, "UTC"), hostile), 60_000).catalog
    opening, head, *inside, closing = told.split("\n")
    mark = opening.removeprefix("<<<catalog ")
    assert closing == f"{mark} catalog>>>"
    assert told.count(mark) == 2
    assert head.startswith("table ")
    assert all(line.startswith("  ") for line in inside)


@given(st.text(max_size=300))
def test_a_prompt_has_no_more_tokens_than_bytes(text: str) -> None:
    prompt = build(Asking(Question(text.replace("\ud800", ""), "q", (), NOW, "UTC"), SHOP), 500)
    told = prompt.instructions + prompt.catalog + prompt.question
    assert prompt.bytes == len(told.encode())
