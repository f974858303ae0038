"""Prices: exact, rounded up, and never guessed."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcall import pricing, usage
from rowcall.pricing import NANO, NoPrice, Tokens, price
from rowcall.settings import Settings

LISTED = json.loads((Path(pricing.__file__).parent / "prices.json").read_text())["models"]
counts = st.integers(0, 10**6)


@pytest.mark.parametrize("model", sorted(LISTED))
def test_every_listed_model_has_a_price_a_source_and_a_date(model: str) -> None:
    found = price(model)
    assert found.cached <= found.input <= found.cache_write
    assert LISTED[model]["source"]
    assert date.fromisoformat(LISTED[model]["date"]).year >= 2026


def test_the_default_models_are_listed() -> None:
    defaults = Settings.model_fields
    for name in ("anthropic_model", "openai_model", "bedrock_model"):
        assert defaults[name].default in LISTED


def test_a_call_costs_what_the_table_says() -> None:
    tokens = Tokens(input=1_000_000, cached=2_000_000, cache_write=100_000, output=50_000)
    assert price("claude-sonnet-5-5").cost(tokens) == (2 * 100 + 20 + 25 + 50) * NANO // 100


def test_part_of_a_nano_dollar_is_one() -> None:
    overrides = '{"m": {"input": "0.0001", "output": "0"}}'
    assert price("m", overrides).cost(Tokens(input=1)) == 1
    assert price("m", overrides).cost(Tokens()) == 0


@given(st.builds(Tokens, counts, counts, counts, counts))
def test_nothing_costs_more_than_its_worst_case(tokens: Tokens) -> None:
    for model in LISTED:
        found = price(model)
        assert found.cost(tokens) <= found.worst(tokens.total_input, tokens.output)


@given(st.lists(st.builds(Tokens, counts, counts, counts, counts), max_size=4))
def test_calls_add_up_to_no_less_than_their_sum(calls: list[Tokens]) -> None:
    found = price("claude-haiku-5-5")
    assert sum(map(found.cost, calls)) >= found.cost(sum(calls, Tokens()))


def test_a_model_without_a_price_has_none() -> None:
    with pytest.raises(NoPrice, match="gpt-99 has no price"):
        price("gpt-99")


def test_a_price_can_be_set_and_wins() -> None:
    overrides = json.dumps({"local": {"input": 0, "output": 0}, "gpt-6-luna": {"input": "1", "output": "5"}})
    assert price("local", overrides).cost(Tokens(input=10**9, output=10**9)) == 0
    assert price("gpt-6-luna", overrides).cached == Decimal(1)


@pytest.mark.parametrize(
    "overrides",
    [
        "nonsense",
        "[]",
        '{"m": 5}',
        '{"m": {"input": 1}}',
        '{"m": {"input": "much", "output": 1}}',
        '{"m": {"input": -1, "output": 1}}',
        '{"m": {"input": "NaN", "output": 1}}',
        '{"m": {"input": 1, "output": 1, "cached": "Infinity"}}',
    ],
)
def test_a_price_that_cannot_be_read_is_none(overrides: str) -> None:
    with pytest.raises(NoPrice):
        price("m", overrides)


def test_the_guides_projection() -> None:
    projected = usage.project(10_000, Decimal("0.85"))
    assert [projected.llm_usd, projected.embedding_usd, projected.total_usd] == [
        Decimal(450),
        Decimal(30),
        Decimal(480),
    ]
