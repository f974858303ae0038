"""The stub speaks the providers' protocols well enough for their own SDKs: streams, tools, tokens, embeddings."""

from __future__ import annotations

import anthropic as anthropic_sdk
import openai as openai_sdk
import pytest

from local.llm_stub import Cut, LlmStub, Says, Status, Usage

ARGUMENTS = {"city": "Zürich", "days": 3}
TOOL: dict[str, object] = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}


@pytest.fixture
def claude(anthropic: LlmStub) -> anthropic_sdk.Anthropic:
    return anthropic_sdk.Anthropic(api_key="key", base_url=anthropic.url, max_retries=0, timeout=5)


@pytest.fixture
def gpt(openai: LlmStub) -> openai_sdk.OpenAI:
    return openai_sdk.OpenAI(api_key="key", base_url=f"{openai.url}/v1", max_retries=0, timeout=5)


def test_a_message_streams_text_and_a_tool(claude: anthropic_sdk.Anthropic, anthropic: LlmStub) -> None:
    anthropic.script(Says(text="Let me look up Zürich. ", tool=ARGUMENTS, usage=Usage(input=7, output=9)))
    with (
        claude,
        claude.messages.stream(
            model="claude-sonnet-5-5",
            max_tokens=100,
            messages=[{"role": "user", "content": "weather?"}],
            tools=[{"name": "weather", "input_schema": TOOL}],
        ) as stream,
    ):
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert text == "Let me look up Zürich. "
    tool = message.content[1]
    assert tool.type == "tool_use"
    assert (tool.name, tool.input) == ("weather", ARGUMENTS)
    assert (message.stop_reason, message.usage.input_tokens, message.usage.output_tokens) == ("tool_use", 7, 9)
    assert anthropic.requests[0].body["stream"] is True


def test_a_cut_stream_is_an_error_and_no_message(claude: anthropic_sdk.Anthropic, anthropic: LlmStub) -> None:
    anthropic.script(Cut(300, Says(text="a long reply " * 20)))
    with (
        claude,
        pytest.raises(Exception, match=r"(?i)peer closed|incomplete|connection"),
        claude.messages.stream(
            model="claude-sonnet-5-5", max_tokens=100, messages=[{"role": "user", "content": "?"}]
        ) as stream,
    ):
        stream.get_final_message()


def test_tokens_are_counted(claude: anthropic_sdk.Anthropic, anthropic: LlmStub) -> None:
    anthropic.script(Says())
    with claude:
        counted = claude.messages.count_tokens(
            model="claude-sonnet-5-5", messages=[{"role": "user", "content": "hello"}]
        )
    assert counted.input_tokens > 0
    assert anthropic.requests[0].path == "/v1/messages/count_tokens"


def test_an_overloaded_provider_is_the_sdks_own_error(claude: anthropic_sdk.Anthropic, anthropic: LlmStub) -> None:
    anthropic.script(Status(529, {"retry-after": "7"}))
    with claude, pytest.raises(anthropic_sdk.APIStatusError) as caught:
        claude.messages.create(model="claude-sonnet-5-5", max_tokens=9, messages=[{"role": "user", "content": "?"}])
    assert caught.value.status_code == 529
    assert caught.value.response.headers["retry-after"] == "7"


def test_a_completion_streams_text_tool_and_usage(gpt: openai_sdk.OpenAI, openai: LlmStub) -> None:
    openai.script(Says(text="Zürich it is", usage=Usage(input=7, output=9)), Says(tool=ARGUMENTS))
    with gpt:
        chunks = list(
            gpt.chat.completions.create(
                model="gpt-6.2-sol",
                messages=[{"role": "user", "content": "?"}],
                stream=True,
                stream_options={"include_usage": True},
            )
        )
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text == "Zürich it is"
        assert chunks[-1].usage is not None
        assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (7, 9)
        with gpt.chat.completions.stream(
            model="gpt-6.2-sol",
            messages=[{"role": "user", "content": "?"}],
            tools=[{"type": "function", "function": {"name": "weather", "parameters": TOOL, "strict": True}}],
        ) as stream:
            final = stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert calls
    assert calls[0].function.name == "weather"
    assert calls[0].function.arguments == '{"city": "Z\\u00fcrich", "days": 3}'


@pytest.mark.parametrize("dimensions", [None, 256])
def test_embeddings_come_as_the_sdk_asks_for_them(
    gpt: openai_sdk.OpenAI, openai: LlmStub, dimensions: int | None
) -> None:
    openai.default = Says()
    with gpt:
        made = gpt.embeddings.create(
            model="text-embedding-3-small",
            input=["top products by revenue", "products by revenue", "sleepy cats"],
            dimensions=dimensions or openai_sdk.omit,
        )
    first, near, far = (item.embedding for item in made.data)
    assert len(first) == (dimensions or 1536)
    assert dot(first, near) > 0.8 > 0.2 > dot(first, far)
    assert made.usage.prompt_tokens > 0


def dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))
