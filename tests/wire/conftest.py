"""The real SDKs over HTTP against a stub that does as it is told; Postgres and Redis are real."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import boto3
import pytest

from local.aws import REGION, Aws
from local.bridge import Bridge
from local.llm_stub import LlmStub, Says
from rowcall import bootstrap
from rowcall.answer import Answer, Ask, answer
from rowcall.auth import LOCAL, Principal
from rowcall.bootstrap import Services
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.planners import retrying

TOP = "top 5 products by revenue"
TOP_SQL = (
    "SELECT p.name, sum(oi.quantity * oi.unit_price) AS revenue FROM products p JOIN order_items oi "
    "ON oi.product_id = p.id GROUP BY p.id, p.name ORDER BY revenue DESC LIMIT :s0"
)
RIDDLE = "which customers feel neglected"
"""No planner without a model can read this."""

Start = Callable[..., Services]


def proposal(sql: str = TOP_SQL, **fields: Any) -> dict[str, Any]:
    """The arguments of the tool, or the structured output."""
    return {
        "outcome": "sql",
        "sql": sql,
        "constants": [],
        "tables": [],
        "explanation": "The products that sold for the most.",
        "reason": "",
        "suggestions": [],
    } | fields


def ask(services: Services, query: str = TOP, principal: Principal = LOCAL, seconds: float = 20.0) -> Answer:
    return answer(Ask(query), principal, services, Deadline.after(seconds))


def refusal(services: Services, query: str = TOP, seconds: float = 20.0) -> Problem:
    with pytest.raises(Problem) as caught:
        ask(services, query, seconds=seconds)
    return caught.value


@pytest.fixture(autouse=True, scope="session")
def _sdks() -> None:
    """Imported before any deadline runs: on a busy machine that takes seconds."""
    import_module("anthropic")
    import_module("openai")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_PAUSE", 0.005)


@pytest.fixture
def anthropic() -> Iterator[LlmStub]:
    with LlmStub(Says(tool=proposal())) as stub:
        yield stub


@pytest.fixture
def openai() -> Iterator[LlmStub]:
    with LlmStub(Says(tool=proposal())) as stub:
        yield stub


@pytest.fixture
def environ(bridge: Bridge, database_url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "UPSTASH_REDIS_REST_URL": bridge.url,
        "UPSTASH_REDIS_REST_TOKEN": bridge.token,
        "PLAN_SEAL_KEY": "k" * 32,
    }


@pytest.fixture
def start(environ: dict[str, str]) -> Iterator[Start]:
    """Starts services with the environment and further settings; `anthropic` and `openai` are stubs to ask."""
    started: list[Services] = []

    def make(*, anthropic: LlmStub | None = None, openai: LlmStub | None = None, **settings: str) -> Services:
        if anthropic:
            settings = {"ANTHROPIC_API_KEY": "key-of-anthropic", "ANTHROPIC_BASE_URL": anthropic.url} | settings
        if openai:
            settings = {"OPENAI_API_KEY": "key-of-openai", "OPENAI_BASE_URL": f"{openai.url}/v1"} | settings
        started.append(bootstrap.start(environ | settings))
        return started[-1]

    yield make
    for services in started:
        services.close()


class Secret:
    """A secret in Secrets Manager, as moto keeps it."""

    def __init__(self) -> None:
        self._client = boto3.client("secretsmanager")
        self.arn: str = self._client.create_secret(Name="rowcall", SecretString="{}")["ARN"]

    def put(self, **values: str) -> None:
        self._client.put_secret_value(SecretId=self.arn, SecretString=json.dumps(values))

    def delete(self) -> None:
        self._client.delete_secret(SecretId=self.arn, ForceDeleteWithoutRecovery=True)


@pytest.fixture
def secret(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Secret]:
    for name, value in {
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)
    bootstrap._secrets.cache_clear()
    secret = Secret()
    yield secret
    secret.delete()
    bootstrap._secrets.cache_clear()
