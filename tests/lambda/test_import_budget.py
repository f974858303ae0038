"""What a cold start may import: what a remembered answer needs, and nothing that only other requests need."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from local.bridge import Bridge
from local.emulator import Built, Emulator, function_environ
from local.stack import Stack

pytestmark = pytest.mark.timeout(600)

BUDGET = 700
"""Modules. A bare FastAPI on Mangum has 440. Raise it only for what a remembered answer cannot do without."""

ON_A_MISS = {"sqlglot", "mcp", "anthropic", "openai", "httpx2", "simsimd", "snowballstemmer"}
WHERE_CONFIGURED = {"boto3", "botocore.session", "jwt", "cryptography", "sentry_sdk", "aws_xray_sdk"}
NEVER = {"moto", "pytest", "rich", "numpy", "requests", "local", "tests", "unittest", "uvicorn", "multiprocessing"}


def test_a_cold_start_and_a_remembered_answer_import_only_what_they_need(
    artifacts: Built, stack: Stack, api: Emulator, bridge: Bridge, event: Any
) -> None:
    api.invoke(event("api.query"))
    function = artifacts.function("api")
    done = subprocess.run(
        [artifacts.python, "-S", "-c", Path(__file__).with_name("imports.py").read_text()],
        cwd=function.code,
        env={"PYTHONPATH": artifacts.path(function)} | function_environ(stack.environ),
        input=json.dumps(event("api.query")),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    answer = json.loads(told["response"]["body"])
    assert answer["meta"]["cache_layer"] == 1
    needless = set(told["after"]) & (ON_A_MISS | WHERE_CONFIGURED | NEVER)
    assert not needless
    assert len(told["after"]) <= BUDGET
    late = set(told["after"]) - set(told["at_start"])
    assert len(late) <= 5, f"these are imported by the first request, not by the start: {sorted(late)}"
