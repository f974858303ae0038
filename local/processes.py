"""Starts the stack's processes, and sees that none of them outlives this one.

Every child gets a session of its own: Ctrl-C reaches only this process, which then stops its parts in order.
If this process is killed, `reaper.py` ends what is left.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import psutil

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".local"


class Failed(Exception):
    """A part did not start; says which, and what it wrote last."""


@dataclass(frozen=True, slots=True, eq=False)
class Child:
    """A process of the stack. `log` is where its output goes, `stop` the signal that ends it."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop: int

    def wait_until(self, ready: Callable[[], bool], patience: float = 30.0) -> None:
        """Wait until `ready()`; raise `Failed` when the process ends first or `patience` is over."""
        until = time.monotonic() + patience
        while not ready():
            ended = self.process.poll() is not None
            if ended or time.monotonic() > until:
                what = "ended" if ended else f"was not ready after {patience:.0f} s"
                raise Failed("\n".join([f"{self.name} {what}. Its last words:", *self.last_words()]))
            time.sleep(0.02)

    def last_words(self) -> list[str]:
        return [line[:300] for line in self.log.read_text(errors="replace").splitlines()[-40:]]


class Processes:
    """Child processes that end with this one, and `directory` for their logs. Safe to use from several threads."""

    def __init__(self) -> None:
        STATE.mkdir(exist_ok=True)
        for stale in STATE.glob("stack-*"):
            if not psutil.pid_exists(int(stale.name.split("-")[1])):
                shutil.rmtree(stale, ignore_errors=True)
        self.directory = Path(tempfile.mkdtemp(prefix=f"stack-{os.getpid()}-", dir=STATE))
        self._lock = Lock()
        self._children: list[Child] = []
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("reaper.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def start(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        config: str = "",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: int | None = None,
        stop: int = signal.SIGTERM,
        log: Path | None = None,
    ) -> Child:
        """Start `argv` with `config` on its standard input; its output goes to `log`, or to one in `directory`."""
        log = log or self.directory / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE if config else subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd or self.directory,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        child = Child(name, process, log, stop)
        with self._lock:
            self._children.append(child)
            self._tell(f"+ {process.pid} {int(stop)}")
        if process.stdin:
            process.stdin.write(config.encode())
            process.stdin.close()
        return child

    def stop(self, child: Child, patience: float = 10.0) -> None:
        """End `child` if it still runs, and wait until it has ended."""
        with self._lock:
            if child not in self._children:
                return
            self._children.remove(child)
        child.process.send_signal(child.stop)
        try:
            child.process.wait(patience)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        with self._lock:
            self._tell(f"- {child.process.pid}")

    def close(self) -> None:
        """Stop every child, the youngest first, then the reaper; forget the logs."""
        for child in reversed(list(self._children)):
            self.stop(child)
        assert self._reaper.stdin  # noqa: S101 -- narrows the type
        self._reaper.stdin.close()
        self._reaper.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _tell(self, line: str) -> None:
        assert self._reaper.stdin  # noqa: S101 -- narrows the type
        with suppress(BrokenPipeError):  # somebody ended the reaper: we still stop everything ourselves
            os.write(self._reaper.stdin.fileno(), f"{line}\n".encode())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
