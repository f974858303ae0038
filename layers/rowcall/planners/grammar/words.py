"""English as the grammar planner knows it: tokens, stems, synonyms, and the words inside an identifier.

The words themselves are data (`english.json`). Nothing here knows of a database.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import snowballstemmer

from rowcall.question import Question

ENGLISH: dict[str, Any] = json.loads(Path(__file__).with_name("english.json").read_text("utf-8"))

PHRASES: dict[str, Any] = ENGLISH["phrases"]

_TOKEN = re.compile(r"\w+(?:[-'’.]\w+)*|[<>]=?|!=|[^\w\s]")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+|(?<=[A-Za-z])(?=\d)")


@cache
def stem(word: str) -> str:
    """The form under which a word is looked up: "Categories" and "category" are one."""
    word = word.casefold().replace("’", "'").removesuffix("'s").removesuffix("'").replace("-", "").replace("'", "")
    word = ENGLISH["irregular"].get(word, word)
    found: str = snowballstemmer.stemmer("english").stemWord(word)  # a stemmer is one thread's
    return found


@cache
def _synonyms() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for group in ENGLISH["synonyms"]:
        stems = {stem(word) for word in group}
        for one in stems:
            found.setdefault(one, set()).update(stems - {one})
    return {one: frozenset(others) for one, others in found.items()}


def synonyms(stemmed: str) -> frozenset[str]:
    return _synonyms().get(stemmed, frozenset())


@cache
def stems(words: str) -> frozenset[str]:
    """The stems of a list in `english.json`."""
    return frozenset(stem(word) for word in ENGLISH[words])


@cache
def _segments() -> tuple[str, ...]:
    return tuple(sorted(ENGLISH["column_words"], key=len, reverse=True))


def _segment(run: str, known: frozenset[str]) -> list[str] | None:
    """Cut a run-together name ("authorname") into words of `known` or of the common ones, or `None`."""
    best: dict[int, list[str]] = {0: []}
    words = known.union(_segments())
    for end in range(1, len(run) + 1):
        for start in range(max(0, end - 24), end):
            if start in best and run[start:end] in words:
                candidate = [*best[start], run[start:end]]
                if end not in best or len(candidate) < len(best[end]):
                    best[end] = candidate
    return best.get(len(run))


def split_identifier(name: str, known: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The words of an identifier, abbreviations spelled out: `cust_addr` -> customer, address."""
    words: list[str] = []
    for run in _CAMEL.split(name):
        if not run:
            continue
        lower = run.casefold()
        if lower in known or lower in ENGLISH["abbreviations"] or lower in ENGLISH["column_words"]:
            pieces = [lower]
        else:
            pieces = (_segment(lower, known) if len(lower) > 5 else None) or [lower]
        for piece in pieces:
            words.extend(ENGLISH["abbreviations"].get(piece, piece).split())
    return tuple(words)


@dataclass(frozen=True, slots=True)
class Token:
    """One word, mark or slot of a question. `slot` is an index into `Question.slots`."""

    text: str
    stem: str
    slot: int | None = None

    @property
    def lower(self) -> str:
        return self.text.casefold()


def tokens(question: Question) -> list[Token]:
    """The question in order; what a slot covers is one token, its quotation marks with it."""
    found: list[Token] = []
    position = 0
    text = question.text

    def words(piece: str) -> None:
        for match in _TOKEN.finditer(piece):
            word = match.group()
            if word.endswith(("'s", "’s")) and len(word) > 2:
                found.append(Token(word[:-2], stem(word)))
                found.append(Token("'s", "'s"))
            elif "-" in word and "".join(word.split("-")).isalpha():
                parts = word.split("-")
                found.extend(Token(part, stem(part)) for part in parts)
            else:
                found.append(Token(word, stem(word) if word[0].isalnum() else word))

    for index, slot in sorted(enumerate(question.slots), key=lambda pair: pair[1].span):
        words(text[position : slot.span[0]])
        found.append(Token(text[slot.span[0] : slot.span[1]], "{slot}", index))
        position = slot.span[1]
    words(text[position:])
    quotes = set("\"'“”‘’`")
    return _codes([token for token in found if token.text not in quotes])


def _codes(found: list[Token]) -> list[Token]:
    """ "Chicago (ORD)" is one value, given twice: the code in brackets is the exact one."""
    kept: list[Token] = []
    at = 0
    while at < len(found):
        coded = [token.text if token.slot is None else "" for token in found[at : at + 4]] == ["", "(", "", ")"]
        kept.append(found[at + 2] if coded else found[at])
        at += 4 if coded else 1
    return kept
