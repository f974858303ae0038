"""What an asker sees, and for how long, when a part is killed, slow, full, throttled or has another clock.

Each drill's docstring is its row in docs/drills.md: what fails, what an asker sees, how long it lasts. Faults are made
in real parts or between us and them; what hangs, hangs for ten minutes, so that a wait without a deadline fails the
drill by pytest's timeout.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import jwt
import pytest

from api.main import handler
from local.bridge import Bridge
from local.llm_stub import Hang, LlmStub, Recorded, Reply, Says, Status
from local.postgres import Postgres
from local.processes import Processes
from local.redis import Redis
from local.stack import Stack
from tests.gateway import Gateway
from tests.integration.test_api import environment, problem, serving
from tests.integration.test_database_failures import Relay, through
from tests.integration.test_jobs import Jobs, jobs, jobs_aws  # noqa: F401 -- fixtures

pytestmark = pytest.mark.timeout(90)

PARTS = """
CREATE TABLE parts (id int PRIMARY KEY, title text);
INSERT INTO parts VALUES (1, 'bolt'), (2, 'nut');
CREATE FUNCTION slowly() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(600)';
CREATE VIEW sleepers AS SELECT slowly() AS answer;
CREATE TABLE bins (id int PRIMARY KEY);
CREATE VIEW places AS SELECT row_number() OVER (ORDER BY md5(i::text)) AS place FROM generate_series(1, 300000) i;
"""
RIDDLE = "which parts feel neglected"
"""No planner without a model can read this."""
FOREVER = Hang(600)
JWT = {"AUTH": "jwt", "JWT_SECRET": "0123456789abcdef" * 2, "JWT_ISSUER": "drills", "JWT_AUDIENCE": "rowcall"}

Serve = Callable[..., Gateway]


@pytest.fixture(scope="module")
def own() -> Iterator[Stack]:
    """A Postgres that may be killed: a cluster of this module's own."""
    with Stack({}, shop=False, aws=False) as running:
        yield running


@pytest.fixture(scope="module")
def own_postgres(own: Stack, tmp_path_factory: pytest.TempPathFactory) -> Postgres:
    assert own.postgres
    script: Path = tmp_path_factory.mktemp("drills") / "parts.sql"
    script.write_text(PARTS)
    own.postgres.create("parts", script)
    return own.postgres


@pytest.fixture
def own_redis() -> Iterator[Redis]:
    with closing(Processes()) as processes:
        yield Redis(processes)


@pytest.fixture
def own_bridge(own_redis: Redis) -> Iterator[Bridge]:
    running = Bridge(own_redis.port, own_redis.password)
    yield running
    running.stop()


