"""`POST /mcp` as clients meet it: the official SDK over real HTTP in every revision, and API Gateway's events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from typing import Any, TypeVar

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND, TextContent, TextResourceContents
from mcp_types.version import LATEST_HANDSHAKE_VERSION, LATEST_MODERN_VERSION

from api.main import handler
from local.bridge import Bridge
from local.postgres import Postgres
from rowcall.bootstrap import Services
from tests.gateway import Gateway, Reply
from tests.integration.test_api import environment, problem, serving
from tests.integration.test_identity import bearer, hs256, signing
from tests.integration.test_tenants import NOTES
from tests.served import served

T = TypeVar("T")
MODES = ["legacy", LATEST_MODERN_VERSION]
ACCEPT = {"Accept": "application/json, text/event-stream"}
MODERN = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": LATEST_MODERN_VERSION,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}


@pytest.fixture
def services(bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    with serving(monkeypatch, environment(bridge, database_url, CORS_ORIGIN="https://app.example")) as running:
        yield running


@pytest.fixture
def gateway(services: Services) -> Gateway:
    return Gateway(handler)


@pytest.fixture
def url(services: Services) -> Iterator[str]:
    with served() as url:
        yield f"{url}/mcp"


@asynccontextmanager
async def connected(url: str, mode: str, **headers: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


def talk(url: str, mode: str, say: Callable[[Client], Awaitable[T]], **headers: str) -> T:
    async def run() -> T:
        async with connected(url, mode, **headers) as client:
            return await say(client)

    with closing(asyncio.new_event_loop()) as loop:  # asyncio.run would take away the loop that Mangum uses
        return loop.run_until_complete(run())


def rpc(method: str, params: dict[str, Any] | None = None, number: int = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}


def call(name: str, /, **arguments: Any) -> dict[str, Any]:
    return rpc("tools/call", {"name": name, "arguments": arguments})


def text(result: Any) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.mark.parametrize("mode", MODES)
def test_the_tools_say_what_they_take_give_and_never_do(url: str, mode: str) -> None:
    tools = {tool.name: tool for tool in talk(url, mode, lambda client: client.list_tools()).tools}
    assert set(tools) == {"query", "explain", "list_tables", "describe_table"}
    for tool in tools.values():
        assert tool.annotations
        assert (tool.annotations.read_only_hint, tool.annotations.destructive_hint) == (True, False)
        assert (tool.annotations.idempotent_hint, tool.annotations.open_world_hint) == (True, False)
        assert tool.input_schema["type"] == "object"
        assert tool.output_schema
        assert tool.output_schema["type"] == "object"
        assert tool.description
    assert tools["query"].input_schema["required"] == ["query"]


@pytest.mark.parametrize("mode", MODES)
def test_a_question_gets_the_document_of_the_query_route(url: str, mode: str, gateway: Gateway) -> None:
    """The client checks the document against the tool's output schema."""
    asked = {"query": "top 5 products by revenue", "limit": 3}
    result = talk(url, mode, lambda client: client.call_tool("query", asked))
    assert not result.is_error, text(result)
    told = result.structured_content
    assert json.loads(text(result)) == told
    route = gateway.post("/api/query", asked).json
    meta = told.pop("meta")
    assert {**told, "meta": None} == {**route, "meta": None}
    assert (told["row_count"], told["truncated"]) == (3, True)
    assert (meta["cache_layer"], meta["planner"]) == (3, "grammar")
    assert meta["request_id"]


@pytest.mark.parametrize("mode", MODES)
def test_explain_runs_nothing(url: str, mode: str, services: Services) -> None:
    result = talk(url, mode, lambda client: client.call_tool("explain", {"query": "count pending orders"}))
    assert not result.is_error, text(result)
    assert result.structured_content["plan"]["Plan"]["Node Type"]
    assert result.structured_content["tables"] == ["orders"]
    assert "Actual Rows" not in text(result)


@pytest.mark.parametrize("mode", MODES)
def test_tables_are_listed_and_described_as_their_routes_do(url: str, mode: str, gateway: Gateway) -> None:
    async def say(client: Client) -> tuple[Any, Any]:
        return await client.call_tool("list_tables"), await client.call_tool("describe_table", {"name": "users"})

    listed, described = talk(url, mode, say)
    assert listed.structured_content == gateway.get("/api/tables").json
    assert described.structured_content == gateway.get("/api/tables/users").json
    assert "password_hash" not in text(described)


