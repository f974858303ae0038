"""Quantities in a question: digits and number words, magnitudes, percent, money.

Knows no catalog. Whether a number is a count, a year or neither is the reader's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

from rowcall.question.tokens import Token, word_list, word_set

_SMALL = {
    word: value
    for value, word in enumerate(
        word_list(
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
            "seventeen eighteen nineteen"
        )
    )
}
_TENS = {
    word: 10 * value
    for value, word in enumerate(word_list("twenty thirty forty fifty sixty seventy eighty ninety"), start=2)
}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
NUMBER_WORDS = frozenset({*_SMALL, *_TENS, "dozen"})

# What may be written onto digits. "2m" may as well be metres or minutes: only money reads it as a million.
_SUFFIXES = {"k": 10**3, "mn": 10**6, "mio": 10**6, "bn": 10**9}
_MONEY_SUFFIXES = {**_SUFFIXES, "m": 10**6, "mm": 10**6, "b": 10**9, "t": 10**12}
_MEASURES = word_set(
    "kg km cm mm mg ml kb mb gb tb kw kwh mw mph kph kmh hz khz mhz ghz lb lbs oz ft sqm sqft px ms hr hrs min mins "
    "sec secs pcs"
)

SYMBOLS = {
    "$": "usd",
    "€": "eur",
    "£": "gbp",
    "¥": "jpy",
    "₹": "inr",
    "₽": "rub",
    "₩": "krw",
    "₪": "ils",
    "₺": "try",
    "₴": "uah",
    "₫": "vnd",
    "฿": "thb",
}
# The most traded currencies (BIS Triennial Survey, 2022) whose codes are no English words, as "try" and "cop" are.
_CODES = word_list(
    "usd eur jpy gbp cny aud cad chf hkd sgd sek krw nok nzd inr mxn twd zar brl dkk pln thb ils idr czk aed huf"
)
CURRENCY_WORDS = {
    **{code: code for code in _CODES},
    "dollar": "usd",
    "dollars": "usd",
    "bucks": "usd",
    "euro": "eur",
    "euros": "eur",
    "yen": "jpy",
    "rupee": "inr",
    "rupees": "inr",
}


SPELLED = frozenset({*NUMBER_WORDS, *_CODES, "a", "an"})
"""The words with which a quantity may start."""


class Amount(NamedTuple):
    """A quantity that ends before token `end`. `whole`: a whole number and nothing else, so it may be a count."""

    kind: Literal["number", "money", "percent"]
    value: Decimal
    end: int
    whole: bool = False
    unit: str = ""


def digits(token: Token) -> Decimal | None:
    """What a token of digits says, in any script; `None` where they are more than `Decimal` keeps by default."""
    if token.kind != "number" or token.end - token.start > 28:
        return None
    return Decimal(token.word.replace(",", ""))


def _below_hundred(words: Sequence[str], at: int) -> tuple[int, int] | None:
    word = words[at]
    if word in _SMALL:
        return _SMALL[word], at + 1
    if word not in _TENS:
        return None
    unit = at + 2 if words[at + 1] == "-" else at + 1
    if 0 < _SMALL.get(words[unit], 0) < 10:
        return _TENS[word] + _SMALL[words[unit]], unit + 1
    return _TENS[word], at + 1


def _below_thousand(words: Sequence[str], at: int, may_join: bool) -> tuple[int, int] | None:
    found = (1, at + 1) if words[at] in ("a", "an") else _below_hundred(words, at)
    if found is None or words[found[1]] != "hundred" or not found[0]:
        return found
    value, end = found[0] * 100, found[1] + 1
    joined = words[end] == "and"
    rest = _below_hundred(words, end + joined)
    if rest is None or (joined and not may_join) or words[rest[1]] == "hundred":
        return value, end
    return value + rest[0], rest[1]


def in_words(words: Sequence[str], at: int) -> tuple[int, int] | None:
    """The number spelled from `words[at]` and where it ends: "two hundred and fifty", "a million", "twenty-five"."""
    if words[at] in ("a", "an") and words[at + 1] not in SCALES and words[at + 1] not in ("hundred", "dozen"):
        return None
    may_join = "between" not in words[max(0, at - 3) : at]  # "between one hundred and two hundred"
    total, ceiling, end = 0, 10**15, at
    while group := _below_thousand(words, end, may_join):
        scale = SCALES.get(words[group[1]], 1)
        if scale >= ceiling:
            break
        total, end, ceiling = total + group[0] * scale, group[1] + (scale > 1), scale
        if scale == 1 or words[end] in ("a", "an"):
            break
        rest = _below_hundred(words, end + 1) if words[end] == "and" and may_join else None
        if rest and words[rest[1]] != "hundred" and words[rest[1]] not in SCALES:
            return total + rest[0], rest[1]
    if words[end] == "dozen" and ceiling == 1:
        return total * 12, end + 1
    return (12, at + 1) if words[at] == "dozen" else (total, end) if end > at else None


def amount(tokens: Sequence[Token], words: Sequence[str], at: int) -> Amount | None:
    """The quantity that starts at token `at`, with all that belongs to it: sign, symbol, magnitude, unit."""
    start = at
    currency = SYMBOLS.get(words[at], "")
    if not currency and words[at] in _CODES and words[at + 1] and not _glued(tokens, at + 1):
        currency = words[at] if words[at + 1][0].isdigit() else ""
    negative = words[start] == "-"
    if negative or currency:
        at += 1
    if negative and words[at] in SYMBOLS:
        currency, at = SYMBOLS[words[at]], at + 1
    elif currency and words[at] == "-":
        negative, at = True, at + 1
    if at >= len(tokens):
        return None

    value = digits(tokens[at])
    if value is not None:
        end = at + 1
        whole = "." not in words[at]
        if _glued(tokens, end) and tokens[end].kind == "word":
            suffix = words[end]
            scale = (_MONEY_SUFFIXES if currency or words[end + 1] in CURRENCY_WORDS else _SUFFIXES).get(suffix)
            if scale:
                value, end, whole = value * scale, end + 1, False
            elif suffix not in _MEASURES and suffix not in CURRENCY_WORDS and suffix.isascii():
                return None  # "2fa", "1st", "4x4": a name, or what only its context tells
            else:
                whole = False
    elif start == at and (spelled := in_words(words, at)):
        value, end, whole = Decimal(spelled[0]), spelled[1], True
    else:
        return None

    scale = 100 if words[end] == "hundred" else SCALES.get(words[end])
    if scale:
        value, end, whole = value * scale, end + 1, False
    if value == int(value):
        value = Decimal(int(value))  # 4.0 is 4, and 1.5k is 1500, also where a column holds integers
    if negative:
        value, whole = value.copy_negate(), False
    if currency:
        end += words[end] == currency
        return Amount("money", value, end, unit=currency)
    if words[end] in ("%", "percent", "pct"):
        return Amount("percent", value, end + 1)
    if words[end] == "per" and words[end + 1] == "cent":
        return Amount("percent", value, end + 2)
    if words[end] in CURRENCY_WORDS:
        return Amount("money", value, end + 1, unit=CURRENCY_WORDS[words[end]])
    if words[end] in ("us", "u.s") and words[end + 1] in ("dollar", "dollars"):
        return Amount("money", value, end + 2, unit="usd")
    return Amount("number", value, end, whole)


def _glued(tokens: Sequence[Token], at: int) -> bool:
    """Whether token `at` stands right behind the one before it, with no space."""
    return 0 < at < len(tokens) and tokens[at].start == tokens[at - 1].end
