"""A hit's rows are those of the same question planned anew: for generated questions and values over the shop.

All examples share one cache, so a later one is answered by whatever the earlier ones left there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from local.stack import Stack
from rowcall import bootstrap
from rowcall.answer import Answer, Ask, answer
from rowcall.auth import LOCAL, Principal
from rowcall.bootstrap import Services
from rowcall.deadline import Deadline
from rowcall.errors import Unanswerable
from tests.integration.test_api import environment

NUMBERS = count(1)
COUNTS = st.integers(1, 40)
STATUSES = st.sampled_from(["pending", "processing", "shipped", "delivered", "cancelled", "returned"])
CHANNELS = st.sampled_from(["web", "mobile", "phone"])
SEGMENTS = st.sampled_from(["consumer", "business", "education"])
DAYS = st.integers(1, 400)
PRICES = st.integers(1, 900)
YEARS = st.sampled_from(["2024", "2025", "2026"])
ZONES = st.sampled_from(["UTC", "America/Los_Angeles", "Pacific/Auckland"])

# Each meaning in the words that it is planned for, and in others that mean the same.
SHAPES: list[tuple[tuple[str, ...], tuple[st.SearchStrategy[object], ...]]] = [
    (("count {} orders", "how many orders are {}", "how many {} orders are there"), (STATUSES,)),
    (("top {} products by revenue", "the {} best products by revenue"), (COUNTS,)),
    (("bottom {} products by revenue",), (COUNTS,)),
    (("top {} customers by total spend", "{} customers with the highest total spend"), (COUNTS,)),
    (("orders from the last {} days", "show orders of the past {} days"), (DAYS,)),
    (("how many orders in the last {} days",), (DAYS,)),
    (("products over ${}", "list products that cost more than ${}"), (PRICES,)),
    (("products under ${}",), (PRICES,)),
    (("count {} orders from {}", "how many {} orders came from {}"), (STATUSES, CHANNELS)),
    (("{} most expensive products",), (COUNTS,)),
    (("{} cheapest products",), (COUNTS,)),
    (("count {} customers", "how many {} customers are there", "number of {} customers"), (SEGMENTS,)),
    (("number of orders in {}", "how many orders were there in {}"), (YEARS,)),
    (("average total of {} orders",), (STATUSES,)),
    (("highest total of {} orders",), (STATUSES,)),
    (("top {} customers by number of {} orders",), (COUNTS, STATUSES)),
]


@dataclass(frozen=True)
class Asked:
    """A question in some words, and the same in those that it is planned for."""

    query: str
    plainly: str
    timezone: str


@st.composite
def questions(draw: st.DrawFn) -> Asked:
    wordings, values = draw(st.sampled_from(SHAPES))
    chosen = tuple(draw(value) for value in values)
    return Asked(draw(st.sampled_from(wordings)).format(*chosen), wordings[0].format(*chosen), draw(ZONES))


@pytest.fixture(scope="module")
def services(stack: Stack, database_url: str) -> Iterator[Services]:
    assert stack.bridge
    stack.bridge.reset()
    running = bootstrap.start(environment(stack.bridge, database_url, SHADOW_RATE="0"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def layers() -> Counter[int]:
    return Counter()


def ask(services: Services, query: str, timezone: str, principal: Principal = LOCAL) -> Answer:
    return answer(Ask(query, limit=500, timezone=timezone), principal, services, Deadline.after(60))


def rows(found: Answer) -> Counter[str]:
    return Counter(map(repr, found.rows))


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(asked=questions())
def test_a_hit_is_what_a_plan_would_be(services: Services, layers: Counter[int], asked: Asked) -> None:
    try:
        found = ask(services, asked.query, asked.timezone)
    except Unanswerable:  # in these words only layer 2 can answer, and it knows no plan yet
        reject()
    layers[found.layer] += 1
    fresh = Ask(asked.plainly, limit=500, timezone=asked.timezone, fresh=True, purpose="compare")
    planned = answer(fresh, LOCAL, services, Deadline.after(60))
    assert planned.layer == 3
    assert [column.type for column in found.columns] == [column.type for column in planned.columns]
    assert rows(found) == rows(planned), (found.plan.sql, planned.plan.sql)
    assert sorted(map(repr, found.params)) == sorted(map(repr, planned.params)), "no value of another question"


def test_most_of_them_were_hits_of_both_layers(layers: Counter[int]) -> None:
    """Or the property above would have shown nothing."""
    assert layers[1] > 40
    assert layers[2] >= 5


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(asked=questions())
def test_two_scopes_never_meet(services: Services, asked: Asked) -> None:
    tenant = f"tenant {next(NUMBERS)}"
    first = Principal("ann", tenant)
    ask(services, asked.plainly, asked.timezone, first)
    assert ask(services, asked.plainly, asked.timezone, first).layer == 1
    for other in (Principal("ann", f"not {tenant}"), Principal("ann", tenant, role="another")):
        found = ask(services, asked.plainly, asked.timezone, other)
        assert (found.layer, found.near_miss) == (3, None)
