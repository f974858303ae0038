"""The api function over a real Postgres and Redis, called as API Gateway calls it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from api import dependencies
from api.main import handler
from local.bridge import Bridge
from rowcall import bootstrap
from rowcall.bootstrap import Services
from tests.gateway import Gateway, Reply


def environment(bridge: Bridge, database_url: str, **settings: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "UPSTASH_REDIS_REST_URL": bridge.url,
        "UPSTASH_REDIS_REST_TOKEN": bridge.token,
        "PLAN_SEAL_KEY": "k" * 32,
    } | settings


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> Iterator[Services]:
    services = bootstrap.start(environ)
    monkeypatch.setattr(dependencies, "services", lambda: services)
    yield services
    services.close()


@pytest.fixture
def services(bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    with serving(monkeypatch, environment(bridge, database_url)) as running:
        yield running


@pytest.fixture
def gateway(services: Services) -> Gateway:
    return Gateway(handler)


def problem(reply: Reply, status: int, code: str) -> dict[str, Any]:
    assert (reply.status, reply.json["code"]) == (status, code), reply.body
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["status"] == status
    assert reply.json["request_id"] == reply.headers["x-request-id"]
    assert reply.json["detail"]
    document: dict[str, Any] = reply.json
    return document


def test_an_answer_says_how_it_was_found(gateway: Gateway) -> None:
    reply = gateway.ask("count pending orders")
    assert reply.status == 200, reply.body
    answer = reply.json
    assert answer["query"] == "count pending orders"
    assert answer["row_count"] == len(answer["data"]) == 1
    assert not answer["truncated"]
    assert [column["name"] for column in answer["columns"]] == list(answer["data"][0])
    assert "pending" in answer["params"]
    assert "pending" not in answer["sql"]
    meta = answer["meta"]
    assert (meta["cache_hit"], meta["cache_layer"], meta["planner"]) == (False, 3, "grammar")
    assert (meta["cost_usd"], meta["degraded"]) == (0, False)
    assert meta["request_id"] == reply.headers["x-request-id"]


def test_a_hit_is_one_request_and_one_transaction(gateway: Gateway, services: Services, bridge: Bridge) -> None:
    gateway.ask("top 10 products by revenue")
    requests, transactions = bridge.requests, services.database.transactions
    reply = gateway.ask("top 5 products by revenue")
    assert reply.json["meta"]["cache_layer"] == 1
    assert bridge.requests - requests == 1
    assert services.database.transactions - transactions == 1
    assert reply.json["row_count"] == 5
    assert "redis;dur=" in reply.headers["server-timing"]
    assert '"1 request"' in reply.headers["server-timing"]
    assert '"1 transaction"' in reply.headers["server-timing"]


def test_another_number_shares_the_plan_and_never_the_rows(gateway: Gateway) -> None:
    ten = gateway.ask("top 10 products by revenue").json
    five = gateway.ask("top 5 products by revenue").json
    assert (ten["row_count"], five["row_count"]) == (10, 5)
    assert ten["sql"] == five["sql"]
    assert ten["data"][:5] == five["data"]


def test_limit_caps_the_rows_and_says_that_there_are_more(gateway: Gateway) -> None:
    answer = gateway.ask("top 10 products by revenue", limit=3).json
    assert (answer["row_count"], answer["truncated"]) == (3, True)
    assert gateway.ask("top 10 products by revenue", limit=10).json["truncated"] is False


def test_fresh_plans_anew(gateway: Gateway) -> None:
    gateway.ask("count pending orders")
    assert gateway.ask("count pending orders", fresh=True).json["meta"]["cache_layer"] == 3


def test_explain_runs_nothing(gateway: Gateway) -> None:
    reply = gateway.post("/api/explain", {"query": "count pending orders"})
    assert reply.status == 200, reply.body
    assert reply.json["plan"]["Plan"]["Node Type"]
    assert reply.json["tables"] == ["orders"]
    assert "Actual Rows" not in reply.body


def test_tables_show_what_is_visible_and_nothing_hidden(gateway: Gateway) -> None:
    names = {table["name"] for table in gateway.get("/api/tables").json["tables"]}
    assert {"customers", "users", "orders", "order_items"} <= names
    users = gateway.get("/api/tables/users").json
    assert "password_hash" not in [column["name"] for column in users["columns"]]
    orders = gateway.get("/api/tables/orders").json
    assert {"columns": ["customer_id"], "table": "customers", "references": ["id"]} in orders["foreign_keys"]
    problem(gateway.get("/api/tables/pg_class"), 404, "not_found")


@pytest.mark.parametrize("path", ["/health", "/api/health"])
def test_health(gateway: Gateway, path: str) -> None:
    reply = gateway.get(path)
    assert reply.status == 200
    assert reply.json["status"] == "healthy"
    assert reply.json["services"] == {"database": "ok", "cache": "ok"}


def test_deep_health_tells_how_each_dependency_did(gateway: Gateway) -> None:
    checks = gateway.request("GET", "/health", query={"deep": "1"}).json["checks"]
    assert set(checks) == {"database", "cache"}
    assert all(check["state"] == "ok" and check["milliseconds"] > 0 for check in checks.values())
    assert "checks" not in gateway.get("/health").json


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"query": ""}, "query"),
        ({"query": " \n "}, "query"),
        ({"query": "x" * 301}, "query"),
        ({"query": "show \x00 users"}, "query"),
        ({"query": "show \x1b[31m users"}, "query"),
        ({"query": 7}, "query"),
        ({"query": None}, "query"),
        ({}, "query"),
        ({"query": "show users", "limit": 0}, "limit"),
        ({"query": "show users", "limit": 501}, "limit"),
        ({"query": "show users", "limit": "many"}, "limit"),
        ({"query": "show users", "limit": True}, "limit"),
        ({"query": "show users", "timezone": "Mars/Olympus"}, "timezone"),
        ({"query": "show users", "timezone": "../../etc/passwd"}, "timezone"),
        ({"query": "show users", "fresh": "yes"}, "fresh"),
        ({"query": "show users", "sql": "SELECT 1"}, "sql"),
    ],
)
def test_bad_input_names_the_field(gateway: Gateway, document: dict[str, Any], field: str) -> None:
    errors = problem(gateway.post("/api/query", document), 400, "invalid_request")["errors"]
    assert [error["field"] for error in errors] == [field]
    assert errors[0]["message"]


@pytest.mark.parametrize("query", ["x" * 300, "привет, сколько заказов?", "注文はいくつ", "🛒?", "o'clock $5 100%"])
def test_any_script_and_sign_is_read(gateway: Gateway, query: str) -> None:
    assert gateway.ask(query).status in (200, 422)


@pytest.mark.parametrize("body", ["", "{", "[]", '"show users"', "null", "\x00", '{"query": "show'])
def test_what_is_not_a_json_object_is_refused(gateway: Gateway, body: str) -> None:
    problem(gateway.request("POST", "/api/query", body), 400, "invalid_request")


def test_lone_surrogates_are_refused_or_answered(gateway: Gateway) -> None:
    assert gateway.request("POST", "/api/query", '{"query": "show \\ud800 users"}').status in (400, 422)


def test_a_body_of_two_megabytes_is_refused(gateway: Gateway) -> None:
    problem(gateway.ask("x" * 2_000_000), 413, "payload_too_large")


def test_an_unknown_route(gateway: Gateway) -> None:
    problem(gateway.get("/api/nothing"), 404, "not_found")


def test_a_wrong_method_names_the_right_one(gateway: Gateway) -> None:
    reply = gateway.get("/api/query")
    problem(reply, 405, "method_not_allowed")
    assert reply.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "query", ["how tall is the eiffel tower", "drop table users", "asdf qwer", "show password_hash"]
)
def test_what_the_database_cannot_answer(gateway: Gateway, query: str) -> None:
    document = problem(gateway.ask(query), 422, "unanswerable")
    for suggestion in document.get("suggestions", []):
        assert gateway.ask(suggestion).status == 200, suggestion


def test_every_suggestion_is_answered_without_a_model(gateway: Gateway, services: Services) -> None:
    suggestions = gateway.get("/api/suggestions").json["suggestions"]
    assert len(suggestions) == len(set(suggestions)) > 3
    transactions = services.database.transactions
    assert gateway.get("/api/suggestions").json["suggestions"] == suggestions
    assert services.database.transactions == transactions
    for suggestion in suggestions:
        reply = gateway.ask(suggestion)
        assert reply.status == 200, suggestion
        assert reply.json["meta"]["planner"] == "grammar"


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_that_a_browser_has_is_not_sent_again_but_its_policy_is(gateway: Gateway, path: str) -> None:
    first = gateway.get(path)
    again = gateway.get(path, **{"If-None-Match": f'W/"other", {first.headers["etag"]}'})
    assert (again.status, again.body) == (304, "")
    for name in ("etag", "cache-control", "content-security-policy"):
        assert again.headers[name] == first.headers[name]
    for asset in re.findall(r'"(static/[^"]+)"', first.body):
        assert gateway.get(f"/{asset}").headers["cache-control"] == "public, max-age=31536000, immutable"
    assert gateway.get(path, **{"If-None-Match": '"other"'}).status == 200


SECURITY_HEADERS = {
    "strict-transport-security": "max-age=63072000; includeSubDomains; preload",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-xss-protection": "0",
    "x-dns-prefetch-control": "on",
    "referrer-policy": "strict-origin-when-cross-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/", 200),
        ("GET", "/docs", 200),
        ("GET", "/static/old/docs.js", 200),
        ("GET", "/static/old/passwd", 404),
        ("POST", "/api/query", 400),
        ("DELETE", "/api/query", 405),
        ("GET", "/nothing", 404),
        ("OPTIONS", "/api/query", 405),
        ("GET", "/health?", 500),
    ],
)
def test_every_answer_has_the_security_headers(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, method: str, path: str, status: int
) -> None:
    if status == 500:
        monkeypatch.setattr("api.health._checks", lambda _: 1 / 0)
    reply = gateway.request(method, path.rstrip("?"), "{}" if method == "POST" else None)
    assert reply.status == status
    assert SECURITY_HEADERS.items() <= reply.headers.items()
    is_page = path in ("/", "/docs")
    policy = reply.headers["content-security-policy"]
    shown = status == 200 and (is_page or path.startswith("/static"))
    assert ("script-src 'self'" in policy and "unsafe" not in policy) if shown else policy == NOTHING
    assert reply.headers["cache-control"] == ("no-cache" if is_page else "no-store")


def test_openapi_is_served(gateway: Gateway) -> None:
    document = gateway.get("/openapi.json").json
    assert "/api/query" in document["paths"]
    assert "QueryResponse" in document["components"]["schemas"]


def test_one_log_line_and_no_question_in_it(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    reply = gateway.ask("count pending orders")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert "pending" not in json.dumps(lines)
    metrics = [line for line in lines if "_aws" in line]
    assert {"http_requests_total", "query_success_total"} <= {name for line in metrics for name in line}
    del reply


def test_redis_down_is_answered_and_said(bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = environment(bridge, database_url, UPSTASH_REDIS_REST_URL="http://127.0.0.1:9")
    with serving(monkeypatch, environ):
        gateway = Gateway(handler)
        first = gateway.ask("count pending orders")
        assert first.status == 200, first.body
        assert first.json["meta"]["degraded"]
        second = gateway.ask("count pending orders").json
        assert (second["meta"]["degraded"], second["meta"]["cache_layer"]) == (True, 1)
        assert second["data"] == first.json["data"]
        health = gateway.get("/health")
        assert health.status == 503
        assert health.json["services"] == {"database": "ok", "cache": "down"}


def test_database_down_is_told_and_the_cache_is_not_blamed(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = environment(bridge, "postgresql://reader:canary-pw@127.0.0.1:9/shop")
    with serving(monkeypatch, environ):
        gateway = Gateway(handler)
        document = problem(gateway.ask("count pending orders"), 503, "database_unavailable")
        assert "canary" not in json.dumps(document)
        health = gateway.get("/health")
        assert health.status == 503
        assert health.json["services"] == {"database": "down", "cache": "ok"}


def test_a_request_without_time_left_is_told_so(gateway: Gateway) -> None:
    gateway.ask("count pending orders")
    gateway.remaining_ms = 900
    problem(gateway.ask("count pending orders"), 504, "deadline_exceeded")
    gateway.remaining_ms = 29_000
    assert gateway.ask("count pending orders").status == 200


def test_a_renamed_column_is_planned_anew_in_the_same_request(
    bridge: Bridge, make_database: Any, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = make_database("CREATE TABLE parts (id int PRIMARY KEY, title text); INSERT INTO parts VALUES (1, 'bolt');")
    with serving(monkeypatch, environment(bridge, postgres.reader_url(name))):
        gateway = Gateway(handler)
        assert gateway.ask("show parts").json["data"] == [{"id": 1, "title": "bolt"}]
        postgres.sql("ALTER TABLE parts RENAME COLUMN title TO label", name)
        reply = gateway.ask("show parts")
        assert reply.status == 200, reply.body
        assert reply.json["data"] == [{"id": 1, "label": "bolt"}]
        assert reply.json["meta"]["cache_layer"] == 3
        assert gateway.ask("show parts").json["meta"]["cache_layer"] == 1
