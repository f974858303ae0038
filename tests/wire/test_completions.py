"""rowcall as a model of OpenAI's API: its unmodified SDK over real HTTP, streamed and not, and API Gateway's events."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import openai as sdk
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from api import dependencies, markdown
from api.main import handler
from local.bridge import Bridge
from local.llm_stub import Cut, Ends, LlmStub, Says, Status, Usage
from rowcall.bootstrap import Services
from tests.gateway import Gateway
from tests.integration.test_identity import bearer, hs256, signing
from tests.served import served
from tests.wire.conftest import Start
from tests.wire.talking import ASKS, PLANNERS, TELLS

TOP = "which products sell best?"
SAID: list[Any] = [{"role": "user", "content": TOP}]
Client = Callable[..., sdk.OpenAI]


@pytest.fixture
def serve(start: Start, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """OpenAI's client of an app with these settings."""
    with ExitStack() as stack:

        def make(key: str = "unused", **settings: Any) -> sdk.OpenAI:
            services: Services = start(**(PLANNERS | settings))
            monkeypatch.setattr(dependencies, "services", lambda: services)
            url = stack.enter_context(served())
            return stack.enter_context(sdk.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=30))

        yield make


def complete(client: sdk.OpenAI, messages: list[Any] = SAID, **more: Any) -> ChatCompletion:
    completion = client.chat.completions.create(model="rowcall", messages=messages, **more)
    assert isinstance(completion, ChatCompletion)
    return completion


def stream(client: sdk.OpenAI, messages: list[Any] = SAID, **more: Any) -> Generator[ChatCompletionChunk, None, None]:
    with client.chat.completions.create(model="rowcall", messages=messages, stream=True, **more) as chunks:
        yield from chunks


