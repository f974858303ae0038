"""One model of one provider: its SDK's client, retries, a key that is read again after a 401, metrics, prices.

Planners and chat ask through it; what they say and what they make of a reply is theirs. A provider's module only
builds its SDK's client.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from aws_lambda_powertools.metrics import MetricUnit

from rowcall import telemetry
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.planners import PlannerUnavailable
from rowcall.planners.retrying import CallFailed, Retrying, reason, retry_after
from rowcall.pricing import Price, Tokens, dollars

if TYPE_CHECKING:
    from rowcall.planners.transport import DeadlineClient

T = TypeVar("T")

OVERHEAD_TOKENS = 2_000
"""What a provider adds to a prompt for tools and schema; generously, as it is part of the worst case."""

Key = Callable[[bool], str]
"""The provider's key; with True it is read anew from where secrets are kept."""


@dataclass(slots=True)
class Spent:
    """The tokens that a call took, as far as they are known."""

    tokens: Tokens = field(default=Tokens())


@dataclass(frozen=True, slots=True)
class _Connection:
    """An SDK's client and the HTTP client under it, which knows the deadline."""

    client: Any
    http: DeadlineClient


class Provider(ABC):
    """Safe to use from several threads."""

    def __init__(self, name: str, model: str, price: Price, key: Key, retrying: Retrying) -> None:
        self.name = name
        self.model = model
        self.price = price
        self.timeout = retrying.timeout
        self._key = key
        self._current = key(False)
        self._retrying = retrying
        self._lock = threading.Lock()
        self._connection: _Connection | None = None

    def call(self, once: Callable[[Deadline], T], deadline: Deadline) -> T:
        """What `once` returns, called again where that can help. Raises `PlannerUnavailable`."""
        self.load()  # takes long once, and is none of the provider's time
        try:
            return self._retrying.call(self.name, lambda until: self._with_key(once, until), deadline)
        except PlannerUnavailable as failure:
            telemetry.logger().warning(
                "planner unavailable", planner=self.name, model=self.model, reason=failure.reason
            )
            raise

    @contextmanager
    def asking(self, deadline: Deadline) -> Iterator[Any]:
        """The SDK's client; in the body, in this thread, nothing waits past `deadline`. Raises `CallFailed`."""
        connection, sdk = self.load(), self._sdk()
        import httpx2

        try:
            with connection.http.until(deadline):
                yield connection.client
        except sdk.APITimeoutError as error:
            raise CallFailed("did not reply in time") from error
        except sdk.APIConnectionError as error:
            raise CallFailed("could not be reached" if deadline.open else "did not reply in time") from error
        except sdk.APIStatusError as error:
            headers = error.response.headers
            raise CallFailed(reason(error.status_code), error.status_code, retry_after(headers)) from error
        except (Problem, httpx2.TimeoutException) as error:  # while a stream is read: no SDK sees to it then
            raise CallFailed("did not reply in time", status=200) from error
        except httpx2.TransportError as error:
            raise CallFailed("broke off", status=200) from error
        except Exception as error:  # no credentials, a reply that is no JSON, or JSON of another kind
            telemetry.logger().warning("a provider cannot be used", error=type(error).__name__)
            raise CallFailed("cannot be used", status=200) from error

    @contextmanager
    def measuring(self) -> Iterator[Spent]:
        """Metrics of one call: how long the body took, and the tokens that it says were spent."""
        spent = Spent()
        started = time.perf_counter()
        try:
            yield spent
        except Exception:
            telemetry.emit({"llm_errors_total": (1, MetricUnit.Count)}, provider=self.name)
            raise
        finally:
            self._measure(spent.tokens, time.perf_counter() - started)

    def load(self) -> _Connection:
        """Import the SDK and build its client, if that is yet to be done; connects to nothing."""
        with self._lock:
            if self._connection is None:
                from rowcall.planners.transport import DeadlineClient

                http = DeadlineClient()
                self._connection = _Connection(self._build(http, self._current), http)
            return self._connection

    def close(self) -> None:
        """Close what was opened."""
        with self._lock:
            if self._connection is not None:
                self._connection.http.close()
                self._connection = None

    def _with_key(self, once: Callable[[Deadline], T], deadline: Deadline) -> T:
        key = self._current
        try:
            return once(deadline)
        except CallFailed as failure:
            if failure.status != 401 or not self._renew(key):
                raise
            return once(deadline)

    def _renew(self, refused: str) -> bool:
        """Whether there is another key than the one that was refused."""
        fresh = self._key(True)
        with self._lock:
            if self._current == refused:
                self._current = fresh
                if self._connection is not None:
                    http = self._connection.http
                    self._connection = _Connection(self._build(http, fresh), http)
            return self._current != refused

    def _measure(self, tokens: Tokens, seconds: float) -> None:
        cost = dollars(self.price.cost(tokens))
        telemetry.emit(
            {
                "llm_call_duration_seconds": (seconds, MetricUnit.Seconds),
                "llm_cost_usd_total": (cost, MetricUnit.Count),
            },
            model=self.model,
            provider=self.name,
        )
        for kind in ("input", "cached", "cache_write", "output"):
            if count := getattr(tokens, kind):
                telemetry.emit({"llm_tokens_total": (count, MetricUnit.Count)}, model=self.model, type=kind)

    @abstractmethod
    def _build(self, http: DeadlineClient, key: str) -> Any:
        """The SDK's client."""

    @abstractmethod
    def _sdk(self) -> Any:
        """The SDK, whose errors have the same names with every provider."""


