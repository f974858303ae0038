"""`POST /api/chat` through a real server and as Lambda's, by clients that read server-sent events as they come."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from api import dependencies, streaming
from api.main import handler
from local.bridge import Bridge
from local.llm_stub import Ends, LlmStub, Says
from rowcall.auth import Principal
from rowcall.bootstrap import Services
from rowcall.deadline import Deadline
from tests.gateway import Gateway
from tests.served import served
from tests.wire.conftest import Start
from tests.wire.talking import ASKS, PLANNERS, TELLS
from tests.wire.test_money import accounts

Serve = Callable[..., Services]
QUESTION = {"messages": [{"role": "user", "content": "which products sell best?"}]}
STREAM = QUESTION | {"stream": True}


@pytest.fixture
def serve(start: Start, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Starts services that the app uses."""

    def make(**settings: Any) -> Services:
        services = start(**PLANNERS | settings)
        monkeypatch.setattr(dependencies, "services", lambda: services)
        return services

    return make


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with served() as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


@contextmanager
def stream(http: httpx.Client, body: dict[str, Any]) -> Iterator[Iterator[tuple[str, dict[str, Any]]]]:
    with http.stream("POST", "/api/chat", json=body) as reply:
        assert reply.status_code == 200, reply.read()
        assert reply.headers["content-type"].startswith("text/event-stream")
        yield parse(reply.iter_lines())


