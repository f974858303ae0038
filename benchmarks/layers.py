"""What a hit costs beside the least it could: one request to Redis and one transaction, by hand with the same clients.

Layer 1 in the engine and through the Lambda handler, layer 2 with 10, 1,000 and 10,000 templates known, all in turns
in one run, so that whatever else this machine does falls on all alike. Of layer 2 also what it takes to learn those
templates from Redis, and what they take in memory.
"""

from __future__ import annotations

import io
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from statistics import median

import psutil

from local.processes import Failed
from local.stack import Stack
from rowcall import bind, bootstrap
from rowcall.answer import Ask, answer, read, scope
from rowcall.auth import LOCAL, Principal
from rowcall.bootstrap import Services
from rowcall.cache import plans
from rowcall.cache.words import vocabulary
from rowcall.deadline import Deadline
from rowcall.plan import Plan
from rowcall.question import Question

ROUNDS = 300
SIZES = (10, 1_000, 10_000)
QUESTION = "list categories"
KNOWN, ALIKE = "count categories", "how many categories are there"
"""All of the cheapest kind for Postgres, so that what is ours shows."""
SETTINGS = {"ADDRESS_QUOTA": "1000000", "USER_QUOTA": "1000000", "SHADOW_RATE": "0"}


@dataclass(frozen=True, slots=True)
class Learning:
    """What a new environment takes to learn the templates, and each page of them, in milliseconds; and memory in MB."""

    whole_ms: float
    page_ms: float
    memory_mb: float


@dataclass(frozen=True, slots=True)
class Layers:
    """Medians in milliseconds. `floor` and `floor_alike` are of the statements of layer 1 and layer 2."""

    times: int
    floor: float
    engine: float
    handler: float
    floor_alike: float
    alike: dict[int, float]
    learning: dict[int, Learning]


@dataclass(frozen=True, slots=True)
class _Way:
    """`once` is measured; `undo` makes it as it was."""

    once: Callable[[], None]
    undo: Callable[[], None] = lambda: None


def measure(stack: Stack) -> Layers:
    """The stack must hold the sample shop, and a Redis of its own."""
    with _quiet():
        services = bootstrap.start(stack.environ | SETTINGS)
        ways: dict[str, _Way] = {
            "floor": _by_hand(services, QUESTION),
            "engine": _engine(services, QUESTION),
            "handler": _handler(services, QUESTION),
            "floor_alike": _by_hand(services, KNOWN),
        }
        learning = {}
        environments = [services]
        for size in SIZES:
            environment = bootstrap.start(stack.environ | SETTINGS)
            environments.append(environment)
            learning[size] = _fill_and_learn(services, environment, size)
            ways[f"alike {size}"] = _alike(environment, size)
        found = _in_turns(ways)
        for environment in environments:
            environment.close()
    return Layers(
        times=ROUNDS,
        floor=found["floor"],
        engine=found["engine"],
        handler=found["handler"],
        floor_alike=found["floor_alike"],
        alike={size: found[f"alike {size}"] for size in SIZES},
        learning=learning,
    )


def _in_turns(ways: dict[str, _Way]) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 10):
        for name, work in ways.items():
            begin = time.perf_counter()
            work.once()
            took = 1000 * (time.perf_counter() - begin)
            work.undo()
            if number >= 10:
                taken[name].append(took)
    return {name: median(times) for name, times in taken.items()}


def _by_hand(services: Services, query: str) -> _Way:
    """The plan's entry by one request, its statement in one transaction."""
    deadline = Deadline.after(3600)
    found = answer(Ask(query), LOCAL, services, deadline)
    catalog = services.catalogs.current(deadline)
    asked, theirs = read(Ask(query), catalog, services.settings), scope(LOCAL, catalog)
    key = f"{theirs.prefix}plan:{plans.template_key(asked)}"
    values = bind.values(found.plan, asked, catalog, services.settings.default_limit + 1)

    def once() -> None:
        if not services.store.execute(["HGET", key, "entry"], deadline):
            raise Failed("the plan is not remembered")
        services.database.query(found.plan.sql, values, deadline)

    return _Way(once)


def _engine(services: Services, query: str) -> _Way:
    def once() -> None:
        if answer(Ask(query), LOCAL, services, Deadline.after(20)).layer != 1:
            raise Failed("not a hit of layer 1")

    return _Way(once)


