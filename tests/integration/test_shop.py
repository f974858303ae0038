"""The sample shop can be trusted: its sums agree, its dates are possible, and it is the same on every machine."""

from __future__ import annotations

import pytest

from local.postgres import SQL, Postgres

# Each counts the rows that contradict a sentence.
CONTRADICTIONS = {
    "an order's total is the sum of its items": """
        SELECT count(*) FROM orders LEFT JOIN (
            SELECT order_id, sum(quantity * unit_price) AS total FROM order_items GROUP BY 1
        ) AS items ON order_id = orders.id
        WHERE total IS DISTINCT FROM total_amount""",
    "a settled order was paid once, and whole": """
        SELECT count(*) FROM orders LEFT JOIN (
            SELECT order_id, sum(amount) AS paid, count(*) AS times FROM payments WHERE status = 'completed' GROUP BY 1
        ) AS done ON order_id = orders.id
        WHERE status IN ('processing', 'shipped', 'delivered') AND (times, paid) IS DISTINCT FROM (1, total_amount)""",
    "an order that is not settled has no money of the customer's": """
        SELECT count(*) FROM orders JOIN payments ON order_id = orders.id
        WHERE orders.status IN ('pending', 'cancelled', 'returned') AND payments.status = 'completed'""",
    "a returned order was refunded": """
        SELECT count(*) FROM orders WHERE status = 'returned' AND total_amount IS DISTINCT FROM
            (SELECT sum(amount) FROM payments WHERE order_id = orders.id AND status = 'refunded')""",
    "money arrives when a payment completes, after it was tried": """
        SELECT count(*) FROM payments
        WHERE (paid_at IS NOT NULL) <> (status IN ('completed', 'refunded')) OR paid_at < created_at""",
    "nothing happens in the future": """
        SELECT (SELECT count(*) FROM orders WHERE greatest(created_at, shipped_at, delivered_at) > now())
            + (SELECT count(*) FROM payments WHERE greatest(created_at, paid_at) > now())
            + (SELECT count(*) FROM reviews WHERE created_at > now())
            + (SELECT count(*) FROM users WHERE greatest(created_at, last_login_at) > now())
            + (SELECT count(*) FROM customers WHERE created_at > now())
            + (SELECT count(*) FROM products WHERE created_at > now())""",
    "an order is placed, then shipped, then delivered": """
        SELECT count(*) FROM orders WHERE shipped_at <= created_at OR delivered_at <= shipped_at
            OR (shipped_at IS NOT NULL) <> (status IN ('shipped', 'delivered', 'returned'))
            OR (delivered_at IS NOT NULL) <> (status IN ('delivered', 'returned'))""",
    "nobody orders before signing up": """
        SELECT count(*) FROM orders JOIN customers ON customers.id = customer_id
        WHERE orders.created_at < customers.created_at""",
    "nothing is sold before its launch": """
        SELECT count(*) FROM order_items JOIN orders ON orders.id = order_id JOIN products ON products.id = product_id
        WHERE orders.created_at < products.created_at""",
    "a discontinued product is not sold any more": """
        SELECT count(*) FROM order_items JOIN orders ON orders.id = order_id JOIN products ON products.id = product_id
        WHERE products.status = 'discontinued' AND orders.created_at > now() - interval '190 days'""",
    "what is out of stock has no stock": """
        SELECT count(*) FROM products
        WHERE (status = 'out_of_stock') <> (stock_quantity = 0) AND status <> 'discontinued'""",
    "who reviews has had it delivered before": """
        SELECT count(*) FROM reviews WHERE NOT EXISTS (
            SELECT FROM orders JOIN order_items ON order_id = orders.id
            WHERE orders.customer_id = reviews.customer_id AND order_items.product_id = reviews.product_id
                AND delivered_at < reviews.created_at)""",
    "an invited user has never signed in, every other has, after being hired": """
        SELECT count(*) FROM users
        WHERE (last_login_at IS NULL) <> (status = 'invited') OR last_login_at < created_at""",
}


@pytest.mark.parametrize("sentence", CONTRADICTIONS)
def test_the_shop_does_not_contradict_itself(postgres: Postgres, shop: str, sentence: str) -> None:
    assert postgres.sql(CONTRADICTIONS[sentence], shop) == [[0]]


def test_it_is_big_enough_to_trust(postgres: Postgres, shop: str) -> None:
    assert postgres.sql("SELECT count(*) FROM order_items", shop)[0][0] >= 100_000


def test_every_state_occurs(postgres: Postgres, shop: str) -> None:
    for type_, column in {
        "user_status": "users.status",
        "order_status": "orders.status",
        "payment_method": "payments.method",
    }.items():
        table, name = column.split(".")
        unused = f"SELECT unnest(enum_range(NULL::{type_})) EXCEPT SELECT {name} FROM {table}"  # noqa: S608
        assert postgres.sql(unused, shop) == []


def test_orders_reach_up_to_now(postgres: Postgres, shop: str) -> None:
    days = "SELECT current_date - day FROM generate_series(0, 7) day EXCEPT SELECT created_at::date FROM orders"
    missing = [row[0] for row in postgres.sql(days, shop)]
    today = postgres.sql("SELECT current_date")[0][0]
    # The first order of a day comes after six in the morning.
    assert missing in ([], [today])


def test_every_table_says_what_it_holds(postgres: Postgres, shop: str) -> None:
    silent = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    assert postgres.sql(f"{silent} AND obj_description(oid, 'pg_class') IS NULL", shop) == []


def test_it_is_the_same_wherever_it_is_loaded(postgres: Postgres, shop: str) -> None:
    """All of it but what the clock of the load decides: compared for orders old enough to have an end."""
    postgres.create("shop_again", SQL / "shop.sql")
    digest = """
        SELECT md5(string_agg(concat_ws('|', orders.id, customer_id, channel, total_amount, created_at::date), ','
            ORDER BY orders.id)) FROM orders WHERE created_at < current_date - 30"""
    try:
        assert postgres.sql(digest, shop) == postgres.sql(digest, "shop_again")
    finally:
        postgres.drop("shop_again")


def test_it_is_loaded_once_a_day(postgres: Postgres, shop: str) -> None:
    oid = f"SELECT oid FROM pg_database WHERE datname = '{shop}'"  # noqa: S608
    before = postgres.sql(oid)
    postgres.create(shop, SQL / "shop.sql")
    assert postgres.sql(oid) == before