@pytest.fixture
def serve(bridge: Bridge, own_postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """The api function with some settings of its own."""
    opened = []

    def start(**settings: str) -> Gateway:
        environ = environment(bridge, own_postgres.reader_url("parts"), REQUEST_TIMEOUT="8") | settings
        context = serving(monkeypatch, environ)
        context.__enter__()
        opened.append(context)
        return Gateway(handler)

    yield start
    for context in opened:
        context.__exit__(None, None, None)


@pytest.fixture
def relay(own_postgres: Postgres) -> Iterator[Relay]:
    with closing(Relay(own_postgres.port)) as running:
        yield running


def crash_in_the_middle(postgres: Postgres) -> None:
    """Crash `postgres` as soon as it runs a statement that sleeps."""
    until = time.monotonic() + 60
    while not postgres.sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
        assert time.monotonic() < until
        time.sleep(0.02)
    postgres.crash()


# Postgres


def test_postgres_is_killed_in_the_middle_of_a_question_and_started_again(serve: Serve, own_postgres: Postgres) -> None:
    """Postgres is killed in the middle of a question | 503 `database_unavailable`, also while it is down; \
`/health` says `database: down` | the question at once; the next one after its start is answered from the same plan"""
    gateway = serve()
    assert gateway.ask("show parts").status == 200
    with ThreadPoolExecutor(1) as pool:
        crashed = pool.submit(crash_in_the_middle, own_postgres)
        try:
            problem(gateway.ask("show sleepers"), 503, "database_unavailable")
            crashed.result()
            problem(gateway.ask("show parts"), 503, "database_unavailable")
            assert gateway.get("/health").json["services"] == {"database": "down", "cache": "ok"}
        finally:
            own_postgres.start()
    answer = gateway.ask("show parts").json
    assert (answer["row_count"], answer["meta"]["cache_layer"]) == (2, 1)


def test_postgres_is_slow_by_seconds(serve: Serve, own_postgres: Postgres, relay: Relay) -> None:
    """Postgres answers seconds late | the same answers, later; 504 `deadline_exceeded` where a statement takes longer \
than `QUERY_TIMEOUT` | `QUERY_TIMEOUT` at most"""
    url = through(own_postgres.reader_url("parts"), relay.port)
    gateway = serve(DATABASE_URL=url, QUERY_TIMEOUT="3")
    assert gateway.ask("show parts").status == 200
    relay.delay = 1
    assert gateway.ask("show parts").json["meta"]["cache_layer"] == 1
    relay.delay = 20
    problem(gateway.ask("show parts"), 504, "deadline_exceeded")
    relay.delay = 0
    assert gateway.ask("show parts").status == 200


def test_postgres_has_no_disk_for_a_sort(serve: Serve, own_postgres: Postgres) -> None:
    """Postgres has no disk for a large sort (by `temp_file_limit`, which stops a statement as a full disk does) | \
503 `database_unavailable` for that question; all others are answered | until there is room"""
    own_postgres.sql("ALTER ROLE rowcall_reader IN DATABASE parts SET temp_file_limit = '1MB'")
    own_postgres.sql("ALTER ROLE rowcall_reader IN DATABASE parts SET work_mem = '64kB'")
    try:
        gateway = serve()
        problem(gateway.ask("count places"), 503, "database_unavailable")
        assert gateway.ask("show parts").json["row_count"] == 2
    finally:
        own_postgres.sql("ALTER ROLE rowcall_reader IN DATABASE parts RESET temp_file_limit")
    assert serve().ask("count places").status == 200


# Redis


def test_redis_is_killed_and_started_again(serve: Serve, own_redis: Redis, own_bridge: Bridge) -> None:
    """Redis is killed | answers that say `degraded`, planned anew each time; `/health` says `cache: down` | each \
question `REDIS_TIMEOUT` at most; plans are remembered again as soon as it is back, from an empty memory"""
    gateway = serve(UPSTASH_REDIS_REST_URL=own_bridge.url, UPSTASH_REDIS_REST_TOKEN=own_bridge.token)
    gateway.ask("show parts")
    assert gateway.ask("show parts").json["meta"]["cache_layer"] == 1
    own_redis.stop()
    for _ in range(2):
        reply = gateway.ask("show parts")
        assert (reply.status, reply.json["row_count"], reply.json["meta"]["degraded"]) == (200, 2, True)
    assert gateway.get("/health").json["services"] == {"database": "ok", "cache": "down"}
    own_redis.start()
    told = [gateway.ask("show parts").json["meta"] for _ in range(2)]
    assert [(one["cache_layer"], one["degraded"]) for one in told] == [(3, False), (1, False)]


def test_redis_is_slow_by_seconds(serve: Serve, bridge: Bridge) -> None:
    """Redis answers seconds late | answers that say `degraded` | `REDIS_TIMEOUT` more for each request to Redis, and \
the deadline at most"""
    with closing(Relay(urlsplit(bridge.url).port or 0)) as relay:
        gateway = serve(UPSTASH_REDIS_REST_URL=f"http://127.0.0.1:{relay.port}", REDIS_TIMEOUT="0.5")
        gateway.ask("show parts")
        relay.delay = 5
        before = relay.requests
        reply = gateway.ask("show parts")
        assert (reply.status, reply.json["row_count"], reply.json["meta"]["degraded"]) == (200, 2, True)
        assert relay.requests - before <= 4
        relay.delay = 0
        assert gateway.ask("show parts").json["meta"]["degraded"] is False


def test_redis_is_full(serve: Serve, own_bridge: Bridge) -> None:
    """Redis is full (`maxmemory`, nothing to evict) | answers that say `degraded`: nothing new is remembered | until \
there is room"""
    gateway = serve(UPSTASH_REDIS_REST_URL=own_bridge.url, UPSTASH_REDIS_REST_TOKEN=own_bridge.token)
    own_bridge.command("CONFIG", "SET", "maxmemory", "1")
    reply = gateway.ask("show parts")
    assert (reply.status, reply.json["row_count"], reply.json["meta"]["degraded"]) == (200, 2, True)
    own_bridge.command("CONFIG", "SET", "maxmemory", "0")
    told = [gateway.ask("show parts").json["meta"] for _ in range(2)]
    assert [(one["cache_layer"], one["degraded"]) for one in told] == [(3, False), (1, False)]


# Models


@pytest.mark.parametrize("fault", [Status(500), FOREVER], ids=["fails", "hangs"])
def test_the_model_fails_or_hangs(serve: Serve, fault: Reply) -> None:
    """The model fails or hangs | hits and whatever the grammar reads are answered, the latter with the model under \
`passed_over`; else 502 `planner_unavailable` | `LLM_TIMEOUT` a call and its retries, and the deadline at most"""
    with LlmStub(fault) as stub:
        model = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": stub.url, "PLANNERS": "anthropic,grammar"}
        gateway = serve(**model, LLM_TIMEOUT="0.5", LLM_RETRIES="1", REQUEST_TIMEOUT="20")
        told = gateway.ask("show parts").json
        assert told["meta"]["planner"] == "grammar"
        assert told["meta"]["passed_over"]
        assert stub.calls == 2, "a try and a retry"
        problem(gateway.ask(RIDDLE), 502, "planner_unavailable")
        calls = stub.calls
        assert gateway.ask("show parts").json["meta"]["cache_layer"] == 1
        assert stub.calls == calls


def test_the_embedder_is_down(serve: Serve) -> None:
    """The embedder is down | the same answers: layer 2 is skipped, and what it would have found is planned | until it \
is back"""

    def reply(_: Recorded) -> Reply:
        return Says() if up else Status(500)

    up = False
    with LlmStub(reply) as stub:
        settings = {"EMBEDDER": "openai", "OPENAI_API_KEY": "k", "OPENAI_BASE_URL": f"{stub.url}/v1"}
        gateway = serve(**settings, PLANNERS="grammar", LLM_RETRIES="0", EMBEDDING_THRESHOLD="0.01")

        def layers(*questions: str) -> list[int]:
            return [gateway.ask(question).json["meta"]["cache_layer"] for question in questions]

        assert layers("count parts", "how many parts are there", "count parts") == [3, 3, 1]
        up = True
        assert layers("count bins", "how many bins are there") == [3, 2], "the same, with the embedder up"


# AWS


class Throttled:
    """DynamoDB that throttles everything. `calls` counts what it was asked."""

    def __init__(self) -> None:
        self.calls = 0
        throttled = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                throttled.calls += 1
                self.rfile.read(int(self.headers["Content-Length"]))
                body = json.dumps({"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException"}).encode()
                self.send_response(400)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def throttled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Throttled]:
    with closing(Throttled()) as running:
        for name, value in {
            "AWS_ENDPOINT_URL": running.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "eu-central-1",
        }.items():
            monkeypatch.setenv(name, value)
        yield running


