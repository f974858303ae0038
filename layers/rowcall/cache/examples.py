"""Verified examples: templates and the SQL that someone found right, to be shown to a planner by model.

Sealed to their scope, at most a hundred, the newest last. They are asked for when a model is about to be, never on
a hit.
"""

from __future__ import annotations

import json

from rowcall import telemetry
from rowcall.cache.plans import Scope
from rowcall.cache.seal import seal, unseal
from rowcall.cache.store import Store, StoreUnavailable, script
from rowcall.deadline import Deadline
from rowcall.errors import Problem

VOUCH = script("vouch")

MOST = 100
OFFERED = 3
ID_LENGTH = 32


class Examples:
    """The examples of each scope."""

    def __init__(self, store: Store, seal_key: bytes) -> None:
        self._store = store
        self._seal_key = seal_key

    def add(self, scope: Scope, plan_id: str, template: str, sql: str, deadline: Deadline) -> None:
        """Keep an example in place of an older one of the same plan. Raises `cache_unavailable`."""
        sealed = seal(self._seal_key, scope.place(f"example:{plan_id}"), json.dumps([template, sql]))
        try:
            self._store.run(VOUCH, [scope.prefix, plan_id, sealed, MOST], deadline)
        except StoreUnavailable as error:
            raise Problem("cache_unavailable", retry_after=1) from error

    def all(self, scope: Scope, deadline: Deadline) -> list[tuple[str, str]]:
        """Every example, the newest last; none without Redis."""
        try:
            kept = self._store.execute(["ZRANGE", f"{scope.prefix}examples", 0, -1], deadline)
        except StoreUnavailable as error:
            telemetry.logger().warning("redis unavailable", reason=str(error))
            return []
        opened = [unseal(self._seal_key, scope.place(f"example:{one[:ID_LENGTH]}"), one[ID_LENGTH:]) for one in kept]
        if None in opened:
            telemetry.logger().error("an example fails its seal and is ignored")
        pairs = [json.loads(payload) for payload in opened if payload is not None]
        return [(template, sql) for template, sql in pairs]

    def nearest(self, scope: Scope, template: str, deadline: Deadline) -> list[tuple[str, str]]:
        """The few that are most like `template`, the nearest first; by the built-in embedder, which asks nobody."""
        pairs = self.all(scope, deadline)
        if not pairs:
            return []
        from rowcall.embedders.lexical import LexicalEmbedder

        mine, *theirs = LexicalEmbedder().embed([template, *(known for known, _ in pairs)], deadline).vectors
        ranked = sorted(zip(theirs, pairs, strict=True), key=lambda one: -mine.similarity(one[0]))
        return [pair for _, pair in ranked[:OFFERED]]
