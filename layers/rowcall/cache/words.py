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
    stem: str = snowballstemmer.stemmer("english").stemWord(word)  # a stemmer is one thread's
    derived = _DERIVED.search(_uninflected(word))
    return f"{stem}.{derived.group()}" if derived else stem


def is_plural(word: str) -> bool:
    return word in ("people", "men", "women", "children", "kids", "staff") or (
        len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is", "series", "species"))
    )


def is_participle(word: str) -> bool:
    """Whether the word can say what was done: "ordered", "bought"."""
    word = word.partition(" ")[0]
    return (len(word) > 4 and word.endswith("ed") and not word.endswith("eed")) or word in _participles()


def identifier(name: str) -> tuple[str, ...]:
    """The words of a name: `customerAddress` and `customer_address` are customer, address; a unit is left out."""
    words = [part.casefold() for part in _CAMEL.split(name) if part]
    while len(words) > 1 and words[-1] in english()["units"]:
        words.pop()
    return tuple(words)


class Sense(NamedTuple):
    """What a phrase stands for: `kind` is a list of `english.json`, `value` what that list says of it."""

    kind: str
    value: str


_DOING = re.compile(r"...ings?$")

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

    Two synonyms that the catalog both uses are two things there, so a group of synonyms of which it has more than one
    is not folded at all. Nor is one whose only word here stands behind another in a name: a "blood type" is no kind.
    """

    def __init__(self, catalog: Catalog) -> None:
        tables = [identifier(table.name) for table in catalog.tables.values()]
        self._doings = frozenset(word.removesuffix("s") for name in tables for word in name if _DOING.search(word))
        columns = [identifier(column.name) for _, column in catalog.columns()]
        names = {tuple(map(self.fold, name)) for name in (*tables, *columns) if name}
        self.columns = frozenset(name[0] for name in columns if len(name) == 1)
        self.written = frozenset(word for name in (*tables, *columns) for word in name)
        self.words = frozenset(word for name in names for word in name)
        self._plain = frozenset(name[0] for name in names)
        self._names = names
        self._table_names = {tuple(map(self.fold, name)) for name in tables if name}
        self.tables = frozenset(
            {self.concept(name[-1]) for name in self._table_names} | set(map(self.name, self._table_names))
        )
        self._summed = frozenset(
            self.name(tuple(map(self.fold, identifier(table.name))))
            for table in catalog.tables.values()
            if any(
                not fold_set("amounts").isdisjoint(map(self.fold, identifier(column.name))) for column in table.columns
            )
        )
        self._known = frozenset(map(self.concept, self.words)) | frozenset(map(self.name, names))
        self.phrases: dict[str, list[tuple[str, ...]]] = {}
        for name in sorted(filter(_is_phrase, names), key=len, reverse=True):
            self.phrases.setdefault(name[0], []).append(name)
        self.meanings: dict[str, Any] = {}

    @cached_property
    def directional(self) -> bool:
        """Whether something goes from one to another here, so that "from" says more than "of"."""
        return not self.words.isdisjoint(fold_set("directional"))

    @cached_property
    def price(self) -> str:
        """What money is compared with where nothing else is named; empty where that is not plain."""
        price, cost = self.concept_of("price"), self.concept_of("cost")
        return price if price == cost else ""

    def fold(self, word: str) -> str:
        """`fold`, but that a table of "bookings" is not folded with "booked"."""
        return f"{fold(word)}.ing" if word.removesuffix("s") in self._doings else fold(word)

    def is_table(self, concept: str) -> bool:
        return concept in self.tables

    def is_counted(self, concept: str) -> bool:
        """Whether a total of these things can only be their number."""
        return concept in self.tables and concept not in self._summed

    def is_name(self, concept: str) -> bool:
        return concept in self._known

    def concept_of(self, words: str) -> str:
        """The concept of a word or phrase as it is written."""
        folded = [self.fold(word) for word in words.split()]
        return self.concept(folded[0]) if len(folded) == 1 else "_".join(folded)

    def concept(self, folded: str) -> str:
        """The one word that stands for `folded` and its synonyms on this catalog."""
        group = _groups().get(folded)
        if group is None:
            return folded
        here = [word for word in group if word in self.words]
        if not here:
            return group[0]
        return here[0] if len(here) == 1 and here[0] in self._plain else folded

    def name(self, name: tuple[str, ...]) -> str:
        """The concept of a name of several words: its last word, where no other name has that and none but the
        name's owner can be meant; else all of them."""
        last = name[-1]
        others = [other for other in self._names if other != name and last in other and fold("id") not in other]
        if len(name) == 1:
            return self.concept(last)
        particular = last in fold_set("generic") or not fold_set("particular").isdisjoint(name[:-1])
        return "_".join(name) if others or particular else last

    def measure(self, name: str) -> str:
        """What an adjective measures: the one column that is named by `name` or a synonym, if there is just one."""
        group = _groups().get(fold(name), (fold(name),))
        columns = [one for one in self._names - self._table_names if not set(group).isdisjoint(one)]
        return self.name(columns[0]) if len(columns) == 1 else self.concept_of(name)


def vocabulary(catalog: Catalog) -> Vocabulary:
    """The vocabulary of `catalog`, made once and kept with it, as its own cached properties are."""
    kept: Vocabulary | None = catalog.__dict__.get("_sameness_vocabulary")
    if kept is None:
        kept = catalog.__dict__["_sameness_vocabulary"] = Vocabulary(catalog)
    return kept


def _is_phrase(name: tuple[str, ...]) -> bool:
    """Whether a question would name it as it stands: "order date", but not "spent on"."""
    return len(name) > 1 and name[-1] not in word_set("particles")


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
