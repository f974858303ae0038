"""What is told of one request beside its answer, also when it fails: timings, calls to others, rate limits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rowcall.admission import Verdict
from rowcall.calls import Calls


@dataclass(slots=True)
class Trace:
    """Seconds spent in each step, how often Redis and Postgres were asked, and what the policies said."""

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    @contextmanager
    def counting(self, **counters: Calls) -> Iterator[None]:
        before = {name: calls.count for name, calls in counters.items()}
        try:
            yield
        finally:
            self.calls = {name: calls.count - before[name] for name, calls in counters.items()}
