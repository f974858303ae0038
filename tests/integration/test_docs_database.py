"""docs/database.md is true: its SQL is run on the sample shop, in its order, and what it promises is looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.main import handler
from local.bridge import Bridge
from local.postgres import SQL, Postgres
from local.processes import ROOT
from tests.gateway import Gateway
from tests.integration.test_api import environment, problem, serving
from tests.integration.test_identity import bearer, hs256, signing

BLOCKS = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/database.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def changed(postgres: Postgres, make_database: Callable[[str | Path], str], tmp_path_factory: Any) -> str:
    """A shop of its own, after all that the page says."""
    name = make_database(SQL / "shop.sql")
    for number, block in enumerate(BLOCKS):
        script = tmp_path_factory.mktemp("docs") / f"block_{number}.sql"
        script.write_text(block)
        postgres.run(name, script)
    return name


@pytest.fixture
def gateway(bridge: Bridge, postgres: Postgres, changed: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    settings = {"TENANT_SETTING": "app.tenant_id", **signing()}
    with serving(monkeypatch, environment(bridge, postgres.reader_url(changed), **settings)):
        yield Gateway(handler)


def ask(gateway: Gateway, query: str, tenant: str = "acme") -> Any:
    return gateway.post("/api/query", {"query": query}, bearer(hs256(tenant=tenant)))


def test_the_page_has_its_sql() -> None:
    assert len(BLOCKS) == 5


def test_a_column_that_is_not_granted_does_not_exist(gateway: Gateway) -> None:
    columns = gateway.get("/api/tables/users", **bearer(hs256())).json["columns"]
    assert {column["name"] for column in columns} == {"id", "full_name", "role", "status"}
    assert set(ask(gateway, "show users").json["data"][0]) == {"id", "full_name", "role", "status"}
    problem(ask(gateway, "show users by email"), 422, "unanswerable")


def test_tenants_see_their_own_rows(gateway: Gateway, postgres: Postgres, changed: str) -> None:
    counted = postgres.sql("SELECT tenant, count(*) FROM customers GROUP BY tenant", changed)
    counts = {str(tenant): int(count) for tenant, count in counted}
    assert min(counts.values()) > 0
    for tenant in ("acme", "umbrella"):
        (row,) = ask(gateway, "count customers", tenant).json["data"]
        assert list(row.values()) == [counts[tenant]]


def test_a_view_is_a_second_name(gateway: Gateway, postgres: Postgres, changed: str) -> None:
    (row,) = ask(gateway, "count pending bookings").json["data"]
    assert list(row.values()) == postgres.sql("SELECT count(*) FROM orders WHERE status = 'pending'", changed)[0]
    recent = ask(gateway, "bookings from last 7 days")
    assert recent.status == 200
    assert "public.bookings" in recent.json["sql"]
    assert recent.json["meta"]["planner"] == "grammar"


def test_comments_and_values_are_in_the_catalog(gateway: Gateway) -> None:
    assert "deals" in gateway.get("/api/tables/orders", **bearer(hs256())).json["comment"]
    problem(ask(gateway, "count deals"), 422, "unanswerable")
    (row,) = ask(gateway, "count refurbished products").json["data"]
    assert list(row.values()) == [7]
