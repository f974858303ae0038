"""Talking to the data: what is said in a chat, and the events a reply is made of, in the order they happen.

A reply told whole and one streamed hold the same, as the first is but the collected events of the second. Nothing
here asks a model or a database: `chat.converse` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from rowcall import document
from rowcall.document import Document
from rowcall.errors import Problem
from rowcall.pricing import Tokens

Role = Literal["user", "assistant"]
State = Literal["started", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Text:
    """The next piece of the reply's prose."""

    name: ClassVar[str] = "text"
    text: str

    def document(self, request_id: str) -> Document:  # noqa: ARG002 - an event's signature
        return {"text": self.text}


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool was started, is done, or has failed with `problem`. `result` is what it found, where that is no rows."""

    name: ClassVar[str] = "tool"
    id: str
    tool: str
    input: Document
    state: State
    problem: Problem | None = None
    result: Document | None = None

    def document(self, request_id: str) -> Document:
        told: Document = {"id": self.id, "name": self.tool, "input": self.input, "state": self.state}
        if self.problem is not None:
            told["problem"] = document.of_problem(self.problem, request_id)
        if self.result is not None:
            told["result"] = self.result
        return told


@dataclass(frozen=True, slots=True)
class Rows:
    """What the tool call `id` read from the database: the document of an answer, SQL and parameters included."""

    name: ClassVar[str] = "rows"
    id: str
    tool: str
    answer: Document

    def document(self, request_id: str) -> Document:  # noqa: ARG002
        return {"id": self.id, "name": self.tool, **self.answer}


@dataclass(frozen=True, slots=True)
class Usage:
    """What the models took that spoke in this reply; `provider` and `model` are those that spoke last."""

    name: ClassVar[str] = "usage"
    provider: str | None = None
    model: str | None = None
    calls: int = 0
    tokens: Tokens = field(default=Tokens())
    cost_usd: float = 0.0

    def document(self, request_id: str) -> Document:  # noqa: ARG002
        tokens = self.tokens
        return {
            "provider": self.provider,
            "model": self.model,
            "calls": self.calls,
            "tokens": {
                "input": tokens.input,
                "cached": tokens.cached,
                "cache_write": tokens.cache_write,
                "output": tokens.output,
            },
            "cost_usd": self.cost_usd,
        }


@dataclass(frozen=True, slots=True)
class Failed:
    """The reply ends here and is not whole."""

    name: ClassVar[str] = "error"
    problem: Problem

    def document(self, request_id: str) -> Document:
        return document.of_problem(self.problem, request_id)


@dataclass(frozen=True, slots=True)
class Done:
    """The reply is whole. `truncated` tells that the model stopped at its longest reply."""

    name: ClassVar[str] = "done"
    conversation_id: str | None
    content: str
    latency_ms: float
    cached: bool = False
    degraded: bool = False
    truncated: bool = False

    def document(self, request_id: str) -> Document:
        return {
            "conversation_id": self.conversation_id,
            "message": {"role": "assistant", "content": self.content},
            "meta": {
                "cached": self.cached,
                "degraded": self.degraded,
                "truncated": self.truncated,
                "latency_ms": self.latency_ms,
                "request_id": request_id,
            },
        }


@dataclass(frozen=True, slots=True)
class Beat:
    """Nothing to tell yet, but the reply is being worked on; the moment to notice that nobody listens any more."""

    name: ClassVar[str] = ""

    def document(self, request_id: str) -> Document:  # noqa: ARG002
        return {}


Event = Text | Tool | Rows | Usage | Failed | Done | Beat
"""`Done` is the last event of a whole reply and `Failed` of one that is not; one of them always comes."""


def collect(events: Iterable[Event], request_id: str) -> Document:
    """The whole reply as one document. Raises the `Problem` of a reply that failed."""
    told: Document = {"evidence": [], "tools": []}
    for event in events:
        match event:
            case Tool(state="done" | "failed"):
                told["tools"].append(event.document(request_id))
            case Rows():
                told["evidence"].append(event.document(request_id))
            case Usage():
                told["usage"] = event.document(request_id)
            case Failed(problem):
                raise problem
            case Done():
                told |= event.document(request_id)
    return {name: told[name] for name in ("conversation_id", "message", "evidence", "tools", "usage", "meta")}
