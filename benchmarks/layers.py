"""What a hit costs beside the least it could: one request to Redis and one transaction, by hand with the same clients.

Layer 1 in the engine and through the Lambda handler, layer 2 with 10 to 100,000 templates known, all in turns in one
run, so that whatever else this machine does falls on all alike. Of layer 2 also what it takes to learn those templates
from Redis, and what they take in memory.
"""

from __future__ import annotations

import io
import json
import logging
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from statistics import median
from typing import NamedTuple

import psutil

from benchmarks.figures import Figures, Plot
from local.processes import Failed
from local.stack import Stack
from rowcall import bind, bootstrap
from rowcall.answer import Ask, answer, read, scope
from rowcall.auth import LOCAL, Principal
from rowcall.bootstrap import Services
from rowcall.cache import plans
from rowcall.cache.words import vocabulary
from rowcall.deadline import Deadline
from rowcall.embedders.vectors import Vector
from rowcall.plan import Plan
from rowcall.question import Question

MOST_LEARNT = 10_000
"""More are put into memory without Redis, which would take minutes: where they came from, no search can tell."""
QUESTION = "list categories"
KNOWN, ALIKE = "count categories", "how many categories are there"
"""All of the cheapest kind for Postgres, so that what is ours shows."""
SETTINGS = {"ADDRESS_QUOTA": "1000000", "USER_QUOTA": "1000000", "SHADOW_RATE": "0", "L2_ENTRIES": "200000"}


@dataclass(frozen=True, slots=True)
class Learning:
    """What a new environment takes to learn the templates, and each page of them, in milliseconds; and memory in MB."""

    whole_ms: float
    page_ms: float
    memory_mb: float


class Taken(NamedTuple):
    """Milliseconds: all, and of this thread's CPU, which tells more on a busy machine."""

    ms: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Way:
    """`once` is measured; `undo` makes it as it was."""

    once: Callable[[], None]
    undo: Callable[[], None] = lambda: None


def measure(stack: Stack, sizes: tuple[int, ...], times: int) -> list[Figures]:
    """The stack must hold the sample shop, and a Redis of its own. `sizes` are numbers of templates."""
    with quiet():
        services = bootstrap.start(stack.environ | SETTINGS)
        ways: dict[str, Way] = {
            "floor": by_hand(services, QUESTION),
            "engine": engine(services, QUESTION),
            "handler": handler(services, QUESTION),
            "floor_alike": by_hand(services, KNOWN),
        }
        learning = {}
        environments = [services]
        for size in sizes:
            environment = bootstrap.start(stack.environ | SETTINGS)
            environments.append(environment)
            learnt = _fill_and_learn(services, environment, size)
            if size <= MOST_LEARNT:
                learning[size] = learnt
            ways[f"alike {size}"] = _alike(environment, size)
        found = in_turns(ways, times)
        for environment in environments:
            environment.close()
    return [_exact(found, times), _semantic(found, sizes, times), _learning(learning)]


def _exact(found: dict[str, Taken], times: int) -> Figures:
    floor = found["floor"]
    named = {"by hand": floor, "engine": found["engine"], "handler": found["handler"]}
    return Figures(
        name="hit",
        title="A hit of layer 1",
        method=f"“{QUESTION}”, asked again; medians of {times} in turns. The floor is the plan's entry by one request "
        "to Redis and its statement in one transaction, by hand with the same clients. The handler is called with an "
        "event of API Gateway, checks two policies, and writes metrics and the log's line; what signing in adds is "
        "told with the front door. CPU is this thread's alone, and tells more on a busy machine.",
        headings=("", "ms", "ratio", "CPU ms", "CPU ratio"),
        rows=[(name, taken.ms, taken.ms / floor.ms, taken.cpu, taken.cpu / floor.cpu) for name, taken in named.items()],
    )


def _semantic(found: dict[str, Taken], sizes: tuple[int, ...], times: int) -> Figures:
    floor = found["floor_alike"].ms
    return Figures(
        name="templates",
        title="A hit of layer 2, by how many templates are remembered",
        method=f"“{ALIKE}” where “{KNOWN}” is remembered, among others of its signature, which are all searched. "
        f"Medians of {times} in turns, each as if it were the first: nothing of the question's reading is kept. The "
        "floor is that of layer 1 for the same statement; layer 2 makes one request to Redis more.",
        headings=("templates", "by hand ms", "engine ms", "ratio"),
        rows=[(size, floor, taken, taken / floor) for size in sizes if (taken := found[f"alike {size}"].ms)],
        plot=Plot("templates", ("by hand ms", "engine ms"), "ms"),
    )


