"""A question cut into tokens, and what only the words around a number can tell: count, year, sign, name or quantity.

Knows the catalog's names, so that "order 2023" is an order's number and "orders 2023" are a year's.
"""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

from rowcall.question.numbers import CURRENCY_WORDS, SCALES, SYMBOLS
from rowcall.question.tokens import Token, singular, tokenise, word_set
from rowcall.question.types import Slot
from rowcall.question.vocabulary import Vocabulary, parts

# What comes behind these is a quantity, even where it looks like a year or stands before rows.
_COMPARATORS = word_set(
    """than over under above below least exceed exceeds exceeding exactly minimum maximum > < >= <= <> != worth cost
    costs costing price prices priced salary weighing paying paid spent spending earning"""
)
_COMPARATIVES = word_set("more less greater fewer higher lower is are at equal or to")
_LATER = word_set("later earlier newer older sooner")
_IDENTIFIERS = word_set("# id ids no nr number code zip key version")
_HAVING = word_set("with have has had having by around about approximately")
_LINKS = word_set("is are was = equals equal of to at the between from")
_EQUALS = word_set("is are was = equals equal to at")
_FILTERING = word_set("with whose having where has have")
_PAIRS = word_set("and to or -")
_NO_YEAR_BEFORE = frozenset({"%", "percent", "pct", "hundred", *SCALES, *CURRENCY_WORDS})

_TOP = word_set("top bottom limit best worst latest newest oldest recent")
_BEFORE_COUNT = word_set(
    """sample any show list display me give return get find fetch select print see name suggest recommend pick which
    what are who , """
)
_JOINTS = frozenset(("-", "_", ".", "/", ":", "@", "and"))
_SKIPPED = word_set("the - only just up to of random any")
_ROWS = word_set("results rows records entries examples")
_PIECES = word_set("letter letters character characters digit digits word words of")
# "5 star hotels" are not five hotels.
_MEASURES = word_set(
    """star day door bedroom bed bath seat inch year month hour week minute second point piece pack person people way
    cylinder speed stop digit letter word page"""
)
_NOT_SUPERLATIVE = word_set(
    """interest request forest guest test west rest contest harvest honest invest nest chest quest arrest protest digest
    suggest manifest modest tempest everest budapest bucharest"""
)