@pytest.mark.parametrize("mode", MODES)
def test_the_catalog_is_there_as_resources(url: str, mode: str, gateway: Gateway) -> None:
    async def say(client: Client) -> list[Any]:
        listed = await client.list_resources()
        uris = [resource.uri for resource in listed.resources]
        (template,) = (await client.list_resource_templates()).resource_templates
        assert template.uri_template == "rowcall://tables/{name}"
        read = [(uri, await client.read_resource(uri)) for uri in uris if uri.endswith(("tables", "/orders"))]
        return [uris, *((uri, result.contents[0]) for uri, result in read)]

    uris, *read = talk(url, mode, say)
    names = [table["name"] for table in gateway.get("/api/tables").json["tables"]]
    assert uris == ["rowcall://tables", *(f"rowcall://tables/{name}" for name in names)]
    documents = dict(read)
    assert all(isinstance(content, TextResourceContents) for content in documents.values())
    assert {content.mime_type for content in documents.values()} == {"application/json"}
    assert json.loads(documents["rowcall://tables"].text) == gateway.get("/api/tables").json
    assert json.loads(documents["rowcall://tables/orders"].text) == gateway.get("/api/tables/orders").json


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "uri", ["rowcall://tables/pg_class", "rowcall://tables/", "rowcall://else", "file:///etc/passwd"]
)
def test_a_resource_that_is_not_there_is_a_protocol_error(url: str, mode: str, uri: str) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        talk(url, mode, lambda client: client.read_resource(uri))
    (error,) = _leaves(raised.value)
    assert isinstance(error, MCPError)
    assert error.code == INVALID_PARAMS
    assert error.data["code"] == "not_found"


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


@pytest.mark.parametrize("mode", MODES)
def test_a_question_that_has_no_answer_is_a_tool_error_with_suggestions(url: str, mode: str) -> None:
    result = talk(url, mode, lambda client: client.call_tool("query", {"query": "count the unicorns"}))
    assert result.is_error
    assert result.structured_content is None
    sentence, *suggestions, last = text(result).splitlines()
    assert "unicorns" in sentence
    assert suggestions
    assert all(suggestion.startswith("Try: ") for suggestion in suggestions)
    assert last.startswith("code: unanswerable, request_id: ")


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("query", {}, "query is required"),
        ("query", {"query": 7}, "query Input should be a valid string"),
        ("query", {"query": "count orders", "tenant": "other"}, "tenant is not a field of this request"),
        ("query", {"query": "count orders", "limit": 9999}, "limit must be between 1 and 500"),
        ("query", {"query": "x" * 301}, "query has more than 300 characters"),
        ("query", {"query": "show \x00 users"}, "query holds control characters"),
        ("query", {"query": "count orders", "timezone": "Mars"}, "timezone is not an IANA time zone"),
        ("describe_table", {"name": "pg_class"}, "There is no such table"),
        ("list_tables", {"all": True}, "all is not a field of this request"),
    ],
)
def test_arguments_that_do_not_fit_are_tool_errors_that_a_model_can_mend(
    gateway: Gateway, name: str, arguments: dict[str, Any], said: str
) -> None:
    for reply in (legacy(gateway, call(name, **arguments)), modern(gateway, call(name, **arguments))):
        assert reply.status == 200, reply.body
        assert reply.json["result"]["isError"] is True
        assert reply.json["result"]["content"][0]["text"].startswith(said)


def test_an_unknown_tool_is_a_protocol_error(gateway: Gateway) -> None:
    reply = legacy(gateway, call("drop_table", name="orders"))
    assert reply.json["error"]["code"] == INVALID_PARAMS
    assert "query, explain, list_tables, describe_table" in reply.json["error"]["message"]


def test_a_bug_of_ours_says_nothing_of_itself(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("postgresql://reader:secret@host/db")

    monkeypatch.setattr("api.query.answer", broken)
    monkeypatch.setattr("rowcall.cache.catalogs.Catalogs.current", broken)
    replies = [legacy(gateway, call("query", query="count orders")), legacy(gateway, rpc("resources/list"))]
    replies += [modern(gateway, call("query", query="count orders")), modern(gateway, rpc("resources/list"))]
    for reply in replies:
        assert reply.status < 500 or reply.json["error"]["code"] == -32603, reply.body
        assert "Something went wrong on our side." in reply.body
        assert reply.headers["x-request-id"] in reply.body
        assert "secret" not in reply.body
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["error"] for line in logged if line.get("message") == "request"] == ["internal"] * 4
    assert sum(line.get("message") == "unhandled error" for line in logged) == 4


def legacy(gateway: Gateway, document: Any, headers: dict[str, str] | None = None) -> Reply:
    version = {"MCP-Protocol-Version": LATEST_HANDSHAKE_VERSION}
    return gateway.post("/mcp", document, ACCEPT | version | (headers or {}))


