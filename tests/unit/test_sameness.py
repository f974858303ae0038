"""The sameness check: what it lets pass, what each rule refuses, and what holds for any two templates."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evals.paraphrases_run import SUITE, catalog_of, pairs_of
from rowcall.cache.sameness import RULES, Known, compare
from rowcall.catalog import Catalog, Column, Table
from rowcall.question import Question, read

NOW = datetime(2024, 6, 5, 12, tzinfo=UTC)


def table(name: str, /, **columns: str | list[str]) -> Table:
    return Table(
        name,
        tuple(
            Column(column, "text", values=tuple(kind)) if isinstance(kind, list) else Column(column, kind)
            for column, kind in columns.items()
        ),
    )


TABLES = [
    table("customers", id="integer", name="text", city="text", created_at="timestamp with time zone"),
    table("orders", id="integer", customer_id="integer", status=["pending", "shipped"], amount="numeric"),
    table("products", id="integer", name="text", price="numeric", stock="integer"),
    table("contracts", id="integer", expires_on="date"),
]
SHOP = Catalog({one.key: one for one in TABLES}, "shop")
MESSAGES = [
    table("users", id="integer", name="text"),
    table("messages", id="integer", sender_id="integer", recipient_id="integer", body="text"),
]
MAIL = Catalog({one.key: one for one in MESSAGES}, "mail")


def ask(text: str, catalog: Catalog = SHOP) -> Question:
    return read(text, catalog, NOW, "UTC")


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        ("how many orders are pending?", "count the pending orders"),
        ("top 5 customers by spend", "the five clients who spent the most"),
        ("5 most expensive products", "top 5 products by price"),
        ("average price per product", "what is the mean price for each product?"),
        ("products without orders", "products that were never ordered"),
        ("products that customers ordered", "products ordered by customers"),
        ("which customer has the most orders?", "customer with the highest number of orders"),
        ("how many orders did each customer place?", "number of orders per customer"),
        ("orders between 5 and 10", "orders from 5 to 10"),
        ("orders over 5 kg", "orders of more than 5 kilograms"),
        ("customers sorted by name", "list customers in order of name"),
        ("orders per month", "monthly orders"),
        ("orders with status pending", "pending orders"),
        ("names of customers in Paris", "for customers in Paris, what are the names?"),
        ("average price of products", "products' average price"),
        ("names and cities of customers", "customer names and cities"),
        ("top 5 most expensive products", "the 5 priciest products"),
        ("products cheaper than $20", "products with a price under $20"),
        ("customers from Paris with more than 3 orders", "clients in Paris with over 3 orders"),
    ],
)
def test_the_same_in_other_words_is_the_same(known: str, asked: str) -> None:
    verdict = compare(ask(asked), ask(known), SHOP)
    assert verdict.same, verdict.why


@pytest.mark.parametrize(
    ("rule", "known", "asked"),
    [
        ("slots", "orders over 5", "orders over $5"),
        ("slots", "orders over 5 in March", "in March, orders over 5"),
        ("question", "who ordered products?", "when were products ordered?"),
        ("polarity", "customers with orders", "customers without orders"),
        ("polarity", "customers who ordered", "customers who haven't ordered"),
        ("polarity", "orders that are pending", "non-pending orders"),
        ("quantifier", "customers who ordered products", "customers who ordered all products"),
        ("quantifier", "customers who ordered products", "customers who ordered only products"),
        ("comparator", "orders over 5", "orders under 5"),
        ("comparator", "orders of more than 5", "orders of at least 5"),
        ("comparator", "orders since March", "orders until March"),
        ("comparator", "orders from 2020", "orders from 2020 on"),
        ("comparator", "orders over 5 kg", "orders over 5 g"),
        ("superlative", "cheapest product", "most expensive product"),
        ("superlative", "top 3 products by price", "top 3 products by stock"),
        ("superlative", "customer with the most orders", "customers with the most orders"),
        ("superlative", "first order", "last order"),
        ("aggregate", "average price of products", "total price of products"),
        ("aggregate", "number of orders", "number of distinct orders"),
        ("aggregate", "orders of each customer", "number of orders of each customer"),
        ("grouping", "number of orders per customer", "number of orders per month"),
        ("ordering", "customers sorted by name", "customers sorted by name descending"),
        ("ordering", "products from cheapest to dearest", "products from dearest to cheapest"),
        ("aggregate", "how many customers are there?", "how many products are there?"),
        ("aggregate", "how many products did each customer order?", "which products did each customer order?"),
        ("grouping", "orders shipped by each customer", "orders shipped for each customer"),
        ("terms", "customers in Paris", "customers in London"),
        ("terms", "blood type A-", "blood type A"),
        ("terms", "developers who know C#", "developers who know C"),
        ("subject", "customers who ordered products", "products ordered by customers"),
        ("roles", "trips from Paris to Rome", "trips from Rome to Paris"),
        ("roles", "orders over 5 for customers over 9", "for customers over 5, orders over 9"),
        ("subject", "for orders of May, list the customers", "for customers, list the orders of May"),
        ("subject", "customers' products", "products' customers"),
        ("roles", "products with price over 5 and stock under 9", "products with stock over 5 and price under 9"),
        ("roles", "customers that products rated", "customers that rated products"),
        ("tense", "expired contracts", "expiring contracts"),
    ],
)
def test_each_rule_refuses_and_says_why(rule: str, known: str, asked: str) -> None:
    for one, other in ((ask(known), ask(asked)), (ask(asked), ask(known))):
        verdict = compare(one, other, SHOP)
        assert (verdict.same, verdict.rule) == (False, rule), verdict
        assert "“" in verdict.why or "nothing" in verdict.why
    assert rule in {one.name for one in RULES}


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        ("messages from Ann", "messages to Ann"),
        ("messages from Ann", "messages for Ann"),
        ("messages sent by Ann", "messages sent to Ann"),
        ("users who follow Ann", "users followed by Ann"),
        ("users with the most followers", "users following the most"),
        ("users who rated Ann", "users whom Ann rated"),
    ],
)
def test_directions_and_voices_are_kept(known: str, asked: str) -> None:
    assert not compare(ask(asked, MAIL), ask(known, MAIL), MAIL).same


def test_synonyms_that_the_catalog_tells_apart_are_two_things() -> None:
    known, asked = "number of customers", "number of clients"
    assert compare(ask(asked), ask(known), SHOP).same
    both = Catalog({**SHOP.tables, "clients": table("clients", id="integer")}, "both")
    verdict = compare(ask(asked, both), ask(known, both), both)
    assert verdict.rule == "aggregate"


def test_a_name_is_not_inflected() -> None:
    known = Known("orders of customer ander")
    assert compare(ask("orders of customer Anders"), known, SHOP).rule == "name"
    assert compare(ask("orders of customer anders"), Known("orders of customer anders"), SHOP).same
    assert compare(ask("the Orders of customer Ander"), known, SHOP).same


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        ("wie viele bestellungen sind offen", "wie viele bestellungen sind nicht offen"),
        ("wie viele kunden gibt es", "wie viele produkte gibt es"),
        ("clientes con pedidos", "clientes sin pedidos"),
        ("保留中の注文", "出荷済みの注文"),
    ],
)
def test_what_is_not_understood_differs(known: str, asked: str) -> None:
    assert not compare(ask(asked), ask(known), SHOP).same


SUITES = sorted(path.stem for path in SUITE.glob("*.jsonl"))
FLIPS = [
    ("more", "fewer"), ("more", "less"), ("highest", "lowest"), ("most", "least"), ("before", "after"),
    ("at least", "at most"), ("over", "under"), ("above", "below"), ("average", "total"), ("maximum", "minimum"),
    ("ascending", "descending"), ("first", "last"), ("latest", "earliest"), ("with", "without"), ("are", "are not"),
    ("have", "have not"), ("is", "is not"), ("was", "was not"), ("were", "were not"), ("from", "not from"),
    ("in", "not in"), ("since", "until"), ("number of", "names of"), ("only", "not only"), ("largest", "smallest"),
    ("up to", "over"), ("cheapest", "most expensive"), ("newest", "oldest"), ("longest", "shortest"),
    ("did", "did not"), ("distinct", "all"),
]  # fmt: skip


@pytest.mark.parametrize("name", SUITES)
def test_a_flipped_word_is_always_refused(name: str) -> None:
    catalog = catalog_of(SUITE / f"{name}.json")
    texts = {question.text.lower() for pair in pairs_of(name, catalog) for question in (pair.known, pair.asked)}
    flipped = 0
    for text, (one, other) in product(sorted(texts), [*FLIPS, *((b, a) for a, b in FLIPS)]):
        for found in re.finditer(rf"\b{one}\b", text):
            turned = text[: found.start()] + other + text[found.end() :]
            known, asked = ask(text, catalog), ask(turned, catalog)
            if known.template != asked.template:
                flipped += 1
                assert not compare(asked, known, catalog).same, (text, turned)
    assert flipped > 50


@pytest.mark.parametrize("name", SUITES)
def test_reflexive_and_symmetric(name: str) -> None:
    catalog = catalog_of(SUITE / f"{name}.json")
    templates = sorted({q.template for pair in pairs_of(name, catalog) for q in (pair.known, pair.asked)})
    for one in templates:
        assert compare(Known(one), Known(one), catalog).same
        assert compare(Known(f" {one} "), Known(one), catalog).same, "by its facets, too"
        for other in templates[:40]:
            forth, back = compare(Known(one), Known(other), catalog), compare(Known(other), Known(one), catalog)
            assert (forth.same, forth.rule) == (back.same, back.rule)


@given(st.text(max_size=300), st.text(max_size=300))
@example("by by per per most", "not")
@example("{count", "}} {{count}} '")
@example("each", "top {count}")
@example("order by", "sorted by by")
@example("from to from {number} to", "between between {number} and")
def test_any_two_texts_are_judged(one: str, other: str) -> None:
    verdict = compare(ask(one), ask(other), SHOP)
    assert verdict.same == (verdict.rule == "")
    assert compare(Known(one), Known(other), SHOP).same in (True, False)


WORDS = (  # noqa: SIM905
    "most least top by per each not without all only from to between and or than more at number of total average "
    "sorted descending first last who which how many orders customers products price stock ordered bought "
    "'s , {number} {period} {entity:orders.status} {count} {text} {money:usd} or more % km years old on"
).split()


@given(st.lists(st.sampled_from(WORDS), max_size=14), st.lists(st.sampled_from(WORDS), max_size=14))
def test_any_two_heaps_of_words_are_judged_alike_both_ways(one: list[str], other: list[str]) -> None:
    forth = compare(Known(" ".join(one)), Known(" ".join(other)), SHOP)
    back = compare(Known(" ".join(other)), Known(" ".join(one)), SHOP)
    assert (forth.same, forth.rule) == (back.same, back.rule)
    assert not forth.same or sorted(w for w in one if w[0] == "{") == sorted(w for w in other if w[0] == "{")
