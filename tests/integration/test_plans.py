"""Remembered plans over a real Redis: hits, seals, leases, limits, and what happens without Redis."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from local.bridge import Bridge
from rowcall.admission import Limit, Policy
from rowcall.cache.plans import LEASE_SECONDS, Plans, Scope, template_key
from rowcall.cache.store import Store, StoreUnavailable
from rowcall.deadline import Deadline
from rowcall.errors import Unanswerable
from rowcall.plan import Parameter, Plan
from rowcall.question import Question, Slot

SEAL_KEY = b"s" * 32
SCOPE = Scope("acme", "reader", "fingerprint", "1")
PLAN = Plan(
    sql='SELECT "name" FROM "public"."products" ORDER BY "price" DESC LIMIT LEAST($1, $2)',
    parameters=(Parameter(0, "value", "bigint"), Parameter(None, "row_cap", "bigint")),
    tables=("products",),
    explanation="the dearest products",
    exact_only=False,
    planner="grammar",
)


def question(count: int = 5, template: str = "top {count} products") -> Question:
    slot = Slot("count", count, (4, 5))
    return Question(f"top {count} products", template, (slot,), datetime(2026, 1, 1, tzinfo=UTC), "UTC")


def deadline() -> Deadline:
    return Deadline.after(10)


@pytest.fixture
def store(bridge: Bridge) -> Iterator[Store]:
    opened = Store(bridge.url, bridge.token, timeout=5)
    yield opened
    opened.close()


@pytest.fixture
def dead_store() -> Iterator[Store]:
    opened = Store("http://127.0.0.1:9", "token", timeout=0.5)
    yield opened
    opened.close()


def make_plans(store: Store, seal_key: bytes = SEAL_KEY) -> Plans:
    return Plans(store, seal_key, ttl_seconds=1000, cap_seconds=5000)


@pytest.fixture
def plans(store: Store) -> Plans:
    return make_plans(store)


def keys(store: Store, pattern: str) -> list[str]:
    return [str(key) for key in store.execute(["KEYS", pattern], deadline())]


def test_a_template_serves_every_value_in_one_request(plans: Plans, bridge: Bridge, store: Store) -> None:
    missed = plans.recall(SCOPE, question(5), deadline())
    assert missed.known is None
    assert missed.lease
    assert plans.remember(SCOPE, question(5), PLAN, missed.lease, deadline())
    before = bridge.requests
    found = make_plans(store).recall(SCOPE, question(10), deadline())
    assert bridge.requests - before == 1
    assert found.known
    assert found.known.plan == PLAN


def test_an_exact_only_plan_serves_only_its_own_values(plans: Plans) -> None:
    plans.remember(SCOPE, question(5), replace(PLAN, exact_only=True), None, deadline())
    assert plans.recall(SCOPE, question(5), deadline()).known
    assert plans.recall(SCOPE, question(10), deadline()).known is None


@pytest.mark.parametrize("part", ["tenant", "role", "fingerprint", "versions"])
def test_two_scopes_never_meet(plans: Plans, part: str) -> None:
    plans.remember(SCOPE, question(), PLAN, None, deadline())
    other = replace(SCOPE, **{part: "other"})
    assert plans.recall(other, question(), deadline()).known is None


def test_entries_moved_to_another_scope_are_ignored(
    plans: Plans, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    plans.remember(SCOPE, question(), PLAN, None, deadline())
    other = replace(SCOPE, tenant="victim")
    for name in keys(store, "rowcall:{*"):
        target = name.replace(SCOPE.key, other.key)
        if ":pointer:" in name:
            store.execute(["SET", target, store.execute(["GET", name], deadline())], deadline())
        if ":plan:" in name:
            entry = store.execute(["HGET", name, "entry"], deadline())
            store.execute(["HSET", target, "entry", entry, "created", "1"], deadline())
    assert plans.recall(other, question(), deadline()).known is None
    assert "fails its seal" in caplog.text


def test_a_pointer_moved_to_another_template_is_ignored(plans: Plans, store: Store) -> None:
    plans.remember(SCOPE, question(), PLAN, None, deadline())
    (pointer,) = keys(store, "rowcall:{*:pointer:*")
    other = question(template="bottom {count} products")
    moved = pointer.replace(template_key(question()), template_key(other))
    store.execute(["SET", moved, store.execute(["GET", pointer], deadline())], deadline())
    recalled = plans.recall(SCOPE, other, deadline())
    assert recalled.known is None
    assert not recalled.someone_plans


@pytest.mark.parametrize("damage", ["planted", "altered", "truncated", "empty", "foreign key"])
def test_damaged_plans_are_logged_and_ignored(
    plans: Plans, store: Store, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    plans.remember(SCOPE, question(), PLAN, None, deadline())
    (name,) = keys(store, "rowcall:{*:plan:*")
    entry = store.execute(["HGET", name, "entry"], deadline())
    harmful = entry.replace("SELECT", "DELETE")
    damaged = {
        "planted": '{"plan": {"sql": "DELETE FROM users"}}',
        "altered": harmful,
        "truncated": entry[: len(entry) // 2],
        "empty": "",
        "foreign key": entry,
    }[damage]
    store.execute(["HSET", name, "entry", damaged], deadline())
    reader = make_plans(store, b"x" * 32 if damage == "foreign key" else SEAL_KEY)
    assert reader.recall(SCOPE, question(), deadline()).known is None
    assert "fails its seal" in caplog.text


def test_forgotten_plans_are_gone_from_every_memory(plans: Plans, store: Store, dead_store: Store) -> None:
    other = make_plans(store)
    plans.remember(SCOPE, question(), PLAN, None, deadline())
    known = other.recall(SCOPE, question(), deadline()).known
    assert known
    assert plans.forget(SCOPE, [known.id], deadline()) == 1
    assert other.recall(SCOPE, question(), deadline()).known is None
    assert not keys(store, "rowcall:{*:pointer:*")
    other._store = dead_store
    assert other.recall(SCOPE, question(), deadline()).known is None


def test_without_redis_memory_answers_and_says_so(plans: Plans, dead_store: Store) -> None:
    plans.remember(SCOPE, question(), PLAN, None, deadline())
    plans._store = dead_store
    recalled = plans.recall(SCOPE, question(7), deadline())
    assert recalled.degraded
    assert recalled.known
    assert recalled.known.plan == PLAN
    assert not plans.remember(SCOPE, question(), PLAN, None, deadline())


def test_a_refusal_is_remembered_for_its_very_values(plans: Plans, store: Store) -> None:
    plans.refuse(SCOPE, question(5), Unanswerable("no such thing", ["try this"]), None, deadline())
    refusal = plans.recall(SCOPE, question(5), deadline()).refusal
    assert refusal
    assert (refusal.detail, refusal.suggestions) == ("no such thing", ("try this",))
    assert plans.recall(SCOPE, question(6), deadline()).refusal is None
    (pointer,) = keys(store, "rowcall:{*:pointer:*")
    assert 0 < store.execute(["TTL", pointer], deadline()) <= 60


def test_one_of_many_plans_and_the_others_get_it(store: Store) -> None:
    planned: list[int] = []

    def ask(number: int) -> str:
        mine = make_plans(store)
        recalled = mine.recall(SCOPE, question(), deadline())
        while recalled.someone_plans:
            time.sleep(0.02)
            recalled = mine.recall(SCOPE, question(), deadline(), waited=True)
        if recalled.known:
            return recalled.known.plan.sql
        with mine.holding(recalled.lease, deadline()):
            planned.append(number)
            time.sleep(0.2)
        mine.remember(SCOPE, question(), PLAN, recalled.lease, deadline())
        return PLAN.sql

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(16))) == {PLAN.sql}
    assert len(planned) == 1


def test_a_failed_planner_gives_its_lease_back_at_once(plans: Plans) -> None:
    recalled = plans.recall(SCOPE, question(), deadline())
    assert plans.recall(SCOPE, question(), deadline()).someone_plans
    with pytest.raises(RuntimeError), plans.holding(recalled.lease, deadline()):
        raise RuntimeError
    assert plans.recall(SCOPE, question(), deadline()).lease


def test_a_lease_ends_by_itself_and_is_only_given_back_by_its_holder(plans: Plans, store: Store) -> None:
    first = plans.recall(SCOPE, question(), deadline())
    (lease,) = keys(store, "rowcall:{*:lease:*")
    assert 0 < store.execute(["PTTL", lease], deadline()) <= LEASE_SECONDS * 1000
    store.execute(["DEL", lease], deadline())
    second = plans.recall(SCOPE, question(), deadline())
    assert second.lease
    plans.remember(SCOPE, question(template="other"), PLAN, first.lease, deadline())
    assert keys(store, "rowcall:{*:lease:*") == [lease]


def test_a_plan_slides_with_use_up_to_its_cap(store: Store) -> None:
    plans = Plans(store, SEAL_KEY, ttl_seconds=100, cap_seconds=500)
    plans.remember(SCOPE, question(), PLAN, None, deadline())
    (name,) = keys(store, "rowcall:{*:plan:*")
    store.execute(["EXPIRE", name, 10], deadline())
    plans.recall(SCOPE, question(), deadline())
    assert 90 < store.execute(["TTL", name], deadline()) <= 100
    store.execute(["HINCRBY", name, "created", -450], deadline())
    plans.recall(SCOPE, question(), deadline())
    assert 40 < store.execute(["TTL", name], deadline()) <= 50


def test_a_quota_admits_exactly_its_number_of_parallel_calls(store: Store) -> None:
    limits = [Limit(Policy("user", 10, 60), "ann"), Limit(Policy("address", 1000, 60), "192.0.2.1")]

    def ask(_: int) -> bool:
        return make_plans(store).recall(SCOPE, question(), deadline(), limits=limits).admitted

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(ask, range(50))) == 10
    (address,) = keys(store, "rowcall:limit:address:*")
    assert store.execute(["ZCARD", address], deadline()) == 10, "a refused request consumes nothing"
    assert "192.0.2.1" not in address


def test_a_refused_caller_is_told_when_to_come_back_and_is_admitted_then(plans: Plans) -> None:
    limits = [Limit(Policy("chat", 2, 1), "ann")]
    for remaining in (1, 0):
        (verdict,) = plans.recall(SCOPE, question(), deadline(), limits=limits).verdicts
        assert (verdict.admitted, verdict.remaining) == (True, remaining)
    refused = plans.recall(SCOPE, question(), deadline(), limits=limits)
    assert not refused.admitted
    assert refused.known is None
    assert refused.lease is None
    time.sleep(refused.verdicts[0].reset)
    assert plans.recall(SCOPE, question(), deadline(), limits=limits).admitted


def test_without_redis_a_local_limiter_takes_over(plans: Plans, dead_store: Store) -> None:
    plans._store = dead_store
    limits = [Limit(Policy("user", 3, 60), "ann")]
    admitted = [plans.recall(SCOPE, question(), deadline(), limits=limits).admitted for _ in range(5)]
    assert admitted == [True, True, True, False, False]


def test_a_server_that_never_answers_is_left_at_the_timeout() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        closing(Store(f"http://127.0.0.1:{server.getsockname()[1]}", "token", timeout=0.3)) as store,
        pytest.raises(StoreUnavailable, match=r"(?i)timeout"),
    ):
        store.ping(deadline())


def test_a_server_that_drips_is_left_at_the_timeout() -> None:
    stop = threading.Event()

    def drip(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not stop.wait(0.05):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        dripping = threading.Thread(target=drip, args=(server,), daemon=True)
        dripping.start()
        with (
            closing(Store(f"http://127.0.0.1:{server.getsockname()[1]}", "token", timeout=0.5)) as store,
            pytest.raises(StoreUnavailable, match=r"(?i)timeout"),
        ):
            store.ping(deadline())
        stop.set()
        dripping.join(5)


def test_values_that_look_alike_have_exact_keys_of_their_own(plans: Plans) -> None:
    def number(value: int | Decimal | str) -> Question:
        return replace(question(), slots=(Slot("number", value, (0, 1)),))

    plans.remember(SCOPE, number(Decimal(5)), replace(PLAN, exact_only=True), None, deadline())
    assert plans.recall(SCOPE, number(Decimal(5)), deadline()).known
    assert plans.recall(SCOPE, number("5"), deadline()).known is None
