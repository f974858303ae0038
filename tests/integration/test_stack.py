"""The stack starts whole, gives way to what is set already, and leaves nothing behind however it ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psutil
import pytest
from pg8000.exceptions import DatabaseError
from pg8000.native import Connection

from local.aws import Aws
from local.bridge import Bridge
from local.postgres import READER, SQL, Postgres
from local.processes import ROOT, STATE, Failed, Processes
from local.stack import SHOP, Stack

# A stack in a process of its own: says what it started, then waits to be ended.
ELSEWHERE = """
import json, sys, time
from pathlib import Path
import local.postgres
import psutil
from local.stack import Stack

aws, clusters = sys.argv[1:]
local.postgres.STATE = Path(clusters)
with Stack({}, shop=False, aws=bool(aws)) as stack:
    print(json.dumps([child.pid for child in psutil.Process().children(recursive=True)]), flush=True)
    time.sleep(60)
"""
Start = Callable[..., tuple[subprocess.Popen[str], list[psutil.Process]]]


@pytest.fixture
def start_elsewhere() -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []

    def start(*, aws: bool = False, clusters: Path = STATE) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
        process = subprocess.Popen(
            [sys.executable, "-c", ELSEWHERE, "aws" if aws else "", str(clusters)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout
        started = running_of(json.loads(process.stdout.readline()))
        assert {"postgres", "redis-server"} <= set(started.values())
        return process, list(started)

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def clusters(tmp_path: Path) -> Iterator[Path]:
    """A place for clusters that no other stack uses."""
    yield tmp_path
    shutil.rmtree((tmp_path / "postgres").resolve())


def running_of(pids: list[int]) -> dict[psutil.Process, str]:
    """Processes and their names, without those that Postgres needed for a moment only."""
    found = {}
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            found[process] = process.name()
    return found


def ended(process: psutil.Process) -> bool:
    """A zombie has ended; when it is buried is up to the machine's first process."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def left_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    until = time.monotonic() + 20
    while (left := [one for one in processes if not ended(one)]) and time.monotonic() < until:
        time.sleep(0.05)
    return left


@pytest.mark.parametrize(
    ("number", "aws"),
    [(signal.SIGINT, False), (signal.SIGTERM, True), (signal.SIGHUP, False), (signal.SIGKILL, True)],
)
def test_nothing_is_left_however_it_ends(start_elsewhere: Start, number: signal.Signals, aws: bool) -> None:
    process, started = start_elsewhere(aws=aws)
    process.send_signal(number)
    process.wait(20)
    assert left_of(started) == []
    if number != signal.SIGKILL:
        assert list(STATE.glob(f"stack-{process.pid}-*")) == []


def test_the_next_stack_clears_away_what_a_killed_one_left() -> None:
    (STATE / "stack-999999999-x").mkdir(parents=True, exist_ok=True)
    processes = Processes()
    assert not (STATE / "stack-999999999-x").exists()
    processes.close()


