"""What every caller meets: limits, idempotency, cross-origin rules, headers, and no secret anywhere."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest

from api.main import handler
from local.aws import Aws
from local.bridge import Bridge
from tests.gateway import Gateway
from tests.integration.test_api import environment, problem, serving

QUESTION = {"query": "count pending orders"}


def test_the_limit_is_told_on_every_answer_and_refuses_exactly(
    bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(monkeypatch, environment(bridge, database_url, USER_QUOTA="3", USER_WINDOW="60")):
        gateway = Gateway(handler)
        for remaining in (2, 1, 0):
            reply = gateway.post("/api/query", QUESTION)
            assert reply.status == 200
            assert reply.headers["ratelimit-policy"] == '"address";q=100;w=900, "user";q=3;w=60'
            assert f'"user";r={remaining};t=' in reply.headers["ratelimit"]
        reply = gateway.post("/api/query", QUESTION)
        assert problem(reply, 429, "rate_limited")["violated_policies"] == ["user"]
        reset = int(reply.headers["ratelimit"].partition('"user";r=0;t=')[2])
        assert 0 < reset <= int(reply.headers["retry-after"]) <= 60
        assert '"user";r=0' in gateway.post("/api/explain", QUESTION).headers["ratelimit"]


def test_retry_after_is_never_too_early(bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, environment(bridge, database_url, ADDRESS_QUOTA="1", ADDRESS_WINDOW="2")):
        gateway = Gateway(handler)
        assert gateway.post("/api/query", QUESTION).status == 200
        refused = gateway.post("/api/query", QUESTION)
        assert refused.status == 429
        time.sleep(int(refused.headers["retry-after"]))
        assert gateway.post("/api/query", QUESTION).status == 200


def test_a_quota_holds_against_parallel_callers(
    bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(monkeypatch, environment(bridge, database_url, USER_QUOTA="10")) as services:
        from rowcall.admission import query_limits
        from rowcall.answer import Ask, answer
        from rowcall.auth import LOCAL
        from rowcall.deadline import Deadline
        from rowcall.errors import Problem

        limits = query_limits(services.settings, "ann", "192.0.2.1")

        def ask(_: int) -> str:
            try:
                answer(Ask("count pending orders"), LOCAL, services, Deadline.after(20), limits=limits)
            except Problem as error:
                return error.code
            return "answered"

        with ThreadPoolExecutor(10) as pool:
            told = list(pool.map(ask, range(50)))
    assert (told.count("answered"), told.count("rate_limited")) == (10, 40)


def test_only_the_gateway_says_where_a_caller_is(
    bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoofed = {"X-Forwarded-For": "198.51.100.9", "X-Real-IP": "198.51.100.9", "Forwarded": "for=198.51.100.9"}
    with serving(monkeypatch, environment(bridge, database_url, ADDRESS_QUOTA="1")):
        gateway = Gateway(handler)
        body = json.dumps(QUESTION)
        assert gateway.request("POST", "/api/query", body, address="192.0.2.1").status == 200
        assert gateway.request("POST", "/api/query", body, spoofed, address="192.0.2.1").status == 429
        assert gateway.request("POST", "/api/query", body, address="192.0.2.2").status == 200


def test_trusted_proxies_are_believed_so_far_and_no_further(
    bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(monkeypatch, environment(bridge, database_url, ADDRESS_QUOTA="1", TRUSTED_PROXIES="1")):
        gateway = Gateway(handler)

        def status(forwarded: str) -> int:
            headers = {"X-Forwarded-For": forwarded}
            return gateway.request("POST", "/api/query", json.dumps(QUESTION), headers, address="203.0.113.5").status

        assert status("192.0.2.1, 203.0.113.5") == 200
        assert status("198.51.100.9, 192.0.2.1, 203.0.113.5") == 429
        assert status("192.0.2.3, 203.0.113.5") == 200


@pytest.fixture
def table(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in {
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    from api import idempotency

    made = boto3.resource("dynamodb").create_table(
        TableName="once",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield "once"
    made.delete()
    made.meta.client.close()
    idempotency._store("once").client.close()
    idempotency._store.cache_clear()


def test_the_same_key_is_answered_once_and_told_again(
    bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    with serving(monkeypatch, environment(bridge, database_url, IDEMPOTENCY_TABLE=table)) as services:
        gateway = Gateway(handler)
        first = gateway.post("/api/query", QUESTION, {"Idempotency-Key": "k1"})
        assert first.status == 200, first.body
        ran = services.database.transactions
        again = gateway.post("/api/query", QUESTION, {"Idempotency-Key": "k1"})
        assert again.json == first.json
        assert services.database.transactions == ran
        gateway.post("/api/query", QUESTION, {"Idempotency-Key": "k2"})
        assert services.database.transactions == ran + 1
        other = gateway.post("/api/query", {"query": "show active users"}, {"Idempotency-Key": "k1"})
        problem(other, 422, "idempotency_mismatch")


def test_a_failure_is_not_kept_under_its_key(
    bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    settings = {"IDEMPOTENCY_TABLE": table}
    broken = environment(bridge, "postgresql://reader:pw@127.0.0.1:9/shop", **settings)
    with serving(monkeypatch, broken):
        reply = Gateway(handler).post("/api/query", QUESTION, {"Idempotency-Key": "k3"})
        problem(reply, 503, "database_unavailable")
    with serving(monkeypatch, environment(bridge, database_url, **settings)):
        assert Gateway(handler).post("/api/query", QUESTION, {"Idempotency-Key": "k3"}).status == 200


def test_the_same_key_in_flight_is_a_conflict(
    bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    from api import idempotency
    from api.query import QueryRequest
    from rowcall.auth import LOCAL
    from rowcall.deadline import Deadline
    from rowcall.errors import Problem

    with serving(monkeypatch, environment(bridge, database_url, IDEMPOTENCY_TABLE=table)) as services:
        started, finish = threading.Event(), threading.Event()

        def slowly() -> dict[str, Any]:
            started.set()
            assert finish.wait(20)
            return {"made": 1}

        def once(make: Any) -> dict[str, Any]:
            body = QueryRequest(query="count pending orders")
            return idempotency.once("k4", "query", body, LOCAL, services.settings, Deadline.after(20), make)

        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(once, slowly)
            assert started.wait(20)
            with pytest.raises(Problem) as caught:
                once(lambda: {"made": 2})
            assert caught.value.code == "conflict"
            finish.set()
            assert first.result(20) == {"made": 1}
        assert once(lambda: {"made": 3}) == {"made": 1}


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_an_odd_key_is_refused(
    bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch, key: str, table: str
) -> None:
    with serving(monkeypatch, environment(bridge, database_url, IDEMPOTENCY_TABLE=table)):
        reply = Gateway(handler).post("/api/query", QUESTION, {"Idempotency-Key": key})
        assert problem(reply, 400, "invalid_request")["errors"][0]["field"] == "Idempotency-Key"


ORIGIN = "https://app.example"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/query", '{"query": "count pending orders"}', 200),
        ("POST", "/api/query", "{", 400),
        ("GET", "/nothing", None, 404),
        ("GET", "/api/query", None, 405),
        ("GET", "/boom", None, 500),
    ],
)
def test_listed_origins_may_read_every_answer_and_others_none(
    bridge: Bridge,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    body: str | None,
    status: int,
) -> None:
    from api import health, main

    if path == "/boom":

        def boom(*_: object) -> None:
            raise RuntimeError("canary-in-a-stack")

        monkeypatch.setattr(health, "_checks", boom)
        path = "/health"
    assert main.handler is handler
    with serving(monkeypatch, environment(bridge, database_url, CORS_ORIGIN=ORIGIN)):
        gateway = Gateway(handler)
        reply = gateway.request(method, path, body, {"Origin": ORIGIN})
        assert reply.status == status, reply.body
        assert reply.headers["access-control-allow-origin"] == ORIGIN
        assert "origin" in reply.headers["vary"].lower()
        assert "canary" not in reply.body
        other = gateway.request(method, path, body, {"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers
        assert "access-control-allow-credentials" not in other.headers


def test_preflight(bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, environment(bridge, database_url, CORS_ORIGIN=ORIGIN)):
        gateway = Gateway(handler)
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        reply = gateway.request("OPTIONS", "/api/query", headers={"Origin": ORIGIN, **asked})
        assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, ORIGIN)
        refused = gateway.request("OPTIONS", "/api/query", headers={"Origin": "https://evil.example", **asked})
        assert refused.status == 400
        assert "access-control-allow-origin" not in refused.headers


def test_a_cross_origin_form_post_changes_nothing(
    bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(monkeypatch, environment(bridge, database_url)) as services:
        for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"):
            before = services.database.transactions
            headers = {"Content-Type": kind, "Origin": "https://evil.example"}
            reply = Gateway(handler).request("POST", "/api/query", '{"query": "count pending orders"}', headers)
            assert reply.status in (400, 415)
            assert services.database.transactions == before


def test_no_secret_is_in_any_output(
    bridge: Bridge,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    canaries = {
        "PLAN_SEAL_KEY": "canary-seal-key-0123456789-abcdefgh",
        "JWT_SECRET": "canary-jwt-secret-0123456789-abcdef",
        "UPSTASH_REDIS_REST_TOKEN": "canary-redis-token",
        "ANTHROPIC_API_KEY": "canary-anthropic-key",
        "OPENAI_API_KEY": "canary-openai-key",
    }
    urls = [database_url, "postgresql://reader:canary-password@127.0.0.1:9/shop"]
    said = ""
    for url in urls:
        environ = environment(bridge, url, LOG_LEVEL="DEBUG", PLANNERS="grammar", **canaries)
        with serving(monkeypatch, environ):
            gateway = Gateway(handler)
            for reply in (
                gateway.post("/api/query", QUESTION, {"Authorization": "Bearer canary-bearer"}),
                gateway.post("/api/query", {"query": "show the canary-question"}),
                gateway.request("POST", "/api/query", '{"query": "canary-unclosed'),
                gateway.get("/health"),
                gateway.get("/api/tables"),
                gateway.get("/openapi.json"),
            ):
                said += reply.body + json.dumps(reply.headers)
    said += capsys.readouterr().out + capsys.readouterr().err + caplog.text
    assert "canary" not in said.replace('"query":"show the canary-question"', "")
