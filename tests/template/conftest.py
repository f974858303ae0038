"""Tests of the rendered template: no account, no network."""

from __future__ import annotations

import json
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from local.processes import ROOT
from tests.template.evaluate import evaluate

TRANSFORM = Path(__file__).with_name("transform.py")
ASKED = {
    "SecretArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rowcall-AbCdEf",
    "JwtIssuer": "https://issuer.test",
    "JwtAudience": "rowcall",
}
"""What the first deployment of a stage asks for."""
STAGES = ("dev", "staging", "prod")
SEEN_BY_SAM = ("Stage", "Architecture", "TrafficShift")
"""The parameters whose values SAM's transform acts on; it leaves references to the others as they are."""


@cache
def transformed(path: str, given: str) -> Any:
    """The template as SAM transforms it with `given` parameters, a JSON object."""
    done = subprocess.run(
        [ROOT / ".venv-sam/bin/python", "-I", TRANSFORM, ROOT / path, given], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def stage_parameters(stage: str) -> dict[str, str]:
    """What samconfig.toml tells of a stage."""
    deployment = tomllib.loads((ROOT / "samconfig.toml").read_text())[stage]["deploy"]["parameters"]
    return dict(pair.split("=", 1) for pair in deployment["parameter_overrides"].split())


def render(stage: str = "dev", **parameters: str) -> Any:
    """What a deployment of `stage` asks CloudFormation for, with further `parameters`."""
    values = ASKED | stage_parameters(stage) | parameters
    seen = ASKED | {name: values[name] for name in SEEN_BY_SAM if name in values}
    return evaluate(transformed("template.yaml", json.dumps(seen)), values)


def nested(rendered: Any, name: str) -> Any:
    """What CloudFormation is asked for by the stack `name` of `rendered`. What other stacks put out is "of-a-stack"."""
    properties = rendered["Resources"][name]["Properties"]
    given = {key: plain(value) for key, value in properties["Parameters"].items()}
    return evaluate(transformed(properties["TemplateURL"], "{}"), given)


def plain(value: Any) -> str:
    """The value of a parameter or variable; a word of its kind where only AWS knows it."""
    return "of-a-resource" if isinstance(value, Mapping) else str(value)


@pytest.fixture(params=STAGES)
def rendered(request: pytest.FixtureRequest) -> Any:
    return render(request.param)


@pytest.fixture
def resources(rendered: Any) -> Callable[[str], dict[str, Any]]:
    """The properties of every resource of a type, by its logical name."""
    return lambda kind: of_type(rendered, kind)


def of_type(rendered: Any, kind: str) -> dict[str, Any]:
    """The properties of every resource of `rendered` of a type, by its logical name."""
    return {
        name: resource.get("Properties", {})
        for name, resource in rendered["Resources"].items()
        if resource["Type"] == f"AWS::{kind}"
    }
