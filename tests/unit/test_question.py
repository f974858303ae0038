"""Reading questions: which words are slots, with which values, and what is left as the template."""

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from rowcall.catalog import Catalog, Column, Table
from rowcall.question import Period, Question, Slot, normalise, read

NOW = datetime(2024, 2, 14, 15, 30, tzinfo=UTC)


def column(name: str, type_: str = "text", *values: str) -> Column:
    return Column(name, type_, values=values)


CATALOG = Catalog(
    {
        table.key: table
        for table in (
            Table(
                "customers",
                (
                    column("id", "integer"),
                    column("name"),
                    column("status", "text", "active", "inactive", "pending"),
                    column("country", "text", "US", "France", "New York", "IN", "Côte d'Ivoire", "東京"),
                    column("tier", "text", "Gold", "high", "new", "all"),
                    column("address_1"),
                ),
            ),
            Table(
                "products",
                (
                    column("id", "integer"),
                    column("price", "numeric"),
                    column("category", "text", "Books", "News", "Home & Garden", "iPhone 15", "R&D", "orders"),
                    column("active", "boolean"),
                ),
            ),
            Table(
                "orders",
                (
                    column("id", "integer"),
                    column("status", "text", "pending", "Shipped", "in_progress", "out for delivery", "not started"),
                    column("interval", "text", "monthly", "yearly"),
                    column("made_in", "text", "May", "June", "Q1"),
                ),
            ),
            Table("payments", (column("status", "text", "Pending", "shipped", "SHIPPED"),)),
            Table("grades", (column("grade", "text", "A", "A-", "A+", "B"),), schema="school"),
        )
    },
    "fingerprint",
)


def ask(text: str, catalog: Catalog = CATALOG) -> Question:
    return read(text, catalog, NOW, "Europe/Berlin")


def found(text: str) -> list[tuple[str, object, str]]:
    """Each slot's kind, value and words."""
    question = ask(text)
    return [(slot.kind, slot.value, question.text[slice(*slot.span)]) for slot in question.slots]


# --- the template -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("top 10 products by revenue", "top {count} products by revenue"),
        ("orders over $50 in March 2024", "orders over {money:usd} in {period}"),
        ("10 % of customers named “Ann”", "{percent} of customers named {text}"),
        ("orders since 2023", "orders since {year}"),
        ("orders in the last 24 hours", "orders in {period:time}"),
        ("gold customers", "{entity:customers.tier} customers"),
        (
            "pending orders",
            "{entity:orders.status} orders",
        ),
        ("what's the orders' average total?", "what's orders' average total"),
        ("Customers of O’Brien – all", "customers of o'brien - all"),
        ("total ≥ 5", "total >= {number}"),
        ("non-active customers", "non-{entity:customers.status} customers"),
        ("", ""),
        ("?!", ""),
        ("¿Cuántos?", "cuántos"),
        ("पिछले 5 आदेश", "पिछले {number} आदेश"),
        ("أظهر ٥ طلبات", "أظهر {number} طلبات"),
    ],
)
def test_a_template_is_the_words_with_types_for_values(text: str, template: str) -> None:
    assert ask(text).template == template


@pytest.mark.parametrize(
    "text",
    [
        "Show Active Customers.",
        "please show me the active customers?",
        "Please, show active customers!",
        "could you show me the active customers, please?",
        "Hi, can you please show active customers? Thanks!",
        "I would like you to show me the active customers",
        "  show\t active\n customers … ",
        "show active\u00a0customers",
        "show me please the active customers",
    ],
)
def test_politeness_articles_case_and_final_punctuation_are_folded(text: str) -> None:
    assert ask(text).template == ask("show active customers").template


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("active customers", "non-active customers"),
        ("active customers", "not active customers"),
        ("orders with a total", "orders without a total"),
        ("orders over 50", "orders under 50"),
        ("orders before 2023", "orders since 2023"),
        ("payments by customers", "payments to customers"),
        ("orders per customer", "orders of all customers"),
        ("few orders", "a few orders"),
        ("orders a month", "orders month"),
        ("cheapest products", "most expensive products"),
        ("show orders, not pending", "show not pending orders"),
        ("orders over $50", "orders over €50"),
        ("orders over 50", "orders over 50 %"),
        ("orders in 2023", "orders in March 2023"),
        ("orders of the last day", "orders of the last 24 hours"),
        ("customers of us", "customers of US"),
        ("show {count} orders", "show 5 orders"),
        ("{entity:customers.tier} customers", "gold customers"),
        ("{{count}} orders", "{count} orders"),
        ("songs by The Who", "songs by who"),
        ("vitamin A", "vitamin"),
        ("songs named please", "songs named"),
        ("covid-19 orders", "covid-18 orders"),
        ("3rd order", "2nd order"),
        ("orders at 1pm", "orders at 2pm"),
        ("order ORD-2023-001", "order ORD-2023-002"),
    ],
)
def test_what_differs_in_meaning_differs_in_template(one: str, other: str) -> None:
    assert ask(one).template != ask(other).template


