"""The normal form of a question, and its cut into tokens. Knows of no catalog and of no meaning.

Every repetition in the patterns is bounded or cannot backtrack, so that the time is linear in the text.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import NamedTuple


class Token(NamedTuple):
    """`kind` is a group of the pattern below; `word` is casefolded, its apostrophes and dashes made plain."""

    kind: str
    word: str
    start: int
    end: int


def word_list(text: str) -> list[str]:
    """The words of a line: how this package writes its lists of words."""
    return text.split()


def word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Letters of scripts that put no space between words: each is a word of its own.
_UNSPACED = "\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Combining marks inside of words, which Python's \w leaves out.
_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc"
    "\u0900-\u0903\u093a-\u094f\u0962\u0963\u0981-\u0983\u09bc-\u09cd\u0a01-\u0a03\u0a3c-\u0a4d\u0a81-\u0a83"
    "\u0abc-\u0acd\u0b01-\u0b03\u0b3c-\u0b4d\u0b82\u0bbe-\u0bcd\u0c00-\u0c04\u0c3e-\u0c4d\u0c81-\u0c83"
    "\u0cbc-\u0ccd\u0d00-\u0d03\u0d3e-\u0d4d\u0dca-\u0ddf\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc"
    "\u102b-\u103e\u17b4-\u17d3\u200c\u200d"
)
_ASCII_WORD = r"[A-Za-z](?:[A-Za-z0-9]|'(?!s(?!\w)|S(?!\w))(?=[A-Za-z]))*+"
_ANY_WORD = (
    rf"[{_UNSPACED}]|[^\W\d_{_UNSPACED}](?:[^\W_{_UNSPACED}]|[{_MARKS}]|['’](?![sS](?!\w))(?=[^\W\d_{_UNSPACED}]))*+"
)

# An opening quote follows no word, a closing one precedes none: an apostrophe does neither.
_QUOTED = r"""
    (?<!\w)"[^"]{0,300}+"(?!\w)
  | (?<!\w)'(?:[^']|(?<=\w)'(?=\w)){0,300}+'(?!\w)
  | (?<!\w)`[^`]{0,300}+`
  | “[^“”]{0,300}+” | „[^„“”]{0,300}+[“”] | «[^«»]{0,300}+» | 「[^「」]{0,300}+」 | 『[^『』]{0,300}+』
  | ‘(?:[^‘’]|(?<=\w)’(?=\w)){0,300}+’(?!\w)
"""
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_LITERAL = r"""
    (?P<literal> (?<!\w)(?:
        [\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}
      | [0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?!\w) ) ) |
"""
_REST = rf"""
    (?P<own> (?<=\w)['’][sS](?!\w) )
  | (?P<quote> {_QUOTED} )
  | (?P<day> (?<!\w)(?:
        [0-9]{{4}}(?:-[0-9]{{1,2}}-|/[0-9]{{1,2}}/|\.[0-9]{{1,2}}\.)[0-9]{{1,2}}
      | [0-9]{{1,2}}/[0-9]{{1,2}}/(?:[0-9]{{4}}|[0-9]{{2}}) | [0-9]{{1,2}}\.[0-9]{{1,2}}\.[0-9]{{4}} )
        (?:(?:[Tt]|[ ]|[ ]at[ ]){_CLOCK}(?:[Zz]|[+-][0-9]{{2}}:?[0-9]{{2}})?(?!\w))? (?![\w-]|[./:][0-9]) )
  | (?P<month> (?<!\w)(?: [0-9]{{4}}[-/][0-9]{{1,2}} | [0-9]{{1,2}}/[0-9]{{4}} ) (?![\w-]|[./:][0-9]) )
  | (?P<code> \d{{1,20}}(?:[-.]\d{{1,20}}){{2,10}} )
  | (?P<clock> {_CLOCK} )
  | (?P<number> (?: \d{{1,3}}(?:,\d{{2,3}}){{1,6}}(?<=,\d\d\d)(?!\d) | \d{{1,4000}}+ )(?:\.\d{{1,40}}+)?
      | (?<![\w.])\.\d{{1,40}}+ )
  | (?P<mark> [<>!=]=|<>|\S )
"""


@cache
def _pattern(is_ascii: bool, has_literals: bool) -> re.Pattern[str]:
    """Compiled when first needed: that of all scripts takes longer than many a process reads in its life."""
    word = rf"(?P<word> {_ASCII_WORD if is_ascii else _ANY_WORD} ) |"
    return re.compile((_LITERAL if has_literals else "") + word + _REST, re.VERBOSE)


_SURROGATES = re.compile("[\ud800-\udfff]")
_PLAIN = str.maketrans({**dict.fromkeys("’‘", "'"), **dict.fromkeys("‐‑‒–—−", "-"), "≥": ">=", "≤": "<=", "≠": "!="})


def normalise(text: str) -> str:
    """NFKC, white space folded. Lone surrogates, which no encoding can carry, become U+FFFD."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _SURROGATES.sub("\ufffd", text))
    return " ".join(text.split())


def fold(word: str) -> str:
    """The form under which words are compared."""
    if word.isascii():
        return word.lower()
    return unicodedata.normalize("NFKC", word.casefold()).translate(_PLAIN)


def tokenise(text: str) -> list[Token]:
    """Cut a normalised text. Between two tokens there is nothing, or one space."""
    is_ascii = text.isascii()
    found = _pattern(is_ascii, "@" in text or text.count("-") > 3).finditer(text)
    if is_ascii:
        lower = text.lower()
        return [Token(m.lastgroup or "", lower[m.start() : m.end()], m.start(), m.end()) for m in found]
    return [Token(m.lastgroup or "", fold(m.group()), m.start(), m.end()) for m in found]


_UNCOUNTED = word_set("news goods customs means lens always series species yes")


@lru_cache(maxsize=8192)
def singular(word: str) -> str:
    """The simple singular of an English word; a word that is not one may come out odd, but always alike."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is", "ics")) or word in _UNCOUNTED:
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    return word[:-1]
