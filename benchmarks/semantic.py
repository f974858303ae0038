"""What layer 2 costs beside a request: embedding, search at several sizes, judging, and memory.

python -m benchmarks.semantic [--pgvector]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise

from evals.paraphrases_run import SUITE, catalog_of, pairs_of
from local.postgres import Postgres
from local.processes import Processes
from rowcall.cache import sameness
from rowcall.cache.index import Entry, Index, MemoryIndex
from rowcall.cache.pgvector import PgVectorIndex
from rowcall.cache.sameness import Known
from rowcall.cache.words import vocabulary
from rowcall.deadline import Deadline
from rowcall.embedders.lexical import LexicalEmbedder
from rowcall.embedders.vectors import Vector

CANDIDATES = 8


def milliseconds(work: Callable[[], object], times: int = 50) -> str:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - started))
    return f"{statistics.median(taken):8.3f} ms (p95 {sorted(taken)[int(0.95 * times)]:.3f})"


def entries(count: int, dimensions: int, coarse: bool) -> list[Entry]:
    """All of one signature: the worst case, as only entries of the asked signature are searched."""
    return [
        Entry(f"{n:032x}", "{count}", f"top {{count}} customers by measure {n}", vector(dimensions, coarse))
        for n in range(count)
    ]


def vector(dimensions: int, coarse: bool = False) -> Vector:
    return Vector(os.urandom(dimensions // 8), b"" if coarse else os.urandom(dimensions))


def search(dimensions: int, coarse: bool) -> None:
    for count in (10, 1_000, 10_000, 100_000):
        tracemalloc.start()
        index = MemoryIndex(count)
        for entry in entries(count, dimensions, coarse):
            index.add("space", entry)
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        asked = vector(dimensions)
        took = milliseconds(lambda index=index, asked=asked: index.search("space", "{count}", asked, CANDIDATES))  # type: ignore[misc]
        kept = "codes" if coarse else "int8 "
        print(f"memory   {dimensions:5} x {count:7,} {kept} {took}  {size / 2**20:7.1f} MiB")


def search_pgvector(dimensions: int) -> None:
    with closing(Processes()) as processes:
        postgres = Postgres(processes)
        for count in (10, 1_000, 10_000):
            postgres.drop("rowcall_benchmark")
            postgres.sql("CREATE DATABASE rowcall_benchmark")
            postgres.sql("CREATE EXTENSION vector", "rowcall_benchmark")
            with closing(PgVectorIndex(postgres.owner_url("rowcall_benchmark"), dimensions)) as index:
                deadline = Deadline.after(600)
                for entry in entries(count, dimensions, coarse=False):
                    index.add("space", entry, deadline)
                asked = vector(dimensions)

                def nearest(index: Index = index, asked: Vector = asked, deadline: Deadline = deadline) -> object:
                    return index.search("space", "{count}", asked, CANDIDATES, deadline)

                print(f"pgvector {dimensions:5} x {count:7,}       {milliseconds(nearest)}")
        postgres.drop("rowcall_benchmark")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pgvector", action="store_true")
    arguments = parser.parse_args()

    catalogs = {path.stem: catalog_of(path) for path in SUITE.glob("*.json")}
    questions = {name: [q for p in pairs_of(name, c) for q in (p.known, p.asked)] for name, c in catalogs.items()}
    templates = sorted({question.template for asked in questions.values() for question in asked})
    embedder = LexicalEmbedder()
    embedder.embed(templates, Deadline.after(600))
    left = iter(templates * 10)
    print(f"embed by {embedder.id}: {milliseconds(lambda: embedder.embed([next(left)], Deadline.after(9)), 500)}")

    for name, catalog in catalogs.items():
        known = [Known(question.template) for question in questions[name]]
        for kind in ("read and judged", "judged again"):
            if kind == "read and judged":
                vocabulary(catalog).meanings.clear()
            started = time.perf_counter()
            same = [sameness.compare(one, other, catalog) for one, other in pairwise(known)]
            took = 1e6 * (time.perf_counter() - started) / len(same)
            print(f"{name:10} {len(same)} candidates {kind}: {took:6.0f} us each")

    for dimensions in (embedder.dimensions, 1536):
        for coarse in (False, True):
            search(dimensions, coarse)
    if arguments.pgvector:
        search_pgvector(embedder.dimensions)


if __name__ == "__main__":
    main()
