"""Layer 2 over a real Redis and Postgres: paraphrases share a plan, look-alikes do not, environments learn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api.main import handler
from local.bridge import Bridge
from rowcall import bootstrap
from rowcall.answer import Ask, read, scope
from rowcall.auth import LOCAL
from rowcall.bootstrap import Services
from rowcall.cache.plans import template_key
from rowcall.deadline import Deadline
from tests.gateway import Gateway
from tests.integration.test_api import environment, serving


@pytest.fixture
def services(bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    with serving(monkeypatch, environment(bridge, database_url, SHADOW_RATE="1")) as running:
        yield running


@pytest.fixture
def gateway(services: Services) -> Gateway:
    return Gateway(handler)


def test_a_paraphrase_takes_over_the_plan_with_its_own_value(gateway: Gateway, bridge: Bridge) -> None:
    first = gateway.ask("count pending orders").json
    reply = gateway.ask("how many orders are shipped").json
    meta = reply["meta"]
    assert (meta["cache_layer"], meta["cache_hit"], meta["attempts"]) == (2, True, 0), meta
    assert 0 < meta["similarity"] <= 1
    assert meta["matched_query"].startswith("count {entity:orders.status")
    assert reply["sql"] == first["sql"]
    assert "shipped" in reply["params"]
    assert reply["data"] == gateway.ask("how many orders are shipped", fresh=True).json["data"]
    before = bridge.requests
    assert gateway.ask("how many orders are pending").json["meta"]["cache_layer"] == 1
    assert bridge.requests == before + 1


def test_a_hit_asks_redis_twice_and_postgres_once(gateway: Gateway, services: Services, bridge: Bridge) -> None:
    gateway.ask("count pending orders")
    gateway.ask("how many orders are pending")
    gateway.ask("top 3 products by revenue")
    requests, transactions = bridge.requests, services.database.transactions
    assert gateway.ask("number of pending orders").json["meta"]["cache_layer"] == 2
    assert (bridge.requests - requests, services.database.transactions - transactions) == (2, 1)


def test_look_alikes_are_planned_and_say_why(gateway: Gateway) -> None:
    gateway.ask("top 5 products by revenue")
    reply = gateway.ask("bottom 5 products by revenue", near_miss=True).json
    assert reply["meta"]["cache_layer"] == 3
    near = reply["meta"]["near_miss"]
    assert near["rule"] == "superlative", near
    assert near["why"]


def test_another_environment_learns_from_the_log(
    gateway: Gateway, bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for query in ("count pending orders", "show active users", "top 5 products by revenue"):
        gateway.ask(query)
    with serving(monkeypatch, environment(bridge, database_url)):
        other = Gateway(handler)
        assert other.ask("how many orders are pending").json["meta"]["cache_layer"] == 2


def test_more_templates_than_a_page_are_caught_up(
    gateway: Gateway, bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rowcall.cache.plans.PAGE_ENTRIES", 2)
    gateway.ask("count pending orders")
    for query in (
        "show active users",
        "top 5 products by revenue",
        "count customers",
        "list categories",
        "count users",
    ):
        gateway.ask(query)
    with serving(monkeypatch, environment(bridge, database_url)):
        assert Gateway(handler).ask("how many orders are pending").json["meta"]["cache_layer"] == 2


def test_a_forgotten_plan_is_gone_from_layer_two(gateway: Gateway, services: Services, bridge: Bridge) -> None:
    gateway.ask("count pending orders")
    gateway.ask("how many orders are pending")
    other = bootstrap.start(services_environment(services, bridge))
    catalog = services.catalogs.current(Deadline.after(5))
    asked = read(Ask("count pending orders"), catalog, services.settings)
    theirs = scope(LOCAL, catalog)
    known = services.plans.recall(theirs, asked, Deadline.after(5)).known
    assert known
    assert other.plans.forget(theirs, [known.id], Deadline.after(5)) == 1
    other.close()
    assert gateway.ask("number of pending orders").json["meta"]["cache_layer"] == 3
    assert gateway.ask("how many orders are pending").json["meta"]["cache_layer"] == 2


def services_environment(services: Services, bridge: Bridge) -> dict[str, str]:
    return environment(bridge, services.settings.database_url.get_secret_value())


def test_without_an_embedder_layer_two_is_skipped(
    bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(monkeypatch, environment(bridge, database_url, EMBEDDER="none")):
        gateway = Gateway(handler)
        gateway.ask("count pending orders")
        assert gateway.ask("how many orders are pending").json["meta"]["cache_layer"] == 3


def test_an_embedder_that_is_down_is_skipped(
    bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"EMBEDDER": "openai", "OPENAI_API_KEY": "none", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    with serving(monkeypatch, environment(bridge, database_url, PLANNERS="grammar", **settings)):
        gateway = Gateway(handler)
        gateway.ask("count pending orders")
        reply = gateway.ask("how many orders are pending")
        assert (reply.status, reply.json["meta"]["cache_layer"]) == (200, 3)


def test_a_planted_description_is_ignored(gateway: Gateway, services: Services) -> None:
    gateway.ask("count pending orders")
    deadline = Deadline.after(5)
    (plan,) = [str(key) for key in services.store.execute(["KEYS", "rowcall:{*:plan:*"], deadline)]
    services.store.execute(["HSET", plan, "known", '["list {entity} users",""]'], deadline)
    services.store.execute(["INCR", plan.partition("plan:")[0] + "sequence"], deadline)
    services.plans._semantic = None
    services.__dict__.pop("semantic", None)
    assert gateway.ask("how many orders are pending").json["meta"]["cache_layer"] == 3


def test_an_index_that_names_another_template_is_not_believed(gateway: Gateway, services: Services) -> None:
    gateway.ask("show active users")
    (plan,) = [str(key) for key in services.store.execute(["KEYS", "rowcall:{*:plan:*"], Deadline.after(5))]
    gateway.ask("count pending orders")
    semantic = services.semantic
    assert semantic
    catalog = services.catalogs.current(Deadline.after(5))
    theirs = scope(LOCAL, catalog)
    asked = read(Ask("count pending orders"), catalog, services.settings)
    vector = semantic.vector(asked.template, Deadline.after(5))
    assert vector
    semantic.add(theirs.key, plan.rpartition(":")[2], semantic.describe(asked), vector.text(), Deadline.after(5))
    services.plans.forget(theirs, [template_key(asked)], Deadline.after(5))
    reply = gateway.ask("how many orders are pending").json
    assert reply["meta"]["cache_layer"] == 3
    assert list(reply["data"][0]) == ["orders_count"]