def modern(gateway: Gateway, document: dict[str, Any], headers: dict[str, str] | None = None) -> Reply:
    """As 2026-07-28 has it: every message says who speaks and what it is, in its body and in headers."""
    params = document["params"] | MODERN
    routing = {"MCP-Protocol-Version": LATEST_MODERN_VERSION, "Mcp-Method": document["method"]}
    routing |= {"Mcp-Name": params["name"]} if "name" in params else {}
    return gateway.post("/mcp", document | {"params": params}, ACCEPT | routing | (headers or {}))


def test_api_gateways_event_gets_json_and_no_stream(gateway: Gateway) -> None:
    hello = {"protocolVersion": LATEST_HANDSHAKE_VERSION, "capabilities": {}}
    reply = legacy(gateway, rpc("initialize", hello | {"clientInfo": {"name": "test", "version": "1"}}))
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert "mcp-session-id" not in reply.headers
    result = reply.json["result"]
    assert result["serverInfo"] == {"name": "rowcall", "version": "0.1.0"}
    assert result["protocolVersion"] == LATEST_HANDSHAKE_VERSION
    assert set(result["capabilities"]) == {"tools", "resources"}
    assert legacy(gateway, {"jsonrpc": "2.0", "method": "notifications/initialized"}).status == 202
    discovered = modern(gateway, rpc("server/discover"))
    assert discovered.json["result"]["supportedVersions"] == [LATEST_MODERN_VERSION]
    for reply in (legacy(gateway, call("query", query="count pending orders")), modern(gateway, call("list_tables"))):
        assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
        assert reply.json["result"]["isError"] is False
        assert reply.headers["x-content-type-options"] == "nosniff"


def test_a_remembered_answer_costs_what_it_costs_elsewhere(
    gateway: Gateway, services: Services, bridge: Bridge
) -> None:
    legacy(gateway, call("query", query="top 10 products by revenue"))
    requests, transactions = bridge.requests, services.database.transactions
    reply = legacy(gateway, call("query", query="top 5 products by revenue"))
    assert reply.json["result"]["structuredContent"]["meta"]["cache_layer"] == 1
    assert (bridge.requests - requests, services.database.transactions - transactions) == (1, 1)
    assert "redis;dur=" in reply.headers["server-timing"]
    assert "ratelimit" in reply.headers
    before = bridge.requests
    legacy(gateway, rpc("tools/list"))
    assert bridge.requests == before


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_there_are_no_streams_and_no_sessions_to_open_or_end(gateway: Gateway, method: str) -> None:
    reply = gateway.request(method, "/mcp", headers={"Accept": "text/event-stream"})
    problem(reply, 405, "method_not_allowed")
    assert reply.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", -32700),
        ("", -32700),
        ("\x00\x01", -32700),
        ("[" * 20000, -32700),
        ("null", None),
        ("7", None),
        ("[]", None),
        (json.dumps([rpc("tools/list"), rpc("tools/list", number=2)]), None),
        (json.dumps({"jsonrpc": "2.0", "id": 1}), None),
        (json.dumps({"jsonrpc": "1.0", "id": 1, "method": "tools/list"}), None),
        (json.dumps({"jsonrpc": "2.0", "id": 1, "method": 7}), None),
        (json.dumps(rpc("tools/list") | {"params": [1]}), None),
        (json.dumps(rpc("tools/call", {"name": 7})), None),
        (json.dumps(rpc("tools/call", {"name": "query", "arguments": "x"})), None),
        (json.dumps(rpc("tools/call", {})), None),
        (json.dumps(rpc("resources/read", {"uri": 7})), None),
        (json.dumps(rpc("no/such/method")), METHOD_NOT_FOUND),
        (json.dumps(rpc("subscriptions/listen", {"notifications": {}})), None),
        (json.dumps(rpc("resources/subscribe", {"uri": "rowcall://tables"})), METHOD_NOT_FOUND),
    ],
)
@pytest.mark.parametrize("version", [None, "2025-06-18", LATEST_MODERN_VERSION, "2999-01-01", "x"])
def test_hostile_messages_are_protocol_errors(
    gateway: Gateway, body: str, code: int | None, version: str | None
) -> None:
    headers = ACCEPT | ({"MCP-Protocol-Version": version} if version else {})
    reply = gateway.request("POST", "/mcp", body, headers)
    assert reply.status < 500, reply.body
    error = reply.json["error"]
    assert error["code"] < 0
    if code and version == "2025-06-18":
        assert error["code"] == code
    assert "Traceback" not in reply.body


