"""A statement's rows by batches: one READ ONLY transaction, bounded memory, a connection of its own."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from local.postgres import Postgres
from rowcall.database.connection import Database, ResultColumn, StatementFailed
from rowcall.deadline import Deadline
from rowcall.errors import Problem

SQL = "SELECT i AS id, $1 || i AS name FROM generate_series(1, $2::integer) i"


@pytest.fixture(scope="module")
def name(make_database: Callable[[str], str]) -> str:
    return make_database("CREATE TABLE thing (id integer)")


@pytest.fixture
def database(postgres: Postgres, name: str) -> Iterator[Database]:
    with closing(Database(postgres.owner_url(name))) as opened:
        yield opened


def soon(seconds: float = 20) -> Deadline:
    return Deadline.after(seconds)


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (6, [3, 3]), (7, [3, 3, 1])])
def test_batches_are_the_rows_of_a_query(database: Database, count: int, sizes: list[int]) -> None:
    with database.stream(SQL, ["thing ", count], soon(), rows=3) as stream:
        assert stream.columns == [ResultColumn("id", "integer"), ResultColumn("name", "text")]
        batches = list(stream.batches)
    assert [len(batch) for batch in batches] == sizes
    assert [row for batch in batches for row in batch] == database.query(SQL, ["thing ", count], soon()).rows


def test_all_batches_are_of_one_read_only_transaction(postgres: Postgres, name: str, database: Database) -> None:
    before = database.transactions
    sql = "SELECT now()::text, txid_current_if_assigned(), current_setting('transaction_read_only'), count(*) OVER ()"
    with database.stream(f"{sql} FROM generate_series(1, 4)", (), soon(), rows=1) as stream:
        first = next(stream.batches)
        postgres.sql("INSERT INTO thing VALUES (1)", name)
        assert all(batch == first for batch in stream.batches)
    assert first[0][1:] == [None, "on", 4]
    assert database.transactions - before == 1


def test_it_is_left_at_any_moment_and_leaves_nothing(postgres: Postgres, name: str, database: Database) -> None:
    database.ping(soon())
    for taken in range(3):
        with database.stream(SQL, ["", 1_000_000], soon(), rows=10) as stream:
            for _ in range(taken):
                assert len(next(stream.batches)) == 10
            assert database.query("SELECT 1", (), soon()).rows == [[1]], "other statements have their own connection"
    wait_until_gone(postgres, name)


def test_past_the_deadline_it_is_cancelled(postgres: Postgres, name: str, database: Database) -> None:
    slow = "SELECT i, CASE WHEN i > 10 THEN pg_sleep(60)::text END FROM generate_series(1, 100) i"
    with pytest.raises(Problem, match="deadline_exceeded"), database.stream(slow, (), soon(1), rows=10) as stream:
        list(stream.batches)
    wait_until_gone(postgres, name)


def test_a_statement_may_fail_at_once_or_later(postgres: Postgres, name: str, database: Database) -> None:
    with pytest.raises(StatementFailed, match="42P01"), database.stream("SELECT * FROM nothing", (), soon()):
        pytest.fail("opened")
    later = "SELECT 1 / (i - 20) FROM generate_series(1, 100) i"
    with database.stream(later, (), soon(), rows=10) as stream, pytest.raises(StatementFailed, match="22012"):
        list(stream.batches)
    with pytest.raises(StatementFailed, match="42601"), database.stream("SELECT 1; COMMIT", (), soon()):
        pytest.fail("opened")
    with (
        pytest.raises(StatementFailed, match="25006"),
        database.stream("WITH gone AS (DELETE FROM thing RETURNING id) SELECT * FROM gone", (), soon()),
    ):
        pytest.fail("opened")
    wait_until_gone(postgres, name)


def test_it_is_what_its_tenant_may_see(postgres: Postgres, make_database: Callable[[str], str]) -> None:
    name = make_database(
        """
        CREATE TABLE note AS SELECT i AS id, 'tenant ' || i % 2 AS tenant FROM generate_series(1, 20) i;
        ALTER TABLE note ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON note USING (tenant = current_setting('app.tenant_id', true));
        """
    )
    with closing(Database(postgres.reader_url(name), tenant_setting="app.tenant_id")) as database:
        for tenant, seen in (("tenant 0", 10), ("tenant 1", 10), (None, 0)):
            with database.stream("SELECT tenant FROM note", (), soon(), tenant, rows=3) as stream:
                rows = [row for batch in stream.batches for row in batch]
            assert rows == [[tenant]] * seen


def test_its_memory_does_not_grow_with_the_rows(database: Database) -> None:
    def peak(count: int) -> int:
        with database.stream(SQL, ["x" * 200, count], soon(60)) as stream:
            tracemalloc.start()
            rows = sum(len(batch) for batch in stream.batches)
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert rows == count
        return most

    peak(1000)
    assert peak(20_000) < 1.5 * peak(2000)


def wait_until_gone(postgres: Postgres, name: str) -> None:
    """Until nobody is in a transaction: a closed connection ends a moment later in the server."""
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    deadline = soon()
    while postgres.sql(f"SELECT FROM pg_stat_activity WHERE {others} AND state <> 'idle'", name):
        deadline.left()
