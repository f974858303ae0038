"""`POST /mcp`: the Model Context Protocol, so that an assistant can ask the database.

Streamable HTTP without sessions: each POST is one message and is answered by one JSON document, in the revisions that
begin with a handshake and in the newer ones that do not. The SDK is loaded when the first message comes.

A page on any host could reach a server on one's own machine by rebinding its name to 127.0.0.1, but a browser names
the page's origin with every POST, and only those of CORS_ORIGIN may call. What sends no `Origin` is no page. `Host` is
not looked at: behind API Gateway it is whatever name the API was given.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from api import problems
from api.dependencies import AskerDep
from rowcall.errors import Problem

router = APIRouter(tags=["mcp"])

RESPONSE = {"application/json": {"schema": {"type": "object", "title": "A JSON-RPC 2.0 response"}}}
MESSAGE = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object", "title": "A JSON-RPC 2.0 message of MCP"}}},
    }
}


@router.post(
    "/mcp",
    openapi_extra=MESSAGE,
    responses={
        200: {"content": RESPONSE},
        202: {"description": "A notification was taken."},
        400: {"description": "A protocol error: this is no message of MCP.", "content": RESPONSE},
        404: {"description": "A protocol error: there is no such method.", "content": RESPONSE},
        **problems.responses(*problems.SIGN_IN, "forbidden", "payload_too_large", "unsupported_media_type"),
    },
)
async def exchange(request: Request, asker: AskerDep) -> Response:
    """One message of an MCP client: tools `query`, `explain`, `list_tables`, `describe_table`; tables as resources."""
    origin = request.headers.get("origin")
    if origin is not None and origin not in asker.services.settings.cors_origin:
        raise Problem("forbidden", "Pages of this origin may not call; CORS_ORIGIN names those that may.")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Problem("unsupported_media_type")
    body = await request.body()
    from api.mcp_server import Exchange

    return Exchange(body, request, asker)
