"""The built release gate against a good and broken builds of the api function: what it finds, and what it tells."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local.cloud import Cloud
from local.emulator import Built, Emulator, Function
from local.stack import Stack

pytestmark = pytest.mark.timeout(600)

VERSION = "arn:aws:lambda:eu-central-1:123456789012:function:api:7"
SIGN_IN = {
    "AUTH": "jwt",
    "JWT_SECRET": "0123456789abcdef" * 2,
    "JWT_ISSUER": "https://issuer.test",
    "JWT_AUDIENCE": "rowcall",
}


def changed(function: Function, folder: Path, layer: str, old: str, new: str) -> Function:
    """`function` with `old` become `new` in a file of the domain's layer."""

    def copy(path: Path) -> Path:
        if not (path / layer).exists():
            return path
        shutil.copytree(path, folder, ignore=shutil.ignore_patterns("__pycache__"))
        source = (folder / layer).read_text()
        assert source.count(old) == 1
        (folder / layer).write_text(source.replace(old, new))
        return folder

    return replace(function, layers=tuple(copy(path) for path in function.layers))


@pytest.fixture
def gate(artifacts: Built, stack: Stack, event: Any) -> Callable[..., tuple[Any, Cloud, str]]:
    def run(invoke: Callable[[Any], Any], **environ: str) -> tuple[Any, Cloud, str]:
        """What the gate returned for a version that `invoke` is, what CodeDeploy heard, and the gate's log."""
        with Cloud(lambda _, event: invoke(event)) as cloud:
            settings = stack.environ | SIGN_IN | {"RELEASE_TARGET": VERSION} | environ
            leads = cloud.environ | {
                "AWS_REGION": "eu-central-1",
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_DEFAULT_REGION": "eu-central-1",
            }
            function = artifacts.function("release_gate")
            with Emulator(artifacts, function, settings | leads, stack.processes) as emulator:
                done = emulator.invoke(event("release_gate.codedeploy"))
        return done.response, cloud, done.log

    return run


def told(cloud: Cloud, event: Any) -> list[str]:
    hook = event("release_gate.codedeploy")
    for one in cloud.told:
        assert one["deploymentId"] == hook["DeploymentId"]
        assert one["lifecycleEventHookExecutionId"] == hook["LifecycleEventHookExecutionId"]
    return [one["status"] for one in cloud.told]


def test_a_good_build_is_let_through(
    gate: Callable[..., Any], artifacts: Built, stack: Stack, shop: str, event: Any
) -> None:
    api = artifacts.function("api")
    with Emulator(artifacts, api, stack.environ | SIGN_IN, stack.processes) as version:
        response, cloud, log = gate(lambda sent: version.invoke(sent).response)
    assert response == {"status": "Succeeded"}, log
    assert told(cloud, event) == ["Succeeded"]
    assert cloud.invoked == {VERSION}
    assert SIGN_IN["JWT_SECRET"] not in log


@pytest.mark.parametrize(
    ("file", "old", "new", "found"),
    [
        ("rowcall/bind.py", "def values(", "def values_of(", "a question asked twice: 500, internal"),
        ("rowcall/auth/__init__.py", "if not self._methods:", "if not authorization:", "a question of nobody's: 422"),
    ],
    ids=["cannot answer", "lets everyone in"],
)
def test_a_broken_build_is_not(
    gate: Callable[..., Any],
    artifacts: Built,
    stack: Stack,
    shop: str,
    event: Any,
    tmp_path: Path,
    file: str,
    old: str,
    new: str,
    found: str,
) -> None:
    api = changed(artifacts.function("api"), tmp_path / "layer", file, old, new)
    with Emulator(artifacts, api, stack.environ | SIGN_IN, stack.processes) as version:
        response, cloud, log = gate(lambda sent: version.invoke(sent).response)
    assert response == {"status": "Failed"}
    assert told(cloud, event) == ["Failed"]
    assert found in log


def test_nor_one_that_crashes(gate: Callable[..., Any], event: Any) -> None:
    _, cloud, log = gate(lambda _: {"errorType": "Runtime.ImportModuleError", "errorMessage": "no module"})
    assert told(cloud, event) == ["Failed"]
    assert "health: 0" in log


def test_a_gate_that_cannot_even_start_says_so(gate: Callable[..., Any], event: Any) -> None:
    _, cloud, log = gate(lambda _: pytest.fail("it must not get here"), PLAN_SEAL_KEY="short")
    assert told(cloud, event) == ["Failed"]
    assert "PLAN_SEAL_KEY" in log
