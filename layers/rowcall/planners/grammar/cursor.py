"""Where the parser stands in a question, and how it takes back a branch that failed.

Whatever a branch changes is on a trail; nothing of a failed one is left. Knows words, and no table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeVar

from rowcall.planners.grammar.schema import Ambiguous
from rowcall.planners.grammar.words import Token, tokens
from rowcall.question import Question

Result = TypeVar("Result")

DETERMINERS = frozenset(
    [
        "the",
        "a",
        "an",
        "all",
        "any",
        "our",
        "their",
        "its",
        "his",
        "her",
        "these",
        "those",
        "this",
        "some",
        "such",
        "only",
        "just",
    ]
)
MOST_LOOKS = 60_000
END = frozenset({"?", ".", "!", ";"})


_Parts = tuple[tuple[int, str], ...]


@lru_cache(512)
def _by_first_word(phrases: tuple[str, ...]) -> dict[str, list[tuple[str, _Parts]]]:
    """Phrases by their first word, the longest first, each with its other words and where they stand."""
    found: dict[str, list[tuple[str, _Parts]]] = {}
    for phrase in sorted(phrases, key=lambda one: -len(one.split())):
        first, *rest = phrase.split()
        found.setdefault(first, []).append((phrase, tuple(enumerate(rest, start=1))))
    return found


class Lost(Exception):
    """The word that no reading explains, or what is ambiguous."""


class Exhausted(Exception):
    """The question can be read in more ways than there is time to try."""


class Cursor:
    """A position in the tokens of a question."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.tokens = tokens(question)
        self.at = 0
        self.furthest = 0
        self.looks = 0
        self.trail: list[Callable[[], Any]] = []

    # -- changes that can be taken back ------------------------------------------------------------------------

    def add(self, to: list[Any], one: Any) -> None:
        to.append(one)
        self.trail.append(to.pop)

    def drop(self, of: list[Any], one: Any) -> None:
        self.swap(of, [each for each in of if each is not one])

    def swap(self, old: list[Any], new: list[Any]) -> None:
        before = list(old)
        self.trail.append(lambda: old.__setitem__(slice(None), before))
        old[:] = new

    def put(self, name: str, value: object) -> None:
        old = getattr(self, name)
        self.trail.append(lambda: setattr(self, name, old))
        setattr(self, name, value)

    def attempt(self, parse: Callable[[], Result | None]) -> Result | None:
        """Try `parse`; where it fails everything is as it was before."""
        at, length = self.at, len(self.trail)
        try:
            found = parse()
        except (Lost, Ambiguous):
            found = None
        if not found:
            self.furthest = max(self.furthest, self.at)
            self.back(at, length)
            return None
        return found

    def back(self, at: int, length: int) -> None:
        self.at = at
        while len(self.trail) > length:
            self.trail.pop()()

    # -- words -------------------------------------------------------------------------------------------------

    def peek(self, ahead: int = 0) -> Token | None:
        self.looks += 1
        if self.looks > MOST_LOOKS:
            raise Exhausted
        at = self.at + ahead
        return self.tokens[at] if 0 <= at < len(self.tokens) else None

    def word(self, ahead: int = 0) -> str:
        token = self.peek(ahead)
        return token.lower if token and token.slot is None else ""

    def stem(self, ahead: int = 0) -> str:
        token = self.peek(ahead)
        return token.stem if token and token.slot is None else ""

    def take(self, *phrases: str) -> str:
        """Move past the longest of these phrases that stands here, and say which it was."""
        for phrase, parts in _by_first_word(phrases).get(self.word(), ()):
            if all(self.word(at) == part for at, part in parts):
                self.at += 1 + len(parts)
                return phrase
        return ""

    def kind(self, ahead: int = 0) -> str:
        token = self.peek(ahead)
        return self.question.slots[token.slot].kind if token and token.slot is not None else ""

    def slot(self, kinds: Iterable[str]) -> int | None:
        token = self.peek()
        if token and token.slot is not None and self.question.slots[token.slot].kind in kinds:
            self.at += 1
            return token.slot
        return None

    def text_of(self, slot: int) -> str:
        start, end = self.question.slots[slot].span
        return self.question.text[start:end]

    def ended(self) -> bool:
        return self.at >= len(self.tokens) or self.word() in END

    def lost(self, what: str = "") -> Lost:
        token = self.peek()
        return Lost(what or (token.text if token else ""))

    def skip_determiners(self) -> None:
        while self.word() in DETERMINERS or (self.word() == "of" and self.word(-1) in {"all", "some", "any"}):
            self.at += 1

    def plural(self, at: int) -> bool:
        """Whether the word at this position stands for several."""
        word = self.tokens[at].lower if 0 <= at < len(self.tokens) else ""
        return (word.endswith("s") and not word.endswith("ss")) or word in {
            "people",
            "children",
            "men",
            "women",
            "staff",
        }
