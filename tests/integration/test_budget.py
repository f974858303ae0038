"""Budgets and circuit breakers over a real Redis: no sum passes a limit, whatever happens meanwhile."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime

import pytest

from local.bridge import Bridge
from rowcall import budget
from rowcall.auth import Principal
from rowcall.budget import Admitted, Call, Ledger, ShutOff
from rowcall.cache.store import Store, StoreUnavailable
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.pricing import NANO, Tokens
from tests.integration.spending import ANN, LIMIT, REAL, WORST, ledger, spend

BOB = Principal("bob", "acme")
EVE = Principal("eve", "umbrella")


def deadline() -> Deadline:
    return Deadline.after(10)


def admit(books: Ledger, cost: int = WORST, principal: Principal = ANN, provider: str = "stub") -> Admitted:
    admitted = books.admit(principal, [(provider, cost)], deadline())
    assert isinstance(admitted, Admitted)
    return admitted


def sums(bridge: Bridge, name: str = "tenant") -> tuple[int, int]:
    """Spent and held of the one account of that kind."""
    (key,) = [key for key in bridge.command("KEYS", f"rowcall:budget:{name}:*") if not key.endswith(b":held")]
    spent, held = bridge.command("HMGET", key, "spent", "held")
    return int(spent or 0), int(held or 0)


@pytest.fixture
def store(bridge: Bridge) -> Iterator[Store]:
    store = Store(bridge.url, bridge.token)
    yield store
    store.close()


@pytest.fixture
def books(store: Store) -> Ledger:
    return ledger(store)


@pytest.mark.parametrize("crashes", [False, True])
def test_fifty_parallel_calls_of_several_processes_never_pass_a_dollar(bridge: Bridge, crashes: bool) -> None:
    most, done = 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.002):
            if bridge.command("KEYS", "rowcall:budget:tenant:*"):
                most = max(most, sum(sums(bridge)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ProcessPoolExecutor(5, mp_context=multiprocessing.get_context("spawn")) as pool:
        parts = [pool.submit(spend, bridge.url, bridge.token, 10, crashes) for _ in range(5)]
        admitted, lost = (sum(numbers) for numbers in zip(*(part.result() for part in parts), strict=True))
    done.set()
    watcher.join()
    spent, held = sums(bridge)
    assert spent == (admitted - lost) * REAL
    assert held == lost * WORST
    assert most <= LIMIT
    assert spent + held <= LIMIT
    assert admitted >= LIMIT // WORST, "so many fit even at their worst"
    assert bool(lost) is crashes


def test_a_crashed_call_gives_its_reservation_back_in_time(
    books: Ledger, bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "HOLD_MARGIN_SECONDS", 0.0)
    for _ in range(LIMIT // WORST):
        assert isinstance(books.admit(ANN, [("stub", WORST)], Deadline.after(0.3)), Admitted)
    with pytest.raises(Problem, match="budget_exceeded"):
        admit(books)
    time.sleep(0.35)
    admit(books)
    assert sums(bridge) == (0, WORST)


def test_a_failed_call_costs_nothing(books: Ledger, bridge: Bridge) -> None:
    books.settle(ANN, admit(books), Call("stub", "model", ok=False), deadline())
    assert sums(bridge) == (0, 0)


def test_settling_and_the_next_admission_are_one_request(books: Ledger, bridge: Bridge) -> None:
    first = admit(books)
    bridge.requests = 0
    second = books.admit(ANN, [("stub", WORST)], deadline(), ended=(first, Call("stub", "model", ok=True, nano=REAL)))
    assert isinstance(second, Admitted)
    assert bridge.requests == 1
    assert sums(bridge) == (REAL, WORST)


def test_the_refusal_says_how_much_is_left_and_until_when(books: Ledger) -> None:
    books.settle(ANN, admit(books), Call("stub", "model", ok=True, nano=LIMIT * 3 // 4), deadline())
    with pytest.raises(Problem) as caught:
        admit(books, LIMIT // 2)
    members = caught.value.members
    assert (caught.value.kind.status, members["budget"]) == (402, "tenant")
    assert (members["limit_usd"], members["remaining_usd"], members["percentage"]) == (1.0, 0.25, 75.0)
    reset = datetime.fromisoformat(str(members["reset"]))
    assert (reset.day, reset.hour) == (1, 0)
    assert reset > datetime.now(UTC)
    assert caught.value.retry_after


def test_tenants_and_users_have_budgets_of_their_own(store: Store, bridge: Bridge) -> None:
    books = Ledger(store, user_limit=WORST, tenant_limit=2 * WORST, refuse_without_redis=True)
    admit(books, principal=ANN)
    with pytest.raises(Problem) as caught:
        admit(books, principal=ANN)
    assert caught.value.members["budget"] == "user"
    admit(books, principal=BOB)
    with pytest.raises(Problem) as caught:
        admit(books, principal=Principal("cleo", "acme"))
    assert caught.value.members["budget"] == "tenant"
    admit(books, principal=EVE)
    assert not any(name in key for key in bridge.command("KEYS", "*") for name in (b"ann", b"acme", b"eve"))


def test_a_lost_settlement_is_told_with_the_next_request_and_counts_once(
    books: Ledger, bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    admitted = admit(books)
    with monkeypatch.context() as closed:
        closed.setattr(bridge, "token", "another")
        books.settle(ANN, admitted, Call("stub", "model", ok=True, nano=REAL), deadline())
    assert sums(bridge) == (0, WORST)
    late = list(books._unsettled)
    second = admit(books)
    assert sums(bridge) == (REAL, WORST)
    books._unsettled = late  # as if the reply had been lost, and not the request
    books.settle(ANN, second, Call("stub", "model", ok=True), deadline())
    assert sums(bridge) == (REAL, 0)


@pytest.mark.parametrize(("limit", "refuse", "refused"), [(LIMIT, True, True), (LIMIT, False, False), (0, True, False)])
def test_without_redis_a_budget_refuses_models_unless_told_otherwise(limit: int, refuse: bool, refused: bool) -> None:
    store = Store("http://127.0.0.1:9", "token", timeout=0.2)
    books = Ledger(store, user_limit=0, tenant_limit=limit, refuse_without_redis=refuse)
    if refused:
        with pytest.raises(StoreUnavailable):
            admit(books)
    else:
        admit(books)
    store.close()


def test_a_breaker_opens_after_failures_in_a_row_for_everybody_and_lets_one_try(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "BREAKER_SECONDS", 0.2)
    here, there = ledger(store), ledger(store)
    failed, went_well = Call("stub", "model", ok=False), Call("stub", "model", ok=True)
    for _ in range(budget.BREAKER_FAILURES - 1):
        here.settle(ANN, admit(here), failed, deadline())
    here.settle(ANN, admit(here), went_well, deadline())
    for _ in range(budget.BREAKER_FAILURES):
        here.settle(ANN, admit(here), failed, deadline())
    shut = there.admit(ANN, [("stub", WORST)], deadline())
    assert isinstance(shut, ShutOff)
    assert 0 < shut.retry_after <= 0.2
    chosen = there.admit(ANN, [("stub", WORST), ("other", WORST)], deadline())
    assert isinstance(chosen, Admitted)
    assert chosen.candidate == 1
    time.sleep(0.25)
    probe = admit(there)
    assert isinstance(here.admit(ANN, [("stub", WORST)], deadline()), ShutOff), "one tries, the others wait"
    there.settle(ANN, probe, went_well, deadline())
    admit(here)


def test_usage_is_counted_with_the_settlement(books: Ledger, bridge: Bridge) -> None:
    tokens = Tokens(input=10, cached=20, cache_write=30, output=40)
    bridge.requests = 0
    books.settle(ANN, admit(books), Call("stub", "model", ok=True, tokens=tokens, nano=12_345), deadline())
    assert bridge.requests <= 3, "two, and one more where Redis did not know the script"
    day = datetime.now(UTC).strftime("%Y%m%d")
    keys = bridge.command("KEYS", f"rowcall:usage:*:{day}")
    assert len(keys) == 3
    for key in keys:
        counts = bridge.command("HGETALL", key)
        told = dict(zip(counts[::2], map(int, counts[1::2]), strict=True))
        assert told[b"nano|stub|model"] == 12_345
        assert (told[b"calls|stub|model"], told[b"cached|stub|model"], told[b"output|stub|model"]) == (1, 20, 40)
        assert bridge.command("TTL", key) > 390 * 86400


def test_big_sums_stay_exact(store: Store, bridge: Bridge) -> None:
    books = ledger(store, limit=5_000_000 * NANO)
    for _ in range(3):
        books.settle(ANN, admit(books), Call("stub", "model", ok=True, nano=1_234_567_890_123_457), deadline())
    assert sums(bridge) == (3 * 1_234_567_890_123_457, 0)
