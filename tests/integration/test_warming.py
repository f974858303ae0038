"""The warmer over a real Redis and Postgres: what it plans ahead, what it checks, and what it leaves alone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from local.bridge import Bridge
from local.llm_stub import LlmStub, Recorded, Reply, Says, Usage
from rowcall import bootstrap, warming
from rowcall.answer import Answer, Ask, answer, read, scope
from rowcall.auth import LOCAL, Principal
from rowcall.bootstrap import Services
from rowcall.cache.plans import LEASE, Match
from rowcall.database.connection import ResultColumn
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.plan import Parameter, Plan
from rowcall.warming import Summary, same_rows, warm
from tests.integration.test_api import environment

RIDDLE = "which customers feel neglected"
COUNT = {
    "outcome": "sql",
    "sql": "SELECT count(*) AS customers FROM customers",
    "constants": [],
    "tables": [],
    "explanation": "",
    "reason": "",
    "suggestions": [],
}

Start = Callable[..., Services]


@pytest.fixture
def start(bridge: Bridge, database_url: str) -> Iterator[Start]:
    started: list[Services] = []

    def make(**settings: str) -> Services:
        started.append(bootstrap.start(environment(bridge, database_url, **settings)))
        return started[-1]

    yield make
    for services in started:
        services.close()


@pytest.fixture
def stub() -> Iterator[LlmStub]:
    with LlmStub(Says(tool=COUNT, usage=Usage(input=1000, output=100))) as running:
        yield running


def ask(services: Services, query: str, principal: Principal = LOCAL, **fields: Any) -> Answer:
    return answer(Ask(query, **fields), principal, services, Deadline.after(20))


def run(services: Services, seconds: float = 30) -> Summary:
    return warm(services, Deadline.after(seconds))


def outcomes(summary: Summary) -> tuple[int, int, int, int]:
    known, planned, failed, skipped = summary.questions.values()
    return known, planned, failed, skipped


def plan_keys(bridge: Bridge) -> list[bytes]:
    return sorted(bridge.command("KEYS", "rowcall:{*:plan:*"))


def test_with_nothing_to_do_it_does_nothing(start: Start, bridge: Bridge) -> None:
    summary = run(start())
    assert (summary.ran, summary.tenants, outcomes(summary)) == (True, 1, (0, 0, 0, 0))
    assert not bridge.command("KEYS", "rowcall:warmer")


def test_configured_questions_are_planned_ahead(start: Start) -> None:
    services = start(WARM_QUESTIONS="count pending orders; top 5 products by revenue ;")
    assert outcomes(run(services)) == (0, 2, 0, 0)
    assert ask(services, "count shipped orders").layer == 1
    assert outcomes(run(services)) == (2, 0, 0, 0)


def test_it_asks_for_every_tenant_and_for_the_configured_one(start: Start) -> None:
    services = start(WARM_QUESTIONS="count customers", WARM_TENANT="umbrella")
    acme = Principal("ann", "acme")
    ask(services, "count pending orders", acme)
    summary = run(services)
    assert (summary.tenants, summary.total_schemas) == (2, 3)
    for tenant in ("acme", "umbrella"):
        assert ask(services, "count customers", Principal("bob", tenant)).layer == 1
    assert ask(services, "count customers", LOCAL).layer == 3


def test_a_planted_tenant_is_ignored(start: Start, bridge: Bridge) -> None:
    services = start(WARM_QUESTIONS="count customers")
    planted = json.dumps({"tenant": "acme", "role": "reader", "fingerprint": "f", "versions": "v"})
    bridge.command("ZADD", "rowcall:scopes", int(time.time()), "0" * 64 + planted)
    assert run(services).tenants == 1


def test_what_is_missed_most_is_planned_again(start: Start, bridge: Bridge) -> None:
    services = start(WARM_TOP="1")
    for query in ("count customers", "count pending orders", "count pending orders"):
        ask(services, query, fresh=True)
    bridge.command("DEL", *plan_keys(bridge))
    assert outcomes(run(services)) == (0, 1, 0, 0)
    assert ask(services, "count pending orders").layer == 1
    assert ask(services, "count customers").layer == 3


def test_after_a_deploy_the_questions_of_the_version_before_are_planned(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = start()
    with monkeypatch.context() as before:
        before.setattr("rowcall.answer.VERSIONS", "the version before")
        ask(services, "count pending orders")
    assert outcomes(run(services)) == (0, 1, 0, 0)
    assert ask(services, "count shipped orders").layer == 1


def test_its_own_questions_are_not_counted(start: Start, bridge: Bridge) -> None:
    services = start(WARM_QUESTIONS="count pending orders;how many orders are pending")
    for _ in range(2):
        run(services)
    assert not bridge.command("KEYS", "rowcall:usage:*")
    assert not bridge.command("KEYS", "rowcall:{*:stats:*")
    assert not bridge.command("KEYS", "rowcall:{*:missed:*")
    assert [bridge.command("HGET", key, "uses") for key in plan_keys(bridge)] == [b"0"] * len(plan_keys(bridge))


def test_a_plan_near_its_cap_is_marked_by_a_hit_and_renewed(start: Start, bridge: Bridge) -> None:
    services = start(PLAN_CAP_SECONDS="100000")
    ask(services, "count pending orders")
    (plan,) = plan_keys(bridge)
    ask(services, "count shipped orders")
    assert not bridge.command("KEYS", "rowcall:{*:refresh")
    bridge.command("HINCRBY", plan, "created", -99_990)
    for _ in range(20):  # by chance, and all but surely at the first
        if not bridge.command("KEYS", "rowcall:{*:refresh"):
            ask(services, "count shipped orders")
    created = int(bridge.command("HGET", plan, "created"))
    assert outcomes(run(services)) == (0, 1, 0, 0)
    assert int(bridge.command("HGET", plan, "created")) >= created + 99_990
    assert not bridge.command("KEYS", "rowcall:{*:refresh")
    assert ask(services, "count shipped orders").layer == 1


@pytest.mark.parametrize(("age", "renewed"), [(86_000, 0), (2 * 86_400 - 3600, 1), (10 * 86_400, 1)])
def test_a_pinned_plan_is_renewed_before_it_is_too_old(start: Start, bridge: Bridge, age: int, renewed: int) -> None:
    services = start(PLAN_CAP_SECONDS=str(2 * 86_400), WARM_TOP="0")
    ask(services, "count pending orders")
    theirs = scope(LOCAL, services.catalogs.current(Deadline.after(5)))
    (plan,) = plan_keys(bridge)
    assert services.inventory.pin(theirs, plan.rpartition(b":")[2].decode(), Deadline.after(5))
    bridge.command("HINCRBY", plan, "created", -age)
    summary = run(services)
    assert (outcomes(summary), summary.pinned_schemas) == ((0, renewed, 0, 0), 1)
    assert bridge.command("TTL", plan) == -1


def test_a_failing_question_stops_no_other(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    questions = "how tall is the eiffel tower;count pending orders;" + "x" * 301 + ";count customers"
    services = start(WARM_QUESTIONS=questions, WARM_PARALLEL="1")
    assert outcomes(run(services)) == (0, 2, 2, 0)


def test_an_error_of_ours_stops_no_other(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def answered(asked: Ask, *args: Any, **fields: Any) -> Answer:
        if asked.query == "count customers":
            raise RuntimeError("a defect")
        return answer(asked, *args, **fields)

    monkeypatch.setattr(warming, "answer", answered)
    services = start(WARM_QUESTIONS="count customers;count pending orders")
    assert outcomes(run(services)) == (0, 1, 1, 0)


def test_what_there_is_no_time_for_is_skipped(start: Start) -> None:
    services = start(WARM_QUESTIONS="count customers;count pending orders", WARM_SECONDS="1.9")
    assert outcomes(run(services)) == (0, 0, 0, 2)


def test_one_warmer_at_a_time(start: Start, bridge: Bridge) -> None:
    services = start(WARM_QUESTIONS="count customers")
    bridge.command("SET", "rowcall:warmer", "another", "PX", 60_000)
    assert not run(services).ran
    assert bridge.command("GET", "rowcall:warmer") == b"another", "given back by its holder only"
    assert services.store.run(LEASE, ["rowcall:warmer", "another", 0], Deadline.after(5)) == 1
    assert run(services).ran


def test_no_more_questions_at_once_than_set(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def answered(*args: Any, **fields: Any) -> Answer:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1
        raise Problem("unanswerable")

    monkeypatch.setattr(warming, "answer", answered)
    services = start(WARM_QUESTIONS=";".join(f"question {n}" for n in range(12)), WARM_PARALLEL="3")
    assert outcomes(run(services)) == (0, 0, 12, 0)
    assert most == 3


def test_without_redis_it_says_so(start: Start) -> None:
    with pytest.raises(Problem, match="cache_unavailable"):
        run(start(UPSTASH_REDIS_REST_URL="http://127.0.0.1:9"))


# With a model -------------------------------------------------------------------------------------------------


def with_model(start: Start, stub: LlmStub, **settings: str) -> Services:
    services = start(ANTHROPIC_API_KEY="key", ANTHROPIC_BASE_URL=stub.url, **settings)
    services.providers[0].load()
    return services


def test_what_it_costs_is_told_and_charged_to_the_tenant(start: Start, stub: LlmStub) -> None:
    services = with_model(start, stub, WARM_QUESTIONS=RIDDLE)
    summary = run(services)
    assert outcomes(summary) == (0, 1, 0, 0)
    assert summary.cost_usd == pytest.approx(0.003)
    spent = services.ledger.spent(Principal(warming.USER, LOCAL.tenant), Deadline.after(5))
    assert {nano for nano, _ in spent.values()} == {3_000_000}


def test_it_never_costs_more_than_its_budget(start: Start, stub: LlmStub) -> None:
    stub.default = Says(tool=COUNT, usage=Usage(input=20_000, output=4_000))
    questions = ";".join(f"{RIDDLE} {'x' * number}" for number in range(1, 9))
    services = with_model(start, stub, WARM_QUESTIONS=questions, WARM_BUDGET_USD="0.5")
    summary = run(services)
    _, planned, failed, _ = outcomes(summary)
    assert planned
    assert failed
    assert planned + failed == 8
    spent = services.ledger.spent(Principal(warming.USER, LOCAL.tenant), Deadline.after(5))["user"][0]
    assert 0 < spent <= Decimal("0.5") * 10**9


def test_a_lesser_plan_does_not_replace_what_a_model_made(start: Start, stub: LlmStub, bridge: Bridge) -> None:
    services = with_model(start, stub, WARM_BUDGET_USD="0.000001", WARM_TOP="0")
    assert ask(services, "count customers").plan.planner == "anthropic"
    (plan,) = plan_keys(bridge)
    refresh = plan.partition(b"plan:")[0] + b"refresh"
    bridge.command("SADD", refresh, plan.rpartition(b":")[2])
    assert outcomes(run(services)) == (0, 1, 0, 0)
    assert ask(services, "count customers").plan.planner == "anthropic"
    assert not bridge.command("KEYS", "rowcall:{*:lease:*")


def test_a_verified_example_is_shown_to_the_model(start: Start, stub: LlmStub) -> None:
    from rowcall.feedback import judge

    services = with_model(start, stub)
    ask(services, "count customers")
    judge(Ask("count customers"), True, LOCAL, services, Deadline.after(5))
    prompts: list[str] = []

    def plan(recorded: Recorded) -> Reply:
        prompts.append(json.dumps(recorded.body))
        return Says(tool=COUNT)

    stub.default = plan
    ask(services, RIDDLE)
    assert "Verified plans of similar questions" in prompts[0]
    assert "SELECT COUNT(*) AS customers" in prompts[0].replace("\\", "").replace('"', "")


# Samples of layer 2 -------------------------------------------------------------------------------------------


def test_a_right_hit_of_layer_two_is_confirmed(start: Start) -> None:
    services = start(SHADOW_RATE="1", WARM_TOP="0")
    ask(services, "count pending orders")
    assert ask(services, "how many orders are shipped").layer == 2
    summary = run(services)
    assert (summary.shadow_total, summary.shadow_false) == (1, 0)
    assert ask(services, "how many orders are shipped").layer == 1
    assert run(services).shadow_total == 0, "a sample is compared once"


def test_a_false_hit_of_layer_two_is_found_and_parted(
    start: Start, bridge: Bridge, capsys: pytest.CaptureFixture[str]
) -> None:
    services = start(SHADOW_RATE="1", WARM_TOP="0")
    ask(services, "count customers")
    catalog = services.catalogs.current(Deadline.after(5))
    theirs, asked = scope(LOCAL, catalog), read(Ask("count products"), catalog, services.settings)
    (plan,) = plan_keys(bridge)
    match = Match(plan.rpartition(b":")[2].decode(), "count customers", 0.9, 0.2)
    assert services.plans._adopt(theirs, asked, match, None, Deadline.after(5), ())
    wrong = ask(services, "count products")
    assert wrong.layer == 1
    capsys.readouterr()
    summary = run(services)
    assert (summary.shadow_total, summary.shadow_false) == (1, 1)
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert [line["shadow_false_total"] for line in metrics if "shadow_false_total" in line] == [[1.0]]
    right = ask(services, "count products")
    assert right.layer == 3
    assert right.rows != wrong.rows
    assert ask(services, "count customers").layer == 1
    assert float(bridge.command("HGET", plan, "stricter")) == pytest.approx(0.21)


def test_a_sample_that_has_its_own_plan_by_now_is_not_compared(start: Start) -> None:
    services = start(SHADOW_RATE="1", WARM_TOP="0")
    ask(services, "count pending orders")
    ask(services, "how many orders are shipped")
    ask(services, "how many orders are shipped", fresh=True)
    assert run(services).shadow_total == 0


def test_comparing_remembers_nothing(start: Start, bridge: Bridge) -> None:
    services = start(SHADOW_RATE="1", WARM_TOP="0")
    ask(services, "count pending orders")
    ask(services, "how many orders are shipped")
    before = plan_keys(bridge)
    run(services)
    assert plan_keys(bridge) == before
    assert not bridge.command("KEYS", "rowcall:{*:lease:*")


ORDERED, UNORDERED = "SELECT a FROM t ORDER BY a LIMIT $1", "SELECT a FROM t LIMIT $1"


def answered(rows: list[list[object]], sql: str, number: int = 1, truncated: bool = False) -> Answer:
    plan = Plan(sql, (Parameter(None, "row_cap", "bigint"),), ("t",), "", False)
    return Answer("q", rows, [ResultColumn("a", "text")], truncated, plan, [number], 1, None, None, False, 0.0)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (answered([[1], [2]], UNORDERED), answered([[2], [1]], UNORDERED, 2), True),
        (answered([[1], [2]], ORDERED), answered([[2], [1]], UNORDERED), True),
        (answered([[1], [2]], ORDERED), answered([[2], [1]], ORDERED, 2), False),
        (answered([[1], [1]], UNORDERED), answered([[1]], UNORDERED, 2), False),
        (answered([[1], [1], [2]], UNORDERED), answered([[1], [2], [2]], UNORDERED, 2), False),
        (answered([[0.1 + 0.2]], UNORDERED), answered([[0.3]], UNORDERED, 2), True),
        (answered([[0.3]], UNORDERED), answered([[0.3000001]], UNORDERED, 2), False),
        (answered([[None]], UNORDERED), answered([["null"]], UNORDERED, 2), False),
        (answered([[{"b": 1, "a": [2]}]], UNORDERED), answered([[{"a": [2], "b": 1}]], UNORDERED, 2), True),
        (answered([[1]], UNORDERED, truncated=True), answered([[2]], UNORDERED, 2, truncated=True), None),
        (answered([[1]], ORDERED, truncated=True), answered([[2]], ORDERED, 2, truncated=True), False),
        (answered([[1]], UNORDERED, truncated=True), answered([[2]], UNORDERED, truncated=True), True),
        (answered([], UNORDERED), answered([], ORDERED), True),
    ],
)
def test_rows_are_compared_as_a_reader_would(one: Answer, other: Answer, same: bool | None) -> None:
    assert same_rows(one, other) is same
    assert same_rows(other, one) is same
    assert same_rows(one, replace(one)) is True


def test_one_line_and_metrics_say_what_was_done(
    start: Start, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    services = start(WARM_QUESTIONS="count pending orders;how tall is the eiffel tower")
    capsys.readouterr()
    run(services)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (summary,) = [record for record in caplog.records if record.message == "warmer"]
    assert summary.__dict__["questions"] == {"known": 0, "planned": 1, "failed": 1, "skipped": 0}
    assert "pending" not in json.dumps(lines) + str([record.__dict__ for record in caplog.records])
    told = {name for line in lines if "_aws" in line for name in line}
    assert {"total_schemas", "pinned_schemas", "avg_use_count", "shadow_total", "warmer_cost_usd"} <= told
    counted = {line["outcome"]: line["warmer_questions_total"] for line in lines if "warmer_questions_total" in line}
    assert counted["planned"] == [1.0]
