"""docs/tools.md tells the truth: its commands and programs are run as they stand there, against the real app."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.bridge import Bridge
from local.processes import ROOT
from tests.integration.test_api import environment, serving
from tests.served import served

GUIDE = (ROOT / "docs" / "tools.md").read_text()
COMMANDS = [command for command in re.findall(r"^\$ (.+)$", GUIDE, re.M) if "rowcall " in command]
COMMANDS = [command for command in COMMANDS if not command.startswith("pip ")]
PROGRAMS = re.findall(r"```python\n(.*?)```", GUIDE, re.S)
EXAMPLE = "https://rowcall.example"


@pytest.fixture
def url(bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serving(monkeypatch, environment(bridge, database_url, PLANNERS="grammar")), served() as url:
        yield url


@pytest.fixture
def environ(url: str, tmp_path: Path) -> dict[str, str]:
    """Where `rowcall` is the client of this repository."""
    command = tmp_path / "rowcall"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rowcall_client "$@"\n')
    command.chmod(0o755)
    return {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "client"),
        "LANG": "C.UTF-8",
        "ROWCALL_URL": url,
    }


def run(command: list[str], environ: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        command, env=environ, cwd=folder, input="", capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    return done.stdout


def test_every_command_works(environ: dict[str, str], tmp_path: Path) -> None:
    assert len(COMMANDS) >= 8
    for command in COMMANDS:
        printed = run(["sh", "-c", command], environ, tmp_path)
        assert printed or ">" in command, command
    assert len((tmp_path / "orders.csv").read_text().splitlines()) > 2


@pytest.mark.parametrize("program", PROGRAMS, ids=["client", "mcp", "openai"])
def test_every_program_works(program: str, url: str, environ: dict[str, str], tmp_path: Path) -> None:
    assert EXAMPLE in program
    # No key is needed here, and "…" could not be sent.
    printed = run([sys.executable, "-c", program.replace(EXAMPLE, url).replace("…", "unused")], environ, tmp_path)
    assert "revenue" in printed
