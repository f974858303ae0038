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
from dataclasses import dataclass
from statistics import median

import jwt

from local.stack import Stack

SECRET = "benchmark-only-9f2c1d7e6b5a49383726"  # noqa: S105
SIGN_IN = {"AUTH": "jwt", "JWT_SECRET": SECRET, "JWT_ISSUER": "bench", "JWT_AUDIENCE": "bench"}
OPEN = {"ADDRESS_QUOTA": "0", "USER_QUOTA": "0"}
ROUNDS = 400


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """Medians in milliseconds of a hit through the handler, by what of the front door there is: all, and CPU of it.

    The CPU is the handler's thread's alone, and tells more on a busy machine.
    """

    times: int
    nothing: tuple[float, float]
    policies: tuple[float, float]
    sign_in: tuple[float, float]
    everything: tuple[float, float]


def measure(stack: Stack) -> FrontDoor:
    """Ask one remembered question `ROUNDS` times each way; the stack must hold the sample shop."""
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
            for _ in range(ROUNDS):
                for name, times in found.items():
                    times.append(ask(name))
    finally:
        dependencies.services = services
        _log_to_stdout()
        for environment in environments.values():
            environment.close()
    medians = {
        name: (median(all_ for all_, _ in times), median(cpu for _, cpu in times)) for name, times in found.items()
    }
    return FrontDoor(ROUNDS, **medians)


def _log_to_stdout() -> None:
    """Handlers keep the stdout that there was when they were made."""
    for kept in logging.getLogger("rowcall").handlers:
        if isinstance(kept, logging.StreamHandler):
            kept.setStream(sys.stdout)