def test_dynamodb_throttles_idempotency(serve: Serve, throttled: Throttled) -> None:
    """DynamoDB throttles the table of idempotency keys | 503 `idempotency_unavailable` with Retry-After for a request \
with an `Idempotency-Key`; without one, answers | two attempts of three seconds at most"""
    gateway = serve(IDEMPOTENCY_TABLE="throttled-keys")
    reply = gateway.post("/api/query", {"query": "show parts"}, {"Idempotency-Key": "one"})
    problem(reply, 503, "idempotency_unavailable")
    assert int(reply.headers["retry-after"]) >= 1
    assert throttled.calls <= 4
    assert gateway.ask("show parts").status == 200


def test_dynamodb_throttles_api_keys(serve: Serve, throttled: Throttled) -> None:
    """DynamoDB throttles the table of API keys | 503 `sign_in_unavailable` for a key that this environment has not \
seen within a minute; nobody is let in without a look | two attempts of three seconds at most"""
    gateway = serve(AUTH="api_key", API_KEYS_TABLE="throttled-api-keys")
    key = f"Bearer rc_{'0' * 16}_{'a' * 43}"
    problem(gateway.post("/api/query", {"query": "show parts"}, {"Authorization": key}), 503, "sign_in_unavailable")
    assert throttled.calls == 2


