"""What chat's models share: what they are sent, and a reply as it comes, whose cost is known at every moment.

A model's module only writes the request of its SDK and reads its events. Nothing here runs a tool or touches money.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from rowcall.chat import Message
from rowcall.deadline import Deadline
from rowcall.planners import PlannerUnavailable
from rowcall.planners.provider import OVERHEAD_TOKENS, OfProvider, Provider
from rowcall.planners.retrying import CallFailed
from rowcall.pricing import Tokens

ENTRY_TOKENS = 16
"""What a provider adds around one entry; generously, as it is part of the worst case."""

MOST_CHARACTERS = 256_000
"""Of one reply, far above what its tokens allow: an endpoint that goes on for ever is cut off."""

Stop = Literal["", "end", "length", "refused"]
"""Why a model stopped: it was done (or wants tools), at its longest reply, or unwilling; empty while it speaks."""


@dataclass(slots=True)
class Call:
    """A tool that the model asks for. `arguments` is JSON as it wrote it, whatever that is."""

    id: str
    name: str
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Using:
    """The model said `text` and asked for `calls`. `native` is what else only its own `provider` understands."""

    text: str
    calls: tuple[Call, ...]
    provider: str
    native: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool found, as told to the model, and in a few words."""

    id: str
    content: str
    brief: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """The results of the calls of the `Using` before it, every one of them."""

    results: tuple[Result, ...]


Entry = Message | Using | Found


@dataclass(frozen=True, slots=True)
class ToolSchema:
    """A tool as a model is told of it; `parameters` is a JSON Schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """What a model is sent. Without `may_use_tools` it is to come to its end in words."""

    system: str
    entries: tuple[Entry, ...]
    tools: tuple[ToolSchema, ...]
    may_use_tools: bool = True

    @cached_property
    def most_tokens(self) -> int:
        """At least as many as any tokenizer makes of it: a token has one byte or more."""
        told = len(self.system.encode()) + sum(
            len(_json(tool.parameters)) + len(tool.description) for tool in self.tools
        )
        return OVERHEAD_TOKENS + told + sum(entry_tokens(entry) for entry in self.entries)


def entry_tokens(entry: Entry) -> int:
    """At least as many tokens as `entry` has."""
    match entry:
        case Message(_, content):
            texts: Sequence[str] = [content]
        case Using(text, calls, _, native):
            texts = [text, *(call.id + call.name + call.arguments for call in calls), *(_json(one) for one in native)]
        case Found(results):
            texts = [result.id + result.content for result in results]
    return sum(len(text.encode(errors="replace")) + ENTRY_TOKENS for text in texts)


@dataclass(slots=True)
class Draft:
    """A reply so far: what was said, the calls asked for, and what the provider told of its tokens."""

    text: str = ""
    calls: list[Call] = field(default_factory=list)
    native: list[dict[str, Any]] = field(default_factory=list)
    stop: Stop = ""
    whole: bool = False
    tokens: Tokens = field(default=Tokens())
    input_told: bool = False
    output_told: bool = False

    @property
    def characters(self) -> int:
        """How much there is of it, thoughts and all."""
        said = sum(len(call.name) + len(call.arguments) for call in self.calls)
        return len(self.text) + said + sum(len(part) for block in self.native for part in block.values())


class ChatModel(OfProvider, ABC):
    """One model of one provider. Safe to use from several threads."""

    def __init__(self, provider: Provider, max_tokens: int) -> None:
        super().__init__(provider)
        self.max_tokens = max_tokens

    def worst_cost(self, request: Request) -> int:
        """The most that one reply can cost, in nano-dollars."""
        return self.price.worst(request.most_tokens, self.max_tokens)

    def count(self, request: Request, deadline: Deadline) -> int | None:  # noqa: ARG002 - for those that can
        """The exact number of tokens of `request`; `None` where the provider does not tell."""
        return None

    @abstractmethod
    def open(self, client: Any, request: Request) -> Any:
        """The SDK's stream of events."""

    @abstractmethod
    def read(self, event: Any, draft: Draft) -> str:
        """The text of an event, which is taken up in `draft`."""


class Speech:
    """One reply of one model as it comes. `spoke` tells whether a first piece of text or of a tool has come.

    After `pieces` has ended or was closed, `tokens` are what is to be paid, and `ok` whether the provider did its part;
    `None` if it was not asked.
    """

    def __init__(self, model: ChatModel, request: Request) -> None:
        self.model = model
        self.draft = Draft()
        self.ok: bool | None = None
        self._request = request
        self._began = False

    @property
    def spoke(self) -> bool:
        return bool(self.draft.text or self.draft.calls)

    @property
    def tokens(self) -> Tokens:
        """As the provider told them; once it has begun to reply, what it has not told is taken at its worst."""
        if not self._began:
            return Tokens()
        draft = self.draft
        worst = self.model.price.dearest(
            0 if draft.input_told else self._request.most_tokens,
            0 if draft.output_told else self.model.max_tokens,
        )
        told = (
            draft.tokens
            if draft.output_told
            else Tokens(draft.tokens.input, draft.tokens.cached, draft.tokens.cache_write)
        )
        return told + worst

    def pieces(self, deadline: Deadline, patience: Deadline) -> Generator[str]:
        """Pieces of text; an empty one where there is something else than text. It begins within `patience`.

        Raises `PlannerUnavailable` when the reply is not whole, or there is none in it.
        """
        provider = self.model.provider
        self.ok = False
        with provider.measuring() as spent:
            try:
                yield from self._pieces(deadline, patience)
            except GeneratorExit:
                self.ok = True  # nobody listens any more, which is none of the provider's fault
                raise
            except CallFailed as failure:
                raise PlannerUnavailable(provider.name, failure.reason, failure.retry_after) from failure
            finally:
                spent.tokens = self.tokens

    def _pieces(self, deadline: Deadline, patience: Deadline) -> Iterator[str]:
        provider, draft = self.model.provider, self.draft
        stream = provider.call(self._open, patience)
        self._began = True
        try:
            events = iter(stream)
            while True:
                with provider.asking(deadline.within(provider.timeout)):
                    event = next(events, None)
                    text = "" if event is None else self.model.read(event, draft)
                    draft.text += text
                    size = draft.characters
                if event is None:
                    break
                if size > MOST_CHARACTERS:
                    raise CallFailed("said more than it may")
                yield text
        finally:
            with suppress(Exception):  # it is over either way
                stream.close()
        if not draft.whole:
            raise CallFailed("broke off")
        self.ok = True
        if draft.stop == "refused":
            raise CallFailed("declined to reply")
        if not draft.text.strip() and not draft.calls:
            raise CallFailed("gave an empty reply")

    def _open(self, until: Deadline) -> Any:
        with self.model.provider.asking(until) as client:
            return self.model.open(client, self._request)


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
