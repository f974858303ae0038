"""Writes what is generated from declarations. `make docs` runs it, and a test holds the files to be current."""

from __future__ import annotations

import ast
import json
import tomllib
from pathlib import Path

import yaml
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from api.main import app
from docs import cost, routes
from rowcall.errors import KINDS
from rowcall.settings import REQUIRED, Settings

HERE = Path(__file__).parent


def configuration() -> str:
    """Every setting with its default and help, as Markdown."""
    lines = [
        "# Configuration",
        "",
        "Settings are environment variables. A setting marked *secret* may instead stand in the Secrets Manager",
        "secret that `SECRET_ARN` names. Lists are comma-separated, durations are seconds.",
        "",
        "| setting | default | what it does |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        marks = ["*required*"] if name in REQUIRED else []
        marks += ["*secret*"] if field.annotation is SecretStr else []
        default = "" if marks[:1] == ["*required*"] else _default(field.default)
        description = " ".join([*marks, (field.description or "").replace(" Required.", "")])
        lines.append(f"| `{name.upper()}` | {default} | {description} |")
    return "\n".join(lines) + "\n"


def _default(value: object) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is PydanticUndefined or value == "" or value == ():
        return "empty"
    if isinstance(value, tuple):
        value = ",".join(value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def openapi() -> str:
    return json.dumps(app.openapi(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def http() -> str:
    return routes.document(json.loads(openapi()))


def errors() -> str:
    """Every error a person can meet, as Markdown."""
    lines = [
        "# Errors",
        "",
        "Every error is `application/problem+json` (RFC 9457): `code` is stable, `title` is its sentence, `detail`",
        "says what happened here, `request_id` is in our log. Further members are there where the table says so.",
        "",
        "| code | status | sentence | what to do |",
        "|---|---|---|---|",
    ]
    for code, kind in sorted(KINDS.items(), key=lambda item: (item[1].status, item[0])):
        lines.append(f"| `{code}` | {kind.status} | {kind.title} | {kind.advice} |")
    return "\n".join(lines) + "\n"


def drills() -> str:
    """Every failure drill, told by the docstring of its test."""
    lines = [
        "# Failure drills",
        "",
        "What fails, what an asker sees, and how long it lasts. Each row is a test on the laptop stack that makes the",
        "failure and asserts the rest. No wait is longer than the deadline of the request, `REQUEST_TIMEOUT`. For the",
        "drill of a restore: `make restore-drill`.",
        "",
        "| what fails | what an asker sees | how long it lasts | test |",
        "|---|---|---|---|",
    ]
    for path in sorted((HERE.parent / "tests/integration").glob("test_drills*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                told = " ".join((ast.get_docstring(node) or "").split())
                lines.append(f"| {told} | [`{node.name}`](../{path.relative_to(HERE.parent)}) |")
    return "\n".join(lines) + "\n"


class _Template(yaml.SafeLoader):
    """CloudFormation's short forms are read as what they hold."""


def _held(loader: _Template, _: str, node: yaml.Node) -> object:
    match node:
        case yaml.MappingNode():
            return loader.construct_mapping(node, deep=True)
        case yaml.SequenceNode():
            return loader.construct_sequence(node, deep=True)
        case _:
            return str(node.value)


_Template.add_multi_constructor("!", _held)


def deployment() -> str:
    """Every parameter of the template, with what the stages of samconfig.toml make of it, as Markdown."""
    root = HERE.parent
    parameters = yaml.load((root / "template.yaml").read_text(encoding="utf-8"), _Template)["Parameters"]  # noqa: S506
    stages = {
        stage: dict(pair.split("=", 1) for pair in section["deploy"]["parameters"]["parameter_overrides"].split())
        for stage, section in tomllib.loads((root / "samconfig.toml").read_text(encoding="utf-8")).items()
        if stage in parameters["Stage"]["AllowedValues"]
    }
    lines = [
        "# Deployment",
        "",
        "The parameters of `template.yaml`. `make deploy STAGE=… GUIDED=1` asks for them and writes what is answered",
        "into `samconfig.toml`, where each stage has its sizes. What each part costs is said in the template, and in",
        "[cost.md](cost.md); what to do when something is wrong, in [operations.md](operations.md).",
        "",
        f"| parameter | default | {' | '.join(stages)} | what it is |",
        f"|---|---|{'---|' * len(stages)}---|",
    ]
    for name, parameter in parameters.items():
        default = "*asked for*" if "Default" not in parameter else _default(parameter["Default"])
        sizes = " | ".join(f"`{given[name]}`" if name in given else "" for given in stages.values())
        lines.append(f"| `{name}` | {default} | {sizes} | {' '.join(parameter['Description'].split())} |")
    return "\n".join(lines) + "\n"


FILES = {
    "deployment.md": deployment,
    "configuration.md": configuration,
    "errors.md": errors,
    "openapi.json": openapi,
    "http.md": http,
    "cost.md": cost.document,
    "drills.md": drills,
}

if __name__ == "__main__":
    for name, generated in FILES.items():
        (HERE / name).write_text(generated(), encoding="utf-8")
