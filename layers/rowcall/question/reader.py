"""Reading a question: the scan that takes the slots out, and the template that is left.

Must never raise on any text, and never fold a word that carries meaning.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rowcall.catalog import Catalog
from rowcall.question import periods
from rowcall.question.numbers import SPELLED, SYMBOLS, Amount, amount
from rowcall.question.template import template
from rowcall.question.tokens import Token, normalise, singular, tokenise, word_set
from rowcall.question.types import Kind, Period, Question, Slot
from rowcall.question.vocabulary import Vocabulary, parts, vocabulary

# Before a number, these make it a quantity, whatever comes after.
_COMPARATORS = word_set(
    "than over under above below least exceeding exceeds exactly around about approximately minimum maximum > < >= <= <> != "
    "worth cost costs costing priced price weighing paying paid spent spending earning"
)
_OLDER = frozenset({"later", "earlier", "newer", "older", "sooner"})
_HAVING = frozenset({"with", "have", "has", "had", "having", "by"})
_IDENTIFIERS = frozenset({"#", "id", "no", "nr", "number", "code", "zip", "key", "version", "ids"})
_COUNTED = word_set(
    "top bottom first last best worst limit latest newest oldest recent random sample any show list display give me return "
    "get find fetch select print see name suggest recommend pick which what are who only just"
)
_ALWAYS_COUNTED = frozenset({"top", "bottom", "limit", "best", "worst", "latest", "newest", "oldest", "recent"})
_ROWS = frozenset({"results", "rows", "records", "entries", "examples"})
_MEASURED = word_set(
    "star day door bedroom bed bath seat inch year month hour week minute second point piece pack person people way cylinder "
    "speed stop digit letter word page"
)
_NOT_SUPERLATIVE = word_set(
    "interest request forest guest test west rest contest harvest honest invest nest chest quest arrest protest digest "
    "suggest manifest modest tempest everest budapest bucharest"
)


class _Found(NamedTuple):
    end: int
    kind: Kind
    value: int | Decimal | str | date | Period
    columns: tuple[str, ...] = ()
    unit: str = ""


def read(text: str, catalog: Catalog, now: datetime, timezone: str) -> Question:
    """Read `text`, asked at `now` (an aware moment) by somebody in `timezone` (an IANA name)."""
    text = normalise(text)
    line = _Line(text, vocabulary(catalog), now.astimezone(ZoneInfo(timezone)))
    slots = line.slots()
    return Question(text, template(text, line.tokens, slots), tuple(slot for slot, _, _ in slots), now, timezone)


class _Line:
    """A question being read: its tokens from left to right, and the kinds of the slots found so far."""

    __slots__ = ("kept", "kinds", "now", "position", "text", "tokens", "vocabulary", "words")

    def __init__(self, text: str, vocabulary: Vocabulary, now: datetime) -> None:
        self.text = text
        self.tokens: list[Token] = tokenise(text)
        self.words = [token.word for token in self.tokens] + [""] * 8
        self.kept = parts(self.tokens)
        self.position = {at: position for position, at in enumerate(self.kept)}
        self.kinds: dict[int, Kind] = {}
        self.vocabulary = vocabulary
        self.now = now

    def slots(self) -> list[tuple[Slot, int, int]]:
        """Every slot with the tokens `[first, end)` that it covers."""
        found: list[tuple[Slot, int, int]] = []
        at = 0
        while at < len(self.tokens):
            one = self._at(at)
            if isinstance(one, _Found):
                span = self.tokens[at].start, self.tokens[one.end - 1].end
                found.append((Slot(one.kind, one.value, span, one.columns, one.unit), at, one.end))
                self.kinds[one.end - 1] = one.kind
                at = one.end
            else:
                at = one
        return found

    def _at(self, at: int) -> _Found | int:
        """The slot that starts at token `at`, or the token to go on with."""
        token, word = self.tokens[at], self.words[at]
        if token.kind == "quote":
            return _Found(at + 1, "text", self.text[token.start + 1 : token.end - 1])
        if token.kind == "literal" or token.kind == "code":
            return _Found(at + 1, "text", self.text[token.start : token.end])
        match = None
        if at in self.position:
            match = self.vocabulary.match(self.tokens, self.words, self.kept, self.position[at])
        if match and match.entry is None:
            return match.end
        entity = None
        if (
            match
            and match.entry
            and self.vocabulary.plain(match.entry, self.text, self.tokens, self.words, at, match.end)
        ):
            written = self.text[token.start : self.tokens[match.end - 1].end]
            entity = _Found(match.end, "entity", match.entry.spelling(written), match.entry.columns)
            if match.parts > 1:
                return entity
        if token.kind in ("number", "day", "month") or word == "-" or word in SYMBOLS:
            return self._digits(at)
        if token.kind == "word":
            if periods.starts(word) and (stretch := periods.find(self, at, self.now)):
                return self._stretch(stretch)
            if entity is None and word in SPELLED:
                quantity = amount(self.tokens, self.words, at)
                if quantity and self._is_quantity(at, quantity):
                    return self._quantity(at, quantity)
        return entity or at + 1

    def _digits(self, at: int) -> _Found | int:
        if not self._stands_alone(at):
            return at + 1
        if self.tokens[at].kind == "mark" and not self._is_sign(at):
            return at + 1
        quantity = amount(self.tokens, self.words, at)
        if quantity is None or quantity.whole or self.words[quantity.end - 1] == "s":
            if stretch := periods.find(self, at, self.now):
                return self._stretch(stretch)
        return self._quantity(at, quantity) if quantity else at + 1

    def _stretch(self, stretch: periods.Found) -> _Found:
        if stretch.year is not None:
            return _Found(stretch.end, "year", stretch.year)
        return _Found(stretch.end, "period", stretch.period)

    def _quantity(self, at: int, quantity: Amount) -> _Found:
        if quantity.whole and self._is_count(at, quantity.end):
            return _Found(quantity.end, "count", int(quantity.value))
        return _Found(quantity.end, quantity.kind, quantity.value, unit=quantity.unit)

    # --- what stands around a number ----------------------------------------------------------------------------------

    def glued(self, at: int) -> bool:
        return 0 < at < len(self.tokens) and self.tokens[at].start == self.tokens[at - 1].end

    def knows(self, word: str) -> bool:
        return self.vocabulary.has(word)

    def _stands_alone(self, at: int) -> bool:
        """Whether these digits are no part of a name: "covid-19", "line_2", "v.2"."""
        if self.words[at + 1] == "_" and self.glued(at + 1):
            return False
        if at < 2 or not self.glued(at) or not self.glued(at - 1) or self.tokens[at - 2].kind != "word":
            return True
        if self.words[at - 1] == "-" and self.words[at - 2] in ("top", "bottom", "first", "last"):
            return True
        return self.words[at - 1] not in ("-", "_", ".", "/", ":", "@", "&")

    def _is_sign(self, at: int) -> bool:
        """Whether a minus is a sign: behind a space, and not behind another number."""
        if self.words[at] != "-":
            return True
        return self.glued(at + 1) and not self.glued(at) and (at == 0 or self.tokens[at - 1].kind != "number")

    def _is_quantity(self, at: int, quantity: Amount) -> bool:
        """ "one" is a pronoun as often as a number."""
        if self.words[at] != "one" or quantity.end > at + 1 or quantity.kind != "number":
            return True
        before, after = self.words[at - 1] if at else "", self.words[at + 1]
        return (
            before in _COMPARATORS
            or before in ("top", "bottom", "first", "last", "only", "just", "most", "between", "and", "=")
            or (after == "or" and self.words[at + 2] in ("more", "fewer", "less"))
            or _superlative(after)
        )

    def is_year(self, at: int) -> bool:
        """Four digits from 1900 to 2099, unless what stands around them says that they are a quantity or a name."""
        if at >= len(self.tokens) or self.tokens[at].kind != "number":
            return False
        word = self.words[at]
        if len(word) != 4 or not word.isascii() or not "1900" <= word < "2100":
            return False
        if self.glued(at + 1) and self.tokens[at + 1].kind == "word" and self.words[at + 1] != "s":
            return False
        before = at - 1
        while (
            before >= 0
            and before > at - 3
            and self.words[before] in ("is", "=", "equals", "equal", "of", "to", "at", "the")
        ):
            before -= 1
        subject = self.words[before] if before >= 0 else ""
        if subject in ("year", "years"):
            return True
        linked = before < at - 1
        previous = self.words[at - 1] if at else ""
        if previous in ("and", "to", "or", "-") and self.kinds.get(at - 2) in ("number", "money", "count"):
            return False
        if self.words[at + 1] in ("and", "to", "or", "-") and self._is_other_number(at + 2):
            return False
        if previous == "than" and at > 1 and self.words[at - 2] in _OLDER:
            return True
        if subject in _COMPARATORS or subject in _IDENTIFIERS or (previous == "most" and self.words[at - 2] == "at"):
            return self._before_comparison(at) in ("year", "years")
        if previous in ("top", "bottom", "first", "limit"):
            return False
        if linked and singular(subject) in self.vocabulary.numeric:
            return False
        if previous in ("between", "from") and at > 1 and singular(self.words[at - 2]) in self.vocabulary.numeric:
            return False
        if previous in self.vocabulary.tables and singular(previous + "s") == previous and not previous.endswith("s"):
            return False  # "order 2023" is an order, "orders 2023" are a year's
        following = singular(self.words[at + 1])
        return not (previous in _HAVING and following in self.vocabulary.tables)

    def _is_other_number(self, at: int) -> bool:
        word = self.words[at]
        if word in SYMBOLS:
            return True
        if at >= len(self.tokens) or self.tokens[at].kind != "number":
            return False
        return not (len(word) == 4 and "1900" <= word < "2100") and len(word) > 2

    def _before_comparison(self, at: int) -> str:
        before = at - 1
        while (
            before >= 0
            and before > at - 6
            and (
                self.words[before] in _COMPARATORS
                or self.words[before] in ("more", "less", "greater", "is", "at", "equal", "or", "to")
            )
        ):
            before -= 1
        return self.words[before] if before >= 0 else ""

    def _is_count(self, at: int, end: int) -> bool:
        """Whether the number of tokens `[at, end)` says how many rows are wanted."""
        before = at - 1
        while before >= 0 and self.words[before] in ("the", "-", "only", "just", "up", "to", "of", "random", "any"):
            before -= 1
        previous = self.words[before] if before >= 0 else ""
        following = self.words[end]
        if previous == "" and before >= 0:
            return False
        if previous in periods.UNITS or following in periods.UNITS:
            return False
        if previous in _ALWAYS_COUNTED or (previous in ("first", "last") and following != "of"):
            return True
        if previous in _COMPARATORS or (previous == "most" and before and self.words[before - 1] == "at"):
            return False
        if _superlative(following) or (following in ("highest", "lowest")):
            return True
        if _superlative(previous) and previous != "most":
            return True
        if following in _ROWS and previous in ("", ",", "limit", "show", "return", "give", "me", "most"):
            return True
        if before >= 0 and previous not in _COUNTED and previous not in ("list", "sample"):
            return False
        return self._names_rows(end)

    def _names_rows(self, at: int) -> bool:
        """Whether rows are named at `at`: "products", "active users", but not "star hotels"."""
        word = self.words[at]
        one = singular(word)
        if one in _MEASURED or (one in self.vocabulary.columns and one not in self.vocabulary.tables):
            return False
        if one in self.vocabulary.tables or one != word:
            return True
        return (
            singular(self.words[at + 1]) != self.words[at + 1] or singular(self.words[at + 1]) in self.vocabulary.tables
        )


def _superlative(word: str) -> bool:
    if word in ("most", "least", "best", "worst", "top", "bottom"):
        return True
    return len(word) > 5 and word.endswith("est") and word not in _NOT_SUPERLATIVE
