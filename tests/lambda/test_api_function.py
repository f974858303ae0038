"""The built api function under Lambda's runtime emulator, with the events that API Gateway sends."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from typing import Any

import pytest

from local.bridge import Bridge
from local.emulator import Built, Emulator
from local.processes import Failed
from local.stack import Stack

# The first test may have to build.
pytestmark = pytest.mark.timeout(600)


def ask(api: Emulator, event: Any) -> Any:
    """The proxy response to `event`, checked to be one that API Gateway takes."""
    invocation = api.invoke(event)
    assert not invocation.failed, invocation.response
    response = invocation.response
    assert response["statusCode"] in range(200, 500), invocation.log
    assert isinstance(response["body"], str)
    assert response["isBase64Encoded"] is False, "JSON and problem documents are text"
    assert all(isinstance(value, str) for value in response["headers"].values())
    return response


def test_health(api: Emulator, event: Any) -> None:
    response = ask(api, event("api.health"))
    assert response["statusCode"] == 200
    assert json.loads(response["body"])["services"] == {"database": "ok", "cache": "ok"}


def test_a_question_is_planned_once_and_remembered(api: Emulator, bridge: Bridge, event: Any) -> None:
    first, second = (json.loads(ask(api, event("api.query"))["body"]) for _ in range(2))
    assert [answer["meta"]["cache_layer"] for answer in (first, second)] == [3, 1]
    assert len(first["data"]) == 5
    assert second["data"] == first["data"]
    assert second["params"][0] == 5


def test_a_body_in_base64_is_read(api: Emulator, event: Any) -> None:
    body = b64encode(json.dumps({"query": "count pending orders"}).encode()).decode()
    response = ask(api, event("api.query", body=body, isBase64Encoded=True))
    assert response["statusCode"] == 200, response["body"]


def test_the_tables_and_a_plan(api: Emulator, event: Any) -> None:
    tables = json.loads(ask(api, event("api.tables"))["body"])["tables"]
    assert "orders" in {table["name"] for table in tables}
    explained = json.loads(ask(api, event("api.explain"))["body"])
    assert explained["tables"] == ["orders"]
    assert explained["plan"]


@pytest.mark.parametrize(
    ("name", "changes", "status", "code"),
    [
        ("api.invalid", {}, 400, "invalid_request"),
        ("api.query", {"body": "not JSON"}, 400, "invalid_request"),
        ("api.query", {"body": '{"query": "what is the meaning of life"}'}, 422, "unanswerable"),
        ("api.query", {"path": "/api/nothing"}, 404, "not_found"),
        ("api.query", {"httpMethod": "DELETE"}, 405, "method_not_allowed"),
        ("api.query", {"body": " " * 2_000_000}, 413, "payload_too_large"),
    ],
)
def test_an_error_is_a_problem_document(
    api: Emulator, event: Any, name: str, changes: dict[str, Any], status: int, code: str
) -> None:
    sent = event(name, **changes)
    response = ask(api, sent)
    problem = json.loads(response["body"])
    assert response["statusCode"] == problem["status"] == status
    assert response["headers"]["content-type"].startswith("application/problem+json")
    assert problem["code"] == code
    assert problem["request_id"] == sent["requestContext"]["requestId"] == response["headers"]["x-request-id"]


def test_the_documentation(api: Emulator, event: Any) -> None:
    document = json.loads(ask(api, event("api.health", path="/openapi.json", resource="/openapi.json"))["body"])
    assert "/api/query" in document["paths"]


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_the_pages(api: Emulator, event: Any, path: str) -> None:
    page = ask(api, event("api.health", path=path, resource=path))
    assert page["headers"]["content-type"].startswith("text/html")
    for asset in re.findall(r'(?:src|href)="(static/[^"]+)"', page["body"]):
        reply = ask(api, event("api.health", path=f"/{asset}", resource="/static/{version}/{name}"))
        assert (reply["statusCode"], reply["isBase64Encoded"]) == (200, False)
        assert "immutable" in reply["headers"]["cache-control"]


def test_every_event_file_is_answered(api: Emulator, event: Any, event_name: str) -> None:
    _, what = event_name.split(".")
    assert ask(api, event(event_name))["statusCode"] == (400 if what == "invalid" else 200)


def test_a_missing_setting_stops_the_start_by_its_name(artifacts: Built, stack: Stack, event: Any) -> None:
    environ = {name: value for name, value in stack.environ.items() if name != "PLAN_SEAL_KEY"}
    with (
        Emulator(artifacts, artifacts.function("api"), environ, stack.processes) as emulator,
        pytest.raises(Failed, match="PLAN_SEAL_KEY: is required and not set"),
    ):
        emulator.invoke(event("api.health"))
