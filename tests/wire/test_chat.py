"""Chat over HTTP: rounds of a model and its tools, who is asked next, what is told of a reply that broke; counted."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from local.bridge import Bridge
from local.llm_stub import Cut, Ends, Hang, LlmStub, Raw, Recorded, Reply, Says, Status, Usage
from rowcall.auth import LOCAL, Principal
from rowcall.chat import Done, Message, Rows, Text, Tool, collect
from rowcall.chat import Usage as Used
from tests.wire.conftest import Secret, Start, proposal
from tests.wire.talking import ASKS, PLANNERS, TELLS, failure, of, prose, results, states, talk
from tests.wire.test_money import accounts

TOP = "which products sell best?"
COUNT = ("query", {"question": "count customers"})
NO_THOUGHT = {"type": "thinking", "thinking": "", "signature": ""}
THOUGHT = {"type": "thinking_delta", "thinking": "hm " * 30_000}


def test_a_tool_is_used_and_what_it_found_is_told(start: Start, anthropic: LlmStub) -> None:
    anthropic.script(ASKS, TELLS)
    events = talk(start(anthropic=anthropic, **PLANNERS), TOP)
    (rows,) = of(Rows, events)
    assert (len(rows.answer["data"]), rows.answer["params"][0]) == (5, 5)
    assert "order_items" in rows.answer["sql"]
    assert states(events) == [("query", "started"), ("query", "done")]
    assert {event.id for event in of(Tool, events)} == {rows.id}
    done = events[-1]
    assert isinstance(done, Done)
    assert (done.content, done.truncated, done.degraded) == ("Let me look.\n\nThe Aurora lamp leads.", False, False)
    assert len(of(Text, events)) > 3, "it came in pieces"
    (used,) = of(Used, events)
    assert (used.provider, used.model, used.calls, used.tokens.input) == ("anthropic", "claude-sonnet-5-5", 2, 2_000)
    assert used.cost_usd == pytest.approx(0.006)
    told = results(anthropic.requests[1])
    assert rows.answer["data"][0]["name"] in told
    assert told.startswith("<<<rows "), "rows stand between marks, as data"


def test_gpt_uses_tools_too(start: Start, openai: LlmStub) -> None:
    openai.script(ASKS, TELLS)
    events = talk(start(openai=openai, **PLANNERS), TOP)
    assert prose(events) == "Let me look.\n\nThe Aurora lamp leads."
    assert len(of(Rows, events)) == 1
    system, user, asked, found = openai.requests[1].body["messages"]
    assert (system["role"], user["content"], found["role"]) == ("system", TOP, "tool")
    assert asked["tool_calls"][0]["id"] == found["tool_call_id"]
    assert of(Used, events)[0].cost_usd == pytest.approx(0.006)


def test_claude_on_bedrock_uses_tools_too(start: Start, anthropic: LlmStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-iam")
    anthropic.script(ASKS, TELLS)
    planners = {"PLANNERS": "grammar,bedrock"}
    events = talk(start(BEDROCK_REGION="eu-west-1", BEDROCK_BASE_URL=anthropic.url, **planners), TOP)
    assert prose(events) == "Let me look.\n\nThe Aurora lamp leads."
    assert (len(of(Rows, events)), of(Used, events)[0].provider) == (1, "bedrock")
    assert {request.path.rpartition("/")[2] for request in anthropic.requests} == {"invoke-with-response-stream"}


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_tools_called_at_once_are_all_answered(start: Start, provider: str, request: pytest.FixtureRequest) -> None:
    stub: LlmStub = request.getfixturevalue(provider)
    calls = [("query", {"question": "count orders"}), COUNT, ("list_tables", {"name": "orders"}), ("explain", COUNT[1])]
    stub.script(Says(tools=calls), TELLS)
    events = talk(start(**{provider: stub}, **PLANNERS), TOP)
    assert [told for told in states(events) if told[1] == "done"] == [(name, "done") for name, _ in calls]
    assert [rows.answer["query"] for rows in of(Rows, events)] == ["count orders", "count customers"]
    seen = [event.result for event in of(Tool, events) if event.result]
    assert seen[0]["primary_key"] == ["id"]
    assert "count" in seen[1]["sql"].lower()
    assert isinstance(events[-1], Done)


def test_streamed_or_whole_a_reply_holds_the_same(start: Start, anthropic: LlmStub) -> None:
    anthropic.script(ASKS, TELLS)
    events = talk(start(anthropic=anthropic, **PLANNERS), TOP)
    whole = collect(iter(events), "request-1")
    assert whole["message"] == {"role": "assistant", "content": prose(events)}
    assert whole["evidence"] == [event.document("request-1") for event in of(Rows, events)]
    assert [(tool["name"], tool["state"]) for tool in whole["tools"]] == [("query", "done")]
    assert whole["usage"] == of(Used, events)[0].document("request-1")


def test_an_empty_result_is_said_to_be_empty(start: Start, anthropic: LlmStub) -> None:
    anthropic.script(Says(tools=[("query", {"question": "orders above 99999999"})]), TELLS)
    events = talk(start(anthropic=anthropic, **PLANNERS), TOP)
    assert of(Rows, events)[0].answer["row_count"] == 0
    assert "No row matches" in results(anthropic.requests[1])
    system = anthropic.requests[0].body["system"][0]["text"]
    assert "no row matches" in system


def test_a_model_sees_a_part_of_many_rows_and_is_told_so(start: Start, anthropic: LlmStub) -> None:
    anthropic.script(Says(tools=[("query", {"question": "show orders", "limit": 200})]), TELLS)
    events = talk(start(anthropic=anthropic, **PLANNERS), TOP)
    (rows,) = of(Rows, events)
    assert rows.answer["row_count"] == 200, "the user sees all of them"
    told = results(anthropic.requests[1])
    assert " of 200 rows; the user sees all of these." in told
    assert "more rows than were asked for" in told
    assert len(told) < 8_000


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (("query", '{"question": '), "JSON"),
        (("query", "[1]"), "object"),
        (("query", {"sql": "DROP TABLE orders"}), "question"),
        (("query", {"question": "x" * 5_000}), "more than 300 characters"),
        (("query", {"question": "y" * 20_000}), "too long"),
        (("query", {"question": "count orders", "limit": 10**9}), "must be between"),
        (("run_sql", {"sql": "SELECT 1"}), "no such tool"),
        (("list_tables", {"name": "pg_authid"}), "no such table"),
        (("query", {"question": "count orders\u0000; DROP TABLE orders"}), "control characters"),
    ],
)
@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_whatever_a_model_asks_for_is_answered_or_refused(
    start: Start, provider: str, request: pytest.FixtureRequest, call: tuple[str, object], why: str
) -> None:
    stub: LlmStub = request.getfixturevalue(provider)
    stub.script(Says(tools=[call, COUNT]), TELLS)
    services = start(**{provider: stub}, **PLANNERS)
    events = talk(services, TOP)
    failed, done = [event for event in of(Tool, events) if event.state != "started"]
    assert failed.problem
    assert why in failed.problem.detail
    assert why in stub.requests[1].text
    assert (done.state, len(of(Rows, events))) == ("done", 1)
    assert isinstance(events[-1], Done)
    stub.script(TELLS)
    talk(services, TOP)
    assert stub.calls == 3, "a reply with a failed tool is not kept"


def test_sql_and_orders_in_rows_stay_data(start: Start, anthropic: LlmStub) -> None:
    """What a model makes a question of is read as plain language: there is no way for SQL."""
    hostile = "DELETE FROM orders; SELECT password_hash FROM users"
    obeys = Says(tool=proposal("SELECT password_hash FROM users"))

    def reply(request: Recorded) -> Reply:
        if not request.body.get("stream"):
            return obeys
        return TELLS if results(request) else Says(tools=[("query", {"question": hostile})])

    anthropic.default = reply
    events = talk(start(anthropic=anthropic, PLANNERS="grammar,anthropic"), TOP)
    assert states(events) == [("query", "started"), ("query", "failed")]
    assert of(Rows, events) == []
    assert any(not request.body.get("stream") for request in anthropic.requests), "a planner was asked, and obeyed"


def test_white_space_is_no_text_before_a_tool_and_no_reply(start: Start, anthropic: LlmStub) -> None:
    anthropic.script(Says(text="\n\n", tools=[COUNT]), Says(text=" \n"))
    assert failure(talk(start(anthropic=anthropic, **PLANNERS), TOP)) == "reply_cut"
    asked = anthropic.requests[1].body["messages"][1]["content"]
    assert [block["type"] for block in asked] == ["tool_use"], "Claude takes no block of white space"


@pytest.mark.parametrize(
    "events",
    [
        [
            {"type": "content_block_start", "index": 0, "content_block": NO_THOUGHT},
            *[{"type": "content_block_delta", "index": 0, "delta": THOUGHT}] * 4,
        ],
        [{"type": "content_block_start", "index": 0, "content_block": NO_THOUGHT | {"signature": None}}],
    ],
    ids=["thoughts without end", "no signature"],
)
def test_a_stream_that_no_model_sends_is_a_failure_of_its_provider(
    start: Start, anthropic: LlmStub, events: list[dict[str, object]]
) -> None:
    usage = {"input_tokens": 5, "output_tokens": 1}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
    told: list[dict[str, object]] = [
        {"type": "message_start", "message": message},
        *events,
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "Fine."}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    ]
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in told)
    anthropic.default = Raw(body.encode(), "text/event-stream")
    said = prose(talk(start(anthropic=anthropic, **PLANNERS), "count customers"))
    assert said.startswith("Number of customers"), "the grammar answers instead"


def test_rounds_end(start: Start, anthropic: LlmStub) -> None:
    """A model that only ever wants tools is told to come to its end, and cut off if it does not."""
    anthropic.default = Says(tools=[COUNT])
    events = talk(start(anthropic=anthropic, CHAT_ROUNDS="3", **PLANNERS), TOP)
    assert failure(events) == "reply_cut"
    assert anthropic.calls == 3
    assert [request.body["tool_choice"]["type"] for request in anthropic.requests] == ["auto", "auto", "none"]


def test_more_calls_at_once_than_may_be_are_refused(start: Start, anthropic: LlmStub) -> None:
    anthropic.script(Says(tools=[COUNT] * 10), TELLS)
    events = talk(start(anthropic=anthropic, **PLANNERS), TOP)
    assert len(of(Rows, events)) == 8
    assert results(anthropic.requests[1]).count("At most 8 tools") == 2, "but each call has its result"


# Failures, before and after the first token


BROKEN = [
    Status(500),
    Status(400),
    Raw(b"<html>"),
    Cut(None),
    Cut(0),
    Ends(0),
    Ends(1, TELLS),
    Ends(1, TELLS, error=True),
    Says(),
    Says(refusal="no"),
]


@pytest.mark.parametrize("reply", BROKEN, ids=repr)
def test_before_the_first_token_the_next_provider_replies(
    start: Start, anthropic: LlmStub, openai: LlmStub, reply: Reply, bridge: Bridge
) -> None:
    anthropic.default = reply
    openai.script(TELLS)
    services = start(anthropic=anthropic, openai=openai, TENANT_BUDGET_USD="5", LLM_RETRIES="1", **PLANNERS)
    events = talk(services, TOP)
    assert (prose(events), failure_or_done(events)) == (TELLS.text, "done")
    assert of(Used, events)[0].provider == "openai"
    assert accounts(bridge)[b"tenant"] == (nano(events), 0), "all is settled, and nothing is held"


@pytest.mark.parametrize(
    "reply", [Cut(900, TELLS), Ends(4, TELLS), Ends(4, TELLS, error=True), Ends(6, ASKS)], ids=repr
)
@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_after_the_first_token_a_cut_reply_never_looks_whole(
    start: Start, provider: str, request: pytest.FixtureRequest, reply: Reply, bridge: Bridge
) -> None:
    stub: LlmStub = request.getfixturevalue(provider)
    other: LlmStub = request.getfixturevalue({"anthropic": "openai", "openai": "anthropic"}[provider])
    stub.script(reply)
    both = {"anthropic": stub, "openai": other} if provider == "anthropic" else {"anthropic": other, "openai": stub}
    services = start(**both, LLM_PROVIDER=provider, TENANT_BUDGET_USD="5", **PLANNERS)
    events = talk(services, TOP)
    assert failure(events) == "reply_cut"
    assert prose(events)
    assert not of(Done, events)
    assert (stub.calls, other.calls) == (1, 0)
    spent, held = accounts(bridge)[b"tenant"]
    assert (spent, held) == (nano(events), 0)
    assert spent > 2048 * 10_000, "what it said is charged at its worst: it never told how much that was"
    stub.script(TELLS)
    assert prose(talk(services, TOP)) == TELLS.text, "and nothing of it was kept"


def test_a_refusal_midway_is_an_error(start: Start, anthropic: LlmStub) -> None:
    anthropic.script(Says(text="I", stop="refusal"))
    assert failure(talk(start(anthropic=anthropic, **PLANNERS), TOP)) == "reply_cut"


def test_the_next_provider_goes_on_where_another_stopped(start: Start, anthropic: LlmStub, openai: LlmStub) -> None:
    anthropic.script(ASKS, Status(400))
    openai.script(TELLS)
    events = talk(start(anthropic=anthropic, openai=openai, **PLANNERS), TOP)
    assert prose(events) == "Let me look.\n\nThe Aurora lamp leads."
    assert [message["role"] for message in openai.requests[0].body["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
    ]


def test_no_provider_left_after_something_was_told_is_an_error(start: Start, anthropic: LlmStub) -> None:
    anthropic.script(ASKS, Status(400))
    events = talk(start(anthropic=anthropic, **PLANNERS), TOP)
    assert failure(events) == "planner_unavailable"
    assert len(of(Rows, events)) == 1


def test_a_reply_that_is_as_long_as_it_may_be_says_so_and_is_not_kept(start: Start, anthropic: LlmStub) -> None:
    anthropic.default = Says(text="and so on", stop="max_tokens")
    services = start(anthropic=anthropic, **PLANNERS)
    done = talk(services, TOP)[-1]
    assert isinstance(done, Done)
    assert done.truncated
    talk(services, TOP)
    assert anthropic.calls == 2


def test_a_key_that_is_refused_is_read_anew(start: Start, anthropic: LlmStub, secret: Secret) -> None:
    secret.put(ANTHROPIC_API_KEY="old")
    services = start(SECRET_ARN=secret.arn, ANTHROPIC_BASE_URL=anthropic.url, **PLANNERS)
    secret.put(ANTHROPIC_API_KEY="new")
    anthropic.default = lambda request: TELLS if request.key == "new" else Status(401)
    assert prose(talk(services, TOP)) == TELLS.text
    assert [request.key for request in anthropic.requests] == ["old", "new"]


def test_a_stalled_reply_ends_at_the_deadline(start: Start, anthropic: LlmStub) -> None:
    anthropic.script(Says(text="one two three four", pause=5))
    events = talk(start(anthropic=anthropic, **PLANNERS), TOP, seconds=1.5)
    assert failure(events) in ("reply_cut", "deadline_exceeded")
    anthropic.script(Hang())
    assert failure(talk(start(anthropic=anthropic, **PLANNERS), TOP, seconds=1.5)) == "deadline_exceeded"


# Money


def test_a_budget_that_runs_out_midway_is_told_and_settled(start: Start, anthropic: LlmStub, bridge: Bridge) -> None:
    anthropic.default = Says(text="Hm.", tools=[COUNT], usage=Usage(input=15_000, output=1_000))
    services = start(anthropic=anthropic, USER_BUDGET_USD="0.10", **PLANNERS)
    events = talk(services, TOP)
    assert failure(events) == "budget_exceeded"
    assert len(of(Rows, events)) == anthropic.calls >= 1
    assert accounts(bridge) == {
        b"user": (anthropic.calls * 40_000_000, 0),
        b"tenant": (anthropic.calls * 40_000_000, 0),
    }
    assert of(Used, events)[0].cost_usd == pytest.approx(anthropic.calls * 0.04)


def test_the_worst_case_is_held_while_a_model_speaks(start: Start, anthropic: LlmStub, bridge: Bridge) -> None:
    held: list[int] = []

    def reply(request: Recorded) -> Reply:
        held.append(accounts(bridge)[b"user"][1])
        return ASKS if len(request.body["messages"]) == 1 else TELLS

    anthropic.default = reply
    events = talk(start(anthropic=anthropic, USER_BUDGET_USD="5", **PLANNERS), TOP)
    assert len(held) == 2
    assert min(held) > 2048 * 10_000
    assert accounts(bridge)[b"user"] == (nano(events), 0)


def test_a_listener_who_goes_stops_everything_and_the_money_is_right(
    start: Start, anthropic: LlmStub, bridge: Bridge
) -> None:
    from rowcall.chat.converse import Said, converse
    from rowcall.deadline import Deadline
    from rowcall.trace import Trace

    anthropic.default = ASKS
    services = start(anthropic=anthropic, USER_BUDGET_USD="5", **PLANNERS)
    said = Said([Message("user", TOP)])
    services.catalogs.current(Deadline.after(20))
    before = services.database.transactions
    events = converse(said, LOCAL, services, Deadline.after(20), trace=Trace(), request_id="request-1")
    assert any(isinstance(event, Text) for event in events)
    events.close()
    assert (anthropic.calls, services.database.transactions - before) == (1, 0)
    spent, held = accounts(bridge)[b"user"]
    assert (spent > 2048 * 10_000, held) == (True, 0)


# Without a model


def test_without_a_model_the_last_message_is_answered_in_a_sentence(start: Start) -> None:
    services = start()
    events = talk(services, "hello", Message("assistant", "Hello."), "how many customers are there?")
    (rows,) = of(Rows, events)
    assert str(next(iter(rows.answer["data"][0].values()))) in prose(events)
    assert states(events) == [("query", "started"), ("query", "done")]
    (used,) = of(Used, events)
    assert (used.calls, used.model, used.cost_usd) == (0, None, 0)
    top = prose(talk(services, "top 7 products by revenue"))
    assert "7 rows" in top
    assert "The other 2 are in the table." in top
    assert "The result is empty" in prose(talk(services, "orders above 99999999"))


def test_what_the_grammar_cannot_read_is_a_clear_sentence(start: Start) -> None:
    events = talk(start(), "what is love?")
    assert isinstance(events[-1], Done)
    (failed,) = [event for event in of(Tool, events) if event.state == "failed"]
    assert failed.problem
    assert failed.problem.suggestions
    assert failed.problem.suggestions[0] in prose(events)


def test_with_every_model_down_the_grammar_answers(start: Start, anthropic: LlmStub) -> None:
    anthropic.default = Status(400)
    services = start(anthropic=anthropic, **PLANNERS)
    assert "customers" in prose(talk(services, "how many customers are there?")).lower()
    assert failure(talk(services, "what is love?")) == "planner_unavailable"


def test_over_budget_the_grammar_answers_and_the_rest_is_402(start: Start, anthropic: LlmStub) -> None:
    services = start(anthropic=anthropic, USER_BUDGET_USD="0.001", **PLANNERS)
    assert len(of(Rows, talk(services, "how many customers are there?"))) == 1
    assert failure(talk(services, "what is love?")) == "budget_exceeded"
    assert anthropic.calls == 0


# The window


def test_twenty_rounds_of_context_reach_the_model(start: Start, anthropic: LlmStub) -> None:
    anthropic.default = TELLS
    services = start(anthropic=anthropic, **PLANNERS)
    said: list[Message] = []
    for number in range(20):
        said.append(Message("user", f"question {number}"))
        said.append(Message("assistant", prose(talk(services, *said))))
    messages = anthropic.requests[-1].body["messages"]
    assert [message["content"] for message in messages[::2]] == [f"question {number}" for number in range(20)]
    assert {message["role"] for message in messages[1::2]} == {"assistant"}


def test_what_does_not_fit_is_summed_up_by_an_exact_count(start: Start, anthropic: LlmStub) -> None:
    counted: list[int] = []

    def reply(request: Recorded) -> Reply:
        if request.path.endswith("/count_tokens"):
            tokens = len(json.dumps(request.body["messages"])) // 4
            counted.append(tokens)
            return Raw(json.dumps({"input_tokens": tokens}).encode())
        return TELLS

    anthropic.default = reply
    services = start(anthropic=anthropic, CHAT_WINDOW_TOKENS="8000", **PLANNERS)
    said = [
        Message(role, f"{role} {number} " + "lorem ipsum " * 300)
        for number in range(12)
        for role in ("user", "assistant")
    ]
    talk(services, *said, "and now?")
    sent = anthropic.requests[-1].body["messages"]
    assert counted[0] > 8_000 >= counted[-1]
    assert "the user said 'user 0 lorem" in sent[0]["content"]
    assert sent[-1]["content"] == "and now?"
    assert sent[1]["role"] == "user"
    assert 1 < len(sent) < 24


def nano(events: Sequence[object]) -> int:
    (used,) = [event for event in events if isinstance(event, Used)]
    return round(used.cost_usd * 1e9)


def failure_or_done(events: Sequence[object]) -> str:
    return "done" if isinstance(events[-1], Done) else repr(events[-1])


def test_whoever_counts_too_slowly_keeps_nobody_from_a_reply(start: Start, anthropic: LlmStub) -> None:
    anthropic.default = lambda request: Hang() if request.path.endswith("/count_tokens") else TELLS
    services = start(anthropic=anthropic, CHAT_WINDOW_TOKENS="8000", **PLANNERS)
    said = [Message("user", f"{number} " + "lorem ipsum " * 300) for number in range(12)]
    assert prose(talk(services, *said)) == TELLS.text
    assert len(anthropic.requests[-1].body["messages"]) < 12, "the estimate holds"


def test_another_tenant_or_model_never_gets_a_kept_reply(start: Start, anthropic: LlmStub, bridge: Bridge) -> None:
    anthropic.default = TELLS
    services = start(anthropic=anthropic, **PLANNERS)
    first = talk(services, TOP)
    again = talk(services, "Which products sell best")
    assert anthropic.calls == 1, "the same question in other clothes"
    assert (prose(again), again[-1].cached) == (prose(first), True)  # type: ignore[union-attr]
    assert of(Used, again)[0].calls == 0
    talk(services, TOP, principal=Principal("ann", "acme"))
    talk(services, "which products sell worst?")
    talk(start(anthropic=anthropic, ANTHROPIC_MODEL="claude-opus-5-5", **PLANNERS), TOP)
    assert anthropic.calls == 4


def test_a_kept_reply_tells_no_cost_and_no_request_of_another(start: Start, anthropic: LlmStub) -> None:
    anthropic.script(ASKS, Says(tool=proposal()), TELLS)
    services = start(anthropic=anthropic, PLANNERS="anthropic")
    first, again = (
        of(Rows, talk(services, TOP, request_id=request_id))[0].answer["meta"] for request_id in ("first", "again")
    )
    assert anthropic.calls == 3
    assert (first["cost_usd"], first["tokens"]["input"]) == (pytest.approx(0.003), 1000)
    spent = {"cost_usd": 0.0, "tokens": {"input": 0, "output": 0}}
    assert again == first | spent | {"request_id": "again"}


def test_a_kept_reply_is_told_as_it_was_streamed_and_rests_on_its_rows(
    start: Start, anthropic: LlmStub, bridge: Bridge
) -> None:
    anthropic.script(ASKS, TELLS)
    services = start(anthropic=anthropic, **PLANNERS)
    first, again = talk(services, TOP), talk(services, TOP)
    assert anthropic.calls == 2
    kinds = (Text, Tool, Rows)
    assert [event for event in again if isinstance(event, kinds)] == [
        event for event in first if isinstance(event, kinds)
    ]
    (key,) = bridge.command("KEYS", "*:chat:*")
    assert 0 < bridge.command("TTL", key) <= 300, "rows change"
    sealed = bridge.command("GET", key)
    bridge.command("SET", key, sealed.replace(b"leads", b"fails"))
    anthropic.script(TELLS)
    assert prose(talk(services, TOP)) == TELLS.text
    assert anthropic.calls == 3, "an altered reply fails its seal"


def test_without_redis_a_chat_goes_on_and_says_so(start: Start, anthropic: LlmStub) -> None:
    anthropic.script(ASKS, TELLS)
    events = talk(start(anthropic=anthropic, UPSTASH_REDIS_REST_URL="http://127.0.0.1:9", **PLANNERS), TOP)
    done = events[-1]
    assert isinstance(done, Done)
    assert done.degraded
