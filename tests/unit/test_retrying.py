"""When a provider is called again, how long is waited, and when it is given up."""

from __future__ import annotations

import math

import pytest

from rowcall.deadline import Deadline
from rowcall.planners import PlannerUnavailable
from rowcall.planners.retrying import CallFailed, Retrying, retry_after


class Provider:
    """Fails with each of `failures`, then replies."""

    def __init__(self, *failures: CallFailed) -> None:
        self.failures = list(failures)
        self.calls = 0
        self.slept: list[float] = []
        self.jitters: list[float] = []

    def __call__(self, _: Deadline) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "reply"

    def most(self, low: float, high: float) -> float:
        assert low == 0, "full jitter"
        self.jitters.append(high)
        return high

    def ask(self, retries: int = 3, seconds: float = 60) -> str:
        retrying = Retrying(retries, timeout=10, sleep=self.slept.append, jitter=self.most)
        return retrying.call("stub", self, Deadline.after(seconds))


@pytest.mark.parametrize("status", [None, 408, 409, 429, 500, 503, 529])
def test_what_may_pass_is_tried_again_with_growing_pauses(status: int | None) -> None:
    provider = Provider(*[CallFailed("failed", status)] * 3)
    assert provider.ask() == "reply"
    assert provider.calls == 4
    assert provider.slept == [0.25, 0.5, 1.0]


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 413, 422])
def test_what_will_not_pass_is_not(status: int) -> None:
    provider = Provider(CallFailed("failed", status))
    with pytest.raises(PlannerUnavailable, match="stub: failed"):
        provider.ask()
    assert (provider.calls, provider.slept) == (1, [])


def test_it_gives_up_after_the_last_retry() -> None:
    provider = Provider(*[CallFailed("failed", 500)] * 9)
    with pytest.raises(PlannerUnavailable):
        provider.ask(retries=2)
    assert provider.calls == 3


def test_pauses_have_an_end() -> None:
    provider = Provider(*[CallFailed("failed", 500)] * 9)
    assert provider.ask(retries=9, seconds=math.inf) == "reply"
    assert max(provider.slept) == 4


def test_retry_after_is_the_least() -> None:
    provider = Provider(CallFailed("busy", 429, retry_after=7), CallFailed("busy", 429, retry_after=0.01))
    provider.ask()
    assert provider.slept == [7, 0.5]


def test_a_pause_past_the_deadline_is_not_begun_and_is_told() -> None:
    provider = Provider(CallFailed("busy", 429, retry_after=70))
    with pytest.raises(PlannerUnavailable) as caught:
        provider.ask()
    assert (provider.calls, provider.slept, caught.value.retry_after) == (1, [], 70)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2),
        ({"retry-after": "2", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e9"}, None),
    ],
)
def test_retry_after_headers(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds
