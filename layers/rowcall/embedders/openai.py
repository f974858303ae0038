"""Embeddings by OpenAI, or by any compatible endpoint, over its SDK. Loaded when first needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rowcall.deadline import Deadline
from rowcall.embedders import Embedded, EmbedderUnavailable
from rowcall.embedders.spoken import spoken
from rowcall.embedders.vectors import Vector

if TYPE_CHECKING:
    from openai import OpenAI

    from rowcall.planners.transport import DeadlineClient

BASE_URL = "https://api.openai.com/v1"


class OpenAIEmbedder:
    """`key` gives the API key; with True it is read anew, which is tried once after a 401."""

    def __init__(
        self, model: str, dimensions: int, threshold: float, key: Callable[[bool], str], *, base_url: str = ""
    ) -> None:
        self.id = f"openai-{model}-{dimensions}" + (f"@{base_url}" if base_url else "")
        self.model = model
        self.dimensions = dimensions
        self.threshold = threshold
        self._key = key
        self._base_url = base_url or BASE_URL

    @cached_property
    def _http(self) -> DeadlineClient:
        from rowcall.planners.transport import DeadlineClient

        return DeadlineClient()

    @cached_property
    def _client(self) -> OpenAI:
        from openai import OpenAI

        return OpenAI(
            api_key=self._key(False) or "none",  # a local model needs no key, the SDK does
            base_url=self._base_url,
            max_retries=0,
            http_client=self._http,
        )

    def embed(self, texts: Sequence[str], deadline: Deadline) -> Embedded:
        import openai

        try:
            try:
                reply = self._ask(texts, deadline)
            except openai.AuthenticationError:
                fresh = self._key(True) or "none"
                if fresh == self._client.api_key:
                    raise
                self._client.api_key = fresh
                reply = self._ask(texts, deadline)
            ordered = sorted(reply.data, key=lambda one: one.index)
            vectors = [Vector.of(one.embedding) for one in ordered]
            if len(vectors) != len(texts) or any(len(one.values) != self.dimensions for one in vectors):
                raise ValueError("other vectors than were asked for")
            return Embedded(vectors, reply.usage.total_tokens if reply.usage else 0)
        except Exception as error:  # a network error, a refusal, no time left, or a reply of another kind
            raise EmbedderUnavailable(type(error).__name__) from error

    def close(self) -> None:
        if "_http" in self.__dict__:
            self._http.close()

    def _ask(self, texts: Sequence[str], deadline: Deadline) -> Any:
        with self._http.until(deadline):
            return self._client.embeddings.create(
                model=self.model, input=[spoken(text) for text in texts], dimensions=self.dimensions, timeout=None
            )
