"""The planner by Claude, over Anthropic's SDK: a strict tool, and the catalog as a cached prompt block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowcall.deadline import Deadline
from rowcall.planners import Outcome, Proposal, reply
from rowcall.planners.model import CUT_OFF, REFUSED, Connection, Key, Limits, ModelPlanner, count, unusable
from rowcall.planners.prompt import Prompt
from rowcall.planners.retrying import CallFailed, reason, retry_after
from rowcall.pricing import Price, Tokens

if TYPE_CHECKING:
    from anthropic import Anthropic, AnthropicBedrock

    from rowcall.planners.transport import DeadlineClient


class AnthropicPlanner(ModelPlanner["Anthropic | AnthropicBedrock"]):
    """Asks one Claude model at `base_url`."""

    def __init__(self, model: str, price: Price, key: Key, limits: Limits, *, base_url: str) -> None:
        super().__init__("anthropic", model, price, key, limits)
        self._base_url = base_url

    def _build(self, http: DeadlineClient) -> Anthropic | AnthropicBedrock:
        from anthropic import Anthropic

        return Anthropic(
            api_key=self._current,
            base_url=self._base_url,
            max_retries=0,
            http_client=http,
            open_telemetry=False,
        )

    def _once(self, prompt: Prompt, connection: Connection[Any], deadline: Deadline) -> Proposal:
        import anthropic

        try:
            with connection.http.until(deadline):
                message = connection.client.messages.create(**self._request(prompt), timeout=None)
            return Proposal(_outcome(message), _tokens(message.usage))
        except anthropic.APITimeoutError as error:
            raise CallFailed("did not reply in time") from error
        except anthropic.APIConnectionError as error:
            raise CallFailed("could not be reached" if deadline.open else "did not reply in time") from error
        except anthropic.APIStatusError as error:
            headers = error.response.headers
            raise CallFailed(reason(error.status_code), error.status_code, retry_after(headers)) from error
        except Exception as error:  # no credentials, a reply that is no JSON, or JSON of another kind
            raise unusable(error) from error

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


def _tokens(usage: Any) -> Tokens:
    """Anthropic's `input_tokens` are those beside its cache."""
    return Tokens(
        input=count(usage.input_tokens),
        cached=count(usage.cache_read_input_tokens),
        cache_write=count(usage.cache_creation_input_tokens),
        output=count(usage.output_tokens),
    )
