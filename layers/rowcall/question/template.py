"""The template of a question: its words folded, its slots replaced by their types.

Folded is only what says nothing: case, articles, politeness, punctuation at the end. A brace of the question is
doubled, so that no text can pass for a slot.
"""

from __future__ import annotations

from collections.abc import Sequence

from rowcall.question.periods import UNITS
from rowcall.question.tokens import Token, word_set
from rowcall.question.types import Slot
from rowcall.question.vocabulary import ACRONYMS, FUNCTION_WORDS

_OPENINGS = [
    phrase.split()
    for phrase in (
        *("please", "kindly", "hi there", "hello there", "hi", "hello", "hey"),
        *("could you", "can you", "would you", "will you", "i would like you to", "i would like to"),
        *("i'd like you to", "i'd like to", "i want you to", "i want to", "i need you to", "i need to"),
    )
]
_CLOSINGS = (["please"], ["thanks"], ["thank", "you"])
_ENDS = frozenset(".?!。؟।;:,…")
_STARTS = frozenset("¿¡")
_ASKING = frozenset({"show", "give", "tell", "list", "get", "find", "bring", "send"})
_EMPHATIC = frozenset({"few", "little", "lot", "bit", "couple", *UNITS})
_NAMING = word_set("named called titled name title is = like containing contains with of by for to in and or not")


def template(text: str, tokens: Sequence[Token], slots: Sequence[tuple[Slot, int, int]]) -> str:
    """`slots` are given with the tokens `[first, end)` that each covers."""
    taken: dict[int, tuple[Slot, int]] = {first: (slot, end) for slot, first, end in slots}
    covered = {at for _, first, end in slots for at in range(first, end)}
    first, last = _trimmed(tokens, covered)
    shouted = text.isupper()
    pieces: list[str] = []
    before, at = "", first
    while at < last:
        token = tokens[at]
        if at in taken:
            slot, end = taken[at]
            piece, word = slot.type, ""
        else:
            end, word = at + 1, token.word
            piece = text[token.start : token.end]
            if token.kind == "word" and _says_nothing(piece, tokens, at, before, shouted, len(pieces)):
                at = end
                continue
        if pieces and tokens[at - 1].end != token.start:
            pieces.append(" ")
        pieces.append(piece if at in taken else _folded(piece, word, shouted))
        before, at = word, end
    return "".join(pieces)


def _trimmed(tokens: Sequence[Token], covered: set[int]) -> tuple[int, int]:
    """The tokens `[first, last)` without politeness before and behind, and without punctuation at the end."""
    words = [token.word for token in tokens]
    first, last = 0, len(tokens)
    while last and last - 1 not in covered:
        if words[last - 1] in _ENDS:
            last -= 1
        elif closing := _closing(words, last, covered):
            last -= closing
        else:
            break
    while first < last and first not in covered:
        opening = next((len(p) for p in _OPENINGS if words[first : first + len(p)] == p), 0)
        if opening and covered.isdisjoint(range(first, first + opening)):
            first += opening
            while first < last and words[first] in (",", "!", "."):
                first += 1
        elif words[first] in _STARTS:
            first += 1
        else:
            break
    return min(first, last), last


def _closing(words: list[str], last: int, covered: set[int]) -> int:
    for phrase in _CLOSINGS:
        start = last - len(phrase)
        if start > 0 and words[start:last] == phrase and words[start - 1] not in _NAMING and start not in covered:
            return len(phrase)
    return 0


def _says_nothing(written: str, tokens: Sequence[Token], at: int, before: str, shouted: bool, position: int) -> bool:
    """Whether the word at `at` is an article, or a politeness behind "show me". In capitals it may be a name."""
    word = tokens[at].word
    if word in ("me", "please"):
        return written != "ME" and position == 1 and before in _ASKING
    if word not in ("a", "an", "the") or at + 1 >= len(tokens) or tokens[at + 1].start == tokens[at].end:
        return False
    if position and not shouted and not written.islower():
        return False
    if word == "the":
        return True
    plain = not before or before in FUNCTION_WORDS or before in _ASKING or not before[0].isalpha()
    return plain and tokens[at + 1].word not in _EMPHATIC and tokens[at + 1].kind != "mark"


def _folded(written: str, word: str, shouted: bool) -> str:
    """A brace stands twice, so that no text passes for a slot; "US" is not "us"."""
    if word in "{}":
        return word * 2
    return written if word in ACRONYMS and written.isupper() and not shouted else word