def test_politeness_that_is_a_value_stays() -> None:
    assert ask("show songs named 'thank you'").template == "show songs named {text}"


@pytest.mark.parametrize(
    "text", ["ＴＯＰ　１０ ｐｒｏｄｕｃｔｓ", "a\u00a0b", " \u0308x", "ﬁne", "\ud800 lone", "x\x1fy", "e\u0301"]
)
def test_the_normal_form_is_its_own_normal_form(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    once.encode()  # a lone surrogate could not be hashed or sent


def test_spans_index_into_the_normalised_text() -> None:
    question = ask("  ＴＯＰ　１０   products ")
    assert question.text == "TOP 10 products"
    assert question.slots == (Slot("count", 10, (4, 6)),)
    assert (question.now, question.timezone) == (NOW, "Europe/Berlin")


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        ("top 10 products", 10, "10"),
        ("top-10 products", 10, "10"),
        ("top ten products", 10, "ten"),
        ("bottom 3", 3, "3"),
        ("first ten orders", 10, "ten"),
        ("the last 3 orders", 3, "3"),
        ("the five most expensive products", 5, "five"),
        ("the 5 cheapest products", 5, "5"),
        ("customers with the 3 highest totals", 3, "3"),
        ("the highest 3 totals", 3, "3"),
        ("10 products", 10, "10"),
        ("show 10 products", 10, "10"),
        ("show me 10 busy customers", 10, "10"),
        ("which 5 customers spent most", 5, "5"),
        ("what are the 5 products with most orders", 5, "5"),
        ("products by price, limit 10", 10, "10"),
        ("orders by date, 20 rows", 20, "20"),
        ("top 3 months by revenue", 3, "3"),
        ("top twenty-five products", 25, "twenty-five"),
        ("top two hundred and fifty products", 250, "two hundred and fifty"),
        ("top a dozen products", 12, "a dozen"),
        ("top 2000 products", 2000, "2000"),
        ("top 1,000 products", 1000, "1,000"),
        ("top one product", 1, "one"),
        ("top 0", 0, "0"),
    ],
)
def test_a_count_is_how_many_rows_are_wanted(text: str, value: int, words: str) -> None:
    assert found(text) == [("count", value, words)]


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        ("products over 50", "50", "50"),
        ("products over 1,234.5", "1234.5", "1,234.5"),
        ("customers in towns of 1,23,456", "123456", "1,23,456"),
        ("orders above 1.5k", "1500", "1.5k"),
        ("orders above 2 million", "2000000", "2 million"),
        ("orders above two and more", "2", "two"),
        ("orders above fifty", "50", "fifty"),
        ("orders above two hundred and fifty thousand", "250000", "two hundred and fifty thousand"),
        ("orders above a hundred thousand", "100000", "a hundred thousand"),
        (
            "orders above one million two hundred thousand and six",
            "1200006",
            "one million two hundred thousand and six",
        ),
        ("orders below -10", "-10", "-10"),
        ("orders below −0.5", "-0.5", "−0.5"),
        ("balance >-5", "-5", "-5"),
        ("minus 5", "5", "5"),
        ("rating above 4.0", "4", "4.0"),
        ("rating above .5", "0.5", ".5"),
        ("customers with 3 orders", "3", "3"),
        ("customers with more than 2 orders", "2", "2"),
        ("customers with at least one order", "1", "one"),
        ("customers with 0 orders", "0", "0"),
        ("show 5 star hotels", "5", "5"),
        ("show 4-door cars", "4", "4"),
        ("boxes over 5kg", "5", "5"),
        ("first 3 letters of the name", "3", "3"),
        ("order #42", "42", "42"),
        ("order 2023", "2023", "2023"),
        ("customers with id 2023", "2023", "2023"),
        ("customers with 2000 orders", "2000", "2000"),
        ("products priced at 2000", "2000", "2000"),
        ("price is 2000", "2000", "2000"),
        ("more than 2000", "2000", "2000"),
        ("1850 was long ago", "1850", "1850"),
        ("over ٣٤", "34", "٣٤"),
    ],
)
def test_a_number_is_a_quantity(text: str, value: str, words: str) -> None:
    assert found(text) == [("number", Decimal(value), words)]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("between 5 and 10", [5, 10]),
        ("between one hundred and two hundred", [100, 200]),
        ("between one hundred and fifty", [100, 50]),
        ("price between 1990 and 2010", [1990, 2010]),
        ("products whose price is between 1990 and 2010", [1990, 2010]),
        ("between 2000 and 5000", [2000, 5000]),
        ("between 500 and 2000", [500, 2000]),
        ("3-5", [3, 5]),
        ("5 -3", [5, 3]),
    ],
)
def test_two_numbers_are_two_slots(text: str, values: list[int]) -> None:
    assert [(kind, value) for kind, value, _ in found(text)] == [("number", Decimal(value)) for value in values]


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("$50", "50", "usd"),
        ("50 dollars", "50", "usd"),
        ("50 US dollars", "50", "usd"),
        ("50 USD", "50", "usd"),
        ("USD 50", "50", "usd"),
        ("€1.2k", "1200", "eur"),
        ("$2m", "2000000", "usd"),
        ("$2.5 million", "2500000", "usd"),
        ("-$5", "-5", "usd"),
        ("¥1,000", "1000", "jpy"),
        ("fifty euros", "50", "eur"),
    ],
)
def test_money_keeps_its_currency(text: str, value: str, unit: str) -> None:
    question = ask(f"orders over {text}")
    assert [(slot.kind, slot.value, slot.unit) for slot in question.slots] == [("money", Decimal(value), unit)]
    assert question.text[slice(*question.slots[0].span)] == text


