"""`POST /api/chat`: talk with the data; one JSON document, or server-sent events."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.sse import format_sse_event
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api import problems
from api.dependencies import TalkerDep
from api.query import QueryResponse
from api.streaming import replying, streamed, whole
from api.told import Told
from rowcall import document
from rowcall.chat import Event, Message, collect

router = APIRouter(tags=["chat"])


class ChatMessage(BaseModel):
    """One message; 1 to 4,000 characters unless set otherwise."""

    model_config = ConfigDict(extra="forbid", strict=True)

    role: Literal["user", "assistant"]
    content: str = Field(examples=["Which products sell best, and is that new?"])


class ChatRequest(BaseModel):
    """The messages so far, the user's last. In a conversation only that one is new: what was said before is known."""

    model_config = ConfigDict(extra="forbid", strict=True)

    messages: list[ChatMessage] = Field(min_length=1, max_length=1000)
    conversation_id: str | None = Field(None, description="The conversation that goes on; else a new one is begun.")
    stream: bool = Field(False, description="Server-sent events instead of one document.")
    timezone: str | None = Field(None, description="IANA time zone for periods and days.", examples=["Europe/Zurich"])


class Evidence(QueryResponse):
    """An answer that the reply rests on, and the tool call that it came of."""

    id: str
    name: str


class ToolCall(Told):
    """A tool that was used; `result` is what it found, where that is no rows."""

    id: str
    name: str
    input: dict[str, Any]
    state: Literal["done", "failed"]
    problem: problems.ProblemDocument | None = None
    result: dict[str, Any] | None = None


class ChatTokens(Told):
    input: int
    cached: int
    cache_write: int
    output: int


class ChatUsage(Told):
    """What the models took that spoke; what planning took is told by each answer."""

    provider: str | None
    model: str | None
    calls: int
    tokens: ChatTokens
    cost_usd: float


class ChatMeta(Told):
    """`truncated`: the model stopped at its longest reply."""

    cached: bool
    degraded: bool
    truncated: bool
    latency_ms: float
    request_id: str


class ChatReply(Told):
    """Prose, and all that it rests on."""

    conversation_id: str | None
    message: ChatMessage
    evidence: list[Evidence]
    tools: list[ToolCall]
    usage: ChatUsage
    meta: ChatMeta


DATA = {"type": "string", "contentMediaType": "application/json", "contentSchema": {"type": "object"}}
STREAM = {
    "text/event-stream": {
        "itemSchema": {
            "type": "object",
            "description": "Events, each with one JSON object as its data: `text` {text}, `tool` {id, name, input, "
            "state: started, done or failed}, `rows` (an answer with the id and name of its tool), `usage`, then "
            "`done` {conversation_id, message, meta}; or `error`, a problem document, and no `done`.",
            "properties": {"event": {"enum": ["text", "tool", "rows", "usage", "done", "error"]}, "data": DATA},
            "required": ["event", "data"],
        }
    }
}


@router.post(
    "/api/chat",
    response_model=ChatReply,
    responses={
        200: {"content": STREAM},
        **problems.responses(
            *problems.QUESTION, "reply_cut", "not_found", "limits_unavailable", "conversations_unavailable"
        ),
    },
)
async def talk(body: ChatRequest, request: Request, talker: TalkerDep) -> Response:
    """Talk with the data: a model asks the database as often as it needs, and shows every row that it rests on."""
    from rowcall.chat.converse import Said

    request_id = request.state.request_id
    messages = [Message(said.role, said.content) for said in body.messages]
    events = replying(request, talker, Said(messages, body.timezone, body.conversation_id, kept=True))
    if not body.stream:
        return whole(request, events, lambda told: document.encode(collect(told, request_id)))

    def encode(event: Event) -> bytes:
        if not event.name:
            return b""
        return format_sse_event(event=event.name, data_str=document.encode(event.document(request_id)).decode())

    return streamed(request, events, encode)
