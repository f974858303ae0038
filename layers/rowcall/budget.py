"""What models may cost: a call's worst case is reserved before it and its real cost settled after, atomically.

Accounts are kept in Redis by tenant and by user, for a calendar month in UTC, in whole nano-dollars. A reservation
is released when its call failed, and ends by itself after a crash, so no sum ever passes a limit. The same request
carries the providers' circuit breakers and the counts for `usage`; money and breakers cost a planned question two
requests, one before the model and one after, and none where no model is asked.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha1
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rowcall import telemetry
from rowcall.cache.store import Script, StoreUnavailable
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.pricing import NANO, Tokens, dollars
from rowcall.usage import COUNTER_SECONDS, counters, digest, next_month

if TYPE_CHECKING:
    from rowcall.auth import Principal
    from rowcall.cache.store import Store

BREAKER_FAILURES = 5
"""Failures in a row after which a provider is left alone."""
BREAKER_SECONDS = 30.0
PROBE_SECONDS = 15.0
BREAKER_MEMORY_SECONDS = 600.0
ACCOUNT_SECONDS = 70 * 86400
SETTLED_SECONDS = 86400
HOLD_MARGIN_SECONDS = 30.0
MOST_UNSETTLED = 1000
SETTLE_SECONDS = 0.5

_TEXT = (Path(__file__).parent / "lua" / "ledger.lua").read_text()
_LEDGER = Script(_TEXT, sha1(_TEXT.encode(), usedforsecurity=False).hexdigest())


Payer = Literal["tenant", "user"]


@dataclass(frozen=True, slots=True)
class Admitted:
    """The right to one call of `candidate`, an index into those that were offered."""

    candidate: int
    id: str


@dataclass(frozen=True, slots=True)
class ShutOff:
    """No candidate may be asked: each has failed too often of late. `retry_after` is in seconds."""

    retry_after: float


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a model that has ended. `ok` tells a reply from a failure; `None` when the call was not made."""

    provider: str
    model: str
    ok: bool | None = None
    tokens: Tokens = field(default=Tokens())
    nano: int = 0


