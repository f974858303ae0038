"""The API of `functions/api`, by uvicorn on this machine, with a stack's environment."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

from local.processes import ROOT, STATE, Failed
from local.stack import Stack

SERVED = STATE / "serve.json"


class Api:
    """The running API at `url`. It ends with the stack."""

    def __init__(self, stack: Stack, port: int, log: Path | None = None) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._health = ""
        path = os.pathsep.join(str(ROOT / root) for root in ("layers", "functions", "."))
        self._child = stack.processes.start(
            "the API",
            [
                *(sys.executable, "-m", "uvicorn", "api.main:app", "--host", "127.0.0.1", "--port", str(port)),
                *("--no-access-log", "--no-server-header", "--log-level", "warning"),
                *("--timeout-graceful-shutdown", "5"),
            ],
            env=stack.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
            cwd=ROOT,
            log=log,
        )
        try:
            self._child.wait_until(self._ready, patience=20)
        except Failed as failed:
            raise Failed(f"{failed}\nIts health: {self._health}" if self._health else str(failed)) from None

    def wait(self) -> None:
        """Wait until it ends, which it only does when something is wrong."""
        code = self._child.process.wait()
        raise Failed("\n".join([f"The API ended with code {code}. Its last words:", *self._child.last_words()]))

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=10):  # noqa: S310
                return True
        except urllib.error.HTTPError as error:
            with error:
                self._health = error.read().decode(errors="replace")
        except OSError:
            pass
        return False


def served() -> str | None:
    """The URL of a `make serve` that runs now."""
    try:
        url = str(json.loads(SERVED.read_text())["url"])
        with urllib.request.urlopen(f"{url}/health", timeout=10):  # noqa: S310
            return url
    except (OSError, ValueError, KeyError):
        return None
