"""The machine that a benchmark ran on, as far as figures depend on it: no name of it, no path."""

from __future__ import annotations

import os
import platform
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil


class Machine:
    """Begins with the run; `document` is told at its end."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._load = _load()

    def document(self) -> dict[str, Any]:
        return {
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "minutes": round((time.monotonic() - self._began) / 60, 1),
            "cpu": _cpu(),
            "cores": psutil.cpu_count(),
            "memory_gb": round(psutil.virtual_memory().total / 2**30),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "load": [self._load, _load()],
        }


def _load() -> float:
    return round(os.getloadavg()[0], 2)


def _cpu() -> str:
    try:
        named = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        named = None
    return named[1] if named else platform.processor() or platform.machine()
