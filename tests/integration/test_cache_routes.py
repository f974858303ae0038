"""What operators see and do of remembered plans, over a real Redis: figures, pages, pins; what is deleted is gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from api.main import handler
from local.bridge import Bridge
from rowcall import bootstrap
from rowcall.bootstrap import Services
from tests.gateway import Gateway
from tests.integration.test_api import environment, problem, serving
from tests.integration.test_identity import bearer, hs256, signing

NONE = "0" * 32


@pytest.fixture
def environ(bridge: Bridge, database_url: str) -> dict[str, str]:
    return environment(bridge, database_url)


@pytest.fixture
def services(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    with serving(monkeypatch, environ) as running:
        yield running


@pytest.fixture
def gateway(services: Services) -> Gateway:
    return Gateway(handler)


def plans(gateway: Gateway, **query: str) -> dict[str, Any]:
    reply = gateway.request("GET", "/api/cache/plans", query=query)
    assert reply.status == 200, reply.body
    document: dict[str, Any] = reply.json
    return document


def stats(gateway: Gateway) -> dict[str, Any]:
    reply = gateway.get("/api/cache/stats")
    assert reply.status == 200, reply.body
    document: dict[str, Any] = reply.json
    return document


def change(gateway: Gateway, method: str, path: str, status: int = 204) -> None:
    reply = gateway.request(method, f"/api/cache/plans/{path}")
    assert (reply.status, reply.body) == (status, ""), reply.body


def test_stats_count_hits_by_layer(gateway: Gateway) -> None:
    empty = stats(gateway)
    assert (empty["asked"], empty["entries"], empty["hits"]["rate"], empty["avg_use_count"]) == (0, 0, 0, 0)
    gateway.ask("count pending orders")
    gateway.ask("count shipped orders")
    gateway.ask("how many orders are pending")
    gateway.ask("how tall is the eiffel tower")
    told = stats(gateway)
    assert told["asked"] == 4
    assert [told[name]["count"] for name in ("hits", "misses", "layer1", "layer2", "planned")] == [2, 2, 1, 1, 1]
    assert told["hits"]["rate"] == 0.5
    assert (told["entries"], told["pinned"], told["avg_use_count"]) == (1, 0, 2)


def test_a_days_stats_do_not_hold_those_of_yesterday(gateway: Gateway, bridge: Bridge) -> None:
    gateway.ask("count pending orders")
    (counter,) = bridge.command("KEYS", "rowcall:{*:stats:*")
    yesterday = str(int(datetime.now(UTC).timestamp() // 86400 - 1))
    day = datetime.fromtimestamp(int(yesterday) * 86400, UTC).strftime("%Y%m%d").encode()
    bridge.command("RENAME", counter, counter[:-8] + day)
    assert stats(gateway)["asked"] == 1
    assert gateway.request("GET", "/api/cache/stats", query={"days": "1"}).json["asked"] == 0


def test_the_money_that_hits_saved_is_told(gateway: Gateway, bridge: Bridge) -> None:
    gateway.ask("count pending orders")
    (plan,) = bridge.command("KEYS", "rowcall:{*:plan:*")
    bridge.command("HSET", plan, "cost", "0.25")
    gateway.ask("count shipped orders")
    gateway.ask("how many orders are shipped")
    assert stats(gateway)["saved_usd"] == 0.5


def test_every_plan_is_listed_once_the_newest_first(gateway: Gateway) -> None:
    asked = ["count pending orders", "show active users", "top 5 products by revenue", "count customers"]
    for query in asked:
        gateway.ask(query)
    first = plans(gateway, limit="3")
    rest = plans(gateway, limit="3", cursor=first["cursor"])
    assert rest["cursor"] is None
    found = [plan["template"] for plan in first["plans"] + rest["plans"]]
    assert found[0] == "count customers"
    assert len(found) == len(set(found)) == 4
    assert found[-1].startswith("count {entity:orders.status")
    change(gateway, "DELETE", first["plans"][0]["id"])
    left = plans(gateway)
    assert [plan["template"] for plan in left["plans"]] == found[1:]
    assert left["cursor"] is None


def test_a_page_ends_where_only_gone_plans_follow(gateway: Gateway, bridge: Bridge) -> None:
    gateway.ask("count pending orders")
    (log,) = bridge.command("KEYS", "rowcall:{*:log")
    for number in range(2, 40):
        bridge.command("ZADD", log, number, f"{number:032x}")
    page = plans(gateway, limit="1")
    assert (page["plans"], page["cursor"] is None) == ([], False)
    seen = 0
    while page["cursor"]:
        seen += len(page["plans"])
        page = plans(gateway, limit="1", cursor=page["cursor"])
    assert seen + len(page["plans"]) == 1


def test_a_plan_is_shown_with_what_became_of_it(gateway: Gateway) -> None:
    answer = gateway.ask("count pending orders").json
    gateway.ask("how many orders are shipped")
    (listed,) = plans(gateway)["plans"]
    shown = gateway.get(f"/api/cache/plans/{listed['id']}").json
    assert shown["sql"] == answer["sql"]
    assert shown["slots"] == [shown["template"].split()[1]]
    assert (shown["uses"], shown["aliases"], shown["pinned"], shown["planner"]) == (1, 1, False, "grammar")
    assert datetime.fromisoformat(shown["expires"]) > datetime.now(UTC)


def test_a_pinned_plan_does_not_expire_until_it_is_let_go(gateway: Gateway, bridge: Bridge) -> None:
    gateway.ask("count pending orders")
    (plan,) = plans(gateway)["plans"]
    change(gateway, "PUT", f"{plan['id']}/pin")
    kept = bridge.command("KEYS", "rowcall:{*:plan:*") + bridge.command("KEYS", "rowcall:{*:pointer:*")
    assert [bridge.command("TTL", key) for key in kept] == [-1, -1]
    assert gateway.ask("count shipped orders").json["meta"]["cache_layer"] == 1
    gateway.ask("count shipped orders", fresh=True)
    assert [bridge.command("TTL", key) for key in kept] == [-1, -1]
    (shown,) = plans(gateway)["plans"]
    assert (shown["pinned"], shown["expires"], stats(gateway)["pinned"]) == (True, None, 1)
    change(gateway, "DELETE", f"{plan['id']}/pin")
    assert all(bridge.command("TTL", key) > 0 for key in kept)
    (shown,) = plans(gateway)["plans"]
    assert (shown["pinned"], stats(gateway)["pinned"]) == (False, 0)


def test_pinning_brings_an_expired_pointer_back(gateway: Gateway, bridge: Bridge) -> None:
    gateway.ask("count pending orders")
    (plan,) = plans(gateway)["plans"]
    bridge.command("DEL", *bridge.command("KEYS", "rowcall:{*:pointer:*"))
    change(gateway, "PUT", f"{plan['id']}/pin")
    assert gateway.ask("count shipped orders").json["meta"]["cache_layer"] == 1


def test_a_refusal_does_not_take_the_place_of_a_plan(gateway: Gateway, services: Services, bridge: Bridge) -> None:
    from rowcall.answer import Ask, read, scope
    from rowcall.auth import LOCAL
    from rowcall.deadline import Deadline
    from rowcall.errors import Unanswerable

    gateway.ask("count customers")
    catalog = services.catalogs.current(Deadline.after(5))
    asked = read(Ask("count customers"), catalog, services.settings)
    (pointer,) = bridge.command("KEYS", "rowcall:{*:pointer:*")
    exact = pointer.rpartition(b":")[0] + b":"
    from rowcall.cache.plans import exact_key

    bridge.command("RENAME", pointer, exact + exact_key(asked).encode())
    services.plans.refuse(scope(LOCAL, catalog), asked, Unanswerable("not now"), None, Deadline.after(5))
    assert bridge.command("GETRANGE", exact + exact_key(asked).encode(), 64, 64) == b"p"


def test_a_deleted_plan_is_gone_everywhere(gateway: Gateway, environ: dict[str, str], bridge: Bridge) -> None:
    gateway.ask("count pending orders")
    gateway.ask("how many orders are pending")
    (plan,) = plans(gateway)["plans"]
    change(gateway, "PUT", f"{plan['id']}/pin")
    change(gateway, "DELETE", plan["id"])
    assert not bridge.command("KEYS", "rowcall:{*:plan:*")
    assert not bridge.command("KEYS", "rowcall:{*:pointer:*")
    assert not bridge.command("KEYS", "rowcall:{*:pinned")
    problem(gateway.get(f"/api/cache/plans/{plan['id']}"), 404, "not_found")
    for query in ("number of pending orders", "how many orders are shipped"):
        meta = gateway.ask(query).json["meta"]
        assert meta["cache_layer"] == (3 if query.startswith("number") else 2)


def test_deleting_leaves_a_template_alone_that_was_planned_for_itself(gateway: Gateway) -> None:
    gateway.ask("count pending orders")
    (plan,) = plans(gateway)["plans"]
    gateway.ask("how many orders are pending")
    gateway.ask("how many orders are pending", fresh=True)
    change(gateway, "DELETE", plan["id"])
    assert gateway.ask("how many orders are shipped").json["meta"]["cache_layer"] == 1


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_what_is_not_there_is_404(gateway: Gateway, method: str) -> None:
    problem(gateway.request(method, f"/api/cache/plans/{NONE}"), 404, "not_found")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_pins_of_what_is_not_there_are_404(gateway: Gateway, method: str, bridge: Bridge) -> None:
    problem(gateway.request(method, f"/api/cache/plans/{NONE}/pin"), 404, "not_found")
    assert not bridge.command("KEYS", "rowcall:{*:plan:*")


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("/api/cache/plans/x", {}, "id"),
        (f"/api/cache/plans/{'0' * 31}G", {}, "id"),
        (f"/api/cache/plans/{'0' * 33}", {}, "id"),
        ("/api/cache/plans", {"cursor": "-1"}, "cursor"),
        ("/api/cache/plans", {"cursor": "+inf"}, "cursor"),
        ("/api/cache/plans", {"limit": "0"}, "limit"),
        ("/api/cache/plans", {"limit": "101"}, "limit"),
        ("/api/cache/stats", {"days": "0"}, "days"),
        ("/api/cache/stats", {"days": "91"}, "days"),
    ],
)
def test_bad_input_names_the_field(gateway: Gateway, path: str, query: dict[str, str], field: str) -> None:
    document = problem(gateway.request("GET", path, query=query), 400, "invalid_request")
    assert [error["field"] for error in document["errors"]] == [field]


ROUTES = [
    ("GET", "/api/cache/stats"),
    ("GET", "/api/cache/plans"),
    ("GET", f"/api/cache/plans/{NONE}"),
    ("PUT", f"/api/cache/plans/{NONE}/pin"),
    ("DELETE", f"/api/cache/plans/{NONE}/pin"),
    ("DELETE", f"/api/cache/plans/{NONE}"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_redis_it_is_503(method: str, path: str, environ: dict[str, str], monkeypatch: Any) -> None:
    with serving(monkeypatch, environ | {"UPSTASH_REDIS_REST_URL": "http://127.0.0.1:9"}):
        problem(Gateway(handler).request(method, path), 503, "cache_unavailable")


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_only_operators_may(method: str, path: str, environ: dict[str, str], monkeypatch: Any) -> None:
    with serving(monkeypatch, environ | signing()):
        gateway = Gateway(handler)
        problem(gateway.request(method, path), 401, "unauthenticated")
        problem(gateway.request(method, path, headers=bearer(hs256(scope="query chat"))), 403, "forbidden")


def test_another_tenants_plans_are_not_there(environ: dict[str, str], monkeypatch: Any) -> None:
    with serving(monkeypatch, environ | signing()):
        gateway = Gateway(handler)
        theirs = bearer(hs256(tenant="acme", scope="query operator"))
        ours = bearer(hs256(tenant="umbrella", scope="query operator"))
        gateway.post("/api/query", {"query": "count pending orders"}, theirs)
        (plan,) = gateway.request("GET", "/api/cache/plans", headers=theirs).json["plans"]
        path = f"/api/cache/plans/{plan['id']}"
        assert gateway.request("GET", path, headers=theirs).status == 200
        for method, where in (("GET", path), ("PUT", f"{path}/pin"), ("DELETE", f"{path}/pin"), ("DELETE", path)):
            problem(gateway.request(method, where, headers=ours), 404, "not_found")
        assert gateway.request("GET", "/api/cache/plans", headers=ours).json["plans"] == []
        assert gateway.request("GET", "/api/cache/stats", headers=ours).json["asked"] == 0
        assert gateway.request("GET", path, headers=theirs).status == 200


def test_a_planted_plan_is_not_shown_and_can_be_deleted(gateway: Gateway, bridge: Bridge) -> None:
    gateway.ask("count pending orders")
    (plan,) = plans(gateway)["plans"]
    (key,) = bridge.command("KEYS", "rowcall:{*:plan:*")
    bridge.command("HSET", key, "entry", "0" * 64 + '{"plan": {"sql": "DELETE FROM users"}}')
    assert plans(gateway)["plans"] == []
    problem(gateway.get(f"/api/cache/plans/{plan['id']}"), 404, "not_found")
    change(gateway, "DELETE", plan["id"])
    assert not bridge.command("EXISTS", key)


def test_another_environment_forgets_what_was_deleted(
    gateway: Gateway, environ: dict[str, str], services: Services
) -> None:
    gateway.ask("count pending orders")
    (plan,) = plans(gateway)["plans"]
    from rowcall.answer import Ask, answer
    from rowcall.auth import LOCAL
    from rowcall.deadline import Deadline

    other = bootstrap.start(environ)
    assert answer(Ask("count shipped orders"), LOCAL, other, Deadline.after(10)).layer == 1
    change(gateway, "DELETE", plan["id"])
    assert answer(Ask("count shipped orders"), LOCAL, other, Deadline.after(10)).layer == 3
    other.close()


def test_near_misses_are_told_as_templates_the_newest_first(gateway: Gateway, bridge: Bridge) -> None:
    assert gateway.get("/api/cache/near-misses").json == {"near_misses": []}
    gateway.ask("show users created in 2023")
    gateway.ask("show users created before 2023")
    reply = gateway.get("/api/cache/near-misses")
    (told,) = reply.json["near_misses"]
    assert "2023" not in reply.body
    assert told["template"] != told["matched_query"]
    assert told["similarity"] >= 0.5
    assert told["rule"]
    (near,) = bridge.command("KEYS", "rowcall:{*:near")
    bridge.command("LPUSH", near, "planted")
    assert gateway.get("/api/cache/near-misses").json["near_misses"] == [told]
