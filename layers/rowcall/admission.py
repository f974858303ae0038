"""How often a caller may ask: policies, checked exactly by a sliding log on Redis's own clock.

The check is part of `cache/lua/recall.lua`, so it costs no request of its own. While Redis is down a limiter
in this environment takes over: each environment then admits up to the quota.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.settings import Settings


@dataclass(frozen=True, slots=True)
class Policy:
    """At most `quota` admissions in any `window` seconds. `name` is what the RateLimit fields call it."""

    name: str
    quota: int
    window: int


@dataclass(frozen=True, slots=True)
class Limit:
    """A policy applied to one caller: an address, a user. What is asked counts as `count` admissions, or none."""

    policy: Policy
    caller: str
    count: int = 1

    @property
    def key(self) -> str:
        """The caller is hashed: no address or name is kept in Redis."""
        return f"rowcall:limit:{self.policy.name}:{sha256(self.caller.encode()).hexdigest()[:32]}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy said: admissions left after this one, seconds until another place is free."""

    policy: Policy
    remaining: int
    reset: float
    admitted: bool


def verdicts(limits: Sequence[Limit], counted: Sequence[tuple[int, float]]) -> tuple[Verdict, ...]:
    """From what was used before this request and the seconds until a place is free, per limit."""
    admitted = all(used + limit.count <= limit.policy.quota for limit, (used, _) in zip(limits, counted, strict=True))
    return tuple(
        Verdict(
            limit.policy,
            max(limit.policy.quota - used - admitted * limit.count, 0),
            free if used else float(limit.policy.window),
            used + limit.count <= limit.policy.quota,
        )
        for limit, (used, free) in zip(limits, counted, strict=True)
    )


def require(told: Sequence[Verdict]) -> None:
    """Raises `rate_limited` when a policy refused, naming those that did and when to come back."""
    refused = [verdict for verdict in told if not verdict.admitted]
    if refused:
        raise Problem(
            "rate_limited",
            retry_after=max(verdict.reset for verdict in refused),
            members={"violated_policies": [verdict.policy.name for verdict in refused]},
        )


def query_limits(settings: Settings, user: str, address: str) -> list[Limit]:
    """The policies a question is under: by address and by user. A quota of 0 is no policy."""
    policies = (
        (Policy("address", settings.address_quota, settings.address_window), address),
        (Policy("user", settings.user_quota, settings.user_window), user),
    )
    return [Limit(policy, caller) for policy, caller in policies if policy.quota]


def chat_limits(settings: Settings, user: str, address: str) -> list[Limit]:
    """The policies a chat message is under: by user, and by address as any question."""
    policies = (
        (Policy("address", settings.address_quota, settings.address_window), address),
        (Policy("chat", settings.chat_quota, settings.chat_window), user),
    )
    return [Limit(policy, caller) for policy, caller in policies if policy.quota]


def job_limits(limits: Sequence[Limit], questions: int) -> list[Limit]:
    """The policies a job is under: each of its questions counts for the user, and the request once for the address."""
    return [replace(limit, count=questions) if limit.policy.name == "user" else limit for limit in limits]


class SignIns:
    """Failed sign-ins by address. Only those that fail are counted in Redis: one that succeeds asks nobody.

    An address that failed too often is shut out by this environment until a place is free, whatever it then shows.
    """

    def __init__(self, policy: Policy, admit: Callable[[Sequence[Limit], Deadline], tuple[Verdict, ...]]) -> None:
        self._policy = policy
        self._admit = admit
        self._shut_out: dict[str, float] = {}

    def require(self, address: str) -> None:
        """Raises `rate_limited` for an address that is shut out."""
        until = self._shut_out.get(address)
        if until is None:
            return
        left = until - time.monotonic()
        if left <= 0:
            self._shut_out.pop(address, None)
            return
        raise Problem("rate_limited", retry_after=left, members={"violated_policies": [self._policy.name]})

    def failed(self, address: str, deadline: Deadline) -> tuple[Verdict, ...]:
        """Count one that failed."""
        if not self._policy.quota:
            return ()
        told = self._admit([Limit(self._policy, address)], deadline)
        if not told[0].admitted:
            if len(self._shut_out) >= 10_000:
                self._shut_out.clear()
            self._shut_out[address] = time.monotonic() + told[0].reset
        return told


@dataclass
class LocalLimiter:
    """The same sliding log in memory, of one environment, for as long as Redis is down."""

    _logs: dict[str, deque[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, limits: Sequence[Limit]) -> tuple[Verdict, ...]:
        now = time.monotonic()
        with self._lock:
            counted = []
            for limit in limits:
                log = self._logs.setdefault(limit.key, deque())
                while log and log[0] <= now - limit.policy.window:
                    log.popleft()
                leaving = min(max(len(log) + limit.count - limit.policy.quota - 1, 0), len(log) - 1)
                counted.append((len(log), log[leaving] + limit.policy.window - now if log else 0.0))
            told = verdicts(limits, counted)
            if all(verdict.admitted for verdict in told):
                for limit in limits:
                    self._logs[limit.key].extend([now] * limit.count)
            self._forget(now)
        return told

    def _forget(self, now: float) -> None:
        """Keep the logs of callers of the last hour only, when there are many."""
        if len(self._logs) > 10_000:
            self._logs = {key: log for key, log in self._logs.items() if log and log[-1] > now - 3600}