@pytest.mark.parametrize("value", ["\ud800", "\U0010ffff", "'; DROP TABLE orders; --", "\u202e"])
def test_hostile_text_is_a_question_like_any_other(gateway: Gateway, value: str) -> None:
    reply = modern(gateway, call("query", query=f"count {value} orders"))
    assert reply.status == 200
    assert "result" in reply.json
    assert gateway.ask("count orders").json["data"][0]["orders_count"] > 0


def test_a_body_beyond_the_limit_is_refused(gateway: Gateway, url: str) -> None:
    document = call("query", query="x" * 70_000)
    problem(legacy(gateway, document), 413, "payload_too_large")
    assert httpx.post(url, json=document, headers=ACCEPT).status_code == 413


@pytest.mark.parametrize("send", [legacy, modern])
def test_what_is_not_json_is_refused(gateway: Gateway, send: Callable[..., Reply]) -> None:
    for media_type in ("text/plain", "application/jsonx", "multipart/form-data", ""):
        problem(send(gateway, rpc("tools/list"), {"Content-Type": media_type}), 415, "unsupported_media_type")
    assert send(gateway, rpc("tools/list"), {"Content-Type": "application/json; charset=utf-8"}).status == 200
    assert send(gateway, rpc("tools/list"), {"Accept": "text/html"}).status == 406


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("https://app.example", 200),
        ("https://evil.example", 403),
        ("http://127.0.0.1:8000", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_a_page_of_another_origin_may_not_call(gateway: Gateway, origin: str | None, status: int) -> None:
    """A page that was given our address by DNS rebinding names its own origin."""
    reply = legacy(gateway, rpc("tools/list"), {} if origin is None else {"Origin": origin, "Host": "evil.example"})
    assert reply.status == status
    if status == 403:
        problem(reply, 403, "forbidden")


def test_a_page_of_ours_may_send_what_mcp_needs(gateway: Gateway) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Origin": "https://app.example"}
    asked |= {"Access-Control-Request-Headers": "authorization, content-type, mcp-protocol-version, mcp-method"}
    reply = gateway.request("OPTIONS", "/mcp", headers=asked)
    assert reply.status == 200, reply.body
    assert reply.headers["access-control-allow-origin"] == "https://app.example"


def test_who_does_not_sign_in_gets_nothing(bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, environment(bridge, database_url, **signing())), served() as url:
        gateway = Gateway(handler)
        for message in (rpc("tools/list"), call("list_tables"), call("query", query="count orders")):
            reply = legacy(gateway, message)
            problem(reply, 401, "unauthenticated")
            assert reply.headers["www-authenticate"] == "Bearer"
            problem(legacy(gateway, message, bearer("x.y.z")), 401, "unauthenticated")
        problem(legacy(gateway, rpc("tools/list"), bearer(hs256(scope="chat"))), 403, "forbidden")
        for mode in MODES:
            token = bearer(hs256(scope="query"))
            assert not talk(f"{url}/mcp", mode, lambda client: client.call_tool("list_tables"), **token).is_error


def test_rows_never_cross(
    bridge: Bridge,
    postgres: Postgres,
    make_database: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notes = postgres.reader_url(make_database(NOTES))
    with (
        serving(monkeypatch, environment(bridge, notes, TENANT_SETTING="app.tenant_id", **signing())),
        served() as url,
    ):
        for _ in range(2):
            for tenant, count in (("acme", 10), ("other", 20), ("nobody", 0)):
                result = talk(
                    f"{url}/mcp",
                    "legacy",
                    lambda client: client.call_tool("query", {"query": "show notes"}),
                    **bearer(hs256(tenant=tenant)),
                )
                assert result.structured_content["row_count"] == count
                assert {row["tenant"] for row in result.structured_content["data"]} <= {tenant}


def test_limits_are_those_of_the_query_route(
    bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(monkeypatch, environment(bridge, database_url, USER_QUOTA="2", **signing())):
        gateway = Gateway(handler)
        ann = bearer(hs256(sub="ann"))
        assert gateway.post("/api/query", {"query": "count pending orders"}, ann).status == 200
        assert legacy(gateway, call("query", query="count pending orders"), ann).json["result"]["isError"] is False
        refused = legacy(gateway, call("explain", query="count pending orders"), ann)
        assert refused.json["result"]["isError"] is True
        told = refused.json["result"]["content"][0]["text"]
        assert "code: rate_limited" in told
        assert "Try again in " in told
        problem(gateway.post("/api/query", {"query": "count pending orders"}, ann), 429, "rate_limited")
