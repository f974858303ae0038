"""Through a pooler in transaction mode, with fewer servers than clients, nobody gets another's rows.

RDS Proxy pools the same way. Debian's package `pgbouncer`; on its own it also proves a cancellation through a pooler.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local.postgres import AS_NOBODY, NOBODY, Postgres
from local.processes import free_port
from local.stack import Stack
from rowcall.database.connection import Database, StatementFailed
from rowcall.deadline import Deadline
from rowcall.errors import Problem

THREADS = 20
QUERIES = 150
SERVERS = 4

BINARY = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = pytest.mark.skipif(
    BINARY is None and os.environ.get("CI") != "true", reason="pgbouncer is not installed (apt-get install pgbouncer)"
)

INI = """
[databases]
{name} = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {servers}
query_wait_timeout = 30
"""


@pytest.fixture(scope="module")
def name(make_database: Callable[[str], str]) -> str:
    return make_database(
        """
        CREATE TABLE thing AS SELECT i AS id, 'thing ' || i AS name FROM generate_series(1, 5000) i;
        CREATE TABLE note AS SELECT i AS id, 'tenant ' || i % 20 AS tenant FROM generate_series(1, 400) i;
        ALTER TABLE note ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON note USING (tenant = current_setting('app.tenant_id', true));
        """
    )


@pytest.fixture(scope="module")
def url(stack: Stack, postgres: Postgres, name: str) -> Iterator[str]:
    assert BINARY, "CI must install pgbouncer"
    direct = urlsplit(postgres.owner_url(name))
    port = free_port()
    pooled = direct._replace(netloc=f"{direct.username}:{direct.password}@127.0.0.1:{port}").geturl()

    def ready() -> bool:
        with suppress(Problem), closing(Database(pooled)) as database:
            database.ping(Deadline.after(1))
            return True
        return False

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        known = (direct, urlsplit(postgres.reader_url(name)))
        (folder / "users").write_text("".join(f'"{user.username}" "{user.password}"\n' for user in known))
        (folder / "pgbouncer.ini").write_text(
            INI.format(name=name, server=direct.port, port=port, folder=folder, servers=SERVERS)
        )
        child = stack.processes.start(
            "pgbouncer",
            [BINARY, folder / "pgbouncer.ini"],
            user=NOBODY if AS_NOBODY else None,  # it refuses to run as root
        )
        child.wait_until(ready)
        yield pooled
        stack.processes.stop(child)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with closing(Database(url)) as opened:
        yield opened


def soon(seconds: float = 60) -> Deadline:
    return Deadline.after(seconds)


def test_no_foreign_rows(database: Database) -> None:
    together = threading.Barrier(THREADS)
    servers: set[object] = set()

    def ask(thread: int) -> list[object]:
        """What came back that was not asked for."""
        together.wait()
        foreign: list[object] = []
        for number in range(QUERIES):
            id_ = thread * QUERIES + number + 1
            kind = number % 3
            if kind == 0:
                rows = database.query("SELECT id, name, pg_backend_pid() FROM thing WHERE id = $1", [id_], soon()).rows
                servers.add(rows[0].pop())
                foreign += [] if rows == [[id_, f"thing {id_}"]] else [rows]
            elif kind == 1:
                rows = database.query(f"SELECT {thread} AS t, $1::text, {number} AS n", [str(id_)], soon()).rows
                foreign += [] if rows == [[thread, str(id_), number]] else [rows]
            else:
                try:
                    foreign.append(
                        database.query(
                            "SELECT 1 / (id - $1), $2::text FROM thing WHERE id = $1", [id_, "x"], soon()
                        ).rows
                    )
                except StatementFailed as error:
                    foreign += [] if error.sqlstate == "22012" else [error]
        return foreign

    with ThreadPoolExecutor(THREADS) as threads:
        foreign = [each for found in threads.map(ask, range(THREADS)) for each in found]
    assert foreign == []
    assert database.transactions == THREADS * QUERIES
    assert len(servers) == SERVERS


def test_a_failed_statement_leaves_no_transaction_on_its_server(database: Database) -> None:
    for _ in range(3 * SERVERS):
        with pytest.raises(StatementFailed, match="22012"):
            database.query("SELECT 1 / 0", (), soon())
        assert database.query(
            "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in trans%' AND datname = current_database()",
            (),
            soon(),
        ).rows == [[0]]


def test_a_statement_past_its_deadline_is_cancelled_behind_the_pooler(
    postgres: Postgres, name: str, database: Database
) -> None:
    with pytest.raises(Problem, match="deadline_exceeded"):
        database.query("SELECT pg_sleep(100)", (), soon(0.3))
    until = soon(10)
    while postgres.sql("SELECT FROM pg_stat_activity WHERE datname = :name AND wait_event = 'PgSleep'", name=name):
        until.left()
    assert database.query("SELECT 1", (), soon()).rows == [[1]]


def test_nothing_is_prepared_on_the_servers(database: Database) -> None:
    database.query("SELECT $1::integer", [1], soon())
    assert database.query("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''", (), soon()).rows == [[0]]


def test_tenants_that_share_servers_never_see_each_others_rows(postgres: Postgres, name: str, url: str) -> None:
    reader = urlsplit(postgres.reader_url(name))
    pooled = reader._replace(netloc=f"{reader.username}:{reader.password}@127.0.0.1:{urlsplit(url).port}").geturl()
    sql = "SELECT tenant, count(*), pg_backend_pid() FROM note WHERE id > $1 GROUP BY tenant"
    together = threading.Barrier(THREADS)
    servers: set[object] = set()

    with closing(Database(pooled, tenant_setting="app.tenant_id")) as database:

        def ask(thread: int) -> list[object]:
            """What came back that is not this tenant's."""
            together.wait()
            tenant = f"tenant {thread}"
            foreign: list[object] = []
            for number in range(QUERIES):
                if number % 5 == 3:
                    with pytest.raises(StatementFailed, match="22012"):
                        database.query("SELECT 1 / (id - id) FROM note", (), soon(), tenant)
                elif number % 5 == 4:
                    foreign += database.query(sql, [0], soon()).rows
                else:
                    rows = database.query(sql, [0], soon(), tenant).rows
                    servers.add(rows[0].pop())
                    foreign += [] if rows == [[tenant, 20]] else rows
            return foreign

        with ThreadPoolExecutor(THREADS) as threads:
            foreign = [each for found in threads.map(ask, range(THREADS)) for each in found]
    assert foreign == []
    assert len(servers) == SERVERS


def test_streams_that_share_servers_with_statements_keep_their_rows(database: Database) -> None:
    together = threading.Barrier(SERVERS)
    sql = "SELECT id, name, $1::integer AS thread FROM thing WHERE id > $1 ORDER BY id"

    def read(thread: int) -> list[object]:
        """What came back that was not asked for, by a stream in whose midst others ask."""
        together.wait()
        foreign: list[object] = []
        for number in range(10):
            with database.stream(sql, [thread], soon(), rows=100) as stream:
                for start, batch in zip(range(thread, 5000, 100), stream.batches, strict=False):
                    ids = range(start + 1, min(start + 101, 5001))
                    foreign += [] if batch == [[i, f"thing {i}", thread] for i in ids] else [batch]
                    if number % 2 and start > 1000:
                        break  # in the midst of a transaction
            rows = database.query("SELECT $1::integer", [thread], soon()).rows
            foreign += [] if rows == [[thread]] else [rows]
        return foreign

    with ThreadPoolExecutor(SERVERS) as threads:
        foreign = [each for found in threads.map(read, range(SERVERS)) for each in found]
    assert foreign == []
