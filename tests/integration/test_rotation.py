"""A secret rotated while an environment runs: refused once, read again, and the same request works."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import boto3
import pytest

from api.main import handler
from local.aws import Aws
from local.bridge import Bridge
from local.postgres import Postgres
from rowcall import bootstrap, rotation
from tests.gateway import Gateway
from tests.integration.test_api import environment, problem, serving

SECRET = "rowcall-rotation"


@pytest.fixture
def keep(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, str]], None]]:
    """Puts the values of the secret SECRET into moto's Secrets Manager."""
    for name, value in {
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(rotation, "REREAD_SECONDS", 0.0)
    bootstrap._secrets.cache_clear()
    client = boto3.client("secretsmanager")
    client.create_secret(Name=SECRET, SecretString="{}")
    yield lambda values: client.put_secret_value(SecretId=SECRET, SecretString=json.dumps(values))
    client.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
    client.close()
    bootstrap._secrets().client.close()
    bootstrap._secrets.cache_clear()


@pytest.fixture
def kept(bridge: Bridge, postgres: Postgres, shop: str) -> Iterator[dict[str, str]]:
    """The settings, with a database role of their own and a token that may be changed."""
    postgres.sql("CREATE ROLE rotated LOGIN PASSWORD 'first' IN ROLE rowcall_reader", shop)
    url = urlsplit(postgres.reader_url(shop))
    token = bridge.token
    yield environment(bridge, url._replace(netloc=f"rotated:first@127.0.0.1:{url.port}").geturl())
    bridge.token = token
    postgres.sql("DROP ROLE rotated", shop)


def test_a_rotated_password_and_token_are_read_again(
    keep: Callable[[dict[str, str]], None],
    kept: dict[str, str],
    bridge: Bridge,
    postgres: Postgres,
    shop: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep(kept)
    with serving(monkeypatch, {"SECRET_ARN": SECRET}) as services:
        gateway = Gateway(handler)
        assert gateway.ask("count pending orders").status == 200

        postgres.sql("ALTER ROLE rotated PASSWORD 'second'", shop)
        bridge.token = secrets.token_urlsafe(32)
        services.database.close()
        refused = problem(gateway.ask("count pending orders"), 503, "database_unavailable")
        assert "first" not in json.dumps(refused)

        url = kept["DATABASE_URL"].replace("first", "second")
        keep(kept | {"DATABASE_URL": url, "UPSTASH_REDIS_REST_TOKEN": bridge.token})
        reply = gateway.ask("count pending orders")
        assert reply.status == 200, reply.body
        assert (reply.json["meta"]["degraded"], reply.json["meta"]["cache_layer"]) == (False, 1)
        before = bridge.requests
        assert gateway.ask("count pending orders").json["meta"]["cache_layer"] == 1
        assert bridge.requests == before + 1


def test_a_secret_that_stays_wrong_is_not_fetched_by_each_request() -> None:
    read: list[int] = []

    def again() -> str:
        read.append(1)
        return "wrong"

    rotating = rotation.Rotating("wrong", again)
    assert not any(rotating.renewed("wrong") for _ in range(100))
    assert len(read) == 1