def text(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def test_there_is_one_model(serve: Client) -> None:
    client = serve()
    (model,) = client.models.list()
    assert (model.id, model.object, model.owned_by) == ("rowcall", "model", "rowcall")
    assert client.models.retrieve("rowcall") == model
    with pytest.raises(sdk.NotFoundError):
        client.models.retrieve("gpt-6")
    with pytest.raises(sdk.NotFoundError) as missing:
        client.chat.completions.create(model="gpt-6", messages=SAID)
    assert missing.value.code == "not_found"


def test_a_reply_is_prose_and_the_rows_and_sql_that_it_rests_on(serve: Client, anthropic: LlmStub) -> None:
    anthropic.script(ASKS, TELLS)
    completion = complete(serve(anthropic=anthropic))
    (choice,) = completion.choices
    assert (choice.finish_reason, choice.message.role, choice.message.refusal) == ("stop", "assistant", None)
    prose, _, evidence = (choice.message.content or "").partition(markdown.HEADING)
    assert prose == "Let me look.\n\nThe Aurora lamp leads."
    lines = evidence.splitlines()
    assert "Question: top 5 products by revenue" in lines
    assert lines[3:5] == ["| name | revenue |", "| --- | ---: |"]
    assert len([line for line in lines if line.startswith("| ")]) == 7
    assert lines[lines.index("```sql") + 1].startswith("SELECT ")
    assert "-- $1 = 5" in lines
    assert lines[-1] == "```"
    usage = completion.usage
    assert usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (2_000, 200, 2_200)
    assert completion.model == "rowcall"
    assert completion.object == "chat.completion"


def test_streamed_it_is_the_same(serve: Client, anthropic: LlmStub) -> None:
    client = serve(anthropic=anthropic)
    anthropic.script(ASKS, TELLS)
    whole = complete(client)
    anthropic.script(ASKS, TELLS)
    chunks = list(stream(client, [*SAID, SAID[0]]))
    assert text(chunks) == whole.choices[0].message.content
    assert len([chunk for chunk in chunks if chunk.choices[0].delta.content]) > 3, "it came in pieces"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert {(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks} == {
        (chunks[0].id, chunks[0].created, "rowcall", "chat.completion.chunk")
    }
    assert all(chunk.usage is None for chunk in chunks)


def test_usage_comes_last_when_it_is_asked_for(serve: Client, anthropic: LlmStub) -> None:
    anthropic.script(ASKS, Says(text="So.", usage=Usage(input=10, output=5, cached=3, cache_write=2)))
    *chunks, last = stream(serve(anthropic=anthropic), stream_options={"include_usage": True})
    assert all(chunk.usage is None for chunk in chunks)
    assert last.choices == []
    assert last.usage
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (1_015, 105)
    assert last.usage.prompt_tokens_details
    assert last.usage.prompt_tokens_details.cached_tokens == 3


def test_it_ends_with_done_and_is_json_with_usage_null(serve: Client, anthropic: LlmStub) -> None:
    anthropic.script(TELLS)
    client = serve(anthropic=anthropic)
    body = {"model": "rowcall", "messages": SAID, "stream": True, "stream_options": {"include_usage": True}}
    reply = httpx2.post(f"{client.base_url}chat/completions", json=body, timeout=30)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["x-content-type-options"] == "nosniff"
    events = [event for event in reply.text.split("\n\n") if event.startswith("data: ")]
    assert events[-1] == "data: [DONE]"
    told = [json.loads(event.removeprefix("data: ")) for event in events[:-1]]
    assert [chunk["usage"] is None for chunk in told] == [True] * (len(told) - 1) + [False]


def test_without_a_model_it_still_answers(serve: Client) -> None:
    completion = complete(serve(), [{"role": "user", "content": "count pending orders"}])
    content = completion.choices[0].message.content or ""
    assert "| orders\\_count |" in content
    assert "-- $1 = pending" in content
    assert completion.usage
    assert completion.usage.total_tokens == 0
    refused = complete(serve(), [{"role": "user", "content": "count the unicorns"}])
    assert "You could ask:" in (refused.choices[0].message.content or "")
    assert markdown.HEADING not in (refused.choices[0].message.content or "")


def test_what_a_chat_sends_is_understood(serve: Client, anthropic: LlmStub) -> None:
    """System messages are not for rowcall; what an earlier reply rested on is not sent to the model again."""
    anthropic.script(ASKS, TELLS)
    client = serve(anthropic=anthropic)
    first = complete(client)
    anthropic.script(Says(text="Yes."))
    history: list[Any] = [
        {"role": "system", "content": "You are a pirate."},
        {"role": "developer", "content": "Be a pirate."},
        *SAID,
        {"role": "assistant", "content": f"{'So. ' * 2000}{first.choices[0].message.content}"},
        {"role": "user", "content": [{"type": "text", "text": "are you"}, {"type": "text", "text": "sure?"}]},
    ]
    complete(client, history)
    sent = anthropic.requests[-1]
    assert "pirate" not in sent.text
    assert "SELECT" not in json.dumps(sent.body["messages"])
    assert [message["role"] for message in sent.body["messages"]] == ["user", "assistant", "user"]
    assert "Aurora" in json.dumps(sent.body["messages"])
    assert "are you\\nsure?" in json.dumps(sent.body["messages"])


@pytest.mark.parametrize(
    "ignored",
    [
        {"temperature": 0.2, "top_p": 0.9, "seed": 7, "user": "ann", "max_tokens": 10, "max_completion_tokens": 10},
        {"n": 1, "tools": [], "stop": None, "logprobs": False, "response_format": {"type": "text"}},
        {"presence_penalty": 1, "frequency_penalty": 1, "reasoning_effort": "low", "store": False, "metadata": {}},
        {"extra_body": {"chat_id": "7", "num_ctx": 2048}},
    ],
)
def test_what_changes_nothing_is_ignored(serve: Client, ignored: dict[str, Any]) -> None:
    assert complete(serve(), [{"role": "user", "content": "count orders"}], **ignored).choices


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"logprobs": True}, "logprobs"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"stop": ["."]}, "stop"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"store": True}, "store"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "7", "tool_call_id": "1"}]}, "messages[0].role"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]},
            "messages[0].content",
        ),
        ({"messages": [{"role": "user", "content": ""}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "x" * 4001}]}, "messages[0].content"),
        ({"messages": [{"role": "assistant", "content": "Hello."}]}, "messages"),
        ({"messages": [{"role": "wizard", "content": "Hello."}]}, "messages[0].role"),
        ({"messages": "hello"}, "messages"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_what_it_cannot_do_is_refused_by_name(serve: Client, more: dict[str, Any], param: str, streamed: bool) -> None:
    body: Any = {"model": "rowcall", "messages": SAID, "stream": streamed} | more
    with pytest.raises(sdk.BadRequestError) as refused:
        serve().chat.completions.create(**body)
    assert (refused.value.param, refused.value.code, refused.value.type) == (
        param,
        "invalid_request",
        "invalid_request_error",
    )
    assert param.rpartition(".")[2] in refused.value.message


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "null", '{"model": 7, "messages": [], "stream": "x"}', '{"messages": [{}]}', "\x00"]
)
def test_hostile_bodies_are_errors_of_openais_shape(serve: Client, body: str) -> None:
    client = serve()
    for method, path in (("POST", "chat/completions"), ("PUT", "chat/completions"), ("POST", "embeddings")):
        reply = httpx2.request(
            method, f"{client.base_url}{path}", content=body, headers={"Content-Type": "application/json"}
        )
        assert reply.status_code in {400, 404, 405}, reply.text
        assert set(reply.json()["error"]) == {"message", "type", "param", "code"}
    big = httpx2.post(f"{client.base_url}chat/completions", json={"x": "y" * 70_000})
    assert (big.status_code, big.json()["error"]["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_reply_that_cannot_begin_has_a_status(serve: Client, anthropic: LlmStub, streamed: bool) -> None:
    client = serve(anthropic=anthropic, USER_BUDGET_USD="0.0001", PLANNERS="anthropic")
    with pytest.raises(sdk.APIStatusError) as refused:
        client.chat.completions.create(model="rowcall", messages=SAID, stream=streamed)
    assert (refused.value.status_code, refused.value.code) == (402, "budget_exceeded")
    assert refused.value.type == "insufficient_quota"
    assert not anthropic.requests


def test_a_reply_that_breaks_never_looks_whole(serve: Client, anthropic: LlmStub) -> None:
    client = serve(anthropic=anthropic, PLANNERS="anthropic")
    anthropic.default = Ends(5, Says(text="There are many words in this reply, and it stops in the middle."))
    seen: list[ChatCompletionChunk] = []
    with pytest.raises(sdk.APIError) as broken:
        seen.extend(chunk for chunk in stream(client) if not seen.append(chunk))  # type: ignore[func-returns-value]
    assert "There" in text(seen)
    assert not [choice.finish_reason for chunk in seen for choice in chunk.choices if choice.finish_reason]
    assert broken.value.code == "reply_cut"
    anthropic.default = Cut(0)
    with pytest.raises(sdk.APIStatusError) as whole:
        complete(client, [{"role": "user", "content": "something else"}])
    assert whole.value.status_code >= 500


def test_the_model_is_heard_no_further_when_the_client_goes(
    serve: Client, anthropic: LlmStub, capsys: pytest.CaptureFixture[str]
) -> None:
    anthropic.default = Says(text="word " * 600, pause=0.2)
    chunks = stream(serve(anthropic=anthropic))
    assert next(chunks).choices[0].delta.role == "assistant"
    assert next(chunks)
    chunks.close()
    until = time.monotonic() + 20
    printed = ""
    while '"route":"/v1/chat/completions"' not in printed:
        assert time.monotonic() < until, "the reply goes on"
        printed += capsys.readouterr().out
        time.sleep(0.05)


def test_signing_in_scopes_and_limits(serve: Client, bridge: Bridge) -> None:
    question = [{"role": "user", "content": "count orders"}]
    with pytest.raises(sdk.AuthenticationError) as outside:
        complete(serve(**signing()), question)
    assert (outside.value.code, outside.value.type) == ("unauthenticated", "authentication_error")
    assert outside.value.response.headers["www-authenticate"] == "Bearer"
    with pytest.raises(sdk.PermissionDeniedError) as forbidden:
        serve(hs256(scope="query"), **signing()).models.list()
    assert forbidden.value.code == "forbidden"
    client = serve(hs256(scope="chat"), CHAT_QUOTA="2", **signing())
    for _ in range(2):
        assert complete(client, question).choices
    with pytest.raises(sdk.RateLimitError) as limited:
        complete(client, question)
    assert limited.value.code == "rate_limited"
    assert int(limited.value.response.headers["retry-after"]) > 0
    with pytest.raises(sdk.RateLimitError):
        list(stream(client, question))


def test_api_gateways_events(start: Start, anthropic: LlmStub, monkeypatch: pytest.MonkeyPatch) -> None:
    services = start(anthropic=anthropic, **PLANNERS, **signing())
    monkeypatch.setattr(dependencies, "services", lambda: services)
    gateway, ann = Gateway(handler), bearer(hs256(scope="chat"))
    anthropic.default = TELLS
    body = {"model": "rowcall", "messages": SAID}
    whole = gateway.post("/v1/chat/completions", body, ann)
    assert (whole.status, whole.headers["content-type"]) == (200, "application/json")
    assert whole.json["choices"][0]["message"]["content"] == "The Aurora lamp leads."
    together = gateway.post("/v1/chat/completions", body | {"stream": True}, ann)
    assert together.headers["content-type"].startswith("text/event-stream")
    assert together.body.endswith("data: [DONE]\n\n")
    assert gateway.get("/v1/models", **ann).json["data"][0]["id"] == "rowcall"
    assert gateway.get("/v1/models").json["error"]["code"] == "unauthenticated"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("See ![rows](https://evil.example/?rows) ! [x] !", "See !\\[rows](https://evil.example/?rows) ! [x] !"),
        (
            "<img src='//evil.example/?rows'> \\<IMG a <5 < b <",
            "<\\img src='//evil.example/?rows'> \\<\\IMG a <5 < b <",
        ),
    ],
    ids=["Markdown", "HTML"],
)
@pytest.mark.parametrize("before", range(7))
def test_a_picture_in_prose_is_not_fetched(
    serve: Client, anthropic: LlmStub, said: str, told: str, before: int
) -> None:
    anthropic.default = Says(text="." * before + said)
    client = serve(anthropic=anthropic)
    assert complete(client).choices[0].message.content == "." * before + told
    assert text(list(stream(client, [*SAID, *SAID]))) == "." * before + told


def test_a_provider_that_is_down_gives_way_or_is_told_of(serve: Client, anthropic: LlmStub, openai: LlmStub) -> None:
    anthropic.default, openai.default = Status(529), TELLS
    client = serve(anthropic=anthropic, openai=openai)
    assert complete(client).choices[0].message.content == "The Aurora lamp leads."
