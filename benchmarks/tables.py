"""What a big catalog costs: to read it from Postgres and from Redis, to read a question by it, to plan by grammar."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from local.processes import Failed
from local.stack import Stack
from rowcall import question
from rowcall.catalog import Catalog
from rowcall.database.connection import Database
from rowcall.database.introspection import from_json, probe, read_catalog, to_json
from rowcall.deadline import Deadline
from rowcall.planners import grammar

ASKED = "top 5 retail sales invoices by amount"
DATABASE = "rowcall_tables"


@dataclass(frozen=True, slots=True)
class Tables:
    """Milliseconds. `restore` is from its copy in Redis, `first_question` makes the vocabulary, `question` finds it
    made, and the same of `first_plan` and `plan` by the grammar."""

    tables: int
    read: float
    probe: float
    restore: float
    first_question: float
    question: float
    first_plan: float
    plan: float
    megabytes: float


def measure(stack: Stack, sizes: tuple[int, ...], times: int = 20) -> list[Tables]:
    """The stack must have a Postgres of its own."""
    postgres = stack.postgres
    if postgres is None:
        raise Failed("this needs a Postgres of its own")
    found = []
    for size in sizes:
        postgres.drop(DATABASE)
        postgres.create(DATABASE, Path(__file__).with_name("tables.sql"))
        postgres.sql(f"CALL make_tables({size})", DATABASE)
        database = Database(postgres.reader_url(DATABASE))
        try:
            found.append(_measure(database, size, times))
        finally:
            database.close()
            postgres.drop(DATABASE)
    return found


def _measure(database: Database, size: int, times: int) -> Tables:
    deadline = Deadline.after(600)
    probe(database, deadline)
    read = _milliseconds(lambda: read_catalog(database, deadline), min(times, 3))
    kept = to_json(read_catalog(database, deadline))

    def fresh() -> Catalog:
        return from_json(kept)

    catalog = fresh()
    asked = _read(catalog)
    if len(catalog.tables) != size:
        raise Failed(f"{len(catalog.tables)} tables were read, not {size}")
    return Tables(
        tables=size,
        read=read,
        probe=_milliseconds(lambda: probe(database, deadline), times),
        restore=_milliseconds(fresh, times),
        first_question=_first(fresh, _read),
        question=_milliseconds(lambda: _read(catalog), times),
        first_plan=_first(fresh, lambda new: grammar.plan(asked, new)),
        plan=_milliseconds(lambda: grammar.plan(asked, catalog), times),
        megabytes=len(kept) / 1e6,
    )


def _read(catalog: Catalog) -> question.Question:
    return question.read(ASKED, catalog, datetime.now(UTC), "UTC")


def _first(fresh: Callable[[], Catalog], work: Callable[[Catalog], object]) -> float:
    """Of a catalog that was just restored, three times."""
    taken = []
    for catalog in (fresh(), fresh(), fresh()):
        begin = time.perf_counter()
        work(catalog)
        taken.append(1000 * (time.perf_counter() - begin))
    return median(taken)


def _milliseconds(work: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - begin))
    return median(taken)
