"""AWS in a process: moto's server on 127.0.0.1. It knows no secret and needs none."""

from __future__ import annotations

import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

from local.processes import Processes, free_port

REGION = "eu-central-1"
SERVER = Path(__file__).with_name("moto_server.py")


class Aws:
    """A running moto server at `url`."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        # -P, as this folder has a `redis` of its own
        self._child = processes.start("aws", [sys.executable, "-P", SERVER, str(port)])
        self._child.wait_until(self._ready)

    def stop(self) -> None:
        self._processes.stop(self._child)

    def last_words(self) -> str:
        """What it wrote last, for whoever got an error from it."""
        return "\n".join(self._child.last_words())

    def _ready(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/moto-api/", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
        return False