@pytest.mark.parametrize("text", ["10 %", "10%", "10 percent", "ten percent", "10 per cent", "10 pct"])
def test_percent_is_as_written(text: str) -> None:
    assert found(f"discount over {text}") == [("percent", Decimal(10), text)]


@pytest.mark.parametrize(
    "text",
    [
        "covid-19", "line_2", "2fa", "4x4 cars", "3rd order", "b2b", "order ORD-2023-001", "at 1pm", "at 14:30",
        "which one is best", "roads of 2m", "customers by address 1", "address_1 of customers", "v1.2-3-4-5",
        "2024-02-30", "9" * 50,
    ],
)  # fmt: skip
def test_a_number_in_a_name_is_a_name(text: str) -> None:
    assert found(text) == []
    assert ask(text).template == text.lower()


# --- years ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *("orders in 2023", "orders in the year 2023", "2023 orders", "orders 2023", "show 2023 orders", "2023"),
        *("revenue of 2023", "before 2023", "year > 2023", "year is greater than 2023", "older than 2023"),
        *("per month in 2023", "born around 2023"),
    ],
)
def test_four_digits_are_a_year_where_nothing_else_is_said(text: str) -> None:
    assert found(text) == [("year", 2023, "2023")]


def test_years_are_read_by_their_names() -> None:
    assert found("revenue this year") == [("year", 2024, "this year")]
    assert found("revenue of last year") == [("year", 2023, "last year")]
    assert found("registered 2 years ago") == [("year", 2022, "2 years ago")]


# --- texts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'Foo'", "Foo"),
        ('"O\'Brien"', "O'Brien"),
        ("'O'Brien'", "O'Brien"),
        ("“a 'b' c”", "a 'b' c"),
        ("‘O’Brien’", "O’Brien"),
        ("«Zoë»", "Zoë"),
        ("`VTI`", "VTI"),
        ("「東京」", "東京"),
        ("„Straße“", "Straße"),
        ("'active'", "active"),
        ("'10'", "10"),
        ("''", ""),
        ("ann@example.com", "ann@example.com"),
        ("550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
        ("10.0.0.1", "10.0.0.1"),
        ("555-123-4567", "555-123-4567"),
    ],
)
def test_a_quoted_text_is_a_text_as_it_stands(text: str, value: str) -> None:
    assert found(f"customers named {text}.") == [("text", value, text)]


@pytest.mark.parametrize(
    "text",
    ["O'Brien's orders", "the users' and the owners' orders", '5" and 6" tubes', "don't and can't", "rock 'n roll"],
)
def test_an_apostrophe_opens_no_quote(text: str) -> None:
    assert "text" not in [kind for kind, _, _ in found(text)]


