"""The planner by Claude, over Anthropic's SDK: a strict tool, and the catalog as a cached prompt block."""

from __future__ import annotations

from typing import Any

from rowcall.planners import Outcome, Proposal, reply
from rowcall.planners.model import CUT_OFF, REFUSED, ModelPlanner
from rowcall.planners.prompt import Prompt
from rowcall.planners.provider import anthropic_tokens


class AnthropicPlanner(ModelPlanner):
    """Asks one Claude model, at Anthropic or on Bedrock."""

    def _ask(self, client: Any, prompt: Prompt) -> Proposal:
        message = client.messages.create(**self._request(prompt), timeout=None)
        return Proposal(_outcome(message), anthropic_tokens(message.usage))

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        """Newer models refuse a forced tool and a set temperature, so the instructions ask for the tool instead."""
        request: dict[str, Any] = {
            "model": self.model,
            "max_tokens": self._limits.max_tokens,
            "system": [
                {"type": "text", "text": prompt.instructions},
                {"type": "text", "text": prompt.catalog, "cache_control": {"type": "ephemeral"}},
            ],
            "messages": [{"role": "user", "content": prompt.question}],
            "tools": [
                {
                    "name": reply.TOOL,
                    "description": "Hand in the statement, or say why there is none.",
                    "input_schema": reply.schema(),
                    "strict": True,
                }
            ],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        }
        if self.price.effort:
            request["output_config"] = {"effort": self.price.effort}
        return request


def _outcome(message: Any) -> Outcome:
    if message.stop_reason == "refusal":
        return REFUSED
    if message.stop_reason in ("max_tokens", "model_context_window_exceeded"):
        return CUT_OFF
    for block in message.content:
        if block.type == "tool_use" and block.name == reply.TOOL:
            return reply.outcome(block.input)
    return reply.from_text("".join(block.text for block in message.content if block.type == "text"))
