"""Layer 2: the nearest remembered template that means the same.

A vector finds candidates, `sameness` judges them; this decides nothing by itself. Without an embedder, or when it
fails, layer 2 is skipped and the question is planned.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rowcall import telemetry
from rowcall.cache import sameness
from rowcall.cache.index import Entry, Found, Index, IndexUnavailable
from rowcall.cache.plans import Match, NearMiss
from rowcall.calls import Calls
from rowcall.catalog import Catalog
from rowcall.deadline import Deadline
from rowcall.embedders import Embedder, EmbedderUnavailable
from rowcall.embedders.vectors import Vector
from rowcall.question import Question

REMEMBERED_VECTORS = 256
"""A template is embedded once to look for its like, and not again to be kept."""

CANDIDATES = 8
"""How many of the nearest templates are compared: the first that means the same is taken."""


class Semantic:
    """The templates that this environment knows of, by scope. `tokens.count` is what this thread was charged for.

    `shared` says that the index is one for all environments, so that it is not filled from the log.
    """

    def __init__(self, embedder: Embedder, index: Index, *, shared: bool = False) -> None:
        self.embedder = embedder
        self.shared = shared
        self._index = index
        self._cursors: dict[str, int] = {}
        self._lock = threading.Lock()
        self.tokens = Calls()
        self._vectors: OrderedDict[str, Vector] = OrderedDict()

    def describe(self, question: Question) -> str:
        """What the index needs to know of a question: its template and its signature."""
        return json.dumps([question.template, signature(question)], separators=(",", ":"))

    def cursor(self, scope: str) -> int:
        """Up to where of a scope's log the index has come."""
        return self._cursors.get(scope, 0)

    def add(self, scope: str, entry_id: str, known: str, vector: str, deadline: Deadline) -> None:
        """Take in a template, as `known` tells it (what `describe` made)."""
        template, signature = json.loads(known)
        entry = Entry(entry_id, signature, template, Vector.from_text(vector))
        with self._tolerating():
            self._index.add(self._space(scope), entry, deadline)

    def remove(self, scope: str, entry_ids: Iterable[str], deadline: Deadline) -> None:
        with self._tolerating():
            for entry_id in entry_ids:
                self._index.remove(self._space(scope), entry_id, deadline)

    def advance(self, scope: str, sequence: int) -> None:
        with self._lock:
            self._cursors[scope] = max(sequence, self._cursors.get(scope, 0))

    def vector(self, template: str, deadline: Deadline) -> Vector | None:
        """The template's vector, or `None` when the embedder fails: then layer 2 is skipped."""
        with self._lock:
            if template in self._vectors:
                return self._vectors[template]
        try:
            embedded = self.embedder.embed([template], deadline)
        except EmbedderUnavailable as error:
            telemetry.logger().warning("embedder unavailable", embedder=self.embedder.id, reason=str(error))
            return None
        self.tokens.count += embedded.tokens
        vector = embedded.vectors[0]
        with self._lock:
            self._vectors[template] = vector
            if len(self._vectors) > REMEMBERED_VECTORS:
                self._vectors.popitem(last=False)
        return vector

    def find(self, scope: str, question: Question, catalog: Catalog, deadline: Deadline) -> Match | NearMiss | None:
        """The nearest template that means the same; else why the nearest one does not; else nothing."""
        vector = self.vector(question.template, deadline)
        if vector is None:
            return None
        found: list[Found] = []
        with self._tolerating():
            found = self._index.search(self._space(scope), signature(question), vector, CANDIDATES, deadline)
        refused: NearMiss | None = None
        for candidate in found:
            verdict = self._judge(question, candidate, catalog)
            if isinstance(verdict, Match):
                return verdict
            refused = refused or verdict
        return refused

    def _judge(self, question: Question, candidate: Found, catalog: Catalog) -> Match | NearMiss:
        similarity = round(candidate.similarity, 4)
        verdict = sameness.compare(question, sameness.Known(candidate.template), catalog)
        if not verdict.same:
            return NearMiss(candidate.template, similarity, verdict.rule, verdict.why)
        margin = candidate.similarity - self.embedder.threshold
        if margin < 0:
            return NearMiss(candidate.template, similarity, "similarity", "the templates are not near enough")
        return Match(candidate.id, candidate.template, similarity, margin)

    def close(self) -> None:
        self.embedder.close()
        self._index.close()

    @contextmanager
    def _tolerating(self) -> Iterator[None]:
        try:
            yield
        except IndexUnavailable as error:
            telemetry.logger().warning("index unavailable", reason=str(error))

    def _space(self, scope: str) -> str:
        return f"{scope}:{self.embedder.id}"


def signature(question: Question) -> str:
    """The types of the slots in order: templates that differ in it are never compared."""
    return " ".join(slot.type for slot in question.slots)
