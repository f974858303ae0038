"""Chat with Claude, over Anthropic's SDK, at Anthropic or on Bedrock: Messages with tools, streamed."""

from __future__ import annotations

import json
from typing import Any

from rowcall.chat import Message
from rowcall.chat.models import Call, ChatModel, Draft, Entry, Found, Request, Stop, Using
from rowcall.deadline import Deadline
from rowcall.planners import PlannerUnavailable
from rowcall.planners.provider import anthropic_tokens, count
from rowcall.pricing import Tokens

STOPS: dict[str, Stop] = {
    "refusal": "refused",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}


class AnthropicChat(ChatModel):
    """One Claude model."""

    def open(self, client: Any, request: Request) -> Any:
        return client.messages.create(
            **self._request(request), max_tokens=self.max_tokens, **self._effort(), stream=True, timeout=None
        )

    def count(self, request: Request, deadline: Deadline) -> int | None:
        """By /v1/messages/count_tokens, which costs nothing; Bedrock has none."""
        if self.name != "anthropic":
            return None

        def ask(until: Deadline) -> Any:
            with self.provider.asking(until) as client:
                return client.messages.count_tokens(**self._request(request), timeout=None)

        try:
            return count(self.provider.call(ask, deadline).input_tokens) or None
        except PlannerUnavailable:
            return None

    def read(self, event: Any, draft: Draft) -> str:
        match event.type:
            case "message_start":
                draft.tokens, draft.input_told = anthropic_tokens(event.message.usage), True
            case "content_block_start":
                return _begin(event.content_block, draft)
            case "content_block_delta":
                return _go_on(event.delta, draft)
            case "message_delta":
                draft.tokens = _final(event.usage, draft.tokens)
                draft.output_told = True
                draft.stop = STOPS.get(event.delta.stop_reason, "end")
            case "message_stop":
                draft.whole = bool(draft.stop)
        return ""

    def _request(self, request: Request) -> dict[str, Any]:
        """Tools and system do not change from round to round, so their end is marked for the provider's cache."""
        return {
            "model": self.model,
            "system": [{"type": "text", "text": request.system, "cache_control": {"type": "ephemeral"}}],
            "messages": [self._message(entry) for entry in request.entries],
            "tools": [
                {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
                for tool in request.tools
            ],
            "tool_choice": {"type": "auto" if request.may_use_tools else "none"},
        }

    def _effort(self) -> dict[str, Any]:
        return {"output_config": {"effort": self.price.effort}} if self.price.effort else {}

    def _message(self, entry: Entry) -> dict[str, Any]:
        match entry:
            case Message(role, content):
                return {"role": role, "content": content}
            case Using(text, calls, provider, native):
                blocks: list[Any] = list(native) if provider == self.name else []
                if text.strip():  # of white space alone it takes no block
                    blocks.append({"type": "text", "text": text})
                blocks += [
                    {"type": "tool_use", "id": call.id, "name": call.name, "input": _input(call.arguments)}
                    for call in calls
                ]
                return {"role": "assistant", "content": blocks}
            case Found(results):
                return {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": result.id,
                            "content": result.content,
                            "is_error": result.failed,
                        }
                        for result in results
                    ],
                }


def _begin(block: Any, draft: Draft) -> str:
    match block.type:
        case "text":
            return str(block.text)
        case "tool_use":
            draft.calls.append(Call(block.id, block.name))
        case "thinking":
            draft.native.append({"type": "thinking", "thinking": block.thinking, "signature": block.signature})
        case "redacted_thinking":
            draft.native.append({"type": "redacted_thinking", "data": block.data})
    return ""


def _go_on(delta: Any, draft: Draft) -> str:
    match delta.type:
        case "text_delta":
            return str(delta.text)
        case "input_json_delta":
            draft.calls[-1].arguments += delta.partial_json
        case "thinking_delta":
            draft.native[-1]["thinking"] += delta.thinking
        case "signature_delta":
            draft.native[-1]["signature"] += delta.signature
    return ""


def _final(usage: Any, before: Tokens) -> Tokens:
    """The last word on tokens: the counts are cumulative, and those that are left out stand as they were."""

    def last(told: Any, known: int) -> int:
        return known if told is None else count(told)

    return Tokens(
        input=last(usage.input_tokens, before.input),
        cached=last(usage.cache_read_input_tokens, before.cached),
        cache_write=last(usage.cache_creation_input_tokens, before.cache_write),
        output=count(usage.output_tokens),
    )


def _input(arguments: str) -> dict[str, Any]:
    """Arguments that were no JSON object were refused, and the provider takes none but objects."""
    try:
        found = json.loads(arguments or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
