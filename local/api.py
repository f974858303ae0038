"""The API of `functions/api`, by uvicorn on this machine, with a stack's environment."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from local.processes import ROOT, STATE, Failed
from local.stack import Stack
from rowcall import settings

SERVED = STATE / "serve.json"


class Api:
    """The running API at `url`. It ends with the stack."""

    def __init__(
        self, stack: Stack, port: int, log: Path | None = None, settings: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        _check_settings(stack.environ)
        self.url = f"http://127.0.0.1:{port}"
        path = os.pathsep.join(str(ROOT / root) for root in ("layers", "functions", "."))
        self._processes = stack.processes
        self._child = self._processes.start(
            "the API",
            [
                *(sys.executable, "-m", "uvicorn", "api.main:app", "--host", "127.0.0.1", "--port", str(port)),
                *("--no-access-log", "--no-server-header", "--log-level", "warning"),
                *("--timeout-graceful-shutdown", "5"),
            ],
            env={**stack.environ, **settings} | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
            cwd=ROOT,
            log=log,
        )
        self._child.wait_until(lambda: _health(self.url) is not None)
        self._check_health()

    def stop(self) -> None:
        self._processes.stop(self._child)

    def wait(self) -> None:
        """Wait until it ends, which it only does when something is wrong."""
        code = self._child.process.wait()
        raise Failed("\n".join([f"The API ended with code {code}. Its last words:", *self._child.last_words()]))

    def _check_health(self, patience: float = 15.0) -> None:
        """A database of the user's own may need a while to wake up."""
        until = time.monotonic() + patience
        while health := _health(self.url):
            if time.monotonic() > until:
                raise Failed(f"The API is up but not well: {health}")
            time.sleep(0.3)


def _check_settings(environ: Mapping[str, str]) -> None:
    """Name a wrong setting at once, unless the settings are in a secret that is not ours to read here."""
    try:
        if not environ.get("SECRET_ARN"):
            settings.load(environ)
    except settings.InvalidSettings as error:
        raise Failed(f"A setting is not right. {error}") from None


def _health(url: str) -> str | None:
    """ "" if all is well, else what is down, or `None` if nobody answers."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=10):  # noqa: S310
            return ""
    except urllib.error.HTTPError as error:
        with error:
            body = error.read().decode(errors="replace")
        try:
            return ", ".join(f"{name} {state}" for name, state in json.loads(body)["services"].items() if state != "ok")
        except (ValueError, KeyError):
            return f"status {error.code} {body[:200]}"
    except OSError:
        return None


def served() -> str | None:
    """The URL of a `make serve` that runs now."""
    try:
        url = str(json.loads(SERVED.read_text())["url"])
    except (OSError, ValueError, KeyError):
        return None
    return url if _health(url) == "" else None
