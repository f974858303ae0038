"""Row-level security: one database, one role and one question, and every tenant its own rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from api.main import handler
from local.bridge import Bridge
from local.postgres import Postgres
from rowcall.bootstrap import Services
from rowcall.database.connection import Database
from rowcall.deadline import Deadline
from rowcall.settings import InvalidSettings
from tests.gateway import Gateway, Reply
from tests.integration.test_api import environment, problem, serving
from tests.integration.test_identity import bearer, hs256, signing

NOTES = """
CREATE TABLE notes (
    id integer PRIMARY KEY, tenant text NOT NULL, title text, topic text,
    state text CHECK (state IN ('open', 'closed'))
);
INSERT INTO notes
SELECT i, CASE WHEN i % 3 = 0 THEN 'acme' ELSE 'other' END, 'note ' || i,
       CASE WHEN i % 3 = 0 THEN 'rockets' ELSE 'takeover' END, 'open'
FROM generate_series(1, 30) i;
ANALYZE notes;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING (tenant = current_setting('app.tenant_id', true));
"""


@pytest.fixture(scope="module")
def notes(postgres: Postgres, make_database: Callable[[str], str]) -> str:
    return postgres.reader_url(make_database(NOTES))


@pytest.fixture
def services(bridge: Bridge, notes: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    with serving(monkeypatch, environment(bridge, notes, TENANT_SETTING="app.tenant_id", **signing())) as running:
        yield running


@pytest.fixture
def gateway(services: Services) -> Gateway:
    return Gateway(handler)


def ask(gateway: Gateway, tenant: str, query: str = "show notes") -> Reply:
    return gateway.post("/api/query", {"query": query}, bearer(hs256(tenant=tenant)))


def test_rows_never_cross(gateway: Gateway, services: Services, bridge: Bridge) -> None:
    for layer in (3, 1):
        for tenant, count in (("acme", 10), ("other", 20), ("nobody", 0)):
            before = bridge.requests, services.database.transactions
            reply = ask(gateway, tenant)
            assert reply.status == 200, reply.body
            assert {row["tenant"] for row in reply.json["data"]} == ({tenant} if count else set())
            assert reply.json["row_count"] == count
            assert reply.json["meta"]["cache_layer"] == layer
            if layer == 1:
                assert (bridge.requests, services.database.transactions) == (before[0] + 1, before[1] + 1)
    assert list(ask(gateway, "acme", "count notes").json["data"][0].values()) == [10]


def test_a_tenant_is_a_value_and_never_sql(gateway: Gateway) -> None:
    for tenant in ("acme' OR true --", "', true); SELECT 1", "other\\", "ACME", " acme"):
        assert ask(gateway, tenant).json["data"] == []
    problem(ask(gateway, "acme\0other"), 401, "unauthenticated")
    problem(ask(gateway, "acme\ud800"), 401, "unauthenticated")


def test_explain_is_under_the_policy(gateway: Gateway) -> None:
    reply = gateway.post("/api/explain", {"query": "show notes"}, bearer(hs256()))
    assert "app.tenant_id" in json.dumps(reply.json["plan"])


def test_nothing_remains_after_the_transaction(services: Services) -> None:
    def seen(tenant: str | None) -> list[list[object]]:
        sql = "SELECT current_setting('app.tenant_id', true), count(*) FROM notes"
        return services.database.query(sql, (), Deadline.after(5), tenant).rows

    assert seen(None) == [[None, 0]]
    assert seen("acme") == [["acme", 10]]
    assert seen(None) == [["", 0]]


def test_the_catalog_holds_no_tenants_values(gateway: Gateway) -> None:
    reply = gateway.request("GET", "/api/tables/notes", headers=bearer(hs256()))
    values = {column["name"]: column["values"] for column in reply.json["columns"]}
    assert values == {"id": [], "tenant": [], "title": [], "topic": [], "state": ["open", "closed"]}


def test_a_question_cannot_name_another_tenant(gateway: Gateway) -> None:
    reply = ask(gateway, "acme", "show notes with tenant other")
    assert "takeover" not in reply.body


@pytest.mark.parametrize("name", ["tenant", "app.tenant id", "app.", "app.x'; --", "role"])
def test_the_setting_is_a_dotted_name(bridge: Bridge, notes: str, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with (
        pytest.raises(InvalidSettings, match="TENANT_SETTING"),
        serving(monkeypatch, environment(bridge, notes, TENANT_SETTING=name)),
    ):
        pass


def test_without_the_setting_nothing_is_told(notes: str) -> None:
    database = Database(notes)
    sql = "SELECT current_setting('app.tenant_id', true)"
    assert database.query(sql, (), Deadline.after(5), "acme").rows == [[None]]
    database.close()
