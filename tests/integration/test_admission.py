"""Quotas hold exactly: over processes, at the edges of windows, and whatever the callers' clocks say."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from local.bridge import Bridge
from local.processes import ROOT
from rowcall.admission import Limit, Policy, chat_limits, verdicts
from rowcall.cache.plans import Plans
from rowcall.cache.store import Store
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.settings import Settings

# Ten callers at once in a process of their own, whose clocks are wrong by `skew` seconds; says how many came in.
CALLERS = """
import sys, time
url, token, skew = sys.argv[1], sys.argv[2], float(sys.argv[3])
real, steady = time.time, time.monotonic
time.time, time.monotonic = (lambda: real() + skew), (lambda: steady() + skew)
from concurrent.futures import ThreadPoolExecutor
from rowcall.admission import Limit, Policy
from rowcall.cache.plans import Plans
from rowcall.cache.store import Store
from rowcall.deadline import Deadline
plans = Plans(Store(url, token, timeout=20), b"k" * 32, ttl_seconds=1, cap_seconds=1)
limits = [Limit(Policy("address", 100, 900), "192.0.2.1"), Limit(Policy("user", 10, 60), "ann")]
print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(10) as pool:
    told = list(pool.map(lambda _: plans.admit(limits, Deadline.after(30)), range(10)))
print(sum(all(verdict.admitted for verdict in each) for each in told))
"""


@pytest.fixture
def plans(bridge: Bridge) -> Iterator[Plans]:
    with closing(Store(bridge.url, bridge.token, timeout=5)) as store:
        yield Plans(store, b"k" * 32, ttl_seconds=1, cap_seconds=1)


def admitted(plans: Plans, *limits: Limit) -> bool:
    return all(verdict.admitted for verdict in plans.admit(limits, Deadline.after(10)))


def test_fifty_callers_of_several_processes_and_a_quota_of_ten(bridge: Bridge, plans: Plans) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CALLERS, bridge.url, bridge.token, str(skew)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"PYTHONPATH": "layers"},
        )
        for skew in (-86400, -3600, 0, 3600, 86400)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    counts = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(counts) == 10
    (address,) = plans.admit([Limit(Policy("address", 100, 900), "192.0.2.1")], Deadline.after(10))
    assert address.remaining == 100 - 10 - 1, "a refused request consumes nothing of any policy"


def test_no_window_anywhere_admits_more_than_the_quota(plans: Plans) -> None:
    """A fixed window would admit twice the quota around its edge."""
    limit, moments = Limit(Policy("edge", 10, 1), "ann"), list[tuple[float, float]]()
    until = time.monotonic() + 3.2

    def call() -> None:
        while time.monotonic() < until:
            before = time.monotonic()
            if admitted(plans, limit):
                moments.append((before, time.monotonic()))

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(call) for _ in range(3)]:
            done.result()
    assert 20 <= len(moments) <= 40
    before, after = sorted(each[0] for each in moments), sorted(each[1] for each in moments)
    assert all(late - early >= 1 for early, late in zip(before, after[10:], strict=False))


def test_the_place_that_is_promised_is_free_then_and_not_before(plans: Plans) -> None:
    limit = Limit(Policy("promise", 1, 1), "ann")
    assert admitted(plans, limit)
    (refused,) = plans.admit([limit], Deadline.after(10))
    assert not refused.admitted
    assert 0 < refused.reset <= 1
    time.sleep(refused.reset)
    assert admitted(plans, limit)


def test_chat_is_ten_in_ten_seconds(plans: Plans) -> None:
    settings = Settings.model_validate({"plan_seal_key": "k" * 32})
    limits = chat_limits(settings, "acme/ann", "192.0.2.1")
    assert [(limit.policy.name, limit.policy.quota, limit.policy.window) for limit in limits] == [
        ("address", 100, 900),
        ("chat", 10, 10),
    ]
    assert [admitted(plans, *limits) for _ in range(11)] == [True] * 10 + [False]


def test_without_redis_chat_is_limited_here_or_refused(bridge: Bridge) -> None:
    limit = Limit(Policy("chat", 2, 10), "ann")
    with closing(Store("http://127.0.0.1:9", bridge.token)) as store:
        plans = Plans(store, b"k" * 32, ttl_seconds=1, cap_seconds=1)
        assert [admitted(plans, limit) for _ in range(3)] == [True, True, False]
        with pytest.raises(Problem, match="limits_unavailable"):
            plans.admit([limit], Deadline.after(5), without_redis="refuse")


def test_a_quota_lowered_while_running_admits_none_too_early() -> None:
    limit = Limit(Policy("user", 2, 60), "ann")
    (told,) = verdicts([limit], [(5, 12.5)])
    assert (told.admitted, told.remaining, told.reset) == (False, 0, 12.5)
