"""The time to a chat's first event: through uvicorn, beside the same model asked directly, in turns.

The model is the stub, whose pause before each of its events is known: its first word comes after two of them. Each
message is another one, so that none is answered by a kept reply; those are a row of their own.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from statistics import median
from typing import Any

from benchmarks.figures import Figures, Value
from local.api import Api
from local.llm_stub import LlmStub, Says
from local.processes import Failed, free_port
from local.stack import Stack

SETTINGS = {"CHAT_QUOTA": "0", "ADDRESS_QUOTA": "0", "PLANNERS": "anthropic", "ANTHROPIC_API_KEY": "none"}
NUMBERS = count(1)
TEXT = "The Aurora lamp leads."


def measure(stack: Stack, pauses: tuple[float, ...], times: int) -> Figures:
    """Ask so many times with each of `pauses`, in seconds; the stack must hold the sample shop."""
    with LlmStub() as stub:
        port, model = free_port(), int(stub.url.rpartition(":")[2])
        api = Api(stack, port, settings=SETTINGS | {"ANTHROPIC_BASE_URL": stub.url})
        try:
            rows: list[tuple[Value, ...]] = []
            for pause in pauses:
                stub.default = Says(text=TEXT, pause=pause)
                direct: list[float] = []
                ours: list[float] = []
                for turn in range(times + 3):
                    stub_ms, our_ms = _first(model, "/v1/messages", _request()), _first(port, "/api/chat", _message())
                    if turn >= 3:
                        direct.append(stub_ms)
                        ours.append(our_ms)
                floor, taken = median(direct), median(ours)
                rows.append((f"{1000 * pause:g} ms a pause", floor, taken, taken - floor, taken / floor))
            message = _message()
            kept = [_first(port, "/api/chat", message) for _ in range(times + 1)][1:]
            rows.append(("a kept reply", None, median(kept), None, None))
        finally:
            api.stop()
    return Figures(
        name="chat",
        title="A chat's first event",
        method="From the request's last byte to the first piece of text, over a new connection each, by a client that "
        f"reads server-sent events; medians of {times}, in turns. The floor is the model itself, which pauses before "
        "each of its events. Ours signs in nobody, checks the policies, looks for a kept reply, reserves the worst "
        "cost, and asks the same model.",
        headings=("", "model ms", "chat ms", "adds ms", "ratio"),
        rows=rows,
    )


def _request() -> dict[str, Any]:
    return {"model": "stub", "stream": True, "messages": [{"role": "user", "content": f"message {next(NUMBERS)}"}]}


def _message() -> dict[str, Any]:
    return {"stream": True, "messages": [{"role": "user", "content": f"what is said of message {next(NUMBERS)}?"}]}


def _first(port: int, path: str, document: dict[str, Any]) -> float:
    """Milliseconds until a line of the reply holds text of the model's."""
    body = json.dumps(document).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    )
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as opened:
        opened.sendall(f"{head}connection: close\r\n\r\n".encode() + body)
        begin = time.perf_counter()
        taken: float | None = None
        for line in _lines(opened):
            if taken is None and line.startswith(b"data:") and TEXT[:7].encode() in line:
                taken = 1000 * (time.perf_counter() - begin)
        if taken is None:
            raise Failed(f"{path} told no text")
        return taken


def _lines(opened: socket.socket) -> Iterator[bytes]:
    """The lines of a reply as they come, to its end: so that nothing of one falls into the time of the next."""
    rest = b""
    while received := opened.recv(65536):
        *lines, rest = (rest + received).split(b"\n")
        yield from lines
    yield rest
