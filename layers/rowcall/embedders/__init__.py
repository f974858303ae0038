"""Embedders turn templates into vectors whose angle tells how near two questions are.

Near is not the same: a vector only finds candidates, `cache/sameness.py` judges them. An embedder never sees a value
of a question, only its template.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rowcall.deadline import Deadline
from rowcall.embedders.vectors import Vector


class EmbedderUnavailable(Exception):
    """No vector could be had in time: layer 2 is skipped."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """One vector for each text, in order. `tokens` is what a provider charges for."""

    vectors: list[Vector]
    tokens: int = 0


class Embedder(Protocol):
    """`id` names provider, model, version and size; vectors of different ids never meet.

    `model` is its name in a table of prices, or "" where it costs nothing. Below `threshold` two templates are never
    the same.
    """

    @property
    def id(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def dimensions(self) -> int: ...
    @property
    def threshold(self) -> float: ...

    def embed(self, texts: Sequence[str], deadline: Deadline) -> Embedded:
        """The vectors of templates; raises `EmbedderUnavailable`, never later than the deadline."""
        ...

    def close(self) -> None:
        """Close connections, if there are any."""