class Line:
    """`words` go on with empty ones behind the last token, so that one may look ahead. `slots` are those that
    were found so far, by their last token."""

    def __init__(self, text: str, vocabulary: Vocabulary, now: datetime) -> None:
        self.text = text
        self.tokens: list[Token] = tokenise(text)
        self.words = ["and" if token.word == "&" else token.word for token in self.tokens]
        self.words += [""] * 8
        self.kept = parts(self.tokens)
        self.position = {at: position for position, at in enumerate(self.kept)}
        self.slots: dict[int, Slot] = {}
        self._in_names: set[int] = set()
        self.vocabulary = vocabulary
        self.now = now

    @cached_property
    def mentioned(self) -> frozenset[str]:
        """Every word of the question, in the singular."""
        return frozenset([singular(word) for word in self.words])

    def glued(self, at: int) -> bool:
        """Whether token `at` stands right behind the one before it, with no space."""
        return 0 < at < len(self.tokens) and self.tokens[at].start == self.tokens[at - 1].end

    def stands_alone(self, at: int) -> bool:
        """Whether the digits at `at` are no part of a name, as they are in "covid-19", "line_2", "ORD-2023-001"."""
        if at < 2 or not self.glued(at) or not self.glued(at - 1) or self.words[at - 1] not in _JOINTS:
            alone = True
        elif self.tokens[at - 2].kind == "word":
            alone = self.words[at - 1] == "-" and self.words[at - 2] in _TOP | {"first", "last"}
        else:
            alone = at - 2 not in self._in_names
        if self.words[at + 1] == "_" and self.glued(at + 1):
            alone = False
        if not alone:
            self._in_names.add(at)
        return alone

    def is_sign(self, at: int) -> bool:
        """Whether the minus at `at` is one of a negative number, and no dash."""
        if not self.glued(at + 1):
            return False
        if at == 0 or (self.glued(at) and self.tokens[at - 1].kind == "mark"):
            return at == 0 or self.words[at - 1] not in (")", "]", "}", "%")
        return not self.glued(at) and self.tokens[at - 1].kind != "number"

    def is_number(self, at: int, end: int) -> bool:
        """Whether the number word at `at` is one: "one" is a pronoun as often."""
        if self.words[at] != "one" or end > at + 1:
            return True
        before, after = self.words[at - 1] if at else "", self.words[at + 1]
        return (
            before in _COMPARATORS
            or before in _TOP
            or before in ("first", "last", "only", "just", "most", "between", "and")
            or (after == "or" and self.words[at + 2] in ("more", "fewer", "less"))
            or _superlative(after)
        )

    def is_year(self, at: int) -> bool:
        """Whether the digits at `at` are a year: 1900 to 2099, unless the words around say quantity or name."""
        following = self.words[at + 1]
        if not self._has_year_form(at) or following in _NO_YEAR_BEFORE:
            return False
        if self.glued(at + 1) and self.tokens[at + 1].kind == "word" and following != "s":
            return False
        previous = self.words[at - 1] if at else ""
        subject, link, before = self._subject(at)
        if subject in ("year", "years") or previous in ("in", "during", "since"):
            return True
        if previous in _PAIRS and self._is_quantity(at - 2):
            return False
        if previous in _LINKS and following in _PAIRS and self._has_quantity(at + 2):
            return False
        if previous == "than" and self.words[at - 2] in _LATER:
            return True
        if subject in _COMPARATORS or subject in _IDENTIFIERS or (previous == "most" and self.words[at - 2] == "at"):
            return self._compared(at) in ("year", "years")
        if previous in _TOP or previous in ("first", "last"):
            return False
        if singular(subject) in self.vocabulary.numeric and (link in _EQUALS or (link and before in _FILTERING)):
            return False  # "price is 2000", "with a total between 1990 and 2010"; but "total between 2021 and 2023"
        if previous in self.vocabulary.tables and not previous.endswith("s"):
            return False  # "order 2023"
        return not (previous in _HAVING and singular(following) in self.vocabulary.tables)

    def _has_year_form(self, at: int) -> bool:
        if at >= len(self.tokens) or self.tokens[at].kind != "number":
            return False
        word = self.words[at]
        return len(word) == 4 and word.isascii() and "1900" <= word < "2100"

    def _is_quantity(self, last: int) -> bool:
        slot = self.slots.get(last)
        return slot is not None and slot.kind in ("number", "money", "count", "percent")

    def _has_quantity(self, at: int) -> bool:
        """Whether a number that is no year stands at `at`: the other end of "between 2000 and 5000"."""
        if self.words[at] in SYMBOLS:
            return True
        if at >= len(self.tokens) or self.tokens[at].kind != "number":
            return False
        return not self._has_year_form(at) or self.words[at + 1] in _NO_YEAR_BEFORE

    def _subject(self, at: int) -> tuple[str, str, str]:
        """The word that `at` is linked to, the first of the links, and the word before: "price", "is", "whose" of
        "whose price is the 2000"."""
        subject = at - 1
        while subject >= 0 and subject > at - 4 and self.words[subject] in _LINKS:
            subject -= 1
        before = subject - 2 if self.words[subject - 1] in ("a", "an", "the") else subject - 1
        return (
            self.words[subject] if subject >= 0 else "",
            self.words[subject + 1] if subject < at - 1 else "",
            self.words[before] if before >= 0 else "",
        )

    def _compared(self, at: int) -> str:
        """The word before a comparison: "year" in "year is greater than 2020"."""
        before = at - 1
        while before >= 0 and before > at - 6 and self.words[before] in _COMPARATORS | _COMPARATIVES:
            before -= 1
        return self.words[before] if before >= 0 else ""

    def is_count(self, at: int, end: int) -> bool:
        """Whether the number of tokens `[at, end)` says how many rows are wanted."""
        before = at - 1
        while before >= 0 and self.words[before] in _SKIPPED:
            before -= 1
        previous = self.words[before] if before >= 0 else ""
        following = self.words[end]
        if previous in _TOP:
            return True
        if previous in ("first", "last"):
            return following not in _PIECES and not _is_unit(following)
        if previous in _COMPARATORS or (previous == "most" and before and self.words[before - 1] == "at"):
            return False
        if _superlative(following) or (_superlative(previous) and previous != "most"):
            return True
        if before >= 0 and previous not in _BEFORE_COUNT:
            return False
        if following in _ROWS:
            return True
        return previous != "," and self._names_rows(end)

    def _names_rows(self, at: int) -> bool:
        """Whether rows are named at `at`: "products", "active users", but not "star hotels"."""
        word, following = self.words[at], self.words[at + 1]
        one = singular(word)
        if one in self.vocabulary.tables:
            return True
        if one in _MEASURES or one in self.vocabulary.numeric:
            return False
        return one != word or singular(following) in self.vocabulary.tables or singular(following) != following


def _is_unit(word: str) -> bool:
    return singular(word) in ("day", "week", "month", "quarter", "year", "hour", "minute", "second", "decade")


def _superlative(word: str) -> bool:
    if word in ("most", "least", "best", "worst", "top", "bottom"):
        return True
    return len(word) > 5 and word.endswith("est") and word not in _NOT_SUPERLATIVE
