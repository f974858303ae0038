"""What a big catalog costs: to read it from Postgres and from Redis, to read a question by it, to plan by grammar."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.figures import Figures, Plot, Value
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


def measure(stack: Stack, sizes: tuple[int, ...], times: int) -> Figures:
    """The stack must have a Postgres of its own."""
    postgres = stack.postgres
    if postgres is None:
        raise Failed("this needs a Postgres of its own")
    rows = []
    for size in sizes:
        postgres.drop(DATABASE)
        postgres.create(DATABASE, Path(__file__).with_name("tables.sql"))
        postgres.sql(f"CALL make_tables({size})", DATABASE)
        database = Database(postgres.reader_url(DATABASE))
        try:
            rows.append(_measure(database, size, times))
        finally:
            database.close()
            postgres.drop(DATABASE)
    return Figures(
        name="tables",
        title="By how many tables there are",
        method=f"Tables of eight columns, each with a foreign key and values of a CHECK. “{ASKED}” is read "
        "and planned by grammar; first, which makes the vocabulary and the schema of the catalog, and again. A new "
        "environment takes the catalog from Redis; Postgres is read when its structure changed, which is looked for "
        "once a minute. All in ms; the floor of each column is its first row.",
        headings=(
            "tables",
            "read from Postgres",
            "look for changes",
            "take from Redis",
            "first question",
            "question",
            "first plan",
            "plan",
            "MB",
        ),
        rows=rows,
        plot=Plot("tables", ("read from Postgres", "first question", "first plan", "plan"), "ms"),
    )


def _measure(database: Database, size: int, times: int) -> tuple[Value, ...]:
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
    return (
        size,
        read,
        _milliseconds(lambda: probe(database, deadline), times),
        _milliseconds(fresh, times),
        _first(fresh, _read),
        _milliseconds(lambda: _read(catalog), times),
        _first(fresh, lambda new: grammar.plan(asked, new)),
        _milliseconds(lambda: grammar.plan(asked, catalog), times),
        len(kept) / 1e6,
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
