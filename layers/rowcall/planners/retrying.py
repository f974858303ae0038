"""Calls a provider again when that can help: on 408, 409, 429, 5xx and lost replies, and on nothing else.

Waits with full jitter (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/), at least
as long as the provider asks by Retry-After, and never longer than the deadline allows: then it gives up at once,
so that another planner has the rest of the time.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from rowcall.deadline import Deadline
from rowcall.planners import PlannerUnavailable

T = TypeVar("T")

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 4.0


class CallFailed(Exception):
    """One call of a provider failed. `status` is its HTTP status, or None when no reply arrived."""

    def __init__(self, reason: str, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.retry_after = retry_after

    @property
    def may_pass(self) -> bool:
        return self.status is None or self.status in (408, 409, 429) or self.status >= 500


@dataclass(frozen=True, slots=True)
class Retrying:
    """At most `retries` further calls, each within `timeout` seconds. `sleep` and `jitter` are for tests.

    Environments that start from one snapshot share the state of `random`, and would march in step; the system's
    randomness they do not share.
    """

    retries: int
    timeout: float
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[float, float], float] = random.SystemRandom().uniform

    def call(self, planner: str, once: Callable[[Deadline], T], deadline: Deadline) -> T:
        """What `once` returns. Raises `PlannerUnavailable`."""
        for retry in range(self.retries + 1):
            try:
                return once(deadline.within(self.timeout))
            except CallFailed as failure:
                pause = self.jitter(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**retry))
                pause = max(pause, failure.retry_after or 0)
                last = retry == self.retries or not failure.may_pass
                if last or time.monotonic() + pause >= deadline.at:
                    raise PlannerUnavailable(planner, failure.reason, failure.retry_after) from failure
                self.sleep(pause)
        raise AssertionError("unreachable")


def reason(status: int) -> str:
    """What a status of a provider means, in our words."""
    if status in (401, 403):
        return "refused our credentials"
    if status == 429:
        return "is limiting our requests"
    if status in (503, 529):
        return "is overloaded"
    return f"failed with status {status}"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds (RFC 9110, 10.2.3), or in milliseconds as OpenAI has it; dates are ignored."""
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            value = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if 0 <= value < 86400:
            return value
    return None