class Ledger:
    """Admits and settles calls of models. Limits are nano-dollars a month; 0 is none."""

    def __init__(self, store: Store, *, user_limit: int, tenant_limit: int, refuse_without_redis: bool) -> None:
        self._store = store
        self._limits: dict[Payer, int] = {"tenant": tenant_limit, "user": user_limit}
        self._refuse_without_redis = refuse_without_redis and any(self._limits.values())
        self._breaker = LocalBreaker()
        self._unsettled: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def admit(
        self,
        principal: Principal,
        candidates: Sequence[tuple[str, int]],
        deadline: Deadline,
        *,
        ended: tuple[Admitted, Call] | None = None,
    ) -> Admitted | ShutOff:
        """The first of `candidates` (provider, worst cost) that may be asked; `ended` is settled in the same request.

        Raises `budget_exceeded` when its worst cost would pass a limit, and `StoreUnavailable` when Redis is down and
        a budget cannot be held to.
        """
        admitted = secrets.token_hex(8)
        admit = {
            "id": admitted,
            "accounts": self._accounts(principal),
            "candidates": [list(candidate) for candidate in candidates],
            "hold": int((deadline.left() + HOLD_MARGIN_SECONDS) * 1000),
        }
        try:
            chosen, account, spent, held, wait = self._ask(principal, deadline, ended, admit)
        except StoreUnavailable:
            if self._refuse_without_redis:
                raise
            return self._breaker.admit([provider for provider, _ in candidates])
        if account:
            raise self._exceeded(list(self._limits)[account - 1], int(spent), int(held))
        if not chosen:
            return ShutOff(wait / 1000)
        return Admitted(chosen - 1, admitted)

    def settle(self, principal: Principal, admitted: Admitted, call: Call, deadline: Deadline) -> None:
        """Charge what `call` cost and let go of what was reserved for it. Never raises: the money is spent.

        Even after the deadline a moment is left for it, or the books would be wrong.
        """
        try:
            self._ask(principal, Deadline(max(deadline.at, Deadline.after(SETTLE_SECONDS).at)), (admitted, call), None)
        except StoreUnavailable as error:
            telemetry.logger().warning("redis unavailable", reason=str(error))
        except Problem:
            telemetry.logger().warning("a call is settled late", provider=call.provider)

    def spent(self, principal: Principal, deadline: Deadline) -> dict[Payer, tuple[int, int]]:
        """Nano-dollars spent this month and their limit, by account. Raises `StoreUnavailable`."""
        return {
            name: (int(self._store.execute(["HGET", account["key"], "spent"], deadline) or 0), account["limit"])
            for name, account in zip(self._limits, self._accounts(principal), strict=True)
        }

    def _ask(
        self,
        principal: Principal,
        deadline: Deadline,
        ended: tuple[Admitted, Call] | None,
        admit: Mapping[str, Any] | None,
    ) -> list[Any]:
        with self._lock:
            settling, self._unsettled = self._unsettled, []
        if ended:
            self._breaker.learn(ended[1])
            settling = [*settling, self._settlement(principal, *ended)]
        asked = {
            "settle": settling,
            "admit": admit,
            "breaker": {
                "threshold": BREAKER_FAILURES,
                "cooldown": int(BREAKER_SECONDS * 1000),
                "probe": int(PROBE_SECONDS * 1000),
                "memory": int(BREAKER_MEMORY_SECONDS * 1000),
            },
            "ttl": ACCOUNT_SECONDS,
            "usage_ttl": COUNTER_SECONDS,
            "settled_ttl": SETTLED_SECONDS,
        }
        try:
            reply = self._store.run(
                _LEDGER, [json.dumps({key: value for key, value in asked.items() if value is not None})], deadline
            )
        except (StoreUnavailable, Problem):
            with self._lock:  # told with the next request: what was spent must not be forgotten
                self._unsettled = [*settling, *self._unsettled][-MOST_UNSETTLED:]
            raise
        if not isinstance(reply, list) or len(reply) != 5:
            raise StoreUnavailable("malformed reply")
        return reply

    def _settlement(self, principal: Principal, admitted: Admitted, call: Call) -> dict[str, Any]:
        counts = {
            "calls": int(call.ok is not None),
            "failed": int(call.ok is False),
            "input": call.tokens.input,
            "cached": call.tokens.cached,
            "cache_write": call.tokens.cache_write,
            "output": call.tokens.output,
            "nano": call.nano,
        }
        return {
            "id": admitted.id,
            "accounts": self._accounts(principal),
            "nano": call.nano,
            "provider": call.provider,
            "ok": call.ok,
            "usage": list(counters(principal).values()),
            "fields": {f"{name}|{call.provider}|{call.model}": count for name, count in counts.items() if count},
        }

    def _accounts(self, principal: Principal) -> list[dict[str, Any]]:
        month = datetime.now(UTC).strftime("%Y%m")
        payers: dict[Payer, str] = {
            "tenant": digest(principal.tenant),
            "user": digest(principal.tenant, principal.user),
        }
        return [
            {"key": f"rowcall:budget:{name}:{payers[name]}:{month}", "limit": limit}
            for name, limit in self._limits.items()
        ]

    def _exceeded(self, account: Payer, spent: int, held: int) -> Problem:
        limit = self._limits[account]
        reset = next_month(datetime.now(UTC))
        return Problem(
            "budget_exceeded",
            f"The {account}'s budget for models, {dollars(limit):.2f} dollars a month, does not cover this question.",
            retry_after=max((reset - datetime.now(UTC)).total_seconds(), 1),
            members={
                "budget": account,
                "limit_usd": dollars(limit),
                "remaining_usd": dollars(max(limit - spent - held, 0)),
                "percentage": round(min((spent + held) / limit, 1) * 100, 2),
                "reset": reset.isoformat(),
            },
        )


class LocalBreaker:
    """The same circuit breakers in this environment alone, for as long as Redis is down."""

    def __init__(self) -> None:
        self._states: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def admit(self, providers: Sequence[str]) -> Admitted | ShutOff:
        now = time.monotonic()
        with self._lock:
            waits = []
            for index, provider in enumerate(providers):
                failures, until = self._states.get(provider, (0, 0.0))
                if failures < BREAKER_FAILURES or until <= now:
                    if failures >= BREAKER_FAILURES:
                        self._states[provider] = failures, now + PROBE_SECONDS
                    return Admitted(index, secrets.token_hex(8))
                waits.append(until - now)
        return ShutOff(min(waits))

    def learn(self, call: Call) -> None:
        with self._lock:
            if call.ok:
                self._states.pop(call.provider, None)
            elif call.ok is False:
                failures = self._states.get(call.provider, (0, 0.0))[0] + 1
                self._states[call.provider] = failures, time.monotonic() + BREAKER_SECONDS


def nano(usd: Any) -> int:
    return int(usd * NANO)
