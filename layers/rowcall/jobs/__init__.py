"""Questions that are answered later: a job is one to a hundred of them, each an item that a worker runs by itself.

`records` keeps jobs and items in DynamoDB, `queue` brings items to workers, `running` answers one, `exports` stores
what is too large for a record. Every way into the database is still `answer.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rowcall.answer import Ask

MOST_QUESTIONS = 100
"""Of one job."""

ATTEMPTS = 3
"""How often an item is run when it fails in a way that may pass; `maxReceiveCount` of the queue."""

Format = Literal["json", "jsonl", "csv"]
"""`json` is an answer as of `POST /api/query`; the others are exports: a file of rows."""


@dataclass(frozen=True, slots=True)
class Message:
    """Where an item is kept, and nothing else of it: who asks and what is read there. `owner` is a hash."""

    owner: str
    job: str
    item: int


def asking(query: str, limit: int | None, timezone: str | None, form: Format) -> Ask:
    """A question of a job, as it will be asked."""
    return Ask(query, limit, timezone, purpose="question" if form == "json" else "export")