def _learning(learning: dict[int, Learning]) -> Figures:
    return Figures(
        name="learning",
        title="Learning the templates of layer 2 from Redis",
        method="By an environment that starts, once for each scope it is asked in; a page is one request.",
        headings=("templates", "ms", "ms a page", "MB"),
        rows=[(size, learnt.whole_ms, learnt.page_ms, learnt.memory_mb) for size, learnt in learning.items()],
    )


def in_turns(ways: dict[str, Way], times: int) -> dict[str, Taken]:
    """The medians of each, after a few rounds to warm up.

    Each round goes another way round, so that none always follows the heaviest, which leaves nothing in the caches.
    """
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    warming = max(times // 20, 3)
    for number in range(times + warming):
        for name, way in random.Random(number).sample([*ways.items()], len(ways)):  # noqa: S311 -- no secret
            begin, busy = time.perf_counter(), time.thread_time()
            way.once()
            took = 1000 * (time.perf_counter() - begin), 1000 * (time.thread_time() - busy)
            way.undo()
            if number >= warming:
                taken[name].append(took)
    return {name: Taken(*map(median, zip(*each, strict=True))) for name, each in taken.items()}


def by_hand(services: Services, query: str, limit: int | None = None) -> Way:
    """The plan's entry by one request, its statement in one transaction."""
    deadline = Deadline.after(3600)
    found = answer(Ask(query), LOCAL, services, deadline)
    catalog = services.catalogs.current(deadline)
    asked, theirs = read(Ask(query), catalog, services.settings), scope(LOCAL, catalog)
    key = f"{theirs.prefix}plan:{plans.template_key(asked)}"
    values = bind.values(found.plan, asked, catalog, (limit or services.settings.default_limit) + 1)

    def once() -> None:
        if not services.store.execute(["HGET", key, "entry"], deadline):
            raise Failed("the plan is not remembered")
        services.database.query(found.plan.sql, values, deadline)

    return Way(once)


def engine(services: Services, query: str, limit: int | None = None) -> Way:
    """`answer`, a hit of layer 1."""

    def once() -> None:
        if answer(Ask(query, limit), LOCAL, services, Deadline.after(20)).layer != 1:
            raise Failed("not a hit of layer 1")

    return Way(once)


def handler(services: Services, query: str, limit: int | None = None) -> Way:
    """The same through the Lambda handler."""
    from api import dependencies
    from api.main import handler as api
    from tests.gateway import Gateway

    dependencies.services = lambda: services  # type: ignore[assignment]
    gateway = Gateway(api)

    def once() -> None:
        if gateway.ask(query, limit=limit).status != 200:
            raise Failed("the handler did not answer")

    return Way(once)


def _fill_and_learn(services: Services, environment: Services, size: int) -> Learning:
    """Have `services` remember `size` templates of one scope; let the new `environment` learn them."""
    deadline = Deadline.after(3600)
    principal = _tenant(size)
    catalog = services.catalogs.current(deadline)
    theirs = scope(principal, catalog)
    known = answer(Ask(KNOWN), principal, services, deadline).plan
    services.plans.resemble(theirs, _question("anything"), catalog, plans.Recalled(), deadline)  # makes layer 2
    answer(Ask(KNOWN, fresh=True), principal, services, deadline)
    learnt = min(size, MOST_LEARNT)
    for template in _templates(learnt - 1):
        _remember(services, theirs, template, known, deadline)
    sequence = int(services.store.execute(["GET", f"{theirs.prefix}sequence"], deadline))
    environment.catalogs.current(deadline)
    environment.plans.resemble(theirs, _question("anything"), catalog, plans.Recalled(), deadline)
    before, begin = psutil.Process().memory_info().rss, time.perf_counter()
    while environment.semantic and environment.semantic.cursor(theirs.key) < sequence:
        environment.plans._catch_up(theirs, sequence, deadline)
    whole = 1000 * (time.perf_counter() - begin)
    memory = (psutil.Process().memory_info().rss - before) / 1e6
    if environment.semantic:
        for number in range(size - learnt):
            vector = Vector(os.urandom(environment.semantic.embedder.dimensions // 8), b"")
            described = json.dumps([f"a template of nothing {number}", ""])
            environment.semantic.add(theirs.key, f"{number:032x}", described, vector.text(), deadline)
    return Learning(whole, whole / max(size / plans.PAGE_ENTRIES, 1), memory)


def _alike(environment: Services, size: int) -> Way:
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
    return Way(once, forget)


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
def quiet() -> Iterator[None]:
    """Metrics and lines are written, and go nowhere."""
    with redirect_stdout(io.StringIO()):
        _log_to(sys.stdout)
        yield
    _log_to(sys.stdout)


def _log_to(stream: object) -> None:
    for kept in logging.getLogger("rowcall").handlers:
        if isinstance(kept, logging.StreamHandler):
            kept.setStream(stream)
