"""Words and names: stems, the words of an identifier, keys and joins that nobody declared."""

from __future__ import annotations

import pytest

from rowcall.catalog import Catalog, Column, Table
from rowcall.planners.grammar.schema import Ambiguous, Schema
from rowcall.planners.grammar.words import split_identifier, stem, synonyms


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Categories", "category"),
        ("cities", "city"),
        ("customer's", "customers"),
        ("wrote", "written"),
        ("people", "person"),
    ],
)
def test_forms_of_a_word_are_one(one: str, other: str) -> None:
    assert stem(one) == stem(other)


def test_different_words_are_not_one() -> None:
    assert stem("organization") != stem("organ")
    assert stem("university") != stem("universe")


def test_synonyms_go_both_ways() -> None:
    assert stem("client") in synonyms(stem("customers"))
    assert stem("customer") in synonyms(stem("clients"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("created_at", ("created", "at")),
        ("CustomerID", ("customer", "id")),
        ("orderdate", ("order", "date")),
        ("cust_addr", ("customer", "address")),
        ("qty", ("quantity",)),
        ("warehouse", ("warehouse",)),
        ("line2", ("line", "2")),
    ],
)
def test_an_identifier_is_cut_into_its_words(name: str, words: tuple[str, ...]) -> None:
    assert split_identifier(name) == words


def schema(**tables: str) -> Schema:
    """Tables of columns as "name type, name type"; no key is declared."""
    made = {
        name: Table(
            name,
            tuple(Column(one, type_) for one, _, type_ in (column.partition(" ") for column in columns.split(", "))),
        )
        for name, columns in tables.items()
    }
    return Schema(Catalog(made, repr(tables)))


def test_keys_and_joins_are_inferred_from_names() -> None:
    found = schema(
        city="city_id integer, city_name text",
        shop="id integer, name text, city_id integer",
        visit="shop_id integer, day date",
    )
    assert found.key("city") == ("city_id",)
    assert found.key("shop") == ("id",)
    path = found.path("visit", "city")
    assert path is not None
    assert [(step.source, step.target, step.up) for step in path] == [("visit", "shop", True), ("shop", "city", True)]


def test_columns_of_different_types_do_not_join() -> None:
    assert schema(city="city_id integer, name text", shop="id integer, city_id text").path("shop", "city") is None


def test_names_alone_do_not_join() -> None:
    assert schema(city="name text, size integer", shop="name text, area integer").path("shop", "city") is None


def test_two_references_to_one_table_are_ambiguous() -> None:
    found = schema(
        airport="airport_code text, name text", flight="flight_id integer, from_airport text, to_airport text"
    )
    with pytest.raises(Ambiguous):
        found.path("flight", "airport")


def test_a_prefix_that_all_columns_share_says_nothing() -> None:
    found = schema(
        customer="cu_id integer, cu_name text, cu_city text", loan="ln_id integer, ln_sum numeric, ln_day date"
    )
    assert found.fields["customer"]["cu_city"].words == ("city",)
