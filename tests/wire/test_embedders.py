"""Embedders by providers: the real SDKs over HTTP against a stub, and each fault ends in "unavailable", in time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from local.llm_stub import Cut, Drip, Hang, LlmStub, Raw, Recorded, Reply, Says, Status
from rowcall.deadline import Deadline
from rowcall.embedders import Embedder, EmbedderUnavailable
from rowcall.embedders.bedrock import BedrockEmbedder
from rowcall.embedders.openai import OpenAIEmbedder

TEXTS = ["how many orders are {entity:orders.status}", "orders of {money:usd}"]


@pytest.fixture
def stub() -> Iterator[LlmStub]:
    with LlmStub(default=Says()) as running:
        yield running


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


def titan(request: Recorded) -> Reply:
    """https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html"""
    size = int(request.body["dimensions"])
    vector = [1.0 + len(str(request.body["inputText"]))] + [0.5] * (size - 1)
    return Raw(json.dumps({"embedding": vector, "inputTextTokenCount": 7}).encode())


def make(name: str, stub: LlmStub) -> Embedder:
    if name == "openai":
        return OpenAIEmbedder("text-embedding-3-small", 512, 0.5, lambda _: "key-1", base_url=f"{stub.url}/v1")
    stub.default = titan
    return BedrockEmbedder("eu-central-1", 512, 0.5, base_url=stub.url)


@pytest.fixture(params=["openai", "bedrock"])
def embedder(request: pytest.FixtureRequest, stub: LlmStub) -> Iterator[Embedder]:
    with closing(make(request.param, stub)) as opened:
        yield opened


def within() -> Deadline:
    return Deadline.after(20)


def test_each_text_gets_its_vector_and_the_tokens_are_counted(embedder: Embedder) -> None:
    embedded = embedder.embed(TEXTS, within())
    assert [len(one.values) for one in embedded.vectors] == [embedder.dimensions] * 2
    assert embedded.tokens > 0
    again = embedder.embed(TEXTS[1:], within())
    assert again.vectors == embedded.vectors[1:]


def test_no_column_and_no_brace_leaves_for_a_provider(embedder: Embedder, stub: LlmStub) -> None:
    embedder.embed(TEXTS, within())
    sent = json.dumps([dict(one.body) for one in stub.requests])
    assert "[status]" in sent
    assert "orders.status" not in sent


@pytest.mark.parametrize(
    "reply",
    [
        Status(400),
        Status(403),
        Status(429),
        Status(500),
        Raw(b"<html>bad gateway</html>", "text/html"),
        Raw(b'{"data": [], "embedding": []}'),
        Raw(b'{"data": [{"embedding": [1.0], "index": 0}], "embedding": [1.0], "inputTextTokenCount": 1}'),
        Raw(b"null"),
        Cut(),
        Cut(20),
    ],
    ids=repr,
)
def test_every_fault_is_unavailable_and_asked_once(embedder: Embedder, stub: LlmStub, reply: Reply) -> None:
    stub.script(reply)
    with pytest.raises(EmbedderUnavailable):
        embedder.embed(TEXTS[:1], within())
    assert stub.calls == 1
    assert embedder.embed(TEXTS[:1], within()).vectors, "the next request works"


@pytest.mark.parametrize("reply", [Hang(), Drip(0.05)], ids=repr)
def test_nothing_waits_past_the_deadline(embedder: Embedder, stub: LlmStub, reply: Reply) -> None:
    embedder.embed(TEXTS[:1], within())
    stub.script(reply)
    started = time.monotonic()
    with pytest.raises(EmbedderUnavailable):
        embedder.embed(TEXTS[:1], Deadline.after(0.4))
    assert time.monotonic() - started < 5, "far less than the server takes"


def test_a_server_that_is_not_there_is_unavailable(embedder: Embedder, stub: LlmStub) -> None:
    stub.stop()
    with pytest.raises(EmbedderUnavailable):
        embedder.embed(TEXTS, within())


def test_a_rotated_key_is_read_once_after_a_401(stub: LlmStub) -> None:
    keys = {False: "old", True: "new"}
    asked: list[bool] = []

    def key(fresh: bool) -> str:
        asked.append(fresh)
        return keys[fresh]

    def server(request: Recorded) -> Reply:
        return Says() if request.key == "new" else Status(401)

    stub.default = server
    embedder = OpenAIEmbedder("text-embedding-3-small", 512, 0.5, key, base_url=f"{stub.url}/v1")
    assert embedder.embed(TEXTS, within()).vectors
    assert embedder.embed(TEXTS, within()).vectors
    assert [one.key for one in stub.requests] == ["old", "new", "new"]
    assert asked == [False, True]

    keys[True] = "newer"
    stub.default = Status(401)
    with pytest.raises(EmbedderUnavailable):
        embedder.embed(TEXTS, within())
    assert stub.calls == 5
    embedder.close()


def test_what_openai_is_asked_for(stub: LlmStub) -> None:
    with closing(make("openai", stub)) as embedder:
        embedder.embed(TEXTS, within())
    (request,) = stub.requests
    body: dict[str, Any] = dict(request.body)
    assert request.path == "/v1/embeddings"
    assert (body["model"], body["dimensions"], len(body["input"])) == ("text-embedding-3-small", 512, 2)


def test_bedrock_is_asked_by_a_signed_request_for_each_text(stub: LlmStub) -> None:
    with closing(make("bedrock", stub)) as embedder:
        embedder.embed(TEXTS, within())
    assert [one.path for one in stub.requests] == ["/model/amazon.titan-embed-text-v2%3A0/invoke"] * 2
    headers = {name.lower(): value for name, value in stub.requests[0].headers.items()}
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/eu-central-1/bedrock/aws4_request" in headers["authorization"]
    assert stub.requests[0].body == {"inputText": "how many orders are [status]", "dimensions": 512, "normalize": True}


def test_embedders_of_other_models_sizes_or_places_are_told_apart(stub: LlmStub) -> None:
    ids = {
        make("openai", stub).id,
        OpenAIEmbedder("text-embedding-3-small", 512, 0.5, lambda _: "").id,
        OpenAIEmbedder("text-embedding-3-small", 1536, 0.5, lambda _: "").id,
        OpenAIEmbedder("text-embedding-3-large", 512, 0.5, lambda _: "").id,
        BedrockEmbedder("eu-central-1", 512, 0.5).id,
        BedrockEmbedder("eu-central-1", 1024, 0.5).id,
    }
    assert len(ids) == 6
