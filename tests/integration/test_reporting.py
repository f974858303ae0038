"""Errors to Sentry: the real SDK sends to a server here, and what arrives is looked at."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from api import health
from api.main import handler
from local.bridge import Bridge
from tests.gateway import Gateway
from tests.integration.test_api import environment, serving


@pytest.fixture
def sentry() -> Iterator[tuple[str, list[str]]]:
    received: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(
                (gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body).decode()
            )
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://canarykey@127.0.0.1:{server.server_port}/1", received
    server.shutdown()
    server.server_close()


def test_an_unhandled_error_arrives_scrubbed(
    bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch, sentry: tuple[str, list[str]]
) -> None:
    import sentry_sdk

    dsn, received = sentry

    def boom(*_: object) -> None:
        local_secret = "canary-local"  # noqa: F841 -- it must not travel
        raise RuntimeError("canary-message with a value of a row")

    monkeypatch.setattr(health, "_checks", boom)
    with serving(monkeypatch, environment(bridge, database_url, SENTRY_DSN=dsn)):
        reply = Gateway(handler).request(
            "GET", "/health", headers={"Authorization": "Bearer canary-token", "Cookie": "canary-cookie"}
        )
    sentry_sdk.get_client().close(timeout=2)
    sentry_sdk.get_global_scope().set_client(None)
    assert reply.status == 500
    assert reply.json["code"] == "internal"
    (envelope,) = received
    assert "RuntimeError" in envelope
    assert reply.headers["x-request-id"] in envelope
    assert '"route":"/health"' in envelope.replace(" ", "")
    assert "test_reporting" in envelope
    for canary in ("canary-message", "canary-local", "canary-token", "canary-cookie", "k" * 32):
        assert canary not in envelope
