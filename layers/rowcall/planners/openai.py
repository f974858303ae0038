"""The planner by GPT, or by any model behind a compatible endpoint, over OpenAI's SDK with structured outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowcall.deadline import Deadline
from rowcall.planners import Outcome, Proposal, reply
from rowcall.planners.model import CUT_OFF, REFUSED, Connection, Key, Limits, ModelPlanner, count, unusable
from rowcall.planners.prompt import Prompt
from rowcall.planners.retrying import CallFailed, reason, retry_after
from rowcall.pricing import Price, Tokens

if TYPE_CHECKING:
    from openai import OpenAI

    from rowcall.planners.transport import DeadlineClient

BASE_URL = "https://api.openai.com/v1"


class OpenAIPlanner(ModelPlanner["OpenAI"]):
    """Asks one model at `base_url`, OpenAI's own if that is empty."""

    def __init__(self, model: str, price: Price, key: Key, limits: Limits, *, base_url: str) -> None:
        super().__init__("openai", model, price, key, limits)
        self._base_url = base_url or BASE_URL

    def _build(self, http: DeadlineClient) -> OpenAI:
        from openai import OpenAI

        return OpenAI(
            api_key=self._current or "none",  # a local model needs no key, the SDK does
            base_url=self._base_url,
            max_retries=0,
            http_client=http,
        )

    def _once(self, prompt: Prompt, connection: Connection[Any], deadline: Deadline) -> Proposal:
        import openai

        try:
            with connection.http.until(deadline):
                completion = connection.client.chat.completions.create(**self._request(prompt), timeout=None)
            return Proposal(_outcome(completion), _tokens(completion.usage))
        except openai.APITimeoutError as error:
            raise CallFailed("did not reply in time") from error
        except openai.APIConnectionError as error:
            raise CallFailed("could not be reached" if deadline.open else "did not reply in time") from error
        except openai.APIStatusError as error:
            headers = error.response.headers
            raise CallFailed(reason(error.status_code), error.status_code, retry_after(headers)) from error
        except Exception as error:  # no credentials, a reply that is no JSON, or JSON of another kind
            raise unusable(error) from error

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


def _tokens(usage: Any) -> Tokens:
    """OpenAI's `prompt_tokens` are all of them; compatible endpoints may leave the details or all of it out."""
    if usage is None:
        return Tokens()
    details = usage.prompt_tokens_details
    cached = count(getattr(details, "cached_tokens", 0))
    written = count(getattr(details, "cache_write_tokens", 0))
    return Tokens(
        input=max(count(usage.prompt_tokens) - cached - written, 0),
        cached=cached,
        cache_write=written,
        output=count(usage.completion_tokens),
    )
