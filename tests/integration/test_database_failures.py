"""A database that is down, slow, locked or breaks off: an error in time, nothing left behind, and the next statement
works. Faults are made between us and a real Postgres, by a relay."""

from __future__ import annotations

import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit

import pg8000.native
import pytest

from local.postgres import Postgres
from local.processes import free_port
from rowcall.database.connection import Database, StatementFailed
from rowcall.deadline import Deadline
from rowcall.errors import Problem

SLEEP = "SELECT pg_sleep(100)"


class Relay:
    """Passes bytes between clients and Postgres until told otherwise."""

    def __init__(self, server: int, port: int = 0) -> None:
        self.hold = False
        """Pass nothing on to the client."""
        self.delay = 0.0
        """Pass on each piece of an answer so many seconds later."""
        self.pause = 0.0
        """Pass on single bytes with so many seconds between them."""
        self.cuts: list[int] = []
        """After so many more bytes for a client, reset its connection."""
        self.connections = 0
        self.requests = 0
        """How often a client sent something."""
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])
        self._closed = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """Listen no more, and reset every connection."""
        self._closed.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                thread = threading.Thread(target=self._pass_on, args=(client,))
                self._threads.append(thread)
                thread.start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._server)) as server, suppress(OSError):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            while not self._closed.is_set():
                ready, _, _ = select.select([client] if self.hold else [client, server], [], [], 0.02)
                for end in ready:
                    data = end.recv(65536)
                    if not data:
                        return
                    if end is client:
                        self.requests += 1
                        server.sendall(data)
                    elif not self._answer(client, data):
                        return

    def _answer(self, client: socket.socket, data: bytes) -> bool:
        if self.delay and self._closed.wait(self.delay):
            return False
        if self.cuts:
            self.cuts[0] -= len(data)
            if self.cuts[0] < 0:
                client.sendall(data[: self.cuts.pop(0)])
                return False
        pieces = [data] if not self.pause else [data[n : n + 1] for n in range(len(data))]
        for piece in pieces:
            if self._closed.wait(self.pause):
                return False
            client.sendall(piece)
        return True


@pytest.fixture(scope="module")
def name(make_database: Callable[[str], str]) -> str:
    return make_database(
        "CREATE TABLE thing AS SELECT i AS id, repeat('x', 100) AS text FROM generate_series(1, 1000) i;"
    )


@pytest.fixture
def database(postgres: Postgres, name: str) -> Iterator[Database]:
    with closing(Database(postgres.owner_url(name))) as opened:
        yield opened


@pytest.fixture
def relay(postgres: Postgres) -> Iterator[Relay]:
    with closing(Relay(postgres.port)) as running:
        yield running


@pytest.fixture
def relayed(postgres: Postgres, name: str, relay: Relay) -> Iterator[Database]:
    with closing(Database(through(postgres.owner_url(name), relay.port))) as opened:
        yield opened


def through(url: str, port: int) -> str:
    return url.replace(f":{urlsplit(url).port}/", f":{port}/")


def soon(seconds: float = 10) -> Deadline:
    return Deadline.after(seconds)


def one(database: Database) -> object:
    return database.query("SELECT 1", (), soon()).rows


def backend(database: Database) -> int:
    return int(str(database.query("SELECT pg_backend_pid()", (), soon()).rows[0][0]))


def expect(code: str, database: Database, sql: str = "SELECT 1", deadline: Deadline | None = None) -> Problem:
    with pytest.raises(Problem) as raised:
        database.query(sql, (), deadline or soon())
    assert raised.value.code == code
    return raised.value


def wait_until(true: Callable[[], bool]) -> None:
    until = soon()
    while not true():
        until.left()
        time.sleep(0.005)


def nothing_runs(postgres: Postgres, name: str) -> bool:
    return not postgres.sql(
        "SELECT query FROM pg_stat_activity WHERE datname = :name AND application_name = 'rowcall' AND state <> 'idle'",
        name=name,
    )


def wait_for_a_sleeper(postgres: Postgres, name: str) -> int:
    found: list[int] = []

    def sleeps() -> bool:
        rows = postgres.sql(
            "SELECT pid FROM pg_stat_activity WHERE datname = :name AND wait_event = 'PgSleep'", name=name
        )
        found.extend(row[0] for row in rows)
        return bool(found)

    wait_until(sleeps)
    return found[0]


def test_a_statement_costs_one_round_trip_and_a_failed_one_two(relay: Relay, relayed: Database) -> None:
    one(relayed)
    before = relay.requests
    relayed.query("SELECT * FROM thing WHERE id <= $1", [500], soon())
    assert relay.requests - before == 1
    with pytest.raises(StatementFailed):
        relayed.query("SELECT 1 / 0", (), soon())
    assert relay.requests - before == 3


