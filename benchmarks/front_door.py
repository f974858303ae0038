"""What the front door adds to a remembered question: the same event through the handler with and without each part.

Without sign-in, policies, metrics and the request's line the handler does all the rest, so the difference is theirs. In
turns, so that whatever else this machine does falls on all alike.
"""

from __future__ import annotations

import io
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from statistics import median

import jwt

from benchmarks.figures import Figures
from local.stack import Stack

SECRET = "benchmark-only-9f2c1d7e6b5a49383726"  # noqa: S105
SIGN_IN = {"AUTH": "jwt", "JWT_SECRET": SECRET, "JWT_ISSUER": "bench", "JWT_AUDIENCE": "bench"}
OPEN = {"ADDRESS_QUOTA": "0", "USER_QUOTA": "0"}
WAYS = {
    "nothing": "without the front door",
    "policies": "two policies",
    "sign_in": "sign-in by token",
    "everything": "both, metrics and the log's line",
}


def measure(stack: Stack, times: int) -> Figures:
    """Ask one remembered question so many times each way; the stack must hold the sample shop."""
    from api import dependencies, middleware
    from api.main import handler
    from rowcall import bootstrap, telemetry
    from tests.gateway import Gateway

    token = jwt.encode(
        {"sub": "ann", "tenant": "local", "scope": "query", "iss": "bench", "aud": "bench", "exp": time.time() + 3600},
        SECRET,
    )
    gateway = Gateway(handler)
    ways: Mapping[str, tuple[dict[str, str], bool]] = {
        "nothing": (OPEN, False),
        "policies": ({}, False),
        "sign_in": (OPEN | SIGN_IN, False),
        "everything": (SIGN_IN, True),
    }
    environments = {name: bootstrap.start(stack.environ | settings) for name, (settings, _) in ways.items()}

    @contextmanager
    def silent(told: bool) -> Iterator[None]:
        """Without metrics and the line, unless `told`."""
        if told:
            yield
            return
        emit, account = telemetry.emit, middleware._account
        telemetry.emit = middleware._account = lambda *_, **__: None  # type: ignore[assignment]
        try:
            yield
        finally:
            telemetry.emit, middleware._account = emit, account

    def ask(name: str) -> tuple[float, float]:
        settings, told = ways[name]
        dependencies.services = lambda: environments[name]  # type: ignore[assignment]
        headers = {"Authorization": f"Bearer {token}"} if "AUTH" in settings else {}
        with silent(told):
            begin, busy = time.perf_counter(), time.thread_time()
            reply = gateway.post("/api/query", {"query": "count pending orders"}, headers)
            taken, worked = time.perf_counter() - begin, time.thread_time() - busy
        assert reply.status == 200, reply.body  # noqa: S101
        return taken * 1000, worked * 1000

    services = dependencies.services
    try:
        with redirect_stdout(io.StringIO()):
            _log_to_stdout()
            for name in ways:
                for _ in range(5):
                    ask(name)
            found = {name: list[tuple[float, float]]() for name in ways}
            for _ in range(times):
                for name, taken in found.items():
                    taken.append(ask(name))
    finally:
        dependencies.services = services
        _log_to_stdout()
        for environment in environments.values():
            environment.close()
    medians = {name: [median(each) for each in zip(*taken, strict=True)] for name, taken in found.items()}
    least, least_cpu = medians["nothing"]
    return Figures(
        name="front_door",
        title="What the front door adds to a hit",
        method=f"“count pending orders” through the handler; medians of {times} in turns. The floor is the same "
        "without policies, sign-in, metrics and the log's line. CPU is the handler's thread's alone, and tells more "
        "on a busy machine.",
        headings=("", "ms", "adds ms", "CPU ms", "adds CPU ms"),
        rows=[(WAYS[name], taken, taken - least, cpu, cpu - least_cpu) for name, (taken, cpu) in medians.items()],
    )


def _log_to_stdout() -> None:
    """Handlers keep the stdout that there was when they were made."""
    for kept in logging.getLogger("rowcall").handlers:
        if isinstance(kept, logging.StreamHandler):
            kept.setStream(sys.stdout)
