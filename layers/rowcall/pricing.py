"""What tokens cost. Models and their prices are data: `prices.json`, with where and when each was read.

Money is counted in whole nano-dollars and always rounded up, so that sums are exact and never too low.
A model without a price is never called: `price` raises.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

NANO = 1_000_000_000
"""Nano-dollars in a dollar."""


class NoPrice(Exception):
    """A model has no price, or its price cannot be read. The text is for whoever starts the service."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one or several calls. `input` are those that came neither from the provider's cache nor went there."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(
            self.input + other.input,
            self.cached + other.cached,
            self.cache_write + other.cache_write,
            self.output + other.output,
        )

    @property
    def total_input(self) -> int:
        return self.input + self.cached + self.cache_write


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens. `effort` is the model's least setting of thinking that suits planning, if any."""

    input: Decimal
    cached: Decimal
    cache_write: Decimal
    output: Decimal
    effort: str = ""

    def cost(self, tokens: Tokens) -> int:
        """Nano-dollars, rounded up."""
        dollars_per_million = (
            tokens.input * self.input
            + tokens.cached * self.cached
            + tokens.cache_write * self.cache_write
            + tokens.output * self.output
        )
        return int((dollars_per_million * (NANO // 1_000_000)).to_integral_value(ROUND_CEILING))

    def dearest(self, input_tokens: int, output_tokens: int) -> Tokens:
        """So many tokens, counted as what costs most."""
        dearest = max(("input", self.input), ("cache_write", self.cache_write), key=lambda kind: kind[1])[0]
        return Tokens(**{dearest: input_tokens}, output=output_tokens)

    def worst(self, input_tokens: int, output_tokens: int) -> int:
        """The most that a call with so many tokens can cost, in nano-dollars."""
        return self.cost(self.dearest(input_tokens, output_tokens))


def price(model: str, overrides: str = "") -> Price:
    """The price of `model`; `overrides` is the setting LLM_PRICES. Raises `NoPrice`."""
    listed = _overrides(overrides).get(model) or _listed().get(model)
    if listed is None:
        raise NoPrice(f"the model {model} has no price; set one in LLM_PRICES")
    try:
        given = {
            kind: Decimal(str(listed[kind])) for kind in ("input", "cached", "cache_write", "output") if kind in listed
        }
        found = Price(
            input=given["input"],
            cached=given.get("cached", given["input"]),
            cache_write=given.get("cache_write", given["input"]),
            output=given["output"],
            effort=str(listed.get("effort", "")),
        )
    except (InvalidOperation, KeyError, TypeError, AttributeError):
        found = None
    if found is None or not all(
        dollars.is_finite() and dollars >= 0 for dollars in (found.input, found.cached, found.cache_write, found.output)
    ):
        raise NoPrice(f"the price of the model {model} needs input and output in dollars per million tokens")
    return found


def dollars(nano: int) -> float:
    return nano / NANO


@cache
def _listed() -> dict[str, Any]:
    models: dict[str, Any] = json.loads((Path(__file__).parent / "prices.json").read_text())["models"]
    return models


def _overrides(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise NoPrice("LLM_PRICES must be a JSON object of models and their prices")
    return found
