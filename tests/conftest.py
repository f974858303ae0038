"""What every tier may use. Nothing is started until a test asks for it.

`stack`         a real Postgres and a real Redis behind Upstash's REST protocol, one each for the whole session
`bridge`        that REST endpoint, empty and with its counts at 0 (`url`, `token`, `requests`, `commands`)
`shop`          the name of the database with the sample shop: read it, never change it
`make_database` a fresh database of a module's own, from SQL; gives its name
`database_url`  leads to the shop as the read-only role; `owner_url` as its owner
`aws`           moto
`dynamodb`      the settings that name its tables, with the environment that leads to it
"""

from __future__ import annotations

import logging
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import boto3
import pytest

from api import idempotency
from local import queues, tables
from local.aws import REGION, Aws
from local.bridge import Bridge
from local.postgres import SQL, Postgres
from local.stack import SHOP, Stack
from rowcall import telemetry

NUMBERS = count(1)

# Tests that run in the background or under nohup were handed signals that are ignored, and would hand them on: a stack
# leaves those ignored. A signal that is handled here has its default in a child.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, lambda *_: sys.exit(128 + signal.SIGHUP))


class Stdout:
    """The stdout of the moment: pytest changes it, and a log handler keeps the one that it was made with."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()


@pytest.fixture(autouse=True)
def _log_to_a_stdout_that_is_open() -> None:
    for handler in telemetry.logger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.stream = Stdout()


@pytest.fixture(autouse=True)
def _aws_of_this_test_alone() -> Iterator[None]:
    """Credentials and addresses that the SDK and Powertools would keep for the whole process."""
    yield
    boto3.DEFAULT_SESSION = None
    idempotency._store.cache_clear()


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    with Stack({}, shop=False, aws=False) as running:
        yield running


@pytest.fixture(scope="session")
def postgres(stack: Stack) -> Postgres:
    assert stack.postgres
    return stack.postgres


@pytest.fixture
def bridge(stack: Stack) -> Bridge:
    assert stack.bridge
    stack.bridge.reset()
    return stack.bridge


@pytest.fixture(scope="session")
def shop(postgres: Postgres) -> str:
    postgres.create(SHOP, SQL / "shop.sql")
    return SHOP


@pytest.fixture(scope="session")
def database_url(postgres: Postgres, shop: str) -> str:
    return postgres.reader_url(shop)


@pytest.fixture(scope="session")
def owner_url(postgres: Postgres, shop: str) -> str:
    return postgres.owner_url(shop)


@pytest.fixture(scope="module")
def make_database(postgres: Postgres) -> Iterator[Callable[[str | Path], str]]:
    made: list[str] = []

    def make(sql: str | Path) -> str:
        name = f"test_{next(NUMBERS)}"
        with tempfile.TemporaryDirectory() as directory:
            script = sql if isinstance(sql, Path) else Path(directory) / "database.sql"
            if isinstance(sql, str):
                script.write_text(sql)
            postgres.drop(name)
            postgres.create(name, script)
        made.append(name)
        return name

    yield make
    for name in made:
        postgres.drop(name)


@pytest.fixture(scope="session")
def aws(stack: Stack) -> Aws:
    return Aws(stack.processes)


@pytest.fixture(scope="session")
def leads_to_aws(aws: Aws) -> dict[str, str]:
    """The environment that leads to moto, which has the tables, the queue and the bucket."""
    tables.create(aws.url, REGION)
    queues.create(aws.url, REGION)
    return {
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
    }


@pytest.fixture
def dynamodb(leads_to_aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name, value in leads_to_aws.items():
        monkeypatch.setenv(name, value)
    return tables.ENVIRON | queues.environ(leads_to_aws["AWS_ENDPOINT_URL"])
