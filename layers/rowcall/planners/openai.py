"""The planner by GPT, or by any model behind a compatible endpoint, over OpenAI's SDK with structured outputs."""

from __future__ import annotations

from typing import Any

from rowcall.planners import Outcome, Proposal, reply
from rowcall.planners.model import CUT_OFF, REFUSED, ModelPlanner
from rowcall.planners.prompt import Prompt
from rowcall.planners.provider import openai_tokens


class OpenAIPlanner(ModelPlanner):
    """Asks one model that speaks OpenAI's protocol."""

    def _ask(self, client: Any, prompt: Prompt) -> Proposal:
        completion = client.chat.completions.create(**self._request(prompt), timeout=None)
        return Proposal(_outcome(completion), openai_tokens(completion.usage))

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        """What does not change stands first: OpenAI caches prompts by their beginning."""
        request: dict[str, Any] = {
            "model": self.model,
            "max_completion_tokens": self._limits.max_tokens,
            "messages": [
                {"role": "system", "content": f"{prompt.instructions}\n\n{prompt.catalog}"},
                {"role": "user", "content": prompt.question},
            ],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": reply.TOOL, "strict": True, "schema": reply.schema()},
            },
        }
        if self.price.effort:
            request["reasoning_effort"] = self.price.effort
        return request


def _outcome(completion: Any) -> Outcome:
    choice = completion.choices[0]
    if choice.message.refusal or choice.finish_reason == "content_filter":
        return REFUSED
    if choice.finish_reason == "length":
        return CUT_OFF
    return reply.from_text(choice.message.content or "")
