"""The committed OpenAPI document against the app over a real Postgres and Redis: some 2,000 requests, right and wrong.

No answer may be a server error, or anything that the document does not tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from api.main import app
from local.bridge import Bridge
from rowcall.auth import Principal
from rowcall.bootstrap import Services
from rowcall.chat.conversations import Turn
from rowcall.deadline import Deadline
from rowcall.jobs import asking
from tests.integration.test_api import environment, serving
from tests.integration.test_identity import bearer, hs256, signing

OPENAPI = Path(__file__).parents[2] / "docs" / "openapi.json"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ASKED = ("top 5 products by revenue", "count pending orders", "show users", "orders from last 7 days", "show orders")

schema = schemathesis.openapi.from_path(OPENAPI)
schema.app = app
OPERATIONS = [(path, method.upper()) for path in schema for method in schema[path]]


@pytest.fixture
def services(
    bridge: Bridge, database_url: str, dynamodb: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Services]:
    quotas = {"ADDRESS_QUOTA": "0", "USER_QUOTA": "0", "CHAT_QUOTA": "0", "LOG_LEVEL": "ERROR"}
    with serving(monkeypatch, environment(bridge, database_url, **signing(), **dynamodb, **quotas)) as running:
        yield running


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened


def remembered(client: TestClient, headers: dict[str, str]) -> str:
    """The id of a plan that is there."""
    client.post("/api/query", json={"query": ASKED[1]}, headers=headers)
    return str(client.get("/api/cache/plans", headers=headers).json()["plans"][0]["id"])


def begun(services: Services) -> str:
    """The id of a conversation that is there."""
    assert services.conversations
    ann = Principal("ann", "acme")
    return services.conversations.append(ann, None, [Turn("user", ASKED[1])], Deadline.after(20))


def queued(services: Services) -> str:
    """The id of a job that is there."""
    return services.jobs.create(Principal("ann", "acme"), [asking(ASKED[1], None, None, "json")], "json").id


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("signed_in", [True, False])
def test_every_answer_is_as_documented(
    client: TestClient, services: Services, path: str, method: str, mode: GenerationMode, signed_in: bool
) -> None:
    seen: Counter[int] = Counter()
    strategy = schema[path][method].as_strategy(generation_mode=mode)
    headers = bearer(hs256(scope="query chat operator")) if signed_in else {}

    @settings(
        max_examples=150 if signed_in else 30,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy, st.one_of(st.none(), st.sampled_from(ASKED)))
    def ask(case: Any, question: str | None) -> None:
        if question and mode is GenerationMode.POSITIVE:  # what random text hardly ever is
            if isinstance(case.body, dict) and path == "/api/conversations/{id}":
                case.body["title"] = question
            elif isinstance(case.body, dict) and path == "/v1/chat/completions":
                said = [{"role": "user", "content": question}]
                case.body = {"model": "rowcall", "messages": said, "stream": case.body.get("stream")}
            elif isinstance(case.body, dict) and path == "/mcp":
                case.body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
            elif path == "/v1/models/{model}":
                case.path_parameters["model"] = "rowcall"
            elif isinstance(case.body, dict) and path == "/api/chat":
                case.body["messages"] = [{"role": "user", "content": question}]
            elif isinstance(case.body, dict):
                case.body["query"] = question
            elif "name" in case.path_parameters:
                case.path_parameters["name"] = question.split()[-1]
            if signed_in and path == "/api/feedback":
                client.post("/api/query", json={"query": question}, headers=headers)
            elif signed_in and path == "/api/conversations/{id}":
                case.path_parameters["id"] = begun(services)
            elif signed_in and "job_id" in case.path_parameters:
                case.path_parameters["job_id"] = queued(services)
            elif signed_in and "id" in case.path_parameters:
                case.path_parameters["id"] = remembered(client, headers)
        reply = case.call(session=client, headers=headers)
        seen[reply.status_code] += 1
        wrong_body = mode is GenerationMode.NEGATIVE and method == "POST" and reply.status_code != 413
        case.validate_response(reply, checks=[*CHECKS, negative_data_rejection] if wrong_body else CHECKS)
        if not signed_in and "401" in case.operation.definition.raw["responses"]:
            assert reply.status_code in (400, 401)

    ask()
    if mode is GenerationMode.POSITIVE:
        assert any(status // 100 == 2 if signed_in or path == "/health" else status == 401 for status in seen)
