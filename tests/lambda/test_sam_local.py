"""Every function by `sam local invoke` with its event, and the API by `sam local start-api`, where Docker is.

What runs in the containers is what is deployed; Postgres, Redis and AWS are the laptop stack's.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.cloud import Cloud
from local.deploy import AUDIENCE, ISSUER, JWT_SECRET, sent, token
from local.emulator import LAMBDA_PYTHON, Built, Emulator, architecture
from local.processes import ROOT, free_port
from local.sam import Sam
from local.sample import SampleJob
from local.stack import Stack

pytestmark = pytest.mark.timeout(900)

IMAGE = f"public.ecr.aws/lambda/python:{LAMBDA_PYTHON}-{architecture()}"
SIGN_IN = {"AUTH": "jwt", "JWT_SECRET": JWT_SECRET, "JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE}
VERSION = "arn:aws:lambda:eu-central-1:123456789012:function:api:1"
RETURNED: dict[str, dict[str, Any]] = {
    "api.query": {"statusCode": 200},
    "release_gate.codedeploy": {"status": "Succeeded"},
    "warmer.schedule": {"ran": True},
}
"""The event of each function, and what of its response is known before."""
QUESTION = json.dumps({"query": "count delivered orders"}).encode()


@pytest.fixture(scope="module")
def docker() -> None:
    """Skips where there is no Docker engine, or none with Lambda's image: a test fetches none."""
    if not shutil.which("docker"):
        pytest.skip("there is no docker")
    asked = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, text=True, timeout=60)
    if asked.returncode:
        pytest.skip(f"no Docker engine with {IMAGE} (docker pull {IMAGE}): {asked.stderr.strip()[:200]}")


@pytest.fixture(scope="module")
def own_stack(docker: None) -> Iterator[Stack]:
    with Stack({}) as running:
        running.wait()
        yield running


@pytest.fixture(scope="module")
def cloud(own_stack: Stack, artifacts: Built) -> Iterator[Cloud]:
    """Lambda's Invoke runs the api function under the emulator."""
    environ = own_stack.environ | SIGN_IN
    with (
        Emulator(artifacts, artifacts.function("api"), environ, own_stack.processes) as version,
        Cloud(lambda _, event: version.invoke(event).response) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def sam(own_stack: Stack, cloud: Cloud) -> Iterator[Sam]:
    with Sam(own_stack, {**SIGN_IN, **cloud.environ, "RELEASE_TARGET": VERSION}) as running:
        yield running


def invoke(sam: Sam, artifacts: Built, name: str, tmp_path: Path) -> Any:
    """What the function of the event of `events/<name>.json` returns in its container."""
    path = tmp_path / "event.json"
    path.write_text(json.dumps(sent(name)))
    function = artifacts.function(name.partition(".")[0])
    with sam.running(
        *("invoke", function.name, "--event", path, "--skip-pull-image"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        said, log = process.communicate(timeout=300)
    assert process.returncode == 0, log
    return json.loads(said.strip().splitlines()[-1])


@pytest.mark.parametrize("name", RETURNED)
def test_invoke(sam: Sam, artifacts: Built, cloud: Cloud, tmp_path: Path, name: str) -> None:
    returned = invoke(sam, artifacts, name, tmp_path)
    assert {key: returned[key] for key in RETURNED[name]} == RETURNED[name]
    if name.startswith("release_gate"):
        assert [one["status"] for one in cloud.told] == ["Succeeded"]


def test_the_worker_answers_the_question_of_its_event(
    sam: Sam, own_stack: Stack, artifacts: Built, tmp_path: Path
) -> None:
    assert own_stack.aws
    job = SampleJob(own_stack.aws.url)
    invoke(sam, artifacts, "worker.jobs", tmp_path)
    assert (job.outcome["state"], job.outcome["answer"]["row_count"]) == ("done", 5)


def test_every_function_is_invoked() -> None:
    """But the one whose adapter is a layer that AWS publishes, and SAM would fetch from there."""
    invoked = {name.partition(".")[0] for name in RETURNED} | {"worker"}
    assert invoked | {"chat_stream"} == {path.parent.name for path in (ROOT / "functions").glob("*/__init__.py")}


def test_start_api(sam: Sam) -> None:
    port = free_port()

    def request(path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        asked = client.request("GET" if body is None else "POST", path, content=body, headers=headers)
        return asked.status_code, asked.json()

    options = ("--port", str(port), "--host", "127.0.0.1", "--skip-pull-image", "--warm-containers", "LAZY")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    json_type = {"Content-Type": "application/json"}
    with (
        sam.running("start-api", *options, **quiet),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120, headers=json_type) as client,
    ):
        until = time.monotonic() + 120
        while True:
            try:
                status, health = request("/health")
                break
            except httpx.ConnectError:
                assert time.monotonic() < until, "sam local start-api does not listen"
                time.sleep(0.2)
        assert (status, health["services"]) == (200, {"database": "ok", "cache": "ok"})
        authorization = {"Authorization": f"Bearer {token()}"}
        told = [request("/api/query", QUESTION, authorization) for _ in range(2)]
        assert [(status, answer["meta"]["cache_layer"]) for status, answer in told] == [(200, 3), (200, 1)]
        assert told[0][1]["data"] == told[1][1]["data"]
        assert request("/api/query", QUESTION)[0] == 401
        assert request("/api/tables", None, authorization)[0] == 200
