"""Signing in to the database by IAM: the password is a token that is made anew for each connection, and sent by TLS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from local.postgres import Postgres
from rowcall import bootstrap
from rowcall.database import iam
from rowcall.database.address import Address
from rowcall.database.connection import Database
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.settings import InvalidSettings, load
from tests.integration.test_database_tls import Authority, TlsEnd

ROLE = "by_iam"
REGION = "eu-central-1"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "session/token+of=a role",
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)
    iam._session.cache_clear()
    yield
    iam._session.cache_clear()


@pytest.fixture(scope="module")
def name(make_database: Callable[[str], str]) -> str:
    return make_database("")


@pytest.fixture
def end(postgres: Postgres, tmp_path: Path) -> Iterator[TlsEnd]:
    authority = Authority(tmp_path)
    with closing(TlsEnd(postgres.port, authority.server("127.0.0.1"))) as running:
        yield running


def lets_in(postgres: Postgres, password: str) -> None:
    """Make Postgres do what IAM would: let ROLE in with `password`, and with no other."""
    postgres.sql(f"DROP ROLE IF EXISTS {ROLE}")
    postgres.sql(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{password}'")


def said(token: str) -> dict[str, Any]:
    """What a token says, without when it was made."""
    parts = urlsplit(f"//{token}")
    query = parse_qs(parts.query)
    return {"at": parts.netloc, **{key: query[key] for key in query if key not in ("X-Amz-Date", "X-Amz-Signature")}}


def test_a_token_is_what_the_sdk_makes() -> None:
    address = Address("db.example", 6543, "by iam/β", None, "shop", None)
    client = boto3.client("rds")
    for _ in range(10):
        ours = iam.password(address)
        theirs = client.generate_db_auth_token(address.host, address.port, address.user)
        if parse_qs(ours)["X-Amz-Date"] == parse_qs(theirs)["X-Amz-Date"]:
            break
    client.close()
    assert parse_qs(ours) == parse_qs(theirs)
    assert said(ours)["X-Amz-Expires"] == ["900"]


def test_the_token_lets_in_by_tls_and_is_made_anew_for_each_connection(
    postgres: Postgres, name: str, end: TlsEnd, tmp_path: Path
) -> None:
    made: list[str] = []

    def sign(address: Address) -> str:
        made.append(iam.password(address))
        lets_in(postgres, made[-1])
        return made[-1]

    url = f"postgresql://{ROLE}@127.0.0.1:{end.port}/postgres?sslmode=require"
    with closing(Database(url, ca_file=str(tmp_path / "ca.pem"), sign=sign)) as database:
        for connections in (1, 2):
            for _ in range(2):
                rows = database.query("SELECT current_user::text", (), Deadline.after(10)).rows
                assert rows == [[ROLE]]
            assert len(made) == connections
            database.close()
    assert end.connections == 2
    assert [said(token)["DBUser"] for token in made] == [[ROLE]] * 2


def test_a_token_that_is_not_taken_is_told_as_an_outage(
    postgres: Postgres, end: TlsEnd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lets_in(postgres, "another")
    url = f"postgresql://{ROLE}@127.0.0.1:{end.port}/postgres?sslmode=require"
    with (
        closing(Database(url, ca_file=str(tmp_path / "ca.pem"), sign=iam.password)) as database,
        pytest.raises(Problem, match="database_unavailable") as refused,
    ):
        database.ping(Deadline.after(10))
    assert "X-Amz-Signature" not in str(refused.value)
    assert "X-Amz-Signature" not in capsys.readouterr().out


@pytest.mark.parametrize("url", ["postgresql://r@db.example/shop?sslmode=disable", "postgresql://r@127.0.0.1/shop"])
def test_a_token_never_goes_without_tls(url: str) -> None:
    with pytest.raises(InvalidSettings, match="DATABASE_URL: must lead to the database by TLS"):
        Database(url, sign=iam.password)


def test_the_setting_turns_it_on() -> None:
    environ = {
        "DATABASE_URL": "postgresql://r@db.example/shop",
        "DATABASE_AUTH": "iam",
        "UPSTASH_REDIS_REST_URL": "https://redis.example",
        "UPSTASH_REDIS_REST_TOKEN": "token",
        "PLAN_SEAL_KEY": "0123456789abcdef" * 2,
    }
    with closing(bootstrap.Services(load(environ)).database) as database:
        assert database._sign is iam.password
    with closing(bootstrap.Services(load({**environ, "DATABASE_AUTH": ""})).database) as database:
        assert database._sign is None
