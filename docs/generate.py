"""Writes what is generated from declarations: `docs/configuration.md` and `docs/openapi.json`. `make docs` runs it."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from api.main import app
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


if __name__ == "__main__":
    (HERE / "configuration.md").write_text(configuration())
    (HERE / "openapi.json").write_text(openapi())
