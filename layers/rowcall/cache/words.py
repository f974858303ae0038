"""English as the sameness check and the lexical embedder know it: forms of one word, phrases, synonyms.

The words themselves are data (`english.json`). A word that is not known here stands for itself alone. Nothing here
knows of a database but `Vocabulary`, which says what may be folded on one.
"""

from __future__ import annotations

import json
import re
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import snowballstemmer

from rowcall.catalog import Catalog

_STEMMER = snowballstemmer.stemmer("english")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[\W_]+")
_DERIVED = re.compile(
    r"(?<=...)(er|or|eer|ist|ian|ant|ent|ment|ion|ity|ty|al|anc|enc|ancy|ency|ship|hood|ag|ness|ful|less|ous|iv|abl"
    r"|ibl|ic|ical|ism|iz|is|ify|ur|ward|dom|ary|ory|ly|ingly)$"
)


@cache
def english() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name("english.json").read_text("utf-8"))
    return loaded


@lru_cache(maxsize=16384)
def fold(word: str) -> str:
    """What inflected forms of one word share: "orders" and "ordered", not "order" and "orderly".

    The stem alone would make one of "follower" and "following", of "active" and "activity", of "custom" and
    "customer"; so it is kept together with the suffix by which the word was derived.
    """
    word = english()["irregular"].get(word, word)
    if not word.isascii() or not word.isalpha():
        return word
    stem: str = _STEMMER.stemWord(word)
    derived = _DERIVED.search(_uninflected(word))
    return f"{stem}.{derived.group()}" if derived else stem


def is_plural(word: str) -> bool:
    return word in ("people", "men", "women", "children", "kids", "staff") or (
        len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is", "series", "species"))
    )


def is_participle(word: str) -> bool:
    """Whether the word can say what was done: "ordered", "bought"."""
    return (len(word) > 4 and word.endswith("ed") and not word.endswith("eed")) or word in _participles()


def identifier(name: str) -> tuple[str, ...]:
    """The words of a name: `customerAddress` and `customer_address` are customer, address."""
    return tuple(part.casefold() for part in _CAMEL.split(name) if part)


class Sense(NamedTuple):
    """What a phrase stands for: `kind` is a list of `english.json`, `value` what that list says of it."""

    kind: str
    value: str


Lexicon = dict[str, list[tuple[tuple[str, ...], Sense]]]


@cache
def lexicon() -> Lexicon:
    """Phrases by their first word, longest first; of equal ones the first list has it."""
    words = english()
    known: dict[tuple[str, ...], Sense] = {}
    for kind in ("marks", "interrogatives"):
        for value, phrases in words[kind].items():
            for phrase in phrases:
                known.setdefault(tuple(phrase.split()), Sense(kind, value))
    for kind in ("superlatives", "comparatives", "calendar", "phrases"):
        for phrase, value in words[kind].items():
            known.setdefault(tuple(phrase.split()), Sense(kind, value))
    for phrase in words["idioms"]:
        known.setdefault(tuple(phrase.split()), Sense("idioms", phrase))
    found: Lexicon = {}
    for phrase in sorted(known, key=len, reverse=True):
        found.setdefault(phrase[0], []).append((phrase, known[phrase]))
    return found


@cache
def word_set(name: str) -> frozenset[str]:
    """A list of `english.json` as it stands."""
    return frozenset(english()[name])


@cache
def fold_set(name: str) -> frozenset[str]:
    """A list of `english.json`, folded."""
    return frozenset(fold(word) for word in english()[name])


class Vocabulary:
    """The names of one catalog, folded; and which words are one on it.

    Two synonyms that the catalog both uses are two things there: a group of synonyms of which the catalog has more
    than one is not folded at all.
    """

    def __init__(self, catalog: Catalog) -> None:
        names = [identifier(table.name) for table in catalog.tables.values()]
        columns = [identifier(column.name) for _, column in catalog.columns()]
        self.words = frozenset(fold(word) for name in (*names, *columns) for word in name)
        self.tables = frozenset(self.concept(fold(name[-1])) for name in names if name)
        self.columns = frozenset(self.concept(fold(name[-1])) for name in columns if name)
        self.phrases: dict[str, list[tuple[str, ...]]] = {}
        for name in {tuple(map(fold, name)) for name in (*names, *columns) if len(name) > 1}:
            self.phrases.setdefault(name[0], []).append(name)
        for phrases in self.phrases.values():
            phrases.sort(key=len, reverse=True)
        self._table_phrases = frozenset("_".join(map(fold, name)) for name in names)
        self.meanings: dict[str, Any] = {}

    @cached_property
    def directional(self) -> bool:
        """Whether something goes from one to another here, so that "from" says more than "of"."""
        return not self.words.isdisjoint(fold_set("directional"))

    def is_table(self, concept: str) -> bool:
        return concept in self.tables or concept in self._table_phrases

    def is_name(self, concept: str) -> bool:
        return concept in self.columns or "_" in concept or self.is_table(concept)

    def concept(self, folded: str) -> str:
        """The one word that stands for `folded` and its synonyms on this catalog."""
        group = _groups().get(folded)
        if group is None:
            return folded
        here = [word for word in group if word in self.words]
        if len(here) > 1:
            return folded
        return here[0] if here else group[0]


def vocabulary(catalog: Catalog) -> Vocabulary:
    """The vocabulary of `catalog`, made once and kept with it, as its own cached properties are."""
    kept: Vocabulary | None = catalog.__dict__.get("_sameness_vocabulary")
    if kept is None:
        kept = catalog.__dict__["_sameness_vocabulary"] = Vocabulary(catalog)
    return kept


@cache
def _groups() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for group in english()["synonyms"]:
        words = tuple(dict.fromkeys(fold(word) for word in group))
        for word in words:
            found.setdefault(word, words)
    return found


def general(folded: str) -> str:
    """One word for `folded` and its synonyms, whatever the catalog."""
    return _groups().get(folded, (folded,))[0]


def is_silent(word: str) -> bool:
    """Whether a word says nothing of what is asked for."""
    return (
        word in word_set("gaps")
        or word in word_set("imperatives")
        or word in word_set("openers")
        or word in word_set("vacuous")
    )


@cache
def _participles() -> frozenset[str]:
    return frozenset(english()["participles"])


def _uninflected(word: str) -> str:
    """Without a plural, "-ed", "-ing" or a last "e"; good enough to see how the word was derived."""
    for ending, kept in (("ies", "y"), ("sses", "ss"), ("s", ""), ("ing", ""), ("ed", "")):
        if word.endswith(ending) and len(word) - len(ending) > 2 and not word.endswith(("ss", "us", "is")):
            word = word[: -len(ending)] + kept
            break
    return word.removesuffix("e")
