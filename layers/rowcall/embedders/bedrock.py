"""Embeddings by Amazon Titan Text Embeddings V2 on Bedrock, with the credentials of IAM.

boto3 finds the credentials and signs; the request goes by an HTTP client that knows deadlines, which boto3's does not.
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rowcall.deadline import Deadline
from rowcall.embedders import Embedded, EmbedderUnavailable
from rowcall.embedders.spoken import spoken
from rowcall.embedders.vectors import Vector

if TYPE_CHECKING:
    from rowcall.planners.transport import DeadlineClient


class BedrockEmbedder:
    """One request for each text: Titan takes no more."""

    def __init__(
        self,
        region: str,
        dimensions: int,
        threshold: float,
        *,
        model: str = "amazon.titan-embed-text-v2:0",
        base_url: str = "",
    ) -> None:
        self.id = f"bedrock-{model}-{dimensions}"
        self.model = model
        self.dimensions = dimensions
        self.threshold = threshold
        self._region = region
        self._url = (
            f"{base_url or f'https://bedrock-runtime.{region}.amazonaws.com'}/model/{quote(model, safe='')}/invoke"
        )

    @cached_property
    def _http(self) -> DeadlineClient:
        from rowcall.planners.transport import DeadlineClient

        return DeadlineClient()

    @cached_property
    def _credentials(self) -> Any:
        import boto3

        return boto3.Session().get_credentials()

    def embed(self, texts: Sequence[str], deadline: Deadline) -> Embedded:
        try:
            replies = [self._ask(text, deadline) for text in texts]
            vectors = [Vector.of(reply["embedding"]) for reply in replies]
            if any(len(one.values) != self.dimensions for one in vectors):
                raise ValueError("other vectors than were asked for")
            return Embedded(vectors, sum(int(reply["inputTextTokenCount"]) for reply in replies))
        except Exception as error:  # no credentials, a network error, a refusal, no time left, or another reply
            raise EmbedderUnavailable(type(error).__name__) from error

    def close(self) -> None:
        if "_http" in self.__dict__:
            self._http.close()

    def _ask(self, text: str, deadline: Deadline) -> Any:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        body = json.dumps({"inputText": spoken(text), "dimensions": self.dimensions, "normalize": True})
        request = AWSRequest("POST", self._url, {"Content-Type": "application/json"}, body)
        SigV4Auth(self._credentials.get_frozen_credentials(), "bedrock", self._region).add_auth(request)
        with self._http.until(deadline):
            reply = self._http.post(self._url, headers=dict(request.headers), content=body)
        reply.raise_for_status()
        return reply.json()
