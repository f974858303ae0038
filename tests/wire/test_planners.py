"""Planners by model, over HTTP: what they send, what they make of each reply, whom they ask next; calls counted."""

from __future__ import annotations

import json
import time

import pytest

from local.bridge import Bridge
from local.llm_stub import Cut, Drip, Hang, LlmStub, Raw, Recorded, Reply, Says, Status, Usage
from rowcall.settings import InvalidSettings
from tests.wire.conftest import RIDDLE, TOP, TOP_SQL, Secret, Start, ask, proposal, refusal

COUNT = proposal("SELECT count(*) FROM customers")


def test_a_plan_by_claude_is_run_and_told(start: Start, anthropic: LlmStub) -> None:
    anthropic.script(Says(tool=proposal(), usage=Usage(input=1_000, output=100, cached=2_000, cache_write=400)))
    found = ask(start(anthropic=anthropic))
    assert (found.layer, len(found.rows), anthropic.calls) == (3, 5, 1)
    assert (found.plan.planner, found.plan.model, found.plan.attempts) == ("anthropic", "claude-sonnet-5-5", 1)
    assert (found.plan.input_tokens, found.plan.output_tokens) == (3_400, 100)
    # 1,000 at 2 $, 2,000 at 0.10 $, 400 at 2.50 $ and 100 at 10 $ per million
    assert found.plan.cost_usd == pytest.approx(0.002 + 0.0002 + 0.001 + 0.001)
    assert found.plan.passed_over == ()
    assert not found.plan.exact_only


def test_a_plan_by_gpt_is_run_and_told(start: Start, openai: LlmStub) -> None:
    openai.script(Says(tool=proposal(), usage=Usage(input=1_000, output=100, cached=2_000)))
    found = ask(start(openai=openai))
    assert (found.layer, len(found.rows), openai.calls) == (3, 5, 1)
    assert (found.plan.planner, found.plan.model) == ("openai", "gpt-6.2-sol")
    assert (found.plan.input_tokens, found.plan.output_tokens) == (3_000, 100)
    assert found.plan.cost_usd == pytest.approx(0.002 + 0.0002 + 0.001)


