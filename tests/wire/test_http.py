"""What a caller over HTTP is told of planners by model: meta, problems, metrics. Called as API Gateway calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api import dependencies
from api.main import handler
from local.llm_stub import LlmStub, Says, Status, Usage
from rowcall.bootstrap import Services
from tests.gateway import Gateway, Reply
from tests.wire.conftest import RIDDLE, TOP, Start, proposal


@pytest.fixture
def serve(start: Start, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(**settings: Any) -> Gateway:
        services: Services = start(**settings)
        monkeypatch.setattr(dependencies, "services", lambda: services)
        return Gateway(handler)

    return make


def metrics(printed: str) -> dict[str, list[dict[str, Any]]]:
    """Every EMF line that was written, by the metrics it holds."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in printed.splitlines():
        if '"_aws"' in line:
            document = json.loads(line)
            for metric in document["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
                found.setdefault(metric["Name"], []).append(document)
    return found


def test_meta_tells_how_a_plan_was_made(serve: Any, anthropic: LlmStub, openai: LlmStub) -> None:
    anthropic.default = Status(400)
    openai.script(Says(text="?"), Says(tool=proposal(), usage=Usage(input=500, output=50)))
    gateway: Gateway = serve(anthropic=anthropic, openai=openai)
    meta = gateway.ask(TOP).json["meta"]
    assert (meta["planner"], meta["model"], meta["attempts"], meta["passed_over"]) == (
        "openai",
        "gpt-6.2-sol",
        2,
        ["anthropic"],
    )
    assert meta["tokens"] == {"input": 1_500, "output": 150}
    assert meta["cost_usd"] == pytest.approx(0.003 + 0.0015)
    hit = gateway.ask("top 3 products by revenue").json["meta"]
    assert (hit["cache_layer"], hit["attempts"], hit["cost_usd"], hit["passed_over"]) == (1, 0, 0, [])
    assert hit["planner"] == "openai"


def problem(reply: Reply, status: int, code: str) -> dict[str, Any]:
    assert (reply.status, reply.json["code"]) == (status, code), reply.body
    assert reply.headers["content-type"] == "application/problem+json"
    assert int(reply.headers["retry-after"]) > 0
    document: dict[str, Any] = reply.json
    return document


def test_no_planner_is_502(serve: Any, anthropic: LlmStub) -> None:
    anthropic.default = Status(529)
    document = problem(serve(anthropic=anthropic).ask(RIDDLE), 502, "planner_unavailable")
    assert document["planners"] == ["anthropic"]


def test_a_spent_budget_is_402(serve: Any, anthropic: LlmStub) -> None:
    document = problem(serve(anthropic=anthropic, USER_BUDGET_USD="0.01").ask(RIDDLE), 402, "budget_exceeded")
    told = {name: document[name] for name in ("budget", "limit_usd", "remaining_usd", "percentage")}
    assert told == {"budget": "user", "limit_usd": 0.01, "remaining_usd": 0.01, "percentage": 0.0}
    assert document["reset"]


def test_a_question_back_is_422_with_choices(serve: Any, anthropic: LlmStub) -> None:
    anthropic.default = Says(tool=proposal(outcome="clarify", sql="", reason="How?", suggestions=["this way", "that"]))
    reply = serve(anthropic=anthropic).ask(RIDDLE)
    assert (reply.status, reply.json["code"], reply.json["suggestions"]) == (422, "ambiguous", ["this way", "that"])


def test_metrics_have_the_guides_names_also_when_a_call_fails(
    serve: Any, anthropic: LlmStub, capsys: pytest.CaptureFixture[str]
) -> None:
    anthropic.script(Status(500), Says(tool=proposal(), usage=Usage(input=1_000, output=100, cached=10)))
    assert serve(anthropic=anthropic).ask(TOP).status == 200
    found = metrics(capsys.readouterr().out)
    durations = found["llm_call_duration_seconds"]
    assert len(durations) == 2, "the failed call too"
    for line in durations:
        assert (line["model"], line["provider"]) == ("claude-sonnet-5-5", "anthropic")
    assert [line["llm_cost_usd_total"][0] for line in found["llm_cost_usd_total"]] == [0, pytest.approx(0.003001)]
    tokens = {line["type"]: line["llm_tokens_total"][0] for line in found["llm_tokens_total"]}
    assert tokens == {"input": 1_000, "cached": 10, "output": 100}


def test_no_key_question_or_prompt_is_logged(
    serve: Any, anthropic: LlmStub, openai: LlmStub, capsys: pytest.CaptureFixture[str]
) -> None:
    anthropic.default, openai.default = Status(500), Says(text="canary-reply")
    serve(anthropic=anthropic, openai=openai).ask(RIDDLE)
    printed = "".join(capsys.readouterr())
    for canary in ("key-of-anthropic", "key-of-openai", "neglected", "canary-reply", "order_items"):
        assert canary not in printed