def test_a_server_that_outlived_its_stack_is_ended_before_its_cluster_is_used_again(
    start_elsewhere: Start, clusters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the reaper was killed too."""
    process, started = start_elsewhere(clusters=clusters)
    (reaper,) = [one for one in started if any("reaper" in part for part in one.cmdline())]
    (postgres,) = [one for one in started if one.name() == "postgres" and one.ppid() == process.pid]
    others = [one for one in started if one not in (reaper, postgres) and one.ppid() == process.pid]
    data = postgres.cmdline()[postgres.cmdline().index("-D") + 1]
    reaper.kill()
    process.kill()
    process.wait()
    assert not ended(postgres)
    monkeypatch.setattr("local.postgres.STATE", clusters)
    with Stack({}, shop=False, aws=False) as stack:
        assert stack.postgres
        assert stack.postgres.sql("SHOW data_directory") == [[data]]
        assert ended(postgres)
    for other in others:
        other.terminate()
    assert left_of(others) == []


def test_it_works_below_a_closed_directory(clusters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in root's home, which the user that Postgres runs as may not enter."""
    monkeypatch.setattr("local.postgres.STATE", clusters)
    monkeypatch.setattr("local.postgres._reachable", lambda _: False)
    for _ in range(2):
        processes = Processes()
        postgres = Postgres(processes)
        kept = (clusters / "postgres").resolve()
        assert kept.parent == Path(tempfile.gettempdir()).resolve()
        (server,) = [child for child in psutil.Process().children() if str(kept) in " ".join(child.cmdline())]
        assert Path(server.exe()).is_relative_to(kept)
        postgres.stop()
        processes.close()
    assert {one.name.split("-")[0] for one in kept.iterdir()} == {"0", "binaries"}


def test_two_stacks_share_nothing(stack: Stack) -> None:
    with Stack({}, shop=False, aws=False) as other:
        assert stack.postgres
        assert other.postgres
        assert other.bridge
        assert stack.bridge
        assert other.postgres.sql("SHOW data_directory") != stack.postgres.sql("SHOW data_directory")
        other.bridge.command("SET", "mine", "1")
        assert stack.bridge.command("GET", "mine") is None


def test_what_is_set_already_wins_and_nothing_is_started_for_it() -> None:
    given = {
        "DATABASE_URL": "postgresql://me@db.example/mine",
        "UPSTASH_REDIS_REST_URL": "https://redis.example",
        "UPSTASH_REDIS_REST_TOKEN": "token",
        "AWS_ENDPOINT_URL": "https://aws.example",
        "AWS_REGION": "eu-west-1",
        "PLAN_SEAL_KEY": "k" * 32,
        "ADDRESS_QUOTA": "100",
        "USER_QUOTA": "500",
        "LOG_LEVEL": "DEBUG",
    }
    with Stack(given) as stack:
        assert (stack.postgres, stack.redis, stack.bridge, stack.aws) == (None, None, None, None)
        assert stack.environ == {"STAGE": "local", **given}


def test_an_empty_setting_is_no_setting() -> None:
    given = {"UPSTASH_REDIS_REST_URL": "", "DATABASE_URL": "postgresql://me@db.example/mine"}
    with Stack(given, aws=False) as stack:
        assert stack.bridge
        assert stack.environ["UPSTASH_REDIS_REST_URL"] == stack.bridge.url


def test_its_environment_leads_to_its_parts(stack: Stack, shop: str) -> None:
    assert stack.postgres
    assert stack.bridge
    environ = stack.environ
    assert environ["STAGE"] == "local"
    assert environ["DATABASE_URL"] == stack.postgres.reader_url(SHOP)
    assert environ["UPSTASH_REDIS_REST_URL"] == stack.bridge.url
    assert environ["UPSTASH_REDIS_REST_TOKEN"] == stack.bridge.token
    assert len(environ["PLAN_SEAL_KEY"]) >= 32
    assert environ["PLAN_SEAL_KEY"] == stack.environ["PLAN_SEAL_KEY"]


def test_every_part_listens_on_this_machine_only(stack: Stack) -> None:
    assert stack.postgres
    assert stack.redis
    assert stack.bridge
    ports = {stack.postgres.port, stack.redis.port, urlsplit(stack.bridge.url).port}
    found = {}
    for process in [psutil.Process(), *psutil.Process().children()]:
        for connection in process.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port in ports:
                found[connection.laddr.port] = connection.laddr.ip
    assert found == dict.fromkeys(ports, "127.0.0.1")


def test_no_password_is_on_a_command_line(stack: Stack) -> None:
    assert stack.postgres
    assert stack.redis
    words = " ".join(" ".join(child.cmdline()) for child in psutil.Process().children())
    assert f"-p {stack.postgres.port}" in words
    assert stack.redis.password not in words
    assert re.search(r"rowcall_(owner|reader):\w", words) is None


def test_a_part_that_does_not_start_says_why_and_takes_the_others_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = psutil.Process().children()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr("local.redis.free_port", lambda: taken.getsockname()[1])
        with (
            pytest.raises(Failed, match=r"(?s)^redis ended\..*Address already in use"),
            Stack({}, shop=False, aws=False),
        ):
            pytest.fail("started without Redis")
    assert psutil.Process().children() == before


@pytest.fixture(scope="module")
def reader(postgres: Postgres, make_database: Callable[[str], str]) -> Iterator[Callable[[], Connection]]:
    name = make_database(
        "CREATE TABLE thing (id int); INSERT INTO thing VALUES (1), (2);"
        "CREATE SCHEMA private; CREATE TABLE private.secret (id int);"
    )
    postgres.sql("CREATE TABLE later AS SELECT 7 AS id", name)
    opened: list[Connection] = []

    def connect() -> Connection:
        url = urlsplit(postgres.reader_url(name))
        opened.append(Connection(READER, host="127.0.0.1", port=url.port, database=name, password=url.password))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


def test_the_reader_reads_tables_made_before_and_after_it(reader: Callable[[], Connection]) -> None:
    assert reader().run("SELECT (SELECT count(*) FROM thing), (SELECT id FROM later)") == [[2, 7]]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO thing VALUES (3)",
        "DELETE FROM thing",
        "TRUNCATE thing",
        "CREATE TABLE mine (id int)",
        "CREATE TEMP TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "ALTER TABLE thing ADD COLUMN more int",
        "DROP TABLE thing",
        "COPY thing TO '/tmp/thing'",
        "COPY thing TO PROGRAM 'cat'",
        "SELECT * FROM private.secret",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT rolpassword FROM pg_authid",
        "SET ROLE rowcall_owner",
        "CREATE ROLE other",
        "SELECT lo_import('/etc/passwd')",
    ],
)
def test_the_reader_may_do_nothing_else_even_out_of_read_only(reader: Callable[[], Connection], statement: str) -> None:
    connection = reader()
    connection.run("SET default_transaction_read_only = off")
    with pytest.raises(DatabaseError) as refused:
        connection.run(statement)
    assert refused.value.args[0]["C"] == "42501"


