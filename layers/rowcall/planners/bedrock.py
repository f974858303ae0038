"""The planner by Claude on Amazon Bedrock: the same as Anthropic's, with the credentials of IAM and no key.

Its client signs with boto3, which Lambda's runtime brings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rowcall.planners.anthropic import AnthropicPlanner
from rowcall.planners.model import Limits
from rowcall.pricing import Price

if TYPE_CHECKING:
    from anthropic import AnthropicBedrock

    from rowcall.planners.transport import DeadlineClient


class BedrockPlanner(AnthropicPlanner):
    """Asks one Claude model in `region`."""

    def __init__(self, model: str, price: Price, limits: Limits, *, region: str, base_url: str) -> None:
        super().__init__(model, price, lambda _: "", limits, base_url=base_url)
        self.name = "bedrock"
        self._region = region

    def _build(self, http: DeadlineClient) -> AnthropicBedrock:
        from anthropic import AnthropicBedrock

        return AnthropicBedrock(
            aws_region=self._region,
            base_url=self._base_url or f"https://bedrock-runtime.{self._region}.amazonaws.com",
            max_retries=0,
            http_client=http,
            open_telemetry=False,
        )
