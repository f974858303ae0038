"""Tests of the rendered template: no account, no network."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from local.processes import ROOT

TRANSFORM = Path(__file__).with_name("transform.py")
SECRET_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rowcall-AbCdEf"


@cache
def render(**parameters: str) -> Any:
    """The template, transformed with `parameters`, which become the parameters' defaults."""
    values = {"SecretArn": SECRET_ARN, "JwtIssuer": "https://issuer.test", "JwtAudience": "rowcall"} | parameters
    given = json.dumps(values)
    done = subprocess.run(
        [ROOT / ".venv-sam/bin/python", "-I", TRANSFORM, ROOT / "template.yaml", given], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    template = json.loads(done.stdout)
    for name, value in values.items():
        template["Parameters"][name]["Default"] = value
    return template


@pytest.fixture(params=["dev", "prod"])
def rendered(request: pytest.FixtureRequest) -> Any:
    return render(Stage=request.param)


@pytest.fixture
def resources(rendered: Any) -> Callable[[str], dict[str, Any]]:
    """The properties of every resource of a type, by its logical name."""
    return lambda kind: {
        name: resource["Properties"]
        for name, resource in rendered["Resources"].items()
        if resource["Type"] == f"AWS::{kind}"
    }
