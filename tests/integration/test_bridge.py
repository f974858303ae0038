"""The bridge answers as Upstash does, for Upstash's own client and for anybody who speaks HTTP to it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import httpx
import pytest
from upstash_redis import Redis
from upstash_redis.errors import UpstashError

from local.bridge import MAX_REQUEST, Bridge
from local.redis import Redis as Server
from local.stack import Stack


@pytest.fixture
def http(bridge: Bridge) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {bridge.token}"}
    with httpx.Client(base_url=bridge.url, headers=headers, timeout=10) as client:
        yield client


@pytest.fixture
def connect(bridge: Bridge) -> Iterator[Callable[[Literal["base64"] | None], Redis]]:
    opened: list[Redis] = []

    def make(encoding: Literal["base64"] | None) -> Redis:
        opened.append(Redis(bridge.url, bridge.token, rest_encoding=encoding, rest_retries=0, allow_telemetry=False))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture(params=["base64", None])
def redis(connect: Callable[[Any], Redis], request: pytest.FixtureRequest) -> Redis:
    return connect(request.param)


def test_the_client_reads_what_it_wrote(redis: Redis) -> None:
    assert redis.set("greeting", "Grüße, 你好 🎉") is True
    assert redis.get("greeting") == "Grüße, 你好 🎉"
    assert redis.get("nothing") is None
    assert redis.set("ok", "OK")
    assert redis.get("ok") == "OK"
    assert redis.incrby("count", 41) == 41
    assert redis.incr("count") == 42
    assert redis.hset("hash", values={"a": "1", "b": "two"}) == 2
    assert redis.hgetall("hash") == {"a": "1", "b": "two"}
    assert redis.zadd("board", {"x": 1.5, "y": 2}) == 2
    assert redis.zrange("board", 0, -1, withscores=True) == [("x", 1.5), ("y", 2.0)]
    assert redis.set("short", "1", px=60_000)
    assert 0 < redis.pttl("short") <= 60_000
    assert redis.mget("greeting", "nothing") == ["Grüße, 你好 🎉", None]


def test_the_client_runs_scripts(redis: Redis) -> None:
    script = "return {KEYS[1], ARGV[1], 7, {redis.call('INCR', KEYS[1])}, false}"
    digest = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
    with pytest.raises(UpstashError, match=r"^NOSCRIPT "):
        redis.evalsha(digest, keys=["k"], args=["a"])
    assert redis.eval(script, keys=["k"], args=["a"]) == ["k", "a", 7, [1], None]
    assert redis.evalsha(digest, keys=["k"], args=["ü"]) == ["k", "ü", 7, [2], None]
    assert redis.script_load(script) == digest
    with pytest.raises(UpstashError, match="no good"):
        redis.eval("return redis.error_reply('no good')")


def test_the_client_sends_pipelines_and_transactions(redis: Redis) -> None:
    for batch in (redis.pipeline(), redis.multi()):
        batch.set("a", "1")
        batch.incr("a")
        batch.get("a")
        assert batch.exec() == [True, 2, "2"]


def test_values_that_are_not_utf_8_survive_in_base64_only(bridge: Bridge, http: httpx.Client) -> None:
    value = bytes(range(256))
    bridge.command("SET", "raw", value)
    encoded = http.post("/", json=["GET", "raw"], headers={"Upstash-Encoding": "base64"}).json()
    assert base64.b64decode(encoded["result"]) == value
    assert http.post("/", json=["GET", "raw"]).json()["result"] == value.decode(errors="replace")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_a_command_may_stand_in_the_path(bridge: Bridge, http: httpx.Client, method: str) -> None:
    answer = http.request(method, "/set/a%2Fb/c%20d?EX=100&_token=ignored")
    assert (answer.status_code, answer.json()) == (200, {"result": "OK"})
    assert bridge.command("GET", "a/b") == b"c d"
    assert 0 < bridge.command("TTL", "a/b") <= 100


def test_a_body_is_the_last_argument_of_a_path_before_its_query(bridge: Bridge, http: httpx.Client) -> None:
    assert http.post("/set/key?EX=100&NX", content=b"\x00\xff").json() == {"result": "OK"}
    assert bridge.command("GET", "key") == b"\x00\xff"
    assert http.post("/set/key?EX=100&NX", content=b"again").json() == {"result": None}


def test_head_answers_without_a_body(http: httpx.Client) -> None:
    answer = http.head("/get/a")
    assert (answer.status_code, answer.content) == (200, b"")
    assert http.get("/ping").json() == {"result": "PONG"}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}])
def test_every_path_asks_for_the_token(bridge: Bridge, headers: dict[str, str]) -> None:
    with httpx.Client(base_url=bridge.url, headers=headers) as stranger:
        for path in ("/", "/set/a/1", "/pipeline", "/multi-exec", "/-/counts", "/nonsense"):
            for query in ("", "?_token=", "?_token=wrong"):
                answer = stranger.post(path + query, json=[["SET", "a", "1"]])
                assert (answer.status_code, path) == (401, path)
                assert answer.json()["error"].startswith("WRONGPASS ")
    assert bridge.requests == 0
    assert bridge.command("DBSIZE") == 0


def test_the_token_may_stand_in_the_query(bridge: Bridge) -> None:
    answer = httpx.get(f"{bridge.url}/echo/hello", params={"_token": bridge.token})
    assert answer.json() == {"result": "hello"}


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("/", b'["NONSENSE"]', 400, "ERR unknown command"),
        ("/", b'["GET"]', 400, "ERR wrong number of arguments for 'get' command"),
        ("/", b'["SUBSCRIBE", "news"]', 400, "ERR Command is not available: 'SUBSCRIBE'"),
        ("/", b'["blpop", "list", 0]', 400, "ERR Command is not available: 'blpop'"),
        ("/", b'["XREAD", "block", "0", "STREAMS", "s", "$"]', 400, "ERR Command is not available"),
        ("/multi", b"", 400, "ERR Command is not available: 'multi'"),
        ("/", b'["SET", "a", {"b": 1}]', 400, "ERR invalid argument"),
        ("/", b'["SET", "a", null]', 400, "ERR invalid argument"),
        ("/", b"[]", 400, "ERR empty command"),
        ("/", b'{"SET": "a"}', 400, "ERR failed to parse"),
        ("/", b"not JSON", 400, "ERR failed to parse"),
        ("/", b"", 400, "ERR failed to parse"),
        ("/pipeline", b"[]", 400, "ERR empty pipeline"),
        ("/pipeline", b'["GET", "a"]', 400, "ERR empty command or not a JSON array"),
        ("/pipeline", b'[["GET", "a"], ["SUBSCRIBE", "news"]]', 400, "ERR Command is not available"),
        ("/multi-exec", b'[["SET", "a", "1"], ["EXEC"]]', 400, "ERR Command is not available"),
        ("/multi-exec", b'[["SET", "a", "1"], ["GET"]]', 400, "EXECABORT "),
    ],
)
def test_a_refusal_says_why_and_changes_nothing(
    bridge: Bridge, http: httpx.Client, path: str, body: bytes, status: int, error: str
) -> None:
    answer = http.post(path, content=body)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert answer.json()["error"].startswith(error)
    assert answer.headers["content-type"] == "application/json"
    assert bridge.command("DBSIZE") == 0
    assert http.post("/", json=["PING"]).json() == {"result": "PONG"}


def test_a_failing_item_keeps_the_other_results(http: httpx.Client) -> None:
    commands = [["SET", "a", "text"], ["INCR", "a"], ["GET", "a"]]
    for path in ("/pipeline", "/multi-exec"):
        answer = http.post(path, json=commands)
        assert answer.status_code == 200
        ok, failed, got = answer.json()
        assert (ok, got) == ({"result": "OK"}, {"result": "text"})
        assert failed["error"].startswith("ERR value is not an integer")


def test_other_methods_are_refused(http: httpx.Client) -> None:
    assert [http.request(method, "/get/a").status_code for method in ("DELETE", "PATCH", "OPTIONS")] == [405] * 3
    assert http.get("/").status_code == 404


def test_a_request_may_be_ten_megabytes_and_no_larger(bridge: Bridge, http: httpx.Client) -> None:
    room = MAX_REQUEST - len('["SET","big",""]')
    fits = b'["SET","big","' + b"x" * room + b'"]'
    assert http.post("/", content=fits).json() == {"result": "OK"}
    assert bridge.command("STRLEN", "big") == room
    answer = http.post("/", content=fits + b" ")
    assert answer.status_code == 413
    assert answer.json()["error"].startswith("ERR max request size exceeded")
    assert http.post("/", json=["PING"]).json() == {"result": "PONG"}


def test_numbers_and_booleans_are_arguments(bridge: Bridge, http: httpx.Client) -> None:
    assert http.post("/", json=["RPUSH", "list", 1, 2.5, True, "4"]).json() == {"result": 4}
    assert bridge.command("LRANGE", "list", 0, -1) == [b"1", b"2.5", b"true", b"4"]


def test_it_counts_what_it_is_asked(bridge: Bridge, http: httpx.Client) -> None:
    http.post("/", json=["PING"])
    http.get("/ping")
    http.post("/pipeline", json=[["PING"], ["PING"], ["PING"]])
    http.post("/multi-exec", json=[["PING"], ["PING"]])
    assert (bridge.requests, bridge.commands) == (4, 7)
    assert http.get("/-/counts").json() == {"requests": 4, "commands": 7}
    assert http.get("/-/counts").json() == {"requests": 4, "commands": 7}


def test_parallel_requests_get_their_own_answers(bridge: Bridge, http: httpx.Client) -> None:
    def own(number: int) -> bool:
        single = http.post("/", json=["ECHO", f"single {number}"]).json()
        batch = http.post("/multi-exec", json=[["ECHO", f"{number}"], ["INCR", "together"]]).json()
        return bool(single == {"result": f"single {number}"} and batch[0] == {"result": f"{number}"})

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(own, range(200)))
    assert bridge.command("GET", "together") == b"200"


def test_a_lost_redis_is_an_error_and_a_found_one_serves_again(stack: Stack) -> None:
    server = Server(stack.processes)
    bridge = Bridge(server.port, server.password)
    with httpx.Client(base_url=bridge.url, headers={"Authorization": f"Bearer {bridge.token}"}) as http:
        assert http.post("/", json=["SET", "a", "1"]).status_code == 200
        server.stop()
        for path, body in (("/", ["GET", "a"]), ("/pipeline", [["GET", "a"]])):
            answer = http.post(path, json=body)
            assert answer.status_code == 503
            assert answer.json()["error"].startswith("ERR Redis cannot be reached")
        server.start()
        assert http.post("/", json=["GET", "a"]).json() == {"result": None}
    bridge.stop()
    server.stop()