def parse(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and data of each event; a comment is told as an event named ":"."""
    name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)
        elif not field and line:
            yield ":", {}


def told(events: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """A stream as the document that it would have been."""
    named = {name: [data for at, data in events if at == name] for name, _ in events}
    assert "".join(data["text"] for data in named["text"]) == named["done"][0]["message"]["content"]
    return {
        **named["done"][0],
        "evidence": named.get("rows", []),
        "tools": [tool for tool in named.get("tool", []) if tool["state"] != "started"],
        "usage": named["usage"][0],
    }


def without_what_differs(document: Any) -> Any:
    if isinstance(document, dict):
        left_out = {"latency_ms", "request_id", "cache_hit", "cache_layer", "attempts"}
        return {name: without_what_differs(value) for name, value in document.items() if name not in left_out}
    return [without_what_differs(one) for one in document] if isinstance(document, list) else document


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_streamed_whole_and_in_lambda_a_reply_holds_the_same(
    serve: Serve, anthropic: LlmStub, http: httpx.Client, bridge: Bridge
) -> None:
    serve(anthropic=anthropic)
    replies: list[dict[str, Any]] = []
    for way in ("whole", "streamed", "lambda", "buffered"):
        bridge.reset()
        anthropic.script(ASKS, TELLS)
        match way:
            case "whole":
                replies.append(http.post("/api/chat", json=QUESTION).json())
            case "streamed":
                with stream(http, STREAM) as events:
                    seen = list(events)
                assert seen[-1][0] == "done"
                replies.append(told(seen))
            case "lambda":
                replies.append(Gateway(handler).post("/api/chat", QUESTION).json)
            case "buffered":
                reply = Gateway(handler).post("/api/chat", STREAM)
                assert reply.headers["content-type"].startswith("text/event-stream")
                replies.append(told(list(parse(iter(reply.body.splitlines())))))
    first, *others = map(without_what_differs, replies)
    assert first["message"]["content"] == "Let me look.\n\nThe Aurora lamp leads."
    assert len(first["evidence"][0]["data"]) == 5
    assert others == [first] * 3


def test_a_kept_reply_is_streamed_and_asks_no_model(serve: Serve, anthropic: LlmStub, http: httpx.Client) -> None:
    serve(anthropic=anthropic)
    anthropic.script(ASKS, TELLS)
    http.post("/api/chat", json=QUESTION)
    with stream(http, STREAM) as events:
        again = told(list(events))
    assert (again["meta"]["cached"], again["usage"]["calls"], anthropic.calls) == (True, 0, 2)
    assert len(again["evidence"]) == 1


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "role"),
        ({"messages": [{"role": "user", "content": "x", "name": "y"}]}, "name"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "x" * 4_001}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "x\u0000y"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}, "messages"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"temperature": 1}, "temperature"),
    ],
)
def test_what_is_wrong_is_named_before_any_stream(
    serve: Serve, anthropic: LlmStub, http: httpx.Client, changed: dict[str, Any], field: str
) -> None:
    serve(anthropic=anthropic)
    reply = http.post("/api/chat", content=json.dumps(STREAM | changed), headers={"content-type": "application/json"})
    assert reply.status_code == 400
    assert any(field in error["field"] for error in reply.json()["errors"]), reply.text
    assert anthropic.calls == 0


def test_4000_characters_may_be_said(serve: Serve, anthropic: LlmStub, http: httpx.Client) -> None:
    serve(anthropic=anthropic)
    anthropic.script(TELLS)
    body = {"messages": [{"role": "user", "content": "x" * 4_000}]}
    assert http.post("/api/chat", json=body).json()["message"]["content"] == TELLS.text


def test_a_message_is_counted_once_and_each_question_by_itself(
    serve: Serve, anthropic: LlmStub, http: httpx.Client
) -> None:
    serve(anthropic=anthropic, CHAT_QUOTA="2", USER_QUOTA="2")
    count = ("query", {"question": "count customers"})
    anthropic.script(Says(tools=[count, count, count]), TELLS)
    first = http.post("/api/chat", json=QUESTION)
    assert 'chat";r=1' in first.headers["ratelimit"]
    assert [tool["state"] for tool in first.json()["tools"]] == ["done", "done", "failed"]
    assert first.json()["tools"][2]["problem"]["code"] == "rate_limited"
    http.post("/api/chat", json=QUESTION)
    for body in (QUESTION, STREAM):
        refused = http.post("/api/chat", json=body)
        assert (refused.status_code, refused.json()["violated_policies"]) == (429, ["chat"])
        assert int(refused.headers["retry-after"]) >= 1


def test_the_scope_chat_is_needed(
    serve: Serve, anthropic: LlmStub, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = serve(anthropic=anthropic)
    monkeypatch.setattr(services.authenticator, "principal", lambda *_: Principal("ann", "acme"))
    refused = http.post("/api/chat", json=QUESTION)
    assert (refused.status_code, refused.json()["detail"]) == (403, "This needs the scope `chat`.")


def test_a_failure_before_the_first_event_has_a_status_and_later_ones_an_event(
    serve: Serve, anthropic: LlmStub, http: httpx.Client
) -> None:
    serve(anthropic=anthropic, DATABASE_URL="postgresql://reader:x@127.0.0.1:9/none")
    for body in (QUESTION, STREAM):
        assert http.post("/api/chat", json=body).json()["code"] == "database_unavailable"
    serve(anthropic=anthropic)
    anthropic.script(Ends(4, TELLS))
    with stream(http, STREAM) as events:
        seen = list(events)
    assert [name for name, _ in seen][-2:] == ["usage", "error"]
    assert (seen[-1][1]["code"], seen[-1][1]["status"]) == ("reply_cut", 502)
    anthropic.script(Ends(4, TELLS))
    whole = http.post("/api/chat", json=QUESTION)
    assert (whole.status_code, whole.json()["code"]) == (502, "reply_cut")


def test_an_error_of_ours_ends_a_stream_as_an_error(
    serve: Serve, anthropic: LlmStub, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = serve(anthropic=anthropic)
    anthropic.script(ASKS)
    monkeypatch.setattr(services.plans, "recall", lambda *_, **__: 1 / 0)
    with stream(http, STREAM) as events:
        seen = list(events)
    assert (seen[-1][0], seen[-1][1]["code"]) == ("error", "internal")
    assert "ZeroDivision" not in json.dumps(seen)


@pytest.mark.parametrize("body", [QUESTION, STREAM], ids=["whole", "streamed"])
def test_when_the_client_goes_nothing_is_asked_any_more(
    serve: Serve, anthropic: LlmStub, http: httpx.Client, bridge: Bridge, body: dict[str, Any]
) -> None:
    services = serve(anthropic=anthropic, USER_BUDGET_USD="5")
    services.catalogs.current(Deadline.after(20))
    anthropic.default = Says(text="one two three four five six", tools=ASKS.tools, pause=0.2)
    transactions = services.database.transactions
    if body is STREAM:
        with stream(http, body) as events:
            assert next(events)[0] == "text"
    else:
        with pytest.raises(httpx.ReadTimeout):
            http.post("/api/chat", json=body, timeout=0.5)
    until(lambda: accounts(bridge).get(b"user", (0, 1))[1] == 0)
    assert (anthropic.calls, services.database.transactions - transactions) == (1, 0)
    assert accounts(bridge)[b"user"][0] > 2048 * 10_000, "and what was begun is paid"


def test_a_stream_holds_up_nobody_and_is_kept_open(
    serve: Serve, anthropic: LlmStub, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a model pauses within its reply another request is answered, and comments come."""
    monkeypatch.setattr(streaming, "PING_SECONDS", 0.05)
    serve(anthropic=anthropic)
    anthropic.script(Says(text="one two three four", pause=0.3))
    with stream(http, STREAM) as events:
        seen = [next(events)]
        with httpx.Client(base_url=http.base_url) as other:
            assert other.get("/api/tables").status_code == 200
        assert not any(name == "done" for name, _ in seen)
        seen += events
    assert any(name == ":" for name, _ in seen)
    assert seen[-1][0] == "done"


def test_lambdas_time_is_the_deadline(serve: Serve, anthropic: LlmStub) -> None:
    serve(anthropic=anthropic)
    anthropic.script(Says(text="one two three four", pause=5))
    reply = Gateway(handler, remaining_ms=2_500).post("/api/chat", QUESTION)
    assert (reply.status, reply.json["code"]) == (504, "deadline_exceeded")


def test_a_conversation_goes_on_where_it_stopped(
    serve: Serve, anthropic: LlmStub, http: httpx.Client, dynamodb: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    services = serve(anthropic=anthropic, **dynamodb)
    anthropic.script(ASKS, TELLS, Says(text="It is."))
    first = http.post("/api/chat", json=QUESTION).json()
    known = first["conversation_id"]
    again = {"messages": [{"role": "user", "content": "is that new?"}], "conversation_id": known, "stream": True}
    with stream(http, again) as events:
        assert told(list(events))["conversation_id"] == known
    assert [message["content"] for message in anthropic.requests[-1].body["messages"]] == [
        "which products sell best?",
        first["message"]["content"],
        "is that new?",
    ]
    turns = http.get(f"/api/conversations/{known}").json()["turns"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user", "assistant"]
    assert turns[1]["evidence"] == first["evidence"]
    monkeypatch.setattr(services.authenticator, "principal", lambda *_: Principal("bob", "local", frozenset({"chat"})))
    assert http.post("/api/chat", json=again).status_code == 404
    assert anthropic.calls == 3


def test_a_reply_that_was_told_does_not_fail_for_want_of_keeping(
    serve: Serve, anthropic: LlmStub, http: httpx.Client, dynamodb: dict[str, str]
) -> None:
    serve(anthropic=anthropic, **dynamodb | {"CONVERSATIONS_TABLE": "none-such"})
    anthropic.default = TELLS
    reply = http.post("/api/chat", json=QUESTION).json()
    assert (reply["conversation_id"], reply["meta"]["degraded"]) == (None, True)
    body = QUESTION | {"conversation_id": "0" * 32}
    assert http.post("/api/chat", json=body).status_code == 503
    serve(anthropic=anthropic)
    assert http.post("/api/chat", json=QUESTION).json()["conversation_id"] is None
    assert http.post("/api/chat", json=body).json()["errors"][0]["field"] == "conversation_id"


def test_what_only_the_adapter_may_tell_is_not_believed_elsewhere(
    serve: Serve, anthropic: LlmStub, http: httpx.Client
) -> None:
    serve(anthropic=anthropic, ADDRESS_QUOTA="1")
    anthropic.default = TELLS
    statuses = []
    for number in (1, 2):
        claimed = {
            "x-amzn-request-context": json.dumps({"identity": {"sourceIp": f"192.0.2.{number}"}, "requestId": "mine"}),
            "x-amzn-lambda-context": json.dumps({"deadline": 1}),
        }
        reply = http.post("/api/chat", json=QUESTION, headers=claimed)
        assert reply.headers["x-request-id"] != "mine"
        statuses.append(reply.status_code)
    assert statuses == [200, 429]


def test_without_redis_chat_may_be_refused(serve: Serve, anthropic: LlmStub, http: httpx.Client) -> None:
    down = {"UPSTASH_REDIS_REST_URL": "http://127.0.0.1:9"}
    serve(anthropic=anthropic, CHAT_WITHOUT_REDIS="refuse", **down)
    refused = http.post("/api/chat", json=STREAM)
    assert (refused.status_code, refused.json()["code"]) == (503, "limits_unavailable")
    serve(anthropic=anthropic, CHAT_QUOTA="1", **down)
    anthropic.default = TELLS
    assert http.post("/api/chat", json=QUESTION).json()["meta"]["degraded"] is True
    assert http.post("/api/chat", json=QUESTION).status_code == 429, "this environment counts alone"