# --- entities ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        ("ACTIVE customers", "active", "ACTIVE"),
        ("gold customers", "Gold", "gold"),
        ("customers of gold's", "Gold", "gold"),
        ("customers from new york", "New York", "new york"),
        ("customers from New Yorks", "New York", "New Yorks"),
        ("in progress orders", "in_progress", "in progress"),
        ("in-progress orders", "in_progress", "in-progress"),
        ("in_progress orders", "in_progress", "in_progress"),
        ("orders out for delivery", "out for delivery", "out for delivery"),
        ("not started orders", "not started", "not started"),
        ("book products", "Books", "book"),
        ("home and garden products", "Home & Garden", "home and garden"),
        ("r&d products", "R&D", "r&d"),
        ("iPhone 15 products", "iPhone 15", "iPhone 15"),
        ("customers from cote d'ivoire", "Côte d'Ivoire", "cote d'ivoire"),
        ("customers from Côte d’Ivoire", "Côte d'Ivoire", "Côte d’Ivoire"),
        ("東京の人", "東京", "東京"),
        ("students with grade A-", "A-", "A-"),
        ("students with grade a", "A", "a"),
        ("students with grade A+ only", "A+", "A+"),
        ("customers whose country is IN", "IN", "IN"),
        ("customers from the US", "US", "US"),
        ("category orders", "orders", "orders"),
        ("monthly orders", "monthly", "monthly"),
        ("new customers", "new", "new"),
        ("customers who are new", "new", "new"),
        ("tier is all", "all", "all"),
        ("orders made in May", "May", "May"),
        ("active customers", "active", "active"),
        ("customers that are active", "active", "active"),
    ],
)
def test_a_value_of_the_catalog_is_an_entity(text: str, value: str, words: str) -> None:
    assert found(text) == [("entity", value, words)]


@pytest.mark.parametrize(
    "text",
    [
        "all customers",
        "customers in towns",
        "show us customers",
        "show orders",
        "new products",
        "monthly revenue of orders",
        "active products",
        "newest customers",
        "a customer",
        "high-value products",
        "activeness of customers",
        "golden customers",
        "customers.active",
    ],
)
def test_a_word_that_means_something_else_is_no_entity(text: str) -> None:
    assert found(text) == []


def test_an_entity_has_every_column_that_holds_it_in_any_spelling() -> None:
    (slot,) = ask("pending ones").slots
    assert slot.columns == ("customers.status", "orders.status", "payments.status")
    assert slot.value == "pending"
    assert ask("Pending ones").slots[0].value == "Pending"
    assert ask("shipped").slots[0].columns == ask("SHIPPED").slots[0].columns == ("orders.status", "payments.status")
    assert ask("a grade of B").slots[0].columns == ("school.grades.grade",)


def test_an_entity_has_only_the_columns_of_tables_that_are_named() -> None:
    assert ask("pending payments").slots[0].columns == ("payments.status",)
    assert ask("payments of pending orders").slots[0].columns == ("orders.status", "payments.status")
    assert ask("count shipped orders").template == ask("count pending orders").template


def test_after_one_value_another_of_its_column_is_plain() -> None:
    assert [value for _, value, _ in found("grade A or B, or A-")] == ["A", "B", "A-"]
    assert [value for _, value, _ in found("tier gold, all, or Gold")] == ["Gold", "all", "Gold"]
    assert [value for _, value, _ in found("grade A or all customers")] == ["A"]


def test_a_catalog_without_values_has_no_entities() -> None:
    question = ask("show active customers", Catalog({}, "none"))
    assert question.slots == ()
    assert question.template == "show active customers"


def test_slots_come_in_order_of_appearance() -> None:
    text = "top 5 gold customers named 'Ann' with orders over $50, 10 % off, since 2021 and in the last 7 days"
    assert found(text) == [
        ("count", 5, "5"),
        ("entity", "Gold", "gold"),
        ("text", "Ann", "'Ann'"),
        ("money", Decimal(50), "$50"),
        ("percent", Decimal(10), "10 %"),
        ("year", 2021, "2021"),
        ("period", Period(date(2024, 2, 7), date(2024, 2, 15)), "last 7 days"),
    ]


def test_reading_imports_nothing_heavy() -> None:
    heavy = {"sqlglot", "dateutil", "snowballstemmer", "pg8000", "httpx", "fastapi", "boto3", "pydantic"}
    code = "import sys, rowcall.question; print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert not heavy & set(run.stdout.split())


def test_a_quoted_text_that_is_a_value_is_typed_by_its_columns() -> None:
    assert ask("orders that are 'pending'").slots[0].columns == ("orders.status",)
    assert ask("orders that are 'pending'").template == ask("orders that are 'shipped'").template
    assert ask("orders that are 'pending'").template != ask("orders that are 'gold plated'").template
    assert ask("orders that are 'gold plated'").slots[0].columns == ()
