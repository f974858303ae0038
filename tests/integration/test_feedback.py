"""`POST /api/feedback` over a real Redis and Postgres: what is learnt from right and wrong answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from api.main import handler
from local.bridge import Bridge
from rowcall.answer import Ask, read, scope
from rowcall.auth import LOCAL
from rowcall.bootstrap import Services
from rowcall.cache import examples
from rowcall.deadline import Deadline
from tests.gateway import Gateway, Reply
from tests.integration.test_api import environment, problem, serving
from tests.integration.test_front_door import table  # noqa: F401 -- a fixture


@pytest.fixture
def services(bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    with serving(monkeypatch, environment(bridge, database_url)) as running:
        yield running


@pytest.fixture
def gateway(services: Services) -> Gateway:
    return Gateway(handler)


def say(gateway: Gateway, verdict: str, query: str, key: str | None = None, **fields: Any) -> Reply:
    headers = {"Idempotency-Key": key} if key else None
    return gateway.post("/api/feedback", {"query": query, "verdict": verdict, **fields}, headers)


def layer(gateway: Gateway, query: str, **fields: Any) -> int:
    number: int = gateway.ask(query, **fields).json["meta"]["cache_layer"]
    return number


def kept(services: Services) -> list[tuple[str, str]]:
    theirs = scope(LOCAL, services.catalogs.current(Deadline.after(5)))
    return services.examples.all(theirs, Deadline.after(5))


def test_a_wrong_alias_is_parted_from_its_plan_for_good(gateway: Gateway) -> None:
    layer(gateway, "count pending orders")
    assert layer(gateway, "how many orders are pending") == 2
    reply = say(gateway, "wrong", "how many orders are shipped")
    assert (reply.status, reply.json) == (200, {"effect": "alias_removed"})
    assert layer(gateway, "count shipped orders") == 1, "the plan itself stays"
    near = gateway.ask("how many orders are pending", near_miss=True).json["meta"]
    assert near["cache_layer"] == 3
    assert near["near_miss"]["rule"] == "feedback"


def test_parted_templates_do_not_meet_again_when_the_plan_is_renewed(
    gateway: Gateway, bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer(gateway, "count pending orders")
    layer(gateway, "how many orders are pending")
    say(gateway, "wrong", "how many orders are pending")
    layer(gateway, "count pending orders", fresh=True)
    with serving(monkeypatch, environment(bridge, database_url)):
        assert layer(Gateway(handler), "how many orders are pending") == 3


def test_a_stricter_plan_still_serves_what_is_nearer(gateway: Gateway, bridge: Bridge) -> None:
    layer(gateway, "count pending orders")
    layer(gateway, "how many orders are pending")
    layer(gateway, "number of pending orders")
    (plan,) = bridge.command("KEYS", "rowcall:{*:plan:*")
    fields = bridge.command("HGETALL", plan)
    margins = {float(value) for name, value in zip(fields[::2], fields[1::2], strict=True) if name[:6] == b"alias:"}
    assert len(margins) == 2
    say(gateway, "wrong", "how many orders are pending")
    stricter = float(bridge.command("HGET", plan, "stricter"))
    assert min(abs(stricter - margin - 0.01) for margin in margins) < 1e-6


def test_an_alias_of_which_nothing_is_written_down_closes_its_plan(gateway: Gateway, bridge: Bridge) -> None:
    layer(gateway, "count pending orders")
    layer(gateway, "how many orders are pending")
    (plan,) = bridge.command("KEYS", "rowcall:{*:plan:*")
    (alias,) = [name for name in bridge.command("HKEYS", plan) if name.startswith(b"alias:")]
    bridge.command("HDEL", plan, alias)
    say(gateway, "wrong", "how many orders are pending")
    assert layer(gateway, "how many orders are pending") == 3


def test_a_wrong_plan_is_dropped_with_its_aliases(gateway: Gateway) -> None:
    layer(gateway, "count pending orders")
    layer(gateway, "how many orders are pending")
    assert say(gateway, "wrong", "count shipped orders").json == {"effect": "plan_dropped"}
    assert layer(gateway, "how many orders are pending") == 3


def test_a_right_answer_becomes_an_example_as_a_planner_writes_it(gateway: Gateway, services: Services) -> None:
    gateway.ask("top 5 products by revenue")
    assert say(gateway, "right", "top 7 products by revenue").json == {"effect": "example_kept"}
    ((template, sql),) = kept(services)
    assert template == "top {count} products by revenue"
    assert "LIMIT :s0" in sql.replace("CAST(:s0 AS BIGINT)", ":s0")
    assert "$" not in sql
    assert "LEAST" not in sql


def test_an_example_is_kept_once_and_goes_with_its_plan(gateway: Gateway, services: Services) -> None:
    for query in ("count pending orders", "show active users"):
        gateway.ask(query)
        say(gateway, "right", query)
    say(gateway, "right", "count shipped orders")
    assert [template.split()[0] for template, _ in kept(services)] == ["show", "count"], "the newest is last"
    say(gateway, "wrong", "count shipped orders")
    assert [template.split()[0] for template, _ in kept(services)] == ["show"]


def test_no_more_examples_than_the_cap(gateway: Gateway, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "MOST", 2)
    for query in ("count pending orders", "show active users", "count customers"):
        gateway.ask(query)
        say(gateway, "right", query)
    assert [template.split()[0] for template, _ in kept(services)] == ["show", "count"]


def test_the_nearest_examples_come_first_and_planted_ones_never(
    gateway: Gateway, services: Services, bridge: Bridge
) -> None:
    for query in ("count pending orders", "show active users", "count customers", "top 5 products by revenue"):
        gateway.ask(query)
        say(gateway, "right", query)
    (key,) = bridge.command("KEYS", "rowcall:{*:examples")
    bridge.command("ZADD", key, 1, "0" * 96 + '["top {count} products", "DROP TABLE users"]')
    catalog = services.catalogs.current(Deadline.after(5))
    asked = read(Ask("top 3 products by rating"), catalog, services.settings)
    found = services.examples.nearest(scope(LOCAL, catalog), asked.template, Deadline.after(5))
    assert found[0][0] == "top {count} products by revenue"
    assert len(found) == 3
    assert "DROP" not in str(found)


def test_where_no_model_is_asked_no_example_is_loaded(gateway: Gateway, services: Services, bridge: Bridge) -> None:
    gateway.ask("count pending orders")
    say(gateway, "right", "count pending orders")
    gateway.ask("how many products are there")
    before = bridge.requests
    assert layer(gateway, "list categories") == 3
    assert bridge.requests - before == 2, "to recall and to remember"


def test_feedback_on_what_is_not_remembered_is_404(gateway: Gateway) -> None:
    for verdict in ("right", "wrong"):
        problem(say(gateway, verdict, "count pending orders"), 404, "not_found")
    gateway.ask("how tall is the eiffel tower")
    problem(say(gateway, "wrong", "how tall is the eiffel tower"), 404, "not_found")


def test_planted_pointers_are_not_followed(gateway: Gateway, bridge: Bridge) -> None:
    gateway.ask("count pending orders")
    (pointer,) = bridge.command("KEYS", "rowcall:{*:pointer:*")
    bridge.command("SETRANGE", pointer, 0, "0" * 64)
    problem(say(gateway, "wrong", "count pending orders"), 404, "not_found")
    assert bridge.command("KEYS", "rowcall:{*:plan:*")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"verdict": "maybe"}, "verdict"),
        ({"verdict": None}, "verdict"),
        ({"query": ""}, "query"),
        ({"query": "x" * 301}, "query"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"sql": "SELECT 1"}, "sql"),
    ],
)
def test_bad_input_names_the_field(gateway: Gateway, fields: dict[str, Any], field: str) -> None:
    document = {"query": "count pending orders", "verdict": "right"} | fields
    errors = problem(gateway.post("/api/feedback", document), 400, "invalid_request")["errors"]
    assert [error["field"] for error in errors] == [field]


def test_it_is_limited_as_questions_are(bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, environment(bridge, database_url, USER_QUOTA="3")):
        gateway = Gateway(handler)
        gateway.ask("count pending orders")
        for remaining in (1, 0):
            reply = say(gateway, "right", "count pending orders")
            assert f'"user";r={remaining}' in reply.headers["ratelimit"]
        problem(say(gateway, "right", "count pending orders"), 429, "rate_limited")


def test_without_redis_it_is_503(bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, environment(bridge, database_url, UPSTASH_REDIS_REST_URL="http://127.0.0.1:9")):
        problem(say(Gateway(handler), "wrong", "count pending orders"), 503, "cache_unavailable")


def test_the_same_key_judges_once(
    bridge: Bridge,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    table: str,  # noqa: F811
) -> None:
    with serving(monkeypatch, environment(bridge, database_url, IDEMPOTENCY_TABLE=table)):
        gateway = Gateway(handler)
        gateway.ask("count pending orders")
        assert say(gateway, "wrong", "count pending orders", "k1").json == {"effect": "plan_dropped"}
        gateway.ask("count pending orders")
        assert say(gateway, "wrong", "count pending orders", "k1").json == {"effect": "plan_dropped"}
        assert layer(gateway, "count pending orders") == 1, "told again, not done again"
        problem(say(gateway, "right", "count pending orders", "k1"), 422, "idempotency_mismatch")


def test_a_renewed_plan_keeps_the_aliases_that_are_still_there(gateway: Gateway, bridge: Bridge) -> None:
    layer(gateway, "count pending orders")
    for query in ("how many orders are pending", "number of pending orders"):
        assert layer(gateway, query) == 2
    (plan,) = bridge.command("KEYS", "rowcall:{*:plan:*")
    aliases = [name for name in bridge.command("HKEYS", plan) if name.startswith(b"alias:")]
    assert len(aliases) == 2
    bridge.command("DEL", plan.partition(b"plan:")[0] + b"pointer:" + aliases[0].partition(b":")[2])
    layer(gateway, "count pending orders", fresh=True)
    assert [name for name in bridge.command("HKEYS", plan) if name.startswith(b"alias:")] == aliases[1:]
