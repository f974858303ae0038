"""What an asker sees, and for how long, when Postgres is locked, slow or gone in the middle of a question."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pg8000.native
import pytest

from api.main import handler
from local.bridge import Bridge
from local.postgres import Postgres
from rowcall.database.address import Address
from tests.gateway import Gateway
from tests.integration.test_api import environment, problem, serving

PARTS = """
CREATE TABLE parts (id int PRIMARY KEY, title text);
INSERT INTO parts VALUES (1, 'bolt'), (2, 'nut');
CREATE FUNCTION slowly() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(30)';
CREATE VIEW sleepers AS SELECT slowly() AS answer;
"""


@pytest.fixture
def database(make_database: Callable[[str], str]) -> str:
    return make_database(PARTS)


@pytest.fixture
def gateway(bridge: Bridge, postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    with serving(monkeypatch, environment(bridge, postgres.reader_url(database), QUERY_TIMEOUT="1")):
        yield Gateway(handler)


@contextmanager
def owner(postgres: Postgres, database: str) -> Iterator[pg8000.native.Connection]:
    address = Address.parse(postgres.owner_url(database), ca_file="", setting="TEST")
    connection = pg8000.native.Connection(
        user=address.user, password=address.password, host=address.host, port=address.port, database=database
    )
    try:
        yield connection
    finally:
        connection.close()


def running(connection: pg8000.native.Connection) -> int:
    (row,) = connection.run(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND state <> 'idle'"
    )
    return int(row[0])


def test_a_slow_statement_is_cancelled_in_the_server_and_the_next_works(
    gateway: Gateway, postgres: Postgres, database: str
) -> None:
    """A statement runs too long | 504 `deadline_exceeded`; it is cancelled in Postgres, and the next question is \
answered | `QUERY_TIMEOUT`"""
    with owner(postgres, database) as connection:
        problem(gateway.ask("show sleepers"), 504, "deadline_exceeded")
        assert running(connection) == 0
        assert gateway.ask("show parts").json["row_count"] == 2


def test_a_locked_table_is_told_in_time_and_answers_when_it_is_free(
    gateway: Gateway, postgres: Postgres, database: str
) -> None:
    """A table is locked | 504 `deadline_exceeded` for questions of that table | `QUERY_TIMEOUT` each, until it \
is free"""
    assert gateway.ask("show parts").status == 200
    with owner(postgres, database) as connection:
        connection.run("BEGIN")
        connection.run("LOCK TABLE parts IN ACCESS EXCLUSIVE MODE")
        problem(gateway.ask("show parts"), 504, "deadline_exceeded")
        connection.run("ROLLBACK")
        assert running(connection) == 0
    assert gateway.ask("show parts").json["meta"]["cache_layer"] == 1


def test_a_connection_that_dies_between_questions_is_replaced(
    gateway: Gateway, postgres: Postgres, database: str
) -> None:
    """Postgres drops a connection between two questions | nothing: the connection is replaced | –"""
    gateway.ask("show parts")
    with owner(postgres, database) as connection:
        connection.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid()"
        )
        reply = gateway.ask("show parts")
    assert reply.status == 200
    assert reply.json["data"] == [{"id": 1, "title": "bolt"}, {"id": 2, "title": "nut"}]


def test_a_connection_that_dies_in_the_middle_is_told_and_the_next_works(
    gateway: Gateway, postgres: Postgres, database: str
) -> None:
    """Postgres drops a connection in the middle of a question | 503 `database_unavailable` or 504 \
`deadline_exceeded`; the next question is answered | that question alone"""
    gateway.ask("show parts")
    stop = threading.Event()

    def terminate() -> None:
        with owner(postgres, database) as connection:
            while not stop.wait(0.05):
                connection.run(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND pid <> pg_backend_pid() AND state = 'active'"
                )

    with ThreadPoolExecutor(1) as pool:
        terminating = pool.submit(terminate)
        reply = gateway.ask("show sleepers")
        stop.set()
        terminating.result(10)
    assert (reply.status, reply.json["code"]) in {(503, "database_unavailable"), (504, "deadline_exceeded")}
    assert gateway.ask("show parts").json["row_count"] == 2


def test_parallel_askers_of_a_slow_database_all_get_an_answer_in_time(
    bridge: Bridge, postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow view is asked for by many at once | 504 `deadline_exceeded` for those who ask for it; all others are \
answered | `QUERY_TIMEOUT` each"""
    settings = environment(bridge, postgres.reader_url(database), QUERY_TIMEOUT="1", REQUEST_TIMEOUT="5")
    with serving(monkeypatch, settings) as services, owner(postgres, database) as connection:
        from rowcall.answer import Ask, answer
        from rowcall.auth import LOCAL
        from rowcall.deadline import Deadline
        from rowcall.errors import Problem

        def ask(query: str) -> str:
            try:
                answer(Ask(query), LOCAL, services, Deadline.after(5))
            except Problem as error:
                return error.code
            return "answered"

        started = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            told = list(pool.map(ask, ["show sleepers", "show parts"] * 8))
        assert told[1::2] == ["answered"] * 8
        assert set(told[::2]) == {"deadline_exceeded"}
        assert time.monotonic() - started < 60
        assert running(connection) == 0
