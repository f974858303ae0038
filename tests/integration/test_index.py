"""What every index must do: one suite for the one in memory and the one in Postgres."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from local.postgres import Postgres
from rowcall.cache.index import Entry, Index, IndexUnavailable, MemoryIndex
from rowcall.cache.pgvector import PgVectorIndex
from rowcall.deadline import Deadline
from rowcall.embedders.vectors import Vector

DIMENSIONS = 64


@pytest.fixture(params=["memory", "pgvector"])
def index(request: pytest.FixtureRequest) -> Iterator[Index]:
    if request.param == "memory":
        yield MemoryIndex(10_000)
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    make_database: Callable[[str | Path], str] = request.getfixturevalue("make_database")
    database = make_database("CREATE EXTENSION vector;")
    with closing(PgVectorIndex(postgres.owner_url(database), DIMENSIONS)) as opened:
        yield opened


def deadline() -> Deadline:
    return Deadline.after(10)


def vector(seed: int) -> Vector:
    random_ = random.Random(seed)  # noqa: S311
    return Vector.of([random_.gauss(0, 1) for _ in range(DIMENSIONS)])


def near(seed: int, share: float) -> Vector:
    """A vector whose cosine with `vector(seed)` falls as `share` rises."""
    random_ = random.Random(seed)  # noqa: S311
    noise = random.Random(f"noise {seed}")  # noqa: S311
    return Vector.of([random_.gauss(0, 1) + share * noise.gauss(0, 1) for _ in range(DIMENSIONS)])


def entry(seed: int, signature: str = "{count}", value: Vector | None = None) -> Entry:
    return Entry(f"id-{seed:03}", signature, f"template {seed}", value or vector(seed))


def test_the_nearest_come_first_with_their_cosines(index: Index) -> None:
    for seed in range(20):
        index.add("space", entry(seed), deadline())
    index.add("space", Entry("twin", "{count}", "twin", near(7, 0.2)), deadline())
    found = index.search("space", "{count}", vector(7), 3, deadline())
    assert [one.id for one in found[:2]] == ["id-007", "twin"]
    assert len(found) == 3
    assert found[0].template == "template 7"
    assert [one.similarity for one in found] == sorted((one.similarity for one in found), reverse=True)
    assert found[0].similarity == pytest.approx(1, abs=1e-3)
    assert found[1].similarity == pytest.approx(vector(7).similarity(near(7, 0.2)), abs=1e-3)
    assert all(one.exact for one in found)


def test_few_entries_are_ranked_as_brute_force_ranks_them(index: Index) -> None:
    for seed in range(30):
        index.add("space", entry(seed), deadline())
    asked = vector(1000)
    expected = sorted(range(30), key=lambda seed: -asked.similarity(vector(seed)))
    found = index.search("space", "{count}", asked, 30, deadline())
    assert [one.id for one in found] == [f"id-{seed:03}" for seed in expected]


def test_neither_spaces_nor_signatures_meet(index: Index) -> None:
    index.add("one", entry(1), deadline())
    index.add("other", entry(2), deadline())
    index.add("one", entry(3, "{count}{period}"), deadline())
    assert [one.id for one in index.search("one", "{count}", vector(2), 9, deadline())] == ["id-001"]
    assert [one.id for one in index.search("one", "{count}{period}", vector(2), 9, deadline())] == ["id-003"]
    assert index.search("third", "{count}", vector(1), 9, deadline()) == []
    assert index.search("one", "", vector(1), 9, deadline()) == []


def test_of_equally_near_ones_the_smaller_id_comes_first(index: Index) -> None:
    for name in ("b", "c", "a"):
        index.add("space", Entry(name, "", name, vector(1)), deadline())
    assert [one.id for one in index.search("space", "", vector(1), 2, deadline())] == ["a", "b"]


def test_an_entry_is_replaced_and_removed(index: Index) -> None:
    index.add("space", entry(1), deadline())
    index.add("space", entry(2), deadline())
    index.add("space", Entry("id-001", "{period}", "moved", vector(9)), deadline())
    assert [one.id for one in index.search("space", "{count}", vector(1), 9, deadline())] == ["id-002"]
    assert [one.template for one in index.search("space", "{period}", vector(1), 9, deadline())] == ["moved"]
    index.remove("space", "id-001", deadline())
    index.remove("space", "never there", deadline())
    index.remove("never there", "id-002", deadline())
    assert index.search("space", "{period}", vector(1), 9, deadline()) == []
    assert [one.id for one in index.search("space", "{count}", vector(1), 9, deadline())] == ["id-002"]


def test_hostile_text_is_only_text(index: Index) -> None:
    strange = "'; DROP SCHEMA rowcall CASCADE; -- \\ \" {x} ${y} \u202e"
    index.add(strange, Entry(strange, strange, strange, vector(1)), deadline())
    found = index.search(strange, strange, vector(1), 1, deadline())
    assert [(one.id, one.template) for one in found] == [(strange, strange)]


def test_a_vector_of_another_size_is_refused(index: Index) -> None:
    index.add("space", entry(1), deadline())
    with pytest.raises(ValueError, match="another size"):
        index.add("space", Entry("x", "{count}", "x", Vector.of([1.0] * 128)), deadline())
    with pytest.raises(ValueError, match="another size"):
        index.search("space", "{count}", Vector.of([1.0] * 128), 1, deadline())


def test_a_near_one_is_found_among_many_of_other_signatures(index: Index) -> None:
    for seed in range(300):
        index.add("space", entry(seed, f"{{count}}{seed % 10}"), deadline())
    found = index.search("space", "{count}7", near(127, 0.1), 5, deadline())
    assert found[0].id == "id-127"
    assert len(found) == 5


def test_a_postgres_that_is_gone_is_unavailable_and_comes_back(
    postgres: Postgres, make_database: Callable[[str | Path], str]
) -> None:
    database = make_database("CREATE EXTENSION vector;")
    with closing(PgVectorIndex(postgres.owner_url(database), DIMENSIONS)) as index:
        index.add("space", entry(1), deadline())
        postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name", name=database)
        assert [one.id for one in index.search("space", "{count}", vector(1), 1, deadline())] == ["id-001"]
        with pytest.raises(IndexUnavailable):
            index.search("space", "{count}", vector(1), 1, Deadline.after(-1))
        assert [one.id for one in index.search("space", "{count}", vector(1), 1, deadline())] == ["id-001"]


def test_an_address_that_nobody_serves_is_unavailable() -> None:
    index = PgVectorIndex("postgresql://role:password@127.0.0.1:9/none", DIMENSIONS)
    with pytest.raises(IndexUnavailable):
        index.search("space", "", vector(1), 1, deadline())