# Time


def test_past_its_deadline_a_statement_is_cancelled_in_the_server(
    postgres: Postgres, name: str, database: Database
) -> None:
    expect("deadline_exceeded", database, SLEEP, soon(0.2))
    wait_until(lambda: nothing_runs(postgres, name))
    assert one(database) == [[1]]


def test_no_statement_starts_past_the_deadline(database: Database) -> None:
    one(database)
    before = database.transactions
    expect("deadline_exceeded", database, "SELECT 1", soon(-1))
    assert database.transactions == before


def test_a_statement_timeout_of_the_role_is_a_deadline(postgres: Postgres, make_database: Callable[[str], str]) -> None:
    name = make_database("ALTER DATABASE :\"DBNAME\" SET statement_timeout = '100ms';")
    with closing(Database(postgres.owner_url(name))) as database:
        served_by = backend(database)
        expect("deadline_exceeded", database, SLEEP)
        assert backend(database) == served_by


@contextmanager
def locked(postgres: Postgres, name: str) -> Iterator[None]:
    url = urlsplit(postgres.owner_url(name))
    with pg8000.native.Connection(
        url.username, host=url.hostname, port=url.port, password=url.password, database=name
    ) as other:
        other.run("BEGIN")
        other.run("LOCK TABLE thing IN ACCESS EXCLUSIVE MODE")
        yield
        other.run("ROLLBACK")


def test_a_locked_table_is_waited_for_until_the_deadline(postgres: Postgres, name: str, database: Database) -> None:
    with locked(postgres, name):
        expect("deadline_exceeded", database, "SELECT count(*) FROM thing", soon(0.2))
        wait_until(lambda: nothing_runs(postgres, name))
        assert one(database) == [[1]]
    assert database.query("SELECT count(*) FROM thing", (), soon()).rows == [[1000]]


def test_a_lock_timeout_of_the_role_says_unavailable(postgres: Postgres, make_database: Callable[[str], str]) -> None:
    name = make_database("CREATE TABLE thing (); ALTER DATABASE :\"DBNAME\" SET lock_timeout = '100ms';")
    with closing(Database(postgres.owner_url(name))) as database, locked(postgres, name):
        expect("database_unavailable", database, "SELECT count(*) FROM thing")
        assert one(database) == [[1]]


def test_an_answer_that_stops_is_cut_at_the_deadline(
    postgres: Postgres, name: str, relay: Relay, relayed: Database
) -> None:
    one(relayed)
    relay.hold = True
    expect("deadline_exceeded", relayed, "SELECT pg_sleep(100)", soon(0.2))
    wait_until(lambda: nothing_runs(postgres, name))
    relay.hold = False
    assert one(relayed) == [[1]]


def test_an_answer_that_drips_is_cut_at_the_deadline(
    postgres: Postgres, name: str, relay: Relay, relayed: Database
) -> None:
    one(relayed)
    relay.pause = 0.01
    expect("deadline_exceeded", relayed, "SELECT * FROM thing, generate_series(1, 1000)", soon(0.3))
    wait_until(lambda: nothing_runs(postgres, name))
    relay.pause = 0.0
    assert one(relayed) == [[1]]


def test_a_greeting_that_drips_is_cut_at_the_connect_timeout(postgres: Postgres, name: str, relay: Relay) -> None:
    relay.pause = 0.05
    url = through(postgres.owner_url(name), relay.port)
    with closing(Database(url, connect_timeout=1.5)) as database:
        expect("database_unavailable", database)
        relay.pause = 0.0
        assert one(database) == [[1]]


def test_a_server_that_accepts_and_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://someone@127.0.0.1:{silent.getsockname()[1]}/x"
        with closing(Database(url, connect_timeout=0.2)) as database:
            expect("database_unavailable", database)
            expect("deadline_exceeded", database, "SELECT 1", soon(0.1))


def test_a_resolver_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer.wait(100) and [])
    try:
        with closing(Database("postgresql://someone@database.example/x", connect_timeout=0.2)) as database:
            expect("database_unavailable", database)
    finally:
        answer.set()


def test_an_interrupt_leaves_nothing_to_the_next_statement(postgres: Postgres, name: str, database: Database) -> None:
    class Interrupt(BaseException):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupt

    def strike() -> None:
        wait_for_a_sleeper(postgres, name)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        threading.Thread(target=strike, daemon=True).start()
        with pytest.raises(Interrupt):
            database.query(SLEEP, (), soon(60))
    finally:
        signal.signal(signal.SIGUSR1, before)
    wait_until(lambda: nothing_runs(postgres, name))
    assert one(database) == [[1]]


