"""Nearest templates, in the memory of this environment: binary codes first, exact rescoring after.

Entries of different spaces, or with other types of slots, never meet. It decides nothing: what it finds is judged by
`sameness`. `pgvector.py` is the same on Postgres, for those who outgrow memory.
"""

from __future__ import annotations

import heapq
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

import simsimd

from rowcall.deadline import Deadline
from rowcall.embedders.vectors import Vector

if TYPE_CHECKING:
    from typing_extensions import Buffer

RESCORED = 32
"""How many of the nearest codes are rescored: enough to keep the recall of the int8 values."""


class IndexUnavailable(Exception):
    """The index could not be asked in time: layer 2 is skipped."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A template that a plan is kept for. `signature` is the types of its slots; `vector` may be a code alone."""

    id: str
    signature: str
    template: str
    vector: Vector


@dataclass(frozen=True, slots=True)
class Found:
    """`exact` says that `similarity` is the cosine of int8 values and not what the codes let expect."""

    id: str
    template: str
    similarity: float
    exact: bool


class Index(Protocol):
    """`space` tells apart what must never meet: it names at least the scope and the embedder's id."""

    def add(self, space: str, entry: Entry, deadline: Deadline, /) -> None:
        """Add the entry, or replace the one with its id."""

    def remove(self, space: str, entry_id: str, deadline: Deadline, /) -> None:
        """Forget an entry; one that is not there is no error."""

    def close(self) -> None: ...

    def search(self, space: str, signature: str, vector: Vector, k: int, deadline: Deadline, /) -> list[Found]:
        """The at most `k` nearest entries of that signature, nearest first; of equals the smaller id."""
        ...


@dataclass(slots=True)
class _Block:
    """Entries of one space and signature; the code of `entries[n]` is the nth of `codes`."""

    entries: list[Entry] = field(default_factory=list)
    codes: bytearray = field(default_factory=bytearray)
    positions: dict[str, int] = field(default_factory=dict)

    def put(self, entry: Entry) -> None:
        self.positions[entry.id] = len(self.entries)
        self.entries.append(entry)
        self.codes += entry.vector.code

    def drop(self, entry_id: str) -> None:
        """The last entry takes the place of the one that goes."""
        position, last = self.positions.pop(entry_id), self.entries.pop()
        width = len(last.vector.code)
        if last.id != entry_id:
            self.entries[position] = last
            self.positions[last.id] = position
            self.codes[position * width : (position + 1) * width] = self.codes[-width:]
        del self.codes[-width:]

    def nearest(self, vector: Vector, k: int) -> list[Found]:
        count, width = len(self.entries), len(vector.code)
        if len(self.codes) != count * width:
            raise ValueError("a vector of another size than those of its space")
        wanted = max(k, RESCORED)
        if count > wanted:
            distances = _hamming(vector.code, self.codes, count)
            chosen = heapq.nsmallest(wanted, range(count), key=distances.__getitem__)
        else:
            chosen = list(range(count))
        found = [
            Found(
                entry.id, entry.template, vector.similarity(entry.vector), bool(vector.values and entry.vector.values)
            )
            for entry in map(self.entries.__getitem__, chosen)
        ]
        return sorted(found, key=lambda one: (-one.similarity, one.id))[:k]


class MemoryIndex:
    """Thread-safe. Above `capacity` entries the one that was added longest ago goes."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._blocks: dict[tuple[str, str], _Block] = {}
        self._added: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._added)

    def close(self) -> None:
        """There is nothing to close."""

    def add(self, space: str, entry: Entry, _: Deadline | None = None, /) -> None:
        with self._lock:
            self._drop(space, entry.id)
            block = self._blocks.setdefault((space, entry.signature), _Block())
            if block.entries and len(block.entries[0].vector.code) != len(entry.vector.code):
                raise ValueError("a vector of another size than those of its space")
            block.put(entry)
            self._added[space, entry.id] = entry.signature
            if len(self._added) > self._capacity:
                self._drop(*next(iter(self._added)))

    def remove(self, space: str, entry_id: str, _: Deadline | None = None, /) -> None:
        with self._lock:
            self._drop(space, entry_id)

    def search(self, space: str, signature: str, vector: Vector, k: int, _: Deadline | None = None, /) -> list[Found]:
        with self._lock:
            block = self._blocks.get((space, signature))
            return block.nearest(vector, k) if block else []

    def _drop(self, space: str, entry_id: str) -> None:
        signature = self._added.pop((space, entry_id), None)
        if signature is None:
            return
        block = self._blocks[space, signature]
        block.drop(entry_id)
        if not block.entries:
            del self._blocks[space, signature]


def _hamming(code: bytes, codes: bytes | bytearray, count: int) -> list[float]:
    width = len(code)
    one = memoryview(code).cast("B", shape=[1, width])
    all_ = memoryview(codes).cast("B", shape=[count, width])
    distances = memoryview(cast("Buffer", simsimd.cdist(one, all_, "hamming", dtype="bin8")))
    return cast("list[list[float]]", distances.tolist())[0]
