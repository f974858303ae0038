"""`make demo` and `make ask` tell the truth: over HTTP, as a client would, compared with SQL written by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from local import demo, show
from local.api import Api
from local.bridge import Bridge
from local.postgres import Postgres
from local.processes import ROOT, free_port
from local.stack import Stack
from rowcall_client import Rowcall

REVENUE = """
    SELECT products.name, sum(quantity * unit_price) AS revenue
    FROM products JOIN order_items ON product_id = products.id
    GROUP BY products.id ORDER BY revenue DESC LIMIT """


@pytest.fixture(scope="module")
def client(stack: Stack, shop: str) -> Iterator[Rowcall]:
    api = Api(stack, free_port())
    with Rowcall(api.url) as client:
        yield client
    api.stop()


def rows(client: Rowcall, question: str) -> list[dict[str, Any]]:
    """What two answers agree on: the first planned, the second remembered."""
    first, again = show.ask(client, question), show.ask(client, question)
    assert again.answer["meta"]["cache_layer"] == 1
    assert (again.trips("redis"), again.trips("postgres")) == ("1", "1")
    assert again.answer["data"] == first.answer["data"]
    return list(again.answer["data"])


def test_active_users(client: Rowcall, bridge: Bridge, postgres: Postgres, shop: str) -> None:
    active = {
        user_id: (email, name)
        for user_id, email, name in postgres.sql("SELECT id, email, full_name FROM users WHERE status = 'active'", shop)
    }
    answered = {row["id"]: (row["email"], row["full_name"]) for row in rows(client, "show active users")}
    assert len(answered) == min(50, len(active))
    assert answered.items() <= active.items()


def test_pending_orders(client: Rowcall, bridge: Bridge, postgres: Postgres, shop: str) -> None:
    (row,) = rows(client, "count pending orders")
    assert list(row.values()) == postgres.sql("SELECT count(*) FROM orders WHERE status = 'pending'", shop)[0]


def test_products_by_revenue(client: Rowcall, bridge: Bridge, postgres: Postgres, shop: str) -> None:
    ten = rows(client, "top 10 products by revenue")
    assert [[name, Decimal(str(revenue))] for name, revenue in map(dict.values, ten)] == postgres.sql(
        f"{REVENUE} 10", shop
    )
    asked = bridge.requests
    five = show.ask(client, "top 5 products by revenue").answer
    assert (five["meta"]["cache_layer"], bridge.requests - asked) == (1, 1)
    assert five["data"] == ten[:5]


def test_recent_orders(client: Rowcall, bridge: Bridge, postgres: Postgres, shop: str) -> None:
    recent = """
        SELECT id FROM orders WHERE created_at >= now() - interval '7 days' ORDER BY created_at DESC LIMIT 50"""
    assert [[row["id"]] for row in rows(client, "recent orders from last 7 days")] == postgres.sql(recent, shop)


def run(stack: Stack, module: str, *arguments: str, database: str) -> subprocess.CompletedProcess[str]:
    """A module of `local` as `make` runs it, on the parts of the session's stack."""
    assert stack.postgres
    environ = os.environ | stack.environ | {"DATABASE_URL": stack.postgres.reader_url(database), "COLUMNS": "100"}
    path = os.pathsep.join(("layers", "functions", "client", "."))
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environ | {"PYTHONPATH": path, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_demo_shows_every_answer_and_ends_well(stack: Stack, bridge: Bridge, shop: str) -> None:
    done = run(stack, "local.demo", database=shop)
    assert (done.returncode, done.stderr) == (0, "")
    for question in demo.QUESTIONS:
        # Two headings and two lines of the table at the end.
        assert done.stdout.count(question) == 4
    assert done.stdout.count(demo.OTHER_VALUE) == 2
    assert done.stdout.count("layer 3: new plan, made by grammar") == 4
    assert done.stdout.count("layer 1: remembered plan, made by grammar") == 5
    assert done.stdout.count("redis 1 request in ") == done.stdout.count("postgres 1 transaction in ") == 5
    assert "password_hash" not in done.stdout


def test_the_demo_ends_badly_when_an_answer_fails(
    stack: Stack, bridge: Bridge, make_database: Callable[[str], str]
) -> None:
    done = run(stack, "local.demo", database=make_database("CREATE TABLE thing (id int)"))
    assert done.returncode == 1
    assert "✗ 'show active users' was not answered." in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_ask_answers_or_says_why_not(stack: Stack, bridge: Bridge, make_database: Callable[[str], str]) -> None:
    database = make_database("CREATE TABLE planets (id int, name text); INSERT INTO planets VALUES (1, '[bold]Mars');")
    done = run(stack, "local.ask", "show planets", database=database)
    assert (done.returncode, done.stderr) == (0, "")
    assert "[bold]Mars" in done.stdout
    done = run(stack, "local.ask", "what is the meaning of life", database=database)
    assert done.returncode == 1
    assert "✗ " in done.stdout