def test_the_reader_has_its_limits_from_its_role(reader: Callable[[], Connection]) -> None:
    shown = {
        name: reader().run(f"SHOW {name}")
        for name in (
            "default_transaction_read_only",
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
            "client_connection_check_interval",
        )
    }
    assert {name: rows[0][0] for name, rows in shown.items() if rows} == {
        "default_transaction_read_only": "on",
        "statement_timeout": "10s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "15s",
        "client_connection_check_interval": "1s",
    }


def test_the_reader_may_not_connect_elsewhere_nor_without_its_password(postgres: Postgres) -> None:
    url = urlsplit(postgres.reader_url("postgres"))
    postgres.drop("closed")
    postgres.sql("CREATE DATABASE closed")
    postgres.sql("REVOKE ALL ON DATABASE closed FROM PUBLIC")
    for database, password, code in (("closed", url.password, "42501"), ("postgres", "wrong", "28P01")):
        with pytest.raises(DatabaseError) as refused:
            Connection(READER, host="127.0.0.1", port=url.port, database=database, password=password)
        assert refused.value.args[0]["C"] == code
    postgres.drop("closed")


def test_the_role_can_be_set_up_twice(postgres: Postgres, make_database: Callable[[str], str]) -> None:
    name = make_database("CREATE TABLE thing (id int)")
    postgres.run(name, SQL / "reader_role.sql")
    assert postgres.sql("SELECT has_table_privilege('rowcall_reader', 'thing', 'SELECT')", name) == [[True]]


def test_a_script_that_fails_says_where(postgres: Postgres, make_database: Callable[[str], str]) -> None:
    with pytest.raises(Failed, match=r"database\.sql:1: ERROR:  relation \"nothing\" does not exist"):
        make_database("SELECT * FROM nothing")


def test_aws_answers(aws: Aws) -> None:
    client: Any = boto3.client(
        "sqs",
        endpoint_url=aws.url,
        region_name="eu-central-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    url = client.create_queue(QueueName="questions")["QueueUrl"]
    client.send_message(QueueUrl=url, MessageBody="show active users")
    assert client.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "show active users"
    client.close()


def test_the_bridge_is_empty_for_each_test(bridge: Bridge) -> None:
    assert (bridge.requests, bridge.commands, bridge.command("DBSIZE")) == (0, 0, 0)