def test_a_plan_by_claude_on_bedrock(start: Start, anthropic: LlmStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-iam")
    found = ask(start(BEDROCK_REGION="eu-west-1", BEDROCK_BASE_URL=anthropic.url))
    assert (found.plan.planner, found.plan.model) == ("bedrock", "global.anthropic.claude-sonnet-5-5")
    request = anthropic.requests[0]
    assert request.path == "/model/global.anthropic.claude-sonnet-5-5/invoke"
    assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "secret-of-iam" not in json.dumps(dict(request.headers))


def test_the_next_question_of_the_template_asks_no_model(start: Start, anthropic: LlmStub) -> None:
    services = start(anthropic=anthropic)
    ask(services)
    found = ask(services, "top 3 products by revenue")
    assert (found.layer, len(found.rows), anthropic.calls) == (1, 3, 1)


def test_what_claude_is_sent(start: Start, anthropic: LlmStub) -> None:
    ask(start(anthropic=anthropic))
    request = anthropic.requests[0]
    assert request.path == "/v1/messages"
    assert request.key == "key-of-anthropic"
    rules, catalog = request.body["system"]
    assert catalog["cache_control"] == {"type": "ephemeral"}
    assert "cache_control" not in rules
    assert "table order_items" in catalog["text"]
    assert "password_hash" not in request.text
    (tool,) = request.body["tools"]
    assert tool["strict"] is True
    assert tool["input_schema"]["additionalProperties"] is False
    assert request.body["tool_choice"]["type"] == "auto", "newer models refuse a forced tool"
    question = request.body["messages"][0]["content"]
    assert "⟦s0: 5⟧" in question
    assert "s0 count 5; placeholders :s0" in question
    assert "in UTC" in question


def test_what_gpt_is_sent(start: Start, openai: LlmStub) -> None:
    ask(start(openai=openai))
    request = openai.requests[0]
    assert request.path == "/v1/chat/completions"
    assert request.key == "key-of-openai"
    form = request.body["response_format"]["json_schema"]
    assert (form["strict"], form["schema"]["additionalProperties"]) == (True, False)
    assert "temperature" not in request.body
    assert [message["role"] for message in request.body["messages"]] == ["system", "user"]
    assert "table order_items" in request.body["messages"][0]["content"]


def test_a_local_model_needs_no_key(start: Start, openai: LlmStub) -> None:
    services = start(
        OPENAI_BASE_URL=f"{openai.url}/v1",
        OPENAI_MODEL="qwen",
        LLM_PRICES='{"qwen": {"input": 0, "output": 0}}',
    )
    openai.script(Says(text=f"```json\n{json.dumps(proposal())}\n```", usage=None))
    found = ask(services)
    assert (found.plan.model, found.plan.cost_usd, found.plan.input_tokens) == ("qwen", 0, 0)


def test_a_model_without_a_price_stops_the_start(start: Start, openai: LlmStub) -> None:
    with pytest.raises(InvalidSettings, match="gpt-99 has no price"):
        start(openai=openai, OPENAI_MODEL="gpt-99")


def test_llm_provider_and_model_come_first(start: Start, anthropic: LlmStub, openai: LlmStub) -> None:
    services = start(anthropic=anthropic, openai=openai, LLM_PROVIDER="openai", LLM_MODEL="gpt-6-luna")
    assert ask(services).plan.model == "gpt-6-luna"
    assert (anthropic.calls, openai.calls) == (0, 1)


# Replies that are no plan


def test_cannot_answer_is_told_with_suggestions(start: Start, anthropic: LlmStub, openai: LlmStub) -> None:
    said = proposal(outcome="cannot_answer", sql="", reason="Nobody records moods.", suggestions=["count customers"])
    anthropic.script(Says(tool=said))
    problem = refusal(start(anthropic=anthropic, openai=openai), RIDDLE)
    assert (problem.code, problem.detail, problem.suggestions) == (
        "unanswerable",
        "Nobody records moods.",
        ("count customers",),
    )
    assert (anthropic.calls, openai.calls) == (1, 0)


def test_a_question_back_has_choices(start: Start, anthropic: LlmStub) -> None:
    choices = ["customers without orders", "customers without reviews"]
    anthropic.script(Says(tool=proposal(outcome="clarify", sql="", reason="Neglected how?", suggestions=choices)))
    problem = refusal(start(anthropic=anthropic), RIDDLE)
    assert (problem.code, problem.detail, list(problem.suggestions)) == ("ambiguous", "Neglected how?", choices)


def test_a_refused_plan_is_mended(start: Start, anthropic: LlmStub) -> None:
    anthropic.script(Says(tool=proposal(TOP_SQL.replace("p.name", "p.nam"))), Says(tool=proposal()))
    found = ask(start(anthropic=anthropic))
    assert (anthropic.calls, found.plan.attempts, found.plan.input_tokens) == (2, 2, 2_000)
    mended = anthropic.requests[1].body["messages"][0]["content"]
    assert "p.nam" in mended
    assert "nam: name" in mended, "the closest real names help"


def test_what_postgres_refuses_is_mended_in_our_words(start: Start, anthropic: LlmStub) -> None:
    wrong = "SELECT count(*) FROM orders WHERE total_amount > 'lots'"
    anthropic.script(Says(tool=proposal(wrong, constants=["lots"])), Says(tool=proposal("SELECT count(*) FROM orders")))
    found = ask(start(anthropic=anthropic), RIDDLE)
    assert found.plan.attempts == 2
    assert "a value is not written as its type demands" in anthropic.requests[1].text
    assert "invalid input syntax" not in anthropic.requests[1].text


def test_a_dear_plan_is_mended_or_refused(start: Start, anthropic: LlmStub) -> None:
    services = start(anthropic=anthropic, PLAN_COST_CEILING="500")
    problem = refusal(services)
    assert (problem.code, anthropic.calls) == ("unanswerable", 3)
    assert "too long" in problem.detail
    assert "500 is the most" in anthropic.requests[1].text


def test_a_plan_for_these_values_only_is_mended_once_then_kept(start: Start, anthropic: LlmStub) -> None:
    anthropic.default = Says(tool=proposal(TOP_SQL.replace(":s0", "5")))
    found = ask(start(anthropic=anthropic))
    assert (anthropic.calls, found.plan.attempts, found.plan.exact_only, len(found.rows)) == (2, 2, True, 5)
    assert "it does not use :s0" in anthropic.requests[1].text


def test_a_plan_that_works_is_kept_when_it_cannot_be_mended(start: Start, anthropic: LlmStub) -> None:
    anthropic.script(Says(tool=proposal(TOP_SQL.replace(":s0", "5"))), *[Status(500)] * 4)
    found = ask(start(anthropic=anthropic))
    assert (found.plan.exact_only, found.plan.attempts, anthropic.calls) == (True, 1, 5)


def test_what_cannot_be_mended_is_unsafe(start: Start, anthropic: LlmStub, openai: LlmStub) -> None:
    anthropic.default = Says(tool=proposal("DELETE FROM orders"))
    problem = refusal(start(anthropic=anthropic, openai=openai))
    assert (problem.code, anthropic.calls, openai.calls) == ("unsafe", 3, 0)


def test_no_repairs_when_none_are_wanted(start: Start, anthropic: LlmStub) -> None:
    anthropic.default = Says(tool=proposal("DELETE FROM orders"))
    assert refusal(start(anthropic=anthropic, PLAN_REPAIRS="0")).code == "unsafe"
    assert anthropic.calls == 1


def test_text_instead_of_a_plan_is_asked_for_again(start: Start, anthropic: LlmStub) -> None:
    anthropic.script(Says(text="I would look at the orders."), Says(tool=proposal()))
    found = ask(start(anthropic=anthropic))
    assert (anthropic.calls, found.plan.attempts) == (2, 2)


def test_a_cut_off_reply_is_asked_for_again(start: Start, anthropic: LlmStub, openai: LlmStub) -> None:
    anthropic.script(*[Says(tool={"outcome": "sql"}, stop="max_tokens")] * 3)
    openai.script(Says(text='{"outcome": "sq', stop="length"), Says(tool=proposal()))
    found = ask(start(anthropic=anthropic, openai=openai))
    assert (anthropic.calls, openai.calls) == (3, 2)
    assert (found.plan.planner, found.plan.attempts, found.plan.passed_over) == ("openai", 2, ("anthropic",))


@pytest.mark.parametrize("first", ["anthropic", "openai"])
def test_a_model_that_declines_is_passed_over_at_once(
    start: Start, anthropic: LlmStub, openai: LlmStub, first: str
) -> None:
    declining, other = (anthropic, openai) if first == "anthropic" else (openai, anthropic)
    declining.script(Says(refusal="I would rather not."))
    found = ask(start(anthropic=anthropic, openai=openai, LLM_PROVIDER=first))
    assert (declining.calls, other.calls, found.plan.passed_over) == (1, 1, (first,))


# Faults


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_what_may_pass_is_tried_again(start: Start, anthropic: LlmStub, openai: LlmStub, provider: str) -> None:
    stub = {"anthropic": anthropic, "openai": openai}[provider]
    services = start(**{provider: stub})
    for number, status in enumerate((408, 409, 429, 500, 502, 503, 504, 529), 1):
        stub.reset()
        stub.script(*[Status(status)] * 3, Says(tool=COUNT))
        found = ask(services, f"{RIDDLE} {'x' * number}")
        assert (stub.calls, found.plan.planner, found.plan.attempts) == (4, provider, 1), status


def test_what_will_not_pass_is_not_tried_again(start: Start, anthropic: LlmStub, openai: LlmStub) -> None:
    services = start(anthropic=anthropic, openai=openai)
    openai.default = Says(tool=COUNT)
    for number, status in enumerate((400, 403, 404, 422), 1):
        anthropic.script(Status(status))
        found = ask(services, f"{RIDDLE} {'x' * number}")
        assert (anthropic.calls, openai.calls, found.plan.passed_over) == (number, number, ("anthropic",)), status


def test_retry_after_is_honoured(start: Start, anthropic: LlmStub) -> None:
    anthropic.script(Status(429, {"retry-after": "1"}), Says(tool=proposal()))
    begin = time.monotonic()
    ask(start(anthropic=anthropic))
    assert anthropic.calls == 2
    assert time.monotonic() - begin >= 1


def test_a_wait_past_the_deadline_is_not_begun(start: Start, anthropic: LlmStub, openai: LlmStub) -> None:
    anthropic.script(Status(429, {"retry-after": "3600"}))
    found = ask(start(anthropic=anthropic, openai=openai))
    assert (anthropic.calls, found.plan.planner) == (1, "openai")


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_a_broken_reply_leads_to_the_next_planner(
    start: Start, anthropic: LlmStub, openai: LlmStub, bridge: Bridge, provider: str
) -> None:
    broken, other = (anthropic, openai) if provider == "anthropic" else (openai, anthropic)
    services = start(anthropic=anthropic, openai=openai, LLM_PROVIDER=provider)
    faults: list[Cut | Raw] = [Cut(), Cut(0), Cut(40)]
    faults += [Raw(b"{"), Raw(b""), Raw(b"[]"), Raw(b"null"), Raw(b"<html>", "text/html")]
    for fault in faults:
        bridge.reset()
        broken.reset()
        broken.default = fault
        assert ask(services).plan.passed_over == (provider,), fault
        assert broken.calls == (4 if isinstance(fault, Cut) else 1), fault
    assert other.calls == len(faults)


@pytest.mark.parametrize("fault", [Hang(), Drip(0.05)])
@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_a_slow_reply_is_left(
    start: Start, anthropic: LlmStub, openai: LlmStub, provider: str, fault: Hang | Drip
) -> None:
    slow, other = (anthropic, openai) if provider == "anthropic" else (openai, anthropic)
    slow.default = fault
    begin = time.monotonic()
    found = ask(start(anthropic=anthropic, openai=openai, LLM_PROVIDER=provider, LLM_TIMEOUT="0.3", LLM_RETRIES="1"))
    assert time.monotonic() - begin < 3
    assert (slow.calls, other.calls, found.plan.passed_over) == (2, 1, (provider,))


def test_a_redirect_carries_the_key_nowhere(start: Start, anthropic: LlmStub, openai: LlmStub) -> None:
    anthropic.script(Status(307, {"location": f"{openai.url}/v1/messages"}))
    problem = refusal(start(anthropic=anthropic), RIDDLE)
    assert (problem.code, openai.calls) == ("planner_unavailable", 0)


# When nobody can be reached


def test_without_models_the_grammar_answers_and_says_so(start: Start, anthropic: LlmStub, openai: LlmStub) -> None:
    anthropic.default = openai.default = Status(529)
    found = ask(start(anthropic=anthropic, openai=openai))
    assert (found.plan.planner, found.plan.passed_over) == ("grammar", ("anthropic", "openai"))
    assert (anthropic.calls, openai.calls) == (4, 4)
    assert len(found.rows) == 5


def test_without_models_hits_still_answer(start: Start, anthropic: LlmStub) -> None:
    services = start(anthropic=anthropic, PLANNERS="anthropic")
    ask(services)
    anthropic.stop()
    assert ask(services, "top 2 products by revenue").layer == 1


def test_without_models_a_riddle_is_502_with_names_and_a_time(
    start: Start, anthropic: LlmStub, openai: LlmStub
) -> None:
    anthropic.default, openai.default = Status(529, {"retry-after": "0"}), Status(429, {"retry-after": "600"})
    problem = refusal(start(anthropic=anthropic, openai=openai), RIDDLE)
    assert (problem.code, problem.kind.status) == ("planner_unavailable", 502)
    assert "anthropic is overloaded" in problem.detail
    assert "openai is limiting our requests" in problem.detail
    assert problem.members["planners"] == ["anthropic", "openai"]
    assert problem.retry_after == 600
    assert "scripted" not in problem.detail, "no provider's own words"


def test_a_failure_is_not_remembered(start: Start, anthropic: LlmStub) -> None:
    services = start(anthropic=anthropic)
    anthropic.script(*[Status(500)] * 4)
    assert refusal(services, RIDDLE).code == "planner_unavailable"
    anthropic.script(Says(tool=proposal("SELECT count(*) FROM customers")))
    assert ask(services, RIDDLE).plan.planner == "anthropic"


def test_after_failures_in_a_row_a_provider_is_left_alone(start: Start, anthropic: LlmStub, openai: LlmStub) -> None:
    anthropic.default = Status(400)
    here, elsewhere = start(anthropic=anthropic, openai=openai), start(anthropic=anthropic, openai=openai)
    for _ in range(5):
        openai.script(Says(tool=proposal("SELECT count(*) FROM customers")))
        ask(here, f"{RIDDLE} {'indeed ' * anthropic.calls}")
    assert anthropic.calls == 5
    found = ask(elsewhere)
    assert (anthropic.calls, found.plan.planner, found.plan.passed_over) == (5, "openai", ("anthropic",))


def test_a_provider_that_is_back_is_asked_again(
    start: Start, anthropic: LlmStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rowcall.budget.BREAKER_FAILURES", 1)
    monkeypatch.setattr("rowcall.budget.BREAKER_SECONDS", 0.2)
    services = start(anthropic=anthropic, PLANNERS="anthropic")
    anthropic.script(Status(400))
    assert refusal(services).code == "planner_unavailable"
    shut = refusal(services)
    assert shut.retry_after is not None
    assert 0 < shut.retry_after <= 0.2
    assert anthropic.calls == 1
    time.sleep(0.25)
    assert ask(services).plan.planner == "anthropic"


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_a_rotated_key_is_read_anew_once_after_a_401(
    start: Start, anthropic: LlmStub, openai: LlmStub, secret: Secret, provider: str
) -> None:
    """A real secret in Secrets Manager, as moto keeps it; it is cached for minutes, and the old key is refused."""

    def judge(request: Recorded) -> Reply:
        return Says(tool=proposal()) if request.key == "new-key" else Status(401)

    stub = {"anthropic": anthropic, "openai": openai}[provider]
    stub.default = judge
    secret.put(**{f"{provider}_api_key".upper(): "old-key"})
    path = "/v1" if provider == "openai" else ""
    services = start(SECRET_ARN=secret.arn, **{f"{provider}_base_url".upper(): f"{stub.url}{path}"})
    secret.put(**{f"{provider}_api_key".upper(): "new-key"})
    assert ask(services).plan.planner == provider
    assert [request.key for request in stub.requests] == ["old-key", "new-key"]
    assert ask(services, "best 5 products by revenue").plan.planner == provider
    assert stub.requests[-1].key == "new-key"


def test_without_iam_bedrock_is_passed_over(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    found = ask(start(BEDROCK_REGION="eu-west-3", BEDROCK_BASE_URL="http://127.0.0.1:9"))
    assert (found.plan.planner, found.plan.passed_over) == ("grammar", ("bedrock",))


def test_a_refused_key_is_not_tried_again(start: Start, openai: LlmStub) -> None:
    openai.default = Status(401)
    problem = refusal(start(openai=openai), RIDDLE)
    assert "openai refused our credentials" in problem.detail
    assert openai.calls == 1


# Round trips


def test_requests_to_redis_that_a_model_costs(start: Start, anthropic: LlmStub) -> None:
    services = start(anthropic=anthropic)
    anthropic.default = Says(tool=proposal("SELECT count(*) FROM customers"))
    ask(services, "count customers")  # from here on the catalog is known, and Redis knows the scripts
    before = services.store.calls.count
    assert ask(services, RIDDLE).plan.planner == "anthropic"
    assert services.store.calls.count - before == 5, "recall, examples, admit, settle, remember"


def test_the_grammar_costs_no_request_to_redis(start: Start) -> None:
    services = start()
    ask(services, "count products")
    before = services.store.calls.count
    assert ask(services, TOP).plan.planner == "grammar"
    assert services.store.calls.count - before == 2, "recall, remember"
