"""What an MCP client is served: four tools that only read, and the catalog as resources.

The tools are the routes of the same names: the same arguments, the same documents, the same limits. A `Problem` is a
tool's error, told in words that a model can act on; a bug is one too, and says nothing of itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, unquote

import mcp_types as types
from fastapi import Request
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api import problems, query, tables
from api.dependencies import Asker, call
from rowcall import document
from rowcall.catalog import Catalog
from rowcall.document import Document
from rowcall.errors import Problem

T = TypeVar("T")
Context = ServerRequestContext[Any, Any]
Page = types.PaginatedRequestParams | None

VERSION = "0.1.0"
INSTRUCTIONS = (
    "Answers questions about one Postgres database, asked in plain language, and shows the SQL behind each answer. "
    "Nothing can be changed. Look at list_tables first, ask one thing at a time with query, and where a question is "
    "refused, use one of the suggestions."
)
TABLES = "rowcall://tables"
JSON = "application/json"


class NoArguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TableArguments(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(description="As list_tables names it.", examples=["orders"])


class Exchange(Response):
    """The response to one POST: a server of its own answers it, and nothing is kept for the next one."""

    def __init__(self, message: bytes, request: Request, asker: Asker) -> None:
        self.message = message
        self.request = request
        self.asker = asker
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        server = Server(
            "rowcall",
            version=VERSION,
            instructions=INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_resource_templates,
            on_read_resource=self._read_resource,
        )
        manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True)
        unread = [{"type": "http.request", "body": self.message, "more_body": False}]

        async def receive_again() -> Any:
            return unread.pop() if unread else await receive()

        async with manager.run():
            await manager.handle_request(scope, receive_again, send)

    async def _list_tools(self, _: Context, __: Page) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[tool.declared for tool in TOOLS.values()])

    async def _call_tool(self, _: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        tool = TOOLS.get(params.name)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, f"There is no tool of this name, but {', '.join(TOOLS)}.")
        self.request.state.log["tool"] = params.name
        try:
            told = await self._told(partial(tool.run, self), params.arguments or {})
        except Problem as problem:
            text = types.TextContent(text=_words(problem, self.request.state.request_id))
            return types.CallToolResult(content=[text], is_error=True)
        return types.CallToolResult(
            content=[types.TextContent(text=document.encode(told).decode())], structured_content=told
        )

    async def _list_resources(self, _: Context, __: Page) -> types.ListResourcesResult:
        catalog = await self._resource(self.catalog)
        every = types.Resource(
            name="tables", title="Tables", uri=TABLES, description="Every visible table.", mime_type=JSON
        )
        each = (
            types.Resource(name=key, uri=_uri(key), description=table.comment or None, mime_type=JSON)
            for key, table in catalog.tables.items()
        )
        return types.ListResourcesResult(resources=[every, *each])

    async def _list_resource_templates(self, _: Context, __: Page) -> types.ListResourceTemplatesResult:
        template = types.ResourceTemplate(
            name="table",
            title="Table",
            uri_template=f"{TABLES}/{{name}}",
            description="A table's columns, keys, comments and enumerated values.",
            mime_type=JSON,
        )
        return types.ListResourceTemplatesResult(resource_templates=[template])

    async def _read_resource(self, _: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        told = await self._resource(self.read_resource, params.uri)
        content = types.TextResourceContents(uri=params.uri, mime_type=JSON, text=document.encode(told).decode())
        return types.ReadResourceResult(contents=[content])

    def catalog(self) -> Catalog:
        return self.asker.services.catalogs.current(self.asker.deadline)

    def read_resource(self, uri: str) -> Document:
        """Raises `not_found`."""
        if uri == TABLES:
            return list_tables(self, NoArguments())
        if uri.startswith(f"{TABLES}/"):
            return describe_table(self, TableArguments(name=unquote(uri.removeprefix(f"{TABLES}/"))))
        raise Problem("not_found", f"Resources here are {TABLES} and {TABLES}/{{name}}.")

    async def _resource(self, function: Callable[..., T], *args: Any) -> T:
        """What `function` makes; raises a protocol error, as a resource has no other."""
        try:
            return await self._told(function, *args)
        except Problem as problem:
            code = types.INVALID_PARAMS if problem.code == "not_found" else types.INTERNAL_ERROR
            told = {"code": problem.code, "request_id": self.request.state.request_id}
            raise MCPError(code, problem.detail, told) from problem

    async def _told(self, function: Callable[..., T], *args: Any) -> T:
        """What `function` makes; whatever it raises is logged, and raised as a `Problem`."""
        try:
            return await call(self.request, function, *args)
        except Problem as problem:
            self.request.state.log |= {"error": problem.code, **problems.why(problem)}
            raise
        except Exception as error:
            raise problems.unexpected(error, self.request.scope) from error


def ask(exchange: Exchange, arguments: query.QueryRequest) -> Document:
    return query.answered(arguments, exchange.request, exchange.asker)


def explain(exchange: Exchange, arguments: query.QueryRequest) -> Document:
    return query.explained(arguments, exchange.request, exchange.asker)


def list_tables(exchange: Exchange, _: NoArguments) -> Document:
    return document.of_tables(exchange.catalog())


def describe_table(exchange: Exchange, arguments: TableArguments) -> Document:
    return tables.described(exchange.catalog(), arguments.name)


@dataclass(frozen=True, slots=True)
class Tool:
    """What is said of a tool, and what it does with checked arguments."""

    declared: types.Tool
    arguments: type[BaseModel]
    function: Callable[[Exchange, Any], Document]

    def run(self, exchange: Exchange, given: dict[str, Any]) -> Document:
        """Raises `invalid_request` for arguments that do not fit, and what the function raises."""
        try:
            arguments = self.arguments.model_validate(given)
        except ValidationError as error:
            raise Problem("invalid_request", fields=problems.fields(error.errors())) from None
        return self.function(exchange, arguments)


def _tool(
    name: str,
    title: str,
    description: str,
    arguments: type[BaseModel],
    result: type[BaseModel],
    function: Callable[[Exchange, Any], Document],
) -> Tool:
    declared = types.Tool(
        name=name,
        title=title,
        description=description,
        input_schema=arguments.model_json_schema(),
        output_schema=result.model_json_schema(),
        annotations=types.ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )
    return Tool(declared, arguments, function)


TOOLS = {
    tool.declared.name: tool
    for tool in (
        _tool(
            "query",
            "Ask the database",
            'Answer one question in plain language, such as "top 5 products by revenue" or "orders per month in '
            '2024": rows, and the SQL with its parameters that found them. A refused question comes with suggestions.',
            query.QueryRequest,
            query.QueryResponse,
            ask,
        ),
        _tool(
            "explain",
            "Explain a question",
            "The SQL that would answer a question, its parameters and Postgres's EXPLAIN of it. Nothing is run.",
            query.QueryRequest,
            query.ExplainResponse,
            explain,
        ),
        _tool(
            "list_tables",
            "List tables",
            "Every table that questions can be about, with its comment and its estimated number of rows.",
            NoArguments,
            tables.TableList,
            list_tables,
        ),
        _tool(
            "describe_table",
            "Describe a table",
            "One table's columns with their types, comments and enumerated values, and its keys.",
            TableArguments,
            tables.TableDocument,
            describe_table,
        ),
    )
}


def _uri(table: str) -> str:
    return f"{TABLES}/{quote(table, safe='')}"


def _words(problem: Problem, request_id: str) -> str:
    """A problem for a model: what is wrong, what would work, and how to name it to us."""
    lines = [problem.detail, *(f"Try: {suggestion}" for suggestion in problem.suggestions)]
    if problem.retry_after is not None:
        lines.append(f"Try again in {problem.retry_after:.0f} s.")
    lines.append(f"code: {problem.code}, request_id: {request_id}")
    return "\n".join(lines)
