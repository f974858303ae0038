"""`/api/conversations`: what someone said and was told in chat, for its owner alone."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api import problems
from api.dependencies import ChatterDep, DeadlineDep, ServicesDep, call
from api.told import Told
from rowcall.bootstrap import Services
from rowcall.errors import Problem

if TYPE_CHECKING:
    from rowcall.chat import conversations
    from rowcall.chat.conversations import Conversations

router = APIRouter(prefix="/api/conversations", tags=["chat"])

READING = (
    *problems.SIGN_IN,
    "forbidden",
    "invalid_request",
    "not_found",
    "conversations_unavailable",
    "deadline_exceeded",
)

ConversationId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="The conversation's id.")]


class Conversation(Told):
    """`turns` counts all that were ever said in it."""

    id: str
    title: str
    created: datetime
    updated: datetime
    turns: int


class ConversationPage(Told):
    """`cursor` asks for the next page; null on the last."""

    conversations: list[Conversation]
    cursor: str | None


class ConversationTurn(Told):
    """`evidence` are the answers that a reply rests on, as `POST /api/query` tells them."""

    sequence: int = Field(description="Numbered from 1 on.")
    role: Literal["user", "assistant"]
    content: str
    evidence: list[dict[str, Any]]
    cut: bool = Field(
        description="It was too large to keep: left out are rows of its evidence (such an answer is `truncated`), then "
        "whole answers, and the end of its content."
    )
    created: datetime


class ConversationDocument(Told):
    """A conversation and a page of its turns, the first one first. `cursor` asks for the next page."""

    id: str
    title: str
    created: datetime
    updated: datetime
    turns: list[ConversationTurn]
    cursor: str | None


class TitleRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    title: str = Field(description="Up to 200 characters.", examples=["Revenue by region"])


@router.get("", responses=problems.responses(*READING))
async def list_conversations(
    request: Request,
    services: ServicesDep,
    owner: ChatterDep,
    deadline: DeadlineDep,
    cursor: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$", description="From the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> ConversationPage:
    """Your conversations, the one begun last first."""
    found, following = await call(request, lambda: _kept(services).page(owner, cursor, limit, deadline))
    return ConversationPage(conversations=[_head(one) for one in found], cursor=following)


@router.get("/{id}", responses=problems.responses(*READING))
async def show_conversation(
    id: ConversationId,  # noqa: A002 -- the name in the address
    request: Request,
    services: ServicesDep,
    owner: ChatterDep,
    deadline: DeadlineDep,
    cursor: Annotated[str, Query(pattern="^[0-9]{1,9}$", description="From the page before.")] = "0",
    limit: Annotated[int, Query(ge=1, le=100, description="Turns; large ones make fewer on a page.")] = 50,
) -> ConversationDocument:
    """One conversation of yours, a page of turns at a time."""
    found, turns, following = await call(request, lambda: _kept(services).show(owner, id, int(cursor), limit, deadline))
    return ConversationDocument(
        id=found.id,
        title=found.title,
        created=found.created,
        updated=found.updated,
        turns=[
            ConversationTurn(
                sequence=turn.sequence,
                role=turn.role,
                content=turn.content,
                evidence=turn.evidence,
                cut=turn.cut,
                created=turn.created,
            )
            for turn in turns
        ],
        cursor=None if following is None else str(following),
    )


@router.patch("/{id}", responses=problems.responses(*READING, "payload_too_large"))
async def rename_conversation(
    id: ConversationId,  # noqa: A002
    body: TitleRequest,
    request: Request,
    services: ServicesDep,
    owner: ChatterDep,
    deadline: DeadlineDep,
) -> Conversation:
    """Give it another title."""
    return _head(await call(request, lambda: _kept(services).rename(owner, id, body.title, deadline)))


@router.delete("/{id}", status_code=204, responses=problems.responses(*READING))
async def delete_conversation(
    id: ConversationId,  # noqa: A002
    request: Request,
    services: ServicesDep,
    owner: ChatterDep,
    deadline: DeadlineDep,
) -> None:
    """Delete it, with all its turns."""
    await call(request, lambda: _kept(services).delete(owner, id, deadline))


def _kept(services: Services) -> Conversations:
    if services.conversations is None:
        raise Problem("not_found", "No conversations are kept here.")
    return services.conversations


def _head(kept: conversations.Conversation) -> Conversation:
    return Conversation(id=kept.id, title=kept.title, created=kept.created, updated=kept.updated, turns=kept.turns)