def _handler(services: Services, query: str) -> _Way:
    from api import dependencies
    from api.main import handler
    from tests.gateway import Gateway

    dependencies.services = lambda: services  # type: ignore[assignment]
    gateway = Gateway(handler)

    def once() -> None:
        if gateway.ask(query).status != 200:
            raise Failed("the handler did not answer")

    return _Way(once)


def _fill_and_learn(services: Services, environment: Services, size: int) -> Learning:
    """Have `services` remember `size` templates of one scope; let the new `environment` learn them."""
    deadline = Deadline.after(3600)
    principal = _tenant(size)
    catalog = services.catalogs.current(deadline)
    theirs = scope(principal, catalog)
    known = answer(Ask(KNOWN), principal, services, deadline).plan
    services.plans.resemble(theirs, _question("anything"), catalog, plans.Recalled(), deadline)  # makes layer 2
    answer(Ask(KNOWN, fresh=True), principal, services, deadline)
    for template in _templates(size - 1):
        _remember(services, theirs, template, known, deadline)
    sequence = int(services.store.execute(["GET", f"{theirs.prefix}sequence"], deadline))
    environment.catalogs.current(deadline)
    environment.plans.resemble(theirs, _question("anything"), catalog, plans.Recalled(), deadline)
    before, begin = psutil.Process().memory_info().rss, time.perf_counter()
    while environment.semantic and environment.semantic.cursor(theirs.key) < sequence:
        environment.plans._catch_up(theirs, sequence, deadline)
    whole = 1000 * (time.perf_counter() - begin)
    memory = (psutil.Process().memory_info().rss - before) / 1e6
    return Learning(whole, whole / max(size / plans.PAGE_ENTRIES, 1), memory)


def _alike(environment: Services, size: int) -> _Way:
    """A paraphrase that was never asked: no pointer, no vector and no reading of it is kept from the time before."""
    deadline = Deadline.after(3600)
    principal = _tenant(size)
    catalog = environment.catalogs.current(deadline)
    asked, theirs = read(Ask(ALIKE), catalog, environment.settings), scope(principal, catalog)
    pointer = f"{theirs.prefix}pointer:{plans.template_key(asked)}"
    semantic = environment.semantic
    if semantic is None:
        raise Failed("there is no layer 2")

    def once() -> None:
        if answer(Ask(ALIKE), principal, environment, Deadline.after(20)).layer != 2:
            raise Failed("not a hit of layer 2")

    def forget() -> None:
        environment.store.delete(pointer, deadline)
        semantic._vectors.clear()
        vocabulary(catalog).meanings.pop(asked.template, None)

    forget()
    return _Way(once, forget)


def _remember(services: Services, theirs: plans.Scope, template: str, plan: Plan, deadline: Deadline) -> None:
    services.plans.remember(theirs, _question(template), plan, None, deadline, counters=None)


def _question(template: str) -> Question:
    return Question(template, template, (), datetime.now(UTC), "UTC")


def _templates(count: int) -> Iterator[str]:
    """Without slots, as what is asked: only templates of its signature are searched."""
    things = (
        "customers",
        "products",
        "orders",
        "categories",
        "users",
        "reviews",
        "payments",
        "items",
        "regions",
        "teams",
    )
    measures = ("price", "rating", "stock", "weight", "age", "total", "amount", "margin", "discount", "visits")
    forms = (
        "top {{count}} {} by {}",
        "list {{count}} {} with {}",
        "{{count}} {} without {}",
        "first {{count}} {} of {}",
    )
    made = product(range(100), forms, things, measures)
    for _, (number, form, thing, measure) in zip(range(count), made, strict=False):
        yield form.format(thing, f"{measure} {number}" if number else measure)


def _tenant(size: int) -> Principal:
    return Principal("bench", f"bench {size}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Metrics and lines are written, and go nowhere."""
    with redirect_stdout(io.StringIO()):
        _log_to(sys.stdout)
        yield
    _log_to(sys.stdout)


def _log_to(stream: object) -> None:
    for kept in logging.getLogger("rowcall").handlers:
        if isinstance(kept, logging.StreamHandler):
            kept.setStream(stream)