# Connections that end


def test_a_backend_that_ended_between_statements_is_replaced(postgres: Postgres, database: Database) -> None:
    ended = backend(database)
    postgres.sql("SELECT pg_terminate_backend(:pid, 5000)", pid=ended)
    assert backend(database) != ended


def test_a_backend_that_ends_in_the_middle_is_replaced_once(postgres: Postgres, name: str, database: Database) -> None:
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(database.query, "SELECT pg_sleep(1), 'done'", (), soon())
        postgres.sql("SELECT pg_terminate_backend(:pid, 5000)", pid=wait_for_a_sleeper(postgres, name))
        assert asked.result().rows == [["", "done"]]
        asked = thread.submit(database.query, SLEEP, (), soon())
        for _ in range(2):
            postgres.sql("SELECT pg_terminate_backend(:pid, 5000)", pid=wait_for_a_sleeper(postgres, name))
        with pytest.raises(Problem, match="database_unavailable"):
            asked.result()
        assert thread.submit(one, database).result() == [[1]]


@pytest.mark.parametrize("passed", [0, 4, 20, 1000, 50_000])
def test_a_result_that_breaks_off_is_read_again_whole(relay: Relay, relayed: Database, passed: int) -> None:
    one(relayed)
    relay.cuts = [passed]
    found = relayed.query("SELECT id, text FROM thing ORDER BY id", (), soon())
    assert found.rows == [[number, "x" * 100] for number in range(1, 1001)]
    assert relay.connections == 2


def test_a_result_that_always_breaks_off(relay: Relay, relayed: Database) -> None:
    one(relayed)
    relay.cuts = [50_000, 50_000]
    expect("database_unavailable", relayed, "SELECT * FROM thing")
    assert one(relayed) == [[1]]


@pytest.mark.parametrize("passed", [0, 100])
def test_a_greeting_that_breaks_off(relay: Relay, relayed: Database, passed: int) -> None:
    relay.cuts = [passed]
    expect("database_unavailable", relayed)
    assert one(relayed) == [[1]]


def test_a_server_that_goes_and_comes_back(postgres: Postgres, name: str) -> None:
    relay = Relay(postgres.port)
    with closing(Database(through(postgres.owner_url(name), relay.port))) as database:
        one(database)
        relay.close()
        expect("database_unavailable", database)
        with closing(Relay(postgres.port, relay.port)):
            assert one(database) == [[1]]


# Connections that are never made


def test_nobody_listens() -> None:
    with closing(Database(f"postgresql://someone@127.0.0.1:{free_port()}/x")) as database:
        expect("database_unavailable", database)
        with pytest.raises(Problem, match="database_unavailable"):
            database.ping(soon())


@pytest.mark.parametrize(
    "words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"Z\0\0\0\0" * 100, b"R\0\0\0\xff" * 9, b"\0" * 99]
)
def test_a_server_that_is_no_postgres(words: bytes) -> None:
    def talk(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client:
                    client.sendall(words)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=talk, args=(listener,), daemon=True).start()
        url = f"postgresql://someone@127.0.0.1:{listener.getsockname()[1]}/x"
        with closing(Database(url, connect_timeout=0.5)) as database:
            expect("database_unavailable", database)
        listener.shutdown(socket.SHUT_RDWR)


def test_not_let_in(postgres: Postgres, name: str) -> None:
    url = urlsplit(postgres.reader_url(name))
    for wrong in (
        url._replace(netloc=f"{url.username}:wrong@{url.hostname}:{url.port}"),
        url._replace(netloc=f"{url.username}@{url.hostname}:{url.port}"),
        url._replace(netloc=f"nobody:{url.password}@{url.hostname}:{url.port}"),
        url._replace(path="/nowhere"),
    ):
        with closing(Database(wrong.geturl())) as database:
            problem = expect("database_unavailable", database)
        assert str(problem) == "database_unavailable: The database cannot be reached."


def test_too_many_connections(postgres: Postgres, make_database: Callable[[str], str]) -> None:
    name = make_database('ALTER DATABASE :"DBNAME" CONNECTION LIMIT 1;')
    with closing(Database(postgres.reader_url(name))) as database, ThreadPoolExecutor(1) as thread:
        one(database)
        thread.submit(expect, "database_unavailable", database).result()
        assert one(database) == [[1]]
