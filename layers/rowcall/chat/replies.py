"""Whole replies, sealed, in Redis: the same chat of the same scope is answered again without a model.

The key is an HMAC over all that a reply depends on: model, system prompt (today's date is in it), tools and messages.
A first message is known by its template and the values in it, as a plan is: "Top 5 products?" and "top 5 products"
are the same question, and whatever merely resembles it is another one. Only whole replies are kept, never one that
failed, was cut, or holds a tool that failed.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from rowcall import telemetry
from rowcall.cache.seal import seal, unseal
from rowcall.cache.ttl import Ttl
from rowcall.chat import Event, Rows, Text, Tool, Usage

if TYPE_CHECKING:
    from rowcall.cache.plans import Scope
    from rowcall.cache.store import Store
    from rowcall.deadline import Deadline

MOST_CHARACTERS = 512_000
"""A larger reply is not worth its room."""


class Replies:
    """The replies of each scope."""

    def __init__(self, store: Store, seal_key: bytes) -> None:
        self._store = store
        self._seal_key = seal_key

    def key(self, *parts: object) -> str:
        """What a reply to all of `parts` is kept under; they are JSON values, and cannot be told from it."""
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        return hmac.digest(self._seal_key, text.encode(), sha256).hex()

    def recall(self, scope: Scope, key: str, deadline: Deadline) -> list[Event] | None:
        """The events of a reply, its usage nothing. Raises `StoreUnavailable`."""
        entry = self._store.get_many([f"{scope.prefix}chat:{key}"], deadline)[0]
        if entry is None:
            return None
        payload = unseal(self._seal_key, scope.place(f"chat:{key}"), entry)
        if payload is None:
            telemetry.logger().error("a cached reply fails its seal and is ignored")
            return None
        return [_loaded(kind, fields) for kind, fields in json.loads(payload)]

    def remember(self, scope: Scope, key: str, events: Sequence[Event], deadline: Deadline) -> None:
        """Keep a whole reply, for as long as its kind allows. Raises `StoreUnavailable`."""
        payload = json.dumps(list(_dumped(events)), separators=(",", ":"))
        if len(payload) > MOST_CHARACTERS:
            return
        ttl = Ttl.SEARCH if any(isinstance(event, Rows) for event in events) else Ttl.CHAT
        sealed = seal(self._seal_key, scope.place(f"chat:{key}"), payload)
        self._store.put(f"{scope.prefix}chat:{key}", sealed, ttl, deadline)


def _dumped(events: Sequence[Event]) -> Iterator[tuple[str, list[Any]]]:
    for event in events:
        match event:
            case Text(text):
                yield "text", [text]
            case Tool(id, tool, given, state, None, result):
                yield "tool", [id, tool, given, state, None, result]
            case Rows(id, tool, answer):
                yield "rows", [id, tool, answer]
            case Usage(provider, model):
                yield "usage", [provider, model]


def _loaded(kind: str, fields: list[Any]) -> Event:
    made: dict[str, type[Text | Tool | Rows | Usage]] = {"text": Text, "tool": Tool, "rows": Rows, "usage": Usage}
    return made[kind](*fields)
