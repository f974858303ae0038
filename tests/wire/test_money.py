"""Money on the whole way of a question: reserved before a model is asked, settled after, 402 when it is spent."""

from __future__ import annotations

import json

import pytest

from local.bridge import Bridge
from local.llm_stub import LlmStub, Recorded, Reply, Says, Status, Usage
from rowcall.auth import LOCAL, Principal
from rowcall.bootstrap import Services
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.settings import InvalidSettings
from tests.wire.conftest import RIDDLE, Start, ask, proposal, refusal

COUNT = proposal("SELECT count(*) FROM customers")


def accounts(bridge: Bridge) -> dict[bytes, tuple[int, int]]:
    """Spent and held by kind of account."""
    found = {}
    for key in bridge.command("KEYS", "rowcall:budget:*"):
        if not key.endswith(b":held"):
            spent, held = bridge.command("HMGET", key, "spent", "held")
            found[key.split(b":")[2]] = int(spent or 0), int(held or 0)
    return found


def test_what_a_plan_cost_is_charged_to_the_user_and_the_tenant(
    start: Start, anthropic: LlmStub, bridge: Bridge
) -> None:
    held: list[dict[bytes, tuple[int, int]]] = []

    def plan(_: Recorded) -> Reply:
        held.append(accounts(bridge))
        return Says(tool=COUNT, usage=Usage(input=1000, output=100))

    anthropic.default = plan
    found = ask(start(anthropic=anthropic, USER_BUDGET_USD="1", TENANT_BUDGET_USD="1"), RIDDLE)
    assert found.plan.cost_usd == pytest.approx(0.003)
    assert accounts(bridge) == {b"user": (3_000_000, 0), b"tenant": (3_000_000, 0)}
    (worst,) = {amount for _, amount in held[0].values()}
    assert worst > 3_000_000 * 10, "what the model could have cost was held meanwhile"


def test_every_attempt_is_charged(start: Start, anthropic: LlmStub, bridge: Bridge) -> None:
    anthropic.script(Says(tool=proposal("DROP TABLE orders")), Says(text="?"), Says(tool=COUNT))
    found = ask(start(anthropic=anthropic, TENANT_BUDGET_USD="1"), RIDDLE)
    assert found.plan.attempts == 3
    assert found.plan.cost_usd == pytest.approx(0.009)
    assert accounts(bridge)[b"tenant"] == (9_000_000, 0)


def test_a_refused_plan_is_charged_too(start: Start, anthropic: LlmStub, bridge: Bridge) -> None:
    anthropic.default = Says(tool=proposal("DROP TABLE orders"))
    assert refusal(start(anthropic=anthropic, TENANT_BUDGET_USD="1"), RIDDLE).code == "unsafe"
    assert accounts(bridge)[b"tenant"] == (9_000_000, 0)


def test_a_provider_that_fails_is_not_charged(start: Start, anthropic: LlmStub, bridge: Bridge) -> None:
    anthropic.default = Status(500)
    assert refusal(start(anthropic=anthropic, TENANT_BUDGET_USD="1"), RIDDLE).code == "planner_unavailable"
    assert accounts(bridge)[b"tenant"] == (0, 0)


def test_a_spent_budget_is_402_and_asks_no_model(start: Start, anthropic: LlmStub) -> None:
    services = start(anthropic=anthropic, USER_BUDGET_USD="0.01")
    problem = refusal(services, RIDDLE)
    assert (problem.code, problem.kind.status, anthropic.calls) == ("budget_exceeded", 402, 0)
    assert (problem.members["budget"], problem.members["remaining_usd"], problem.members["percentage"]) == (
        "user",
        0.01,
        0.0,
    )
    assert problem.retry_after


def test_with_a_spent_budget_the_grammar_and_the_cache_answer(start: Start, anthropic: LlmStub) -> None:
    services = start(anthropic=anthropic, USER_BUDGET_USD="0.01")
    found = ask(services)
    assert (found.plan.planner, found.plan.passed_over, anthropic.calls) == ("grammar", ("anthropic",), 0)
    assert ask(services, "top 2 products by revenue").layer == 1


def test_one_tenant_does_not_spend_anothers_budget(start: Start, anthropic: LlmStub) -> None:
    services = start(anthropic=anthropic, TENANT_BUDGET_USD="0.15")
    anthropic.default = Says(tool=COUNT, usage=Usage(input=10_000, output=4_000))
    planners = [ask_as(services, f"{RIDDLE} {'x' * number}", "acme") for number in range(1, 6)]
    assert planners[0] == "anthropic"
    assert planners[-1] == "budget_exceeded"
    assert ask_as(services, RIDDLE, "umbrella") == "anthropic"


def ask_as(services: Services, query: str, tenant: str) -> str:
    """Who planned, or the code of the refusal."""
    try:
        return ask(services, query, Principal("ann", tenant)).plan.planner
    except Problem as problem:
        return problem.code


def test_without_redis_a_budget_closes_the_models_and_the_grammar_answers(start: Start, anthropic: LlmStub) -> None:
    down = {"UPSTASH_REDIS_REST_URL": "http://127.0.0.1:9"}
    closed = start(anthropic=anthropic, TENANT_BUDGET_USD="1", **down)
    found = ask(closed)
    assert (found.plan.planner, found.plan.passed_over, found.degraded) == ("grammar", ("anthropic",), True)
    assert refusal(closed, RIDDLE).code == "planner_unavailable"
    assert anthropic.calls == 0
    allowed = start(anthropic=anthropic, TENANT_BUDGET_USD="1", BUDGET_WITHOUT_REDIS="allow", **down)
    unlimited = start(anthropic=anthropic, **down)
    assert [ask(services).plan.planner for services in (allowed, unlimited)] == ["anthropic", "anthropic"]


def test_embeddings_are_charged_once_and_a_remembered_answer_costs_nothing(start: Start, openai: LlmStub) -> None:
    services = start(openai=openai, EMBEDDER="openai", PLANNERS="grammar")
    first = ask(services, "count customers")
    assert first.plan.planner == "grammar"
    assert first.cost_usd > 0
    assert ask(services, "count customers").cost_usd == 0
    assert openai.calls == 1
    spent = {payer: amount for payer, (amount, _) in services.ledger.spent(LOCAL, Deadline.after(5)).items()}
    assert spent["user"] == spent["tenant"] == round(first.cost_usd * 1e9)


def test_an_embedding_model_without_a_price_stops_the_start(start: Start, openai: LlmStub) -> None:
    settings = {"EMBEDDER": "openai", "PLANNERS": "grammar", "EMBEDDING_MODEL": "unheard-of"}
    with pytest.raises(InvalidSettings, match="unheard-of has no price"):
        start(openai=openai, **settings)
    priced = json.dumps({"unheard-of": {"input": 0, "output": 0}})
    assert ask(start(openai=openai, LLM_PRICES=priced, **settings), "count customers").cost_usd == 0
