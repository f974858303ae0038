"""The chat_stream function as it is built: its script starts the app, and we send it what the Web Adapter would."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.emulator import Built
from local.llm_stub import LlmStub, Says
from local.processes import free_port
from local.stack import Stack

START_SECONDS = 60


@pytest.fixture
def model() -> Iterator[LlmStub]:
    with LlmStub(Says(text="one two three four five", pause=0.2)) as stub:
        yield stub


@pytest.fixture
def app(artifacts: Built, stack: Stack, shop: str, model: LlmStub, tmp_path: Path) -> Iterator[httpx.Client]:
    function = artifacts.function("chat_stream")
    (tmp_path / "python").symlink_to(artifacts.python)
    port = free_port()
    environ = stack.environ | {
        "PATH": f"{tmp_path}{os.pathsep}/bin",
        "PYTHONPATH": artifacts.path(function),
        "LAMBDA_TASK_ROOT": str(function.code),
        "LAMBDA_RUNTIME_DIR": str(artifacts.runtime),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LWA_INVOKE_MODE": "response_stream",
        "AWS_LWA_PORT": str(port),
        "ANTHROPIC_API_KEY": "key",
        "ANTHROPIC_BASE_URL": model.url,
        "ADDRESS_QUOTA": "1",
        "CHAT_QUOTA": "0",
    }
    child = stack.processes.start("chat_stream", [str(function.code / function.handler)], env=environ, cwd=tmp_path)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        child.wait_until(lambda: _listens(client), START_SECONDS)
        yield client
    stack.processes.stop(child)


def _listens(client: httpx.Client) -> bool:
    try:
        return client.get("/openapi.json").status_code == 200
    except httpx.TransportError:
        return False


def told(address: str, seconds: float = 100, request_id: str = "id-of-api-gateway") -> dict[str, str]:
    """The headers that the adapter sets on every request."""
    context = {"requestId": request_id, "identity": {"sourceIp": address}}
    return {
        "x-amzn-request-context": json.dumps(context),
        "x-amzn-lambda-context": json.dumps({"deadline": int((time.time() + seconds) * 1000), "request_id": "x"}),
    }


def test_a_reply_is_streamed_to_whom_the_adapter_names_within_lambdas_time(app: httpx.Client, model: LlmStub) -> None:
    body: dict[str, Any] = {"messages": [{"role": "user", "content": "hello there"}], "stream": True}
    pieces: list[tuple[float, str]] = []
    with app.stream("POST", "/api/chat", json=body, headers=told("192.0.2.1")) as reply:
        assert reply.status_code == 200, reply.read()
        assert reply.headers["x-request-id"] == "id-of-api-gateway"
        assert "content-length" not in reply.headers
        for line in reply.iter_lines():
            pieces.append((time.monotonic(), line))
    events = [line.removeprefix("event: ") for _, line in pieces if line.startswith("event: ")]
    assert (events[0], events[-1], events.count("text")) == ("text", "done", 4)
    assert pieces[-1][0] > pieces[0][0], "it came in pieces"

    again = app.post("/api/chat", json=body, headers=told("192.0.2.1") | {"x-forwarded-for": "192.0.2.3"})
    assert (again.status_code, again.json()["violated_policies"]) == (429, ["address"])
    late = app.post("/api/chat", json=body | {"timezone": "Asia/Tokyo"}, headers=told("192.0.2.2", seconds=1.2))
    assert (late.status_code, late.json()["code"]) == (504, "deadline_exceeded")
