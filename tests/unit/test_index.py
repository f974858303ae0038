"""The index in memory at size: what codes choose is what exact values would choose, and memory stays bounded.

What every index must do is in `tests/integration/test_index.py`.
"""

from __future__ import annotations

import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcall.cache.index import RESCORED, Entry, MemoryIndex
from rowcall.embedders.vectors import Vector

DIMENSIONS = 256


def vector(seed: object, near: Vector | None = None) -> Vector:
    source = random.Random(str(seed))  # noqa: S311
    base = memoryview(near.values).cast("b").tolist() if near else [0.0] * DIMENSIONS
    return Vector.of([value + 30 * source.gauss(0, 1) for value in base])


def fill(count: int, capacity: int = 10_000) -> tuple[MemoryIndex, list[Entry]]:
    """Entries in families of ten, as templates are: each near its own, far from the others."""
    index = MemoryIndex(capacity)
    entries = [Entry(str(n), "", f"t{n}", vector(n, vector(f"family {n // 10}"))) for n in range(count)]
    for entry in entries:
        index.add("space", entry)
    return index, entries


def brute(entries: list[Entry], asked: Vector, k: int) -> list[str]:
    ranked = sorted(entries, key=lambda entry: (-asked.similarity(entry.vector), entry.id))
    return [entry.id for entry in ranked[:k]]


@pytest.mark.parametrize("count", [1, RESCORED, RESCORED + 1, 1500])
def test_codes_first_finds_what_brute_force_finds(count: int) -> None:
    index, entries = fill(count)
    for family in range(0, count // 10 + 1, 7):
        asked = vector("asked", vector(f"family {family}"))
        found = [one.id for one in index.search("space", "", asked, 8)]
        assert found == brute(entries, asked, 8)


def test_an_entry_with_a_code_alone_is_found_by_it() -> None:
    index, entries = fill(200)
    for entry in entries:
        index.add("space", Entry(entry.id, "", entry.template, entry.vector.coarse))
    best = index.search("space", "", entries[42].vector, 3)
    assert (best[0].id, best[0].exact) == ("42", False)
    assert best[0].similarity == pytest.approx(1)
    assert len(index) == 200


def test_above_its_capacity_the_oldest_go() -> None:
    index, entries = fill(50, capacity=20)
    assert len(index) == 20
    assert {one.id for one in index.search("space", "", vector(0), 50)} == {entry.id for entry in entries[30:]}
    index.add("space", entries[30])
    index.add("other", entries[0])
    assert "30" in {one.id for one in index.search("space", "", vector(0), 50)}, "added anew, so not the oldest"
    assert "31" not in {one.id for one in index.search("space", "", vector(0), 50)}


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12), st.integers(0, 2)), max_size=60))
def test_any_history_leaves_what_a_dictionary_would_hold(history: list[tuple[bool, int, int]]) -> None:
    index, kept = MemoryIndex(1000), dict[str, Entry]()
    for adding, number, kind in history:
        entry = Entry(str(number), str(kind), f"t{number}", SMALL[number])
        if adding:
            index.add("space", entry)
            kept[entry.id] = entry
        else:
            index.remove("space", entry.id)
            kept.pop(entry.id, None)
    assert len(index) == len(kept)
    for signature in "012":
        held = [one for one in kept.values() if one.signature == signature]
        found = index.search("space", signature, SMALL[0], 99)
        assert [one.id for one in found] == brute(held, SMALL[0], 99)


def test_threads_add_search_and_remove_at_once() -> None:
    index, entries = fill(300)
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for entry in entries[worker::4]:
                index.remove("space", entry.id)
                index.search("space", "", entry.vector, 5)
                index.add("space", entry)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(index) == 300
    assert [one.id for one in index.search("space", "", entries[7].vector, 8)] == brute(entries, entries[7].vector, 8)


SMALL = [vector(number) for number in range(13)]
