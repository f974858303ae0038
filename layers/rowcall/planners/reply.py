"""What a model returned, read with suspicion: whatever it is, it becomes one `Outcome`, and never an exception.

Text that goes on to a person is one line of bounded length, without control characters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from rowcall.plan import Draft
from rowcall.planners import CannotAnswer, Clarification, Outcome, Unusable

TOOL = "propose"
MAX_SQL = 10_000
MAX_SENTENCE = 300
MAX_CONSTANTS = 50
MAX_SUGGESTIONS = 4

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters but white space, and halves of surrogate pairs, which no encoding holds."""
_FENCED = re.compile(r"```(?:json)?\s*(\{.*\})\s*```", re.DOTALL)


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of a reply, within what both providers' strict modes accept."""
    found: dict[str, Any] = json.loads((Path(__file__).parent / "reply.json").read_text())
    return found


def from_text(text: str) -> Outcome:
    """The outcome in a reply that came as text: JSON, perhaps in a code block."""
    fenced = _FENCED.search(text)
    try:
        return outcome(json.loads(fenced[1] if fenced else text))
    except (ValueError, RecursionError):
        return Unusable("the reply was not of the agreed form")


def outcome(fields: object) -> Outcome:
    """The outcome that `fields`, an instance of `schema()`, tell."""
    if not isinstance(fields, Mapping):
        return Unusable("the reply was not of the agreed form")
    match fields.get("outcome"):
        case "sql":
            sql = fields.get("sql")
            constants = fields.get("constants", [])
            if not isinstance(sql, str) or not sql.strip():
                return Unusable("the reply held no statement")
            if len(sql) > MAX_SQL or _CONTROL.search(sql):
                return Unusable("the statement was too long or held control characters")
            if not _is_texts(constants) or len(constants) > MAX_CONSTANTS:
                return Unusable("the constants were not a short list of texts")
            return Draft(sql.strip(), sentence(fields.get("explanation")), tuple(constants))
        case "cannot_answer":
            reason = sentence(fields.get("reason")) or "The database holds nothing that answers this question."
            return CannotAnswer(reason, _sentences(fields.get("suggestions")))
        case "clarify":
            question, choices = sentence(fields.get("reason")), _sentences(fields.get("suggestions"))
            if not question or len(choices) < 2:
                return Unusable("a question back needs choices")
            return Clarification(question, choices)
        case _:
            return Unusable("the reply was not of the agreed form")


def sentence(value: object) -> str:
    """`value` as one line for a person; empty if it is no text."""
    if not isinstance(value, str):
        return ""
    line = " ".join("".join(character if character.isprintable() else " " for character in value).split())
    return line if len(line) <= MAX_SENTENCE else line[: MAX_SENTENCE - 1] + "…"


def _sentences(values: object) -> tuple[str, ...]:
    if not isinstance(values, list):
        return ()
    return tuple(dict.fromkeys(line for line in map(sentence, values) if line))[:MAX_SUGGESTIONS]


def _is_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) and not _CONTROL.search(value) for value in values)
