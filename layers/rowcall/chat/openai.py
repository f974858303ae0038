"""Chat with GPT, or with any model behind a compatible endpoint, over OpenAI's SDK: Chat Completions, streamed."""

from __future__ import annotations

from typing import Any

from rowcall.chat import Message
from rowcall.chat.models import Call, ChatModel, Draft, Entry, Found, Request, Stop, Using
from rowcall.planners.provider import openai_tokens

STOPS: dict[str, Stop] = {"length": "length", "content_filter": "refused"}


class OpenAIChat(ChatModel):
    """One model that speaks OpenAI's protocol."""

    def open(self, client: Any, request: Request) -> Any:
        """What does not change stands first: OpenAI caches prompts by their beginning."""
        messages = [{"role": "system", "content": request.system}]
        for entry in request.entries:
            messages += _messages(entry)
        effort = {"reasoning_effort": self.price.effort} if self.price.effort else {}
        return client.chat.completions.create(
            model=self.model,
            max_completion_tokens=self.max_tokens,
            messages=messages,
            tools=[
                {
                    "type": "function",
                    "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
                }
                for tool in request.tools
            ],
            tool_choice="auto" if request.may_use_tools else "none",
            stream=True,
            stream_options={"include_usage": True},
            timeout=None,
            **effort,
        )

    def read(self, event: Any, draft: Draft) -> str:
        if event.usage is not None:
            draft.tokens, draft.input_told, draft.output_told = openai_tokens(event.usage), True, True
        if not event.choices:
            return ""
        choice = event.choices[0]
        for piece in choice.delta.tool_calls or ():
            _take(piece, draft)
        if choice.delta.refusal:
            draft.stop = "refused"
        if choice.finish_reason:
            draft.stop, draft.whole = draft.stop or STOPS.get(choice.finish_reason, "end"), True
        return choice.delta.content or ""


def _take(piece: Any, draft: Draft) -> None:
    """A piece of a tool call: the first one of each index names it, the others go on with its arguments."""
    if piece.index == len(draft.calls):
        draft.calls.append(Call(piece.id or f"call_{piece.index}", ""))
    call = draft.calls[piece.index]
    call.name = call.name or (piece.function.name or "")
    call.arguments += piece.function.arguments or ""


def _messages(entry: Entry) -> list[dict[str, Any]]:
    match entry:
        case Message(role, content):
            return [{"role": role, "content": content}]
        case Using(text, calls):
            asked = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in calls
            ]
            return [{"role": "assistant", "content": text or None, "tool_calls": asked}]
        case Found(results):
            return [{"role": "tool", "tool_call_id": result.id, "content": result.content} for result in results]
