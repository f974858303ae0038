"""Who may plan, by settings alone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rowcall import settings as settings_module
from rowcall.planners import chain
from rowcall.settings import InvalidSettings, Settings

GOOD = {
    "DATABASE_URL": "postgresql://reader:hunter2@db.example/shop",
    "UPSTASH_REDIS_REST_URL": "https://redis.example",
    "UPSTASH_REDIS_REST_TOKEN": "token-canary",
    "PLAN_SEAL_KEY": "k" * 32,
}
ALL = {"ANTHROPIC_API_KEY": "a", "OPENAI_API_KEY": "o", "BEDROCK_REGION": "eu-west-1"}


def load(**given: str) -> Settings:
    return settings_module.load(GOOD | given)


def names(**given: str) -> list[str]:
    return [planner.name for planner in chain.choose(load(**given))[0]]


def test_without_credentials_the_grammar_plans_alone() -> None:
    chosen, left_out = chain.choose(load())
    assert [planner.name for planner in chosen] == ["grammar"]
    assert left_out == ["anthropic", "openai", "bedrock"]
    assert not load().asks_models


def test_those_with_credentials_are_asked_in_order() -> None:
    assert names(**ALL) == ["anthropic", "openai", "bedrock", "grammar"]
    assert names(**ALL, PLANNERS="grammar,openai") == ["grammar", "openai"]
    assert names(**ALL, LLM_PROVIDER="bedrock") == ["bedrock", "anthropic", "openai", "grammar"]


def test_models_are_settings() -> None:
    chosen = chain.choose(load(**ALL, LLM_PROVIDER="openai", LLM_MODEL="gpt-6-luna"))[0]
    assert [(planner.name, planner.model) for planner in chosen[:2]] == [
        ("openai", "gpt-6-luna"),
        ("anthropic", "claude-sonnet-5-5"),
    ]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"PLANNERS": "anthropic"}, "PLANNERS: none of them has credentials"),
        ({"PLANNERS": "oracle"}, "PLANNERS must name"),
        ({"LLM_MODEL": "gpt-6-luna"}, "LLM_MODEL needs LLM_PROVIDER"),
        ({"LLM_PROVIDER": "grammar"}, "LLM_PROVIDER"),
        ({"ANTHROPIC_API_KEY": "a", "ANTHROPIC_MODEL": "claude-99"}, "claude-99 has no price"),
        ({"ANTHROPIC_API_KEY": "a", "LLM_PRICES": "canary-price"}, "LLM_PRICES must be"),
    ],
)
def test_what_cannot_be_stops_the_start(given: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidSettings, match=named):
        chain.choose(load(**given))


def test_no_planner_by_model_is_loaded_without_credentials_and_no_sdk_before_it_is_asked() -> None:
    code = f"""
import sys
from rowcall import bootstrap
environ = {GOOD!r}
bootstrap.start(environ).planning
print(sorted(name for name in sys.modules if name.startswith("rowcall.planners.")))
bootstrap.start(environ | {ALL!r}).planning
print(sorted(name for name in sys.modules if name.partition(".")[0] in ("anthropic", "openai", "httpx2", "boto3")))
"""
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    alone, sdks = [line for line in done.stdout.splitlines() if line.startswith("[")]
    assert alone == "['rowcall.planners.chain', 'rowcall.planners.choosing']"
    assert sdks == "[]"
