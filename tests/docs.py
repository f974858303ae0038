"""What the tests read in the documentation: README.md, the other pages beside it, and those in docs/."""

from __future__ import annotations

import re
from pathlib import Path

from local.processes import ROOT

BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)


def documents() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def console(path: Path) -> list[str]:
    """The commands of a page: lines of its ```console blocks after `$ `, without the remark at their end."""
    lines = [line for block in BLOCK.findall(path.read_text()) for line in block.splitlines()]
    return [line.removeprefix("$ ").split("  # ")[0].strip() for line in lines if line.startswith("$ ")]