def test_dynamodb_throttles_conversations(serve: Serve, throttled: Throttled) -> None:
    """DynamoDB throttles the table of conversations | 503 `conversations_unavailable` with Retry-After for the list \
of conversations | the deadline at most"""
    gateway = serve(CONVERSATIONS_TABLE="throttled-conversations", REQUEST_TIMEOUT="4")
    reply = gateway.get("/api/conversations")
    problem(reply, 503, "conversations_unavailable")
    assert int(reply.headers["retry-after"]) >= 1


def test_dynamodb_throttles_jobs(serve: Serve, throttled: Throttled) -> None:
    """DynamoDB throttles the table of jobs | 503 `jobs_unavailable` for a job, of which nothing is queued; questions \
are answered as ever | the deadline at most"""
    gateway = serve(JOBS_TABLE="throttled-jobs", JOBS_QUEUE_URL=f"{throttled.url}/queue", EXPORTS_BUCKET="exports")
    problem(gateway.post("/api/jobs", {"query": "show parts"}), 503, "jobs_unavailable")
    assert gateway.ask("show parts").status == 200


def test_jobs_pile_up(jobs: Jobs) -> None:  # noqa: F811
    """No worker takes jobs, and they pile up | jobs that stay `queued`; questions are answered as ever | until a \
worker is back, which does them all, each once"""
    made = [jobs.create("count pending orders", "count shipped orders") for _ in range(20)]
    assert jobs.waiting(jobs.url) == 40
    assert {jobs.show(job)["state"] for job in made} == {"queued"}
    assert jobs.gateway.ask("count pending orders").status == 200
    assert jobs.work(most=10) == 40
    assert [jobs.show(job)["progress"] for job in made] == [{"total": 2, "done": 2, "failed": 0}] * 20
    assert jobs.waiting(jobs.url) == jobs.waiting(jobs.failures) == 0


# Clocks


def test_the_clock_of_who_signs_tokens_differs(serve: Serve) -> None:
    """The clock of whoever signs tokens is off | by 20 seconds: nothing, as there is a leeway of 30; by an hour: 401 \
`unauthenticated` | until the clock is right"""
    gateway = serve(**JWT)

    def ask(off: float) -> int:
        now = time.time() + off
        claims = {"sub": "ann", "tenant": "acme", "scope": "query", "iss": "drills", "aud": "rowcall"}
        token = jwt.encode(claims | {"iat": now, "nbf": now, "exp": now + 1}, JWT["JWT_SECRET"])
        return gateway.post("/api/query", {"query": "show parts"}, {"Authorization": f"Bearer {token}"}).status

    assert [ask(off) for off in (0, 20, -20, 3600, -3600)] == [200, 200, 200, 401, 401]


def test_the_clock_of_an_environment_differs(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clocks of environments differ by hours | nothing: limits are counted by Redis's clock, and a user has no \
question more | –"""
    gateway = serve(USER_QUOTA="3", USER_WINDOW="3600")
    told = []
    for off in (0, -7200, 7200, 7200, 0):
        with monkeypatch.context() as patch:
            right = time.time
            patch.setattr(time, "time", lambda off=off, right=right: right() + off)
            told.append(gateway.ask("show parts").status)
    assert told == [200, 200, 200, 429, 429]