class OfProvider:
    """Whatever asks a provider goes by its name, model and price."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    @property
    def name(self) -> str:
        return self.provider.name

    @property
    def model(self) -> str:
        return self.provider.model

    @property
    def price(self) -> Price:
        return self.provider.price


class Anthropic(Provider):
    """One Claude model at `base_url`."""

    def __init__(self, model: str, price: Price, key: Key, retrying: Retrying, *, base_url: str) -> None:
        super().__init__("anthropic", model, price, key, retrying)
        self._base_url = base_url

    def _build(self, http: DeadlineClient, key: str) -> Any:
        return self._sdk().Anthropic(
            api_key=key, base_url=self._base_url, max_retries=0, http_client=http, open_telemetry=False
        )

    def _sdk(self) -> Any:
        import anthropic

        return anthropic


class Bedrock(Anthropic):
    """One Claude model in `region` of Amazon Bedrock: the same as Anthropic's, with IAM's credentials and no key.

    Its client signs with boto3, which Lambda's runtime brings.
    """

    def __init__(self, model: str, price: Price, retrying: Retrying, *, region: str, base_url: str) -> None:
        super().__init__(
            model,
            price,
            lambda _: "",
            retrying,
            base_url=base_url or f"https://bedrock-runtime.{region}.amazonaws.com",
        )
        self.name = "bedrock"
        self._region = region

    def _build(self, http: DeadlineClient, key: str) -> Any:  # noqa: ARG002 - there is none
        return self._sdk().AnthropicBedrock(
            aws_region=self._region, base_url=self._base_url, max_retries=0, http_client=http, open_telemetry=False
        )


class OpenAI(Provider):
    """One GPT model, or any behind a compatible endpoint at `base_url`; OpenAI's own if that is empty."""

    def __init__(self, model: str, price: Price, key: Key, retrying: Retrying, *, base_url: str) -> None:
        super().__init__("openai", model, price, key, retrying)
        self._base_url = base_url or "https://api.openai.com/v1"

    def _build(self, http: DeadlineClient, key: str) -> Any:
        return self._sdk().OpenAI(
            api_key=key or "none",  # a local model needs no key, the SDK does
            base_url=self._base_url,
            max_retries=0,
            http_client=http,
        )

    def _sdk(self) -> Any:
        import openai

        return openai


def count(value: Any) -> int:
    """A number of tokens as a provider told it; 0 for whatever is none."""
    return value if isinstance(value, int) and 0 <= value < 10**9 else 0


def anthropic_tokens(usage: Any) -> Tokens:
    """Anthropic's `input_tokens` are those beside its cache."""
    return Tokens(
        input=count(usage.input_tokens),
        cached=count(usage.cache_read_input_tokens),
        cache_write=count(usage.cache_creation_input_tokens),
        output=count(usage.output_tokens),
    )


def openai_tokens(usage: Any) -> Tokens:
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
