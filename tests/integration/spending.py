"""What one of several processes does in the budget's test: many calls at once, each admitted, made and settled."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

from rowcall.auth import Principal
from rowcall.budget import Call, Ledger, ShutOff
from rowcall.cache.store import Store
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.pricing import NANO

WORST = 60 * NANO // 1000
REAL = 45 * NANO // 1000
LIMIT = NANO
ANN = Principal("ann", "acme")


def ledger(store: Store, limit: int = LIMIT) -> Ledger:
    return Ledger(store, user_limit=0, tenant_limit=limit, refuse_without_redis=True)


def spend(url: str, token: str, calls: int, crashes: bool) -> tuple[int, int]:
    """How many of `calls` parallel calls were admitted, and how many of those were never settled."""
    store = Store(url, token, timeout=10)
    books = ledger(store)

    def call(number: int) -> tuple[int, int]:
        deadline = Deadline.after(60)
        try:
            admitted = books.admit(ANN, [("stub", WORST)], deadline)
        except Problem as problem:
            if problem.code != "budget_exceeded":
                raise
            return 0, 0
        assert not isinstance(admitted, ShutOff)
        time.sleep(random.uniform(0, 0.05))  # noqa: S311 - the model's time
        if crashes and number % 5 == 0:
            return 1, 1
        books.settle(ANN, admitted, Call("stub", "model", ok=True, nano=REAL), deadline)
        return 1, 0

    with ThreadPoolExecutor(calls) as pool:
        done = list(pool.map(call, range(calls)))
    store.close()
    return sum(admitted for admitted, _ in done), sum(lost for _, lost in done)
