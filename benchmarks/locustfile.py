"""The askers of `make load`, run by locust in a process of its own, which is told by its environment: LOAD_QUESTIONS
(a file), LOAD_STAGES (askers at once, in turns), LOAD_SECONDS (of each stage) and LOAD_RECORD (where to write).

Each asks again as soon as it is answered. Which question is drawn by Zipf's law: the r-th is asked r^-1.1 as often as
the first, in an order that is the same in every run.
"""

from __future__ import annotations

import json
import os
import time
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any

from locust import LoadTestShape, constant, events, task
from locust.contrib.fasthttp import FastHttpUser

EXPONENT = 1.1
QUESTIONS: list[str] = json.loads(Path(os.environ["LOAD_QUESTIONS"]).read_text())
STAGES = [int(users) for users in os.environ["LOAD_STAGES"].split(",")]
SECONDS = float(os.environ["LOAD_SECONDS"])
RANDOM = Random(20)  # noqa: S311 -- which question is no secret
RANDOM.shuffle(QUESTIONS)
WEIGHTS = list(accumulate((rank + 1) ** -EXPONENT for rank in range(len(QUESTIONS))))
RECORD: list[tuple[float, int, float, int, int]] = []
"""Seconds since the begin, askers at once, milliseconds, status, layer (0 for none)."""
BEGAN = time.monotonic()


class Asker(FastHttpUser):
    wait_time = constant(0)
    connection_timeout = network_timeout = 40.0

    @task
    def ask(self) -> None:
        (query,) = RANDOM.choices(QUESTIONS, cum_weights=WEIGHTS)
        begin = time.monotonic()
        with self.client.post("/api/query", json={"query": query}, catch_response=True) as reply:
            taken = 1000 * (time.monotonic() - begin)
            layer = reply.json()["meta"]["cache_layer"] if reply.status_code == 200 else 0
            if not layer:
                reply.failure(f"status {reply.status_code}")
        users = self.environment.runner.user_count if self.environment.runner else 0
        RECORD.append((begin - BEGAN, users, taken, int(reply.status_code), layer))


class Stages(LoadTestShape):
    def tick(self) -> tuple[int, float] | None:
        stage = int(self.get_run_time() // SECONDS)
        return (STAGES[stage], 100.0) if stage < len(STAGES) else None


@events.quitting.add_listener
def write(**_: Any) -> None:
    Path(os.environ["LOAD_RECORD"]).write_text(json.dumps(RECORD))
