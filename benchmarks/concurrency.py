"""Many at once: a remembered question over HTTP through uvicorn, beside a bare FastAPI route through the same.

One client on one connection each, asking again as soon as it is answered, from one process of plain sockets. On a
machine of few cores the clients, the server, Postgres and Redis share them, as they do for the floor.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import dataclass
from statistics import median, quantiles

from benchmarks.figures import Figures, Plot
from local.api import Api
from local.processes import ROOT, Failed, free_port
from local.stack import Stack

QUERY = b'{"query": "count pending orders"}'
ASK = (
    b"POST /api/query HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
    % (
        len(QUERY),
        QUERY,
    )
)
HEALTH = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Load:
    """Answers a second, and milliseconds of the middle one and of the slowest of twenty."""

    rate: float
    p50: float
    p95: float


def measure(stack: Stack, clients: tuple[int, ...], seconds: float) -> Figures:
    """The stack must hold the sample shop."""
    ports = free_port(), free_port()
    api = Api(stack, ports[0])
    bare = stack.processes.start(
        "the bare API",
        [
            *(sys.executable, "-m", "uvicorn", "main:app", "--host", "127.0.0.1", "--port", str(ports[1])),
            *("--no-access-log", "--log-level", "warning"),
        ],
        env={"PATH": os.environ["PATH"]},
        cwd=ROOT / "benchmarks" / "bare",
    )
    try:
        bare.wait_until(lambda: _answers(ports[1], HEALTH))
        for _ in range(3):
            asyncio.run(_load(ports[0], ASK, 4, 0.2))  # plans it, and opens connections
        rows = []
        for count in clients:
            floor = asyncio.run(_load(ports[1], HEALTH, count, seconds))
            ours = asyncio.run(_load(ports[0], ASK, count, seconds))
            rows.append((count, floor.rate, floor.p50, ours.rate, ours.p50, ours.p95, ours.p50 / floor.p50))
    finally:
        stack.processes.stop(bare)
        api.stop()
    return Figures(
        name="concurrency",
        title="Many at once, through uvicorn",
        method="One process of uvicorn; clients that ask a remembered question again as soon as they are answered, "
        f"for {seconds:g} s at each number of them. The floor is a bare FastAPI route that asks neither Redis nor "
        "Postgres.",
        headings=("clients", "bare/s", "bare p50 ms", "hits/s", "p50 ms", "p95 ms", "p50 ratio"),
        rows=list(rows),
        plot=Plot("clients", ("bare p50 ms", "p50 ms", "p95 ms"), "ms"),
    )


async def _load(port: int, request: bytes, clients: int, seconds: float) -> Load:
    until = time.perf_counter() + seconds
    asked = await asyncio.gather(*(_client(port, request, until) for _ in range(clients)))
    taken = [one for each in asked for one in each]
    return Load(len(taken) / seconds, median(taken), quantiles(taken, n=20)[-1])


async def _client(port: int, request: bytes, until: float) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken: list[float] = []
    try:
        while (begin := time.perf_counter()) < until or not taken:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head[:13]:
                raise Failed(f"a client was answered {head[:60]!r}")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            taken.append(1000 * (time.perf_counter() - begin))
    finally:
        writer.close()
    return taken


def _answers(port: int, request: bytes) -> bool:
    try:
        asyncio.run(_load(port, request, 2, 0.01))
    except OSError:
        return False
    return True
