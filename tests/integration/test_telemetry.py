"""What CloudWatch receives: metrics by the guides' names, bounded dimensions, and one line that tells what happened."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from api.main import app, handler
from local.bridge import Bridge
from rowcall.bootstrap import Services
from rowcall.errors import KINDS
from tests.gateway import Gateway, Reply
from tests.integration.test_api import environment, serving
from tests.integration.test_identity import bearer, hs256, signing

METRICS = {
    ("http_requests_total", "Count"),
    ("http_request_duration_seconds", "Seconds"),
    ("query_duration_seconds", "Seconds"),
    ("query_success_total", "Count"),
    ("errors_total", "Count"),
    ("http_5xx_total", "Count"),
    ("query_degraded_total", "Count"),
}
BOUNDED: dict[str, Callable[[str], bool]] = {
    "stage": {"local"}.__contains__,
    "function": {"local"}.__contains__,
    "version": {"local"}.__contains__,
    "method": {"GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "ANY"}.__contains__,
    "route": lambda text: text == "unmatched" or text in app.openapi()["paths"],
    "status": lambda text: text.isdigit() and 200 <= int(text) < 600,
    "cache_layer": {"1", "2", "3"}.__contains__,
    "cache_hit": {"true", "false"}.__contains__,
    "error_type": KINDS.__contains__,
}

Told = tuple[dict[tuple[str, ...], float], dict[str, Any]]


@pytest.fixture
def services(bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    with serving(monkeypatch, environment(bridge, database_url, **signing())) as running:
        yield running


@pytest.fixture
def gateway(services: Services) -> Gateway:
    return Gateway(handler)


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[[], Told]:
    """The metrics since the last call, by name and dimensions, and the one line of the request."""

    def read() -> Told:
        metrics: dict[tuple[str, ...], float] = {}
        requests = []
        for line in map(json.loads, capsys.readouterr().out.splitlines()):
            if "_aws" not in line:
                requests += [line] if line["message"] == "request" else []
                continue
            (described,) = line["_aws"]["CloudWatchMetrics"]
            (dimensions,) = described["Dimensions"]
            assert described["Namespace"] == "rowcall"
            assert all(BOUNDED[name](line[name]) for name in dimensions), line
            for metric in described["Metrics"]:
                assert (metric["Name"], metric["Unit"]) in METRICS
                labels = (f"{name}={line[name]}" for name in sorted(dimensions) if name != "stage")
                (metrics[(metric["Name"], *labels)],) = line[metric["Name"]]
        (request,) = requests
        return metrics, request

    return read


def ask(gateway: Gateway, **fields: Any) -> Reply:
    return gateway.post("/api/query", {"query": "count pending orders", **fields}, bearer(hs256()))


def test_a_miss_and_a_hit(gateway: Gateway, told: Callable[[], Told]) -> None:
    for layer, hit in ((3, "false"), (1, "true")):
        reply = ask(gateway)
        metrics, line = told()
        http = ("method=POST", "route=/api/query", "status=200")
        query = (f"cache_hit={hit}", f"cache_layer={layer}")
        assert metrics[("http_requests_total", *http)] == 1
        assert metrics[("http_request_duration_seconds", *http)] > 0
        assert metrics[("query_success_total", *query)] == 1
        assert metrics[("query_duration_seconds", *query)] > 0
        assert len(metrics) == 4
        assert line["correlation_id"] == reply.headers["x-request-id"]
        assert (line["status"], line["layer"], line["planner"], line["rows"]) == (200, layer, "grammar", 1)
        assert (line["user"], line["tenant"], line["user_remaining"]) == ("ann", "acme", 500 - (2 - layer // 3))
        assert line["redis_ms"] > 0
        assert line["postgres_ms"] > 0
        assert len(line["sql_sha256"]) == 16
    assert (line["redis_calls"], line["postgres_calls"]) == (1, 1)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "route", "error"),
    [
        ("POST", "/api/query", '{"query": ""}', 400, "/api/query", "invalid_request"),
        ("POST", "/api/query", "{", 400, "/api/query", "invalid_request"),
        ("POST", "/api/query", '{"query": "asdf qwer"}', 422, "/api/query", "unanswerable"),
        ("GET", "/api/tables/none", None, 404, "/api/tables/{name}", "not_found"),
        ("GET", "/api/none-such", None, 404, "unmatched", "not_found"),
        ("BREW", "/api/query", None, 405, "/api/query", "method_not_allowed"),
        ("GET", "/api/cache/stats", None, 403, "/api/cache/stats", "forbidden"),
        ("GET", "/health", None, 500, "/health", "internal"),
    ],
)
def test_errors(
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    told: Callable[[], Told],
    method: str,
    path: str,
    body: str | None,
    status: int,
    route: str,
    error: str,
) -> None:
    monkeypatch.setattr("api.health._checks", lambda _: 1 / 0)
    reply = gateway.request(method, path, body, bearer(hs256()))
    assert reply.status == status, reply.body
    metrics, line = told()
    shown = method if method in ("GET", "POST") and route != "unmatched" else "ANY"
    http = (f"method={shown}", f"route={route}", f"status={status}")
    assert metrics[("http_requests_total", *http)] == 1
    assert metrics[("http_request_duration_seconds", *http)] > 0
    assert metrics[("errors_total", f"error_type={error}")] == 1
    assert metrics.get(("http_5xx_total", "function=local", "version=local"), 0) == (status >= 500)
    assert len(metrics) == 3 + (status >= 500)
    assert (line["status"], line["route"], line["error"]) == (status, route, error)
    assert line["correlation_id"] == reply.headers["x-request-id"]
    assert line["milliseconds"] > 0


def test_an_error_of_a_dependency_says_why_and_what_it_took(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch, told: Callable[[], Told]
) -> None:
    broken = environment(bridge, "postgresql://reader:canary-pw@127.0.0.1:9/shop", **signing())
    with serving(monkeypatch, broken):
        assert ask(Gateway(handler)).status == 503
    _, line = told()
    assert (line["error"], line["cause"]) == ("database_unavailable", "ConnectionRefusedError")
    assert line["read_ms"] > 0
    assert "canary" not in json.dumps(line)


def test_a_refused_request_names_its_policy(
    bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch, told: Callable[[], Told]
) -> None:
    with serving(monkeypatch, environment(bridge, database_url, USER_QUOTA="1", **signing())):
        gateway = Gateway(handler)
        ask(gateway)
        told()
        assert ask(gateway).status == 429
    metrics, line = told()
    assert metrics[("errors_total", "error_type=rate_limited")] == 1
    assert (line["user_remaining"], line["redis_calls"], line["postgres_calls"]) == (0, 1, 0)


@pytest.mark.parametrize("shown", [True, False])
def test_the_text_is_logged_by_setting_only(
    bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch, told: Callable[[], Told], shown: bool
) -> None:
    with serving(monkeypatch, environment(bridge, database_url, LOG_QUERY_TEXT=str(shown).lower(), **signing())):
        gateway = Gateway(handler)
        for query in ("count pending orders", "asdf qwer"):
            ask(gateway, query=query)
            _, line = told()
            assert line.get("query") == (query if shown else None)
            assert (query in json.dumps(line)) is shown


def test_what_is_redacted_is_not_logged_even_where_the_text_is(
    bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch, told: Callable[[], Told]
) -> None:
    settings = {"LOG_QUERY_TEXT": "true", "REDACT": "email,card", **signing()}
    with serving(monkeypatch, environment(bridge, database_url, **settings)):
        ask(Gateway(handler), query="users with email ann@example.com who paid by 4242 4242 4242 4242")
        _, line = told()
        assert line["query"] == "users with email [email] who paid by [card]"


def test_a_hit_behind_the_whole_front_door_is_one_request_and_one_transaction(
    gateway: Gateway, services: Services, bridge: Bridge
) -> None:
    assert ask(gateway).status == 200
    before = bridge.requests, services.database.transactions
    reply = ask(gateway)
    assert reply.json["meta"]["cache_layer"] == 1
    assert (bridge.requests, services.database.transactions) == (before[0] + 1, before[1] + 1)
    assert reply.headers["ratelimit"].count(";r=") == 2
