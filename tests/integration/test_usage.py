"""`GET /api/usage` through Mangum over a real Redis: what the counters of real questions add up to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api import dependencies
from api.main import handler
from local.bridge import Bridge
from local.llm_stub import LlmStub, Says, Usage
from rowcall import bootstrap, usage
from rowcall.auth import LOCAL, Principal
from rowcall.bootstrap import Services
from tests.gateway import Gateway, Reply

COUNT = {
    "outcome": "sql",
    "sql": "SELECT count(*) FROM customers",
    "constants": [],
    "tables": [],
    "explanation": "",
    "reason": "",
    "suggestions": [],
}


@pytest.fixture
def stub() -> Iterator[LlmStub]:
    with LlmStub(Says(tool=COUNT, usage=Usage(input=1_000, output=100, cached=500))) as running:
        yield running


@pytest.fixture
def services(bridge: Bridge, database_url: str, stub: LlmStub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    environ = {
        "DATABASE_URL": database_url,
        "UPSTASH_REDIS_REST_URL": bridge.url,
        "UPSTASH_REDIS_REST_TOKEN": bridge.token,
        "PLAN_SEAL_KEY": "k" * 32,
        "ANTHROPIC_API_KEY": "key",
        "ANTHROPIC_BASE_URL": stub.url,
        "USER_BUDGET_USD": "2",
    }
    running = bootstrap.start(environ)
    running.providers[0].load()
    monkeypatch.setattr(dependencies, "services", lambda: running)
    yield running
    running.close()


@pytest.fixture
def gateway(services: Services) -> Gateway:
    return Gateway(handler)


def told(reply: Reply) -> dict[str, Any]:
    assert reply.status == 200, reply.body
    document: dict[str, Any] = json.loads(reply.body)
    return document


def test_usage_adds_up(gateway: Gateway) -> None:
    for query in ("how do customers feel", "how do customers feel", "how do customers feel?", "are customers glad"):
        assert gateway.ask(query).status == 200
    document = told(gateway.get("/api/usage"))
    today = document["today"]
    assert (today["asked"], today["layers"]) == (4, {"1": 2, "2": 0, "3": 2})
    assert today["hit_rate"] == 0.5
    assert (today["calls"], today["cost_usd"]) == (2, pytest.approx(2 * 0.00305))
    assert today["saved_usd"] == pytest.approx(2 * 0.00305)
    assert today["tokens"] == {"input": 2_000, "cached": 1_000, "cache_write": 0, "output": 200}
    (model,) = today["models"]
    assert (model["provider"], model["model"], model["calls"], model["failed"]) == (
        "anthropic",
        "claude-sonnet-5-5",
        2,
        0,
    )
    (day,) = document["days"]
    (month,) = document["months"]
    assert {**today, "day": day["day"]} == day
    assert {**today, "month": month["month"]} == month
    assert document["month"] == today
    tenant, user = document["budgets"]
    assert (tenant["limit_usd"], tenant["remaining_usd"], tenant["spent_usd"]) == (None, None, pytest.approx(0.0061))
    assert (user["limit_usd"], user["percentage"]) == (2.0, 0.3)
    assert user["remaining_usd"] == pytest.approx(2 - 0.0061)


def test_users_see_their_own_and_operators_all(services: Services, bridge: Bridge, gateway: Gateway) -> None:
    bob = Principal("bob", "umbrella")
    for principal, count in ((LOCAL, 3), (bob, 5)):
        for counter in usage.counters(principal).values():
            bridge.command("HINCRBY", counter, "asked", count)
    asked = {
        of: told(gateway.request("GET", "/api/usage", query={"of": of}))["today"]["asked"]
        for of in ("user", "tenant", "all")
    }
    assert asked == {"user": 3, "tenant": 3, "all": 8}


def test_all_is_for_operators(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, services: Services) -> None:
    class Anyone:
        def principal(self, *_: object) -> Principal:
            return Principal("ann", "acme")

    monkeypatch.setitem(services.__dict__, "authenticator", Anyone())
    assert gateway.get("/api/usage").status == 200
    for of in ("tenant", "all"):
        assert gateway.request("GET", "/api/usage", query={"of": of}).status == 403


def test_days_make_months(services: Services, bridge: Bridge, gateway: Gateway) -> None:
    today = datetime.now(UTC).date()
    for back in (0, 1, 40, 200, 401):
        counter = usage.counters(LOCAL, today - timedelta(days=back))["user"]
        bridge.command("HSET", counter, "asked", 1, "layer1", 1, "nano|anthropic|m", 1_000_000_000)
    document = told(gateway.get("/api/usage"))
    assert [day["day"] for day in document["days"]] == [str(today - timedelta(days=back)) for back in (0, 1, 40, 200)]
    assert sum(month["cost_usd"] for month in document["months"]) == 4
    assert [month["month"] for month in document["months"]] == sorted(
        {f"{today - timedelta(days=back):%Y-%m}" for back in (0, 1, 40, 200)}, reverse=True
    )


def test_the_projection_is_the_guides_formula_with_its_arithmetic_right(gateway: Gateway) -> None:
    query = {"queries_per_day": "10000", "hit_rate": "0.85"}
    projection = told(gateway.request("GET", "/api/usage", query=query))["projection"]
    assert (projection["llm_usd"], projection["embedding_usd"], projection["total_usd"]) == (450.0, 30.0, 480.0)
    assert told(gateway.get("/api/usage"))["projection"] is None


def test_a_projection_takes_this_months_hit_rate_if_there_is_one(
    gateway: Gateway, bridge: Bridge, services: Services
) -> None:
    reply = gateway.request("GET", "/api/usage", query={"queries_per_day": "100"})
    assert (reply.status, reply.json["errors"][0]["field"]) == (400, "hit_rate")
    bridge.command("HSET", usage.counters(LOCAL)["user"], "layer1", 3, "layer3", 1)
    assert (
        told(gateway.request("GET", "/api/usage", query={"queries_per_day": "100"}))["projection"]["hit_rate"] == 0.75
    )


@pytest.mark.parametrize(
    ("name", "value"), [("of", "everyone"), ("queries_per_day", "-1"), ("hit_rate", "1.1"), ("hit_rate", "many")]
)
def test_what_is_wrong_is_named(gateway: Gateway, name: str, value: str) -> None:
    reply = gateway.request("GET", "/api/usage", query={name: value})
    assert (reply.status, reply.json["errors"][0]["field"]) == (400, name)


def test_without_redis_usage_says_so(gateway: Gateway, bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "token", "another")
    reply = gateway.get("/api/usage")
    assert (reply.status, reply.json["code"]) == (503, "usage_unavailable")
