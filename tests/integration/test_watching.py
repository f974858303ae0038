"""What is measured each minute: over a real Redis, and a real HTTP server that is visited."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from local.bridge import Bridge
from rowcall import bootstrap
from rowcall.answer import Ask, answer
from rowcall.auth import LOCAL
from rowcall.deadline import Deadline
from rowcall.watching import Measures, measure
from tests.integration.test_api import environment

Metrics = Callable[[], dict[str, Any]]


@pytest.fixture
def site() -> Iterator[Callable[[int], str]]:
    """An address that answers with a status, for each that is asked for."""
    servers: list[ThreadingHTTPServer] = []

    def serve(status: int) -> str:
        class Health(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Health))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/health"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Metrics:
    def read() -> dict[str, Any]:
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return {
            metric["Name"]: line[metric["Name"]][0]
            for line in lines
            if "_aws" in line
            for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
        }

    return read


def test_what_is_remembered_is_counted(bridge: Bridge, database_url: str, told: Metrics) -> None:
    with closing(bootstrap.start(environment(bridge, database_url))) as services:
        for query in ("count pending orders", "top 5 products by revenue", "count pending orders"):
            answer(Ask(query), LOCAL, services, Deadline.after(20))
        told()
        assert measure(services, Deadline.after(20)) == Measures(up=None, plans=2)
    metrics = told()
    assert (metrics["total_schemas"], metrics["pinned_schemas"]) == (2, 0)
    assert metrics["avg_use_count"] > 0
    assert "synthetic_up" not in metrics


@pytest.mark.parametrize(("status", "up"), [(200, 1), (503, 0), (403, 0)])
def test_the_service_is_visited_from_outside(
    bridge: Bridge, database_url: str, site: Callable[[int], str], told: Metrics, status: int, up: int
) -> None:
    with closing(bootstrap.start(environment(bridge, database_url, WATCH_URL=site(status)))) as services:
        assert measure(services, Deadline.after(20)).up is bool(up)
    metrics = told()
    assert metrics["synthetic_up"] == up
    assert metrics["synthetic_duration_seconds"] > 0


def test_a_service_that_is_not_there_is_told_even_without_redis(
    bridge: Bridge, database_url: str, told: Metrics
) -> None:
    down = environment(
        bridge, database_url, WATCH_URL="http://127.0.0.1:9/health", UPSTASH_REDIS_REST_URL="http://127.0.0.1:9"
    )
    with closing(bootstrap.start(down)) as services:
        assert measure(services, Deadline.after(20)) == Measures(up=False, plans=None)
    metrics = told()
    assert metrics["synthetic_up"] == 0
    assert "total_schemas" not in metrics
