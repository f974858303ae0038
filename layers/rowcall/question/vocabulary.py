"""What the reader knows of a catalog: its enumerated values by their words, and the names that they may be mistaken for.

When is a word a value? A value of the catalog is found as whole words, longest first, without regard to case, to a simple
plural and to what joins its words ("in_progress", "in-progress", "in progress"). It is no part of a longer hyphenated word,
except behind "non-". A value of one word that means something else as well needs more:

- a function word ("all", "in", "or"), a single letter or the name of a table: only behind the name of its column ("state OR",
  "grade A", "type is orders"), or quoted, which makes it a text; "US" and "IT" also in capitals, where not all is;
- a word of frequency ("monthly"): there, and right before the name of its table ("monthly subscriptions");
- a column's name, or an adjective of every question ("new", "top", "first"): there, and where its table is named and no table
  with a column of that name is;
- a number, a date, a quoted text: never; a month or a quarter: where it stands without a year.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from rowcall.catalog import Catalog
from rowcall.question.tokens import Token, normalise, singular, tokenise, word_set

FUNCTION_WORDS = word_set("""a about above after all also although always am an and any are around as asc at avg be because been before being
    below between both but by can count could date day days desc did do does during each either else empty equal equals
    every except exclude excluding few fewer find for from get give greater group had has have he her here hers him his
    hour how i id if in include including into is it its latest least less like limit list many max maximum may me mean
    median min minimum month more most much my name neither no non none nor not null number of off on once one only or
    order other our out over own per percent please quarter range ratio same select share she show since so some sort
    such sum than that the their them then there these they this those through time to today tomorrow total under unique
    until up us versus very via vs was we week were what when where which while who whom whose why will with within
    without would year years yes yesterday yet you your average""")
ACRONYMS = word_set("us it he me am pm id we my hi ok")
_FREQUENCIES = word_set("hourly daily weekly biweekly monthly quarterly yearly annual annually")
_ADJECTIVES = word_set(
    "new old recent top bottom first second third last next previous past current best worst high higher highest low lower "
    "lowest long short large small big little overall popular"
)
_JOINERS = frozenset("-_./&")
_LINKS = word_set("is are was were = : of equal equals to as code the a an value")
_NUMERIC = ("smallint", "integer", "bigint", "numeric", "decimal", "real", "double precision", "money")


class Level(IntEnum):
    """How much a value of one word needs around it to be read as one."""

    FREE = 0
    MENTIONED = 1
    ADJACENT = 2
    NAMED = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One value: its spellings with their columns, and the last words of the columns and tables that make it plain."""

    spellings: dict[str, tuple[str, ...]]
    columns: tuple[str, ...]
    level: Level
    fields: frozenset[str]
    tables: frozenset[str]
    rivals: frozenset[str]

    def spelling(self, written: str) -> str:
        """As it is written, if the catalog has that; else the one most columns have."""
        if written in self.spellings:
            return written
        return max(self.spellings, key=lambda spelling: len(self.spellings[spelling]))


class Match(NamedTuple):
    """What the catalog has at a token, up to token `end`. No `entry`: a name of the schema, with a number in it."""

    end: int
    parts: int
    entry: Entry | None


def parts(tokens: Sequence[Token]) -> list[int]:
    """The tokens that count when words are compared: all but what joins words."""
    kept = []
    for at, token in enumerate(tokens):
        if token.word in _JOINERS and token.kind == "mark" and at and tokens[at - 1].end == token.start:
            ends = at + 1 == len(tokens) or tokens[at + 1].start != token.end
            if token.word == "." or not ends:
                continue
        kept.append(at)
    return kept


def _key(text: str) -> tuple[str, ...]:
    tokens = tokenise(normalise(text))
    return tuple(tokens[at].word for at in parts(tokens))


def _last(name: str) -> str:
    key = _key(name)
    return singular(key[-1]) if key else ""


class Vocabulary:
    """The words of one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        tables = {key: _last(table.name) for key, table in catalog.tables.items()}
        self.tables = frozenset(tables.values())
        self.numeric = frozenset(
            word
            for _, column in catalog.columns()
            if column.type.startswith(_NUMERIC)
            and "year" not in column.name.casefold()
            and (word := _last(column.name))
        )
        self.columns = frozenset(_last(column.name) for _, column in catalog.columns())
        self._exact: dict[tuple[str, ...], Entry | None] = {}
        self._singular: dict[tuple[str, ...], Entry | None] = {}
        self._lengths: dict[str, tuple[int, ...]] = {}

        named: dict[tuple[str, ...], set[str]] = {}
        for table, column in catalog.columns():
            named.setdefault(_singulars(_key(column.name)), set()).add(tables[table.key])
        for name in {table.name for table in catalog.tables.values()} | {c.name for _, c in catalog.columns()}:
            self._protect(_key(name))
        entities: dict[tuple[str, ...], dict[str, tuple[str, ...]]] = {}
        for spellings in catalog.entities.values():
            for value, columns in spellings.items():
                entities.setdefault(_key(value), {})[value] = columns
        table_keys = {_singulars(_key(table.name)) for table in catalog.tables.values()}
        for key, spellings in entities.items():
            if key and len(key) < 16 and any(part[0].isalpha() for part in key):
                self._add(key, self._entry(key, spellings, tables, table_keys, named))
        self._lengths = {first: tuple(sorted(lengths, reverse=True)) for first, lengths in self._lengths.items()}

    def _entry(
        self,
        key: tuple[str, ...],
        spellings: dict[str, tuple[str, ...]],
        tables: dict[str, str],
        table_keys: set[tuple[str, ...]],
        named: dict[tuple[str, ...], set[str]],
    ) -> Entry:
        columns = tuple(sorted({column for each in spellings.values() for column in each}))
        one = _singulars(key)
        rivals = frozenset(named.get(one, ()))
        level = Level.FREE
        if one in table_keys or all(word in FUNCTION_WORDS for word in key) or (len(key) == 1 and len(key[0]) == 1):
            level = Level.NAMED
        elif len(key) == 1 and key[0] in _FREQUENCIES:
            level = Level.ADJACENT
        elif rivals or (len(key) == 1 and key[0] in _ADJECTIVES):
            level = Level.MENTIONED
        held = [column.rpartition(".") for column in columns]
        return Entry(
            spellings,
            columns,
            level,
            frozenset(_last(name) for _, _, name in held),
            frozenset(tables[table] for table, _, _ in held) - rivals,
            rivals,
        )

    def _protect(self, key: tuple[str, ...]) -> None:
        """A name with a number in it is a name: "address 1" is no address and a 1."""
        if (
            any(part[0].isdigit() and len(part) < 4 for part in key[1:])
            and key[0] not in FUNCTION_WORDS
            and key[0] not in _ADJECTIVES
        ):
            self._add(key, None)

    def _add(self, key: tuple[str, ...], entry: Entry | None) -> None:
        one = _singulars(key)
        self._exact.setdefault(key, entry)
        self._singular.setdefault(one, entry)
        lengths = self._lengths.get(one[0], ())
        if len(key) not in lengths:
            self._lengths[one[0]] = (*lengths, len(key))

    def has(self, word: str) -> bool:
        """Whether `word` is a value of the catalog."""
        return self._exact.get((word,)) is not None or self._singular.get((singular(word),)) is not None

    def match(self, tokens: Sequence[Token], words: Sequence[str], kept: Sequence[int], position: int) -> Match | None:
        """The longest name or value that starts at `kept[position]`."""
        lengths = self._lengths.get(singular(words[kept[position]]))
        if lengths is None:
            return None
        for length in lengths:
            at = kept[position : position + length]
            if len(at) < length:
                continue
            key = tuple([words[each] for each in at])
            one = key if key in self._exact else _singulars(key)
            found = self._exact if key in self._exact else self._singular
            if one in found and _whole(tokens, at[0], at[-1]):
                return Match(at[-1] + 1, length, found[one])
        return None

    def plain(self, entry: Entry, text: str, tokens: Sequence[Token], words: Sequence[str], at: int, end: int) -> bool:
        """Whether what stands around it makes the value `entry` of tokens `[at, end)` one; see above."""
        if entry.level == Level.FREE:
            return True
        before = at - 1
        while before > at - 4 and before >= 0 and words[before] in _LINKS:
            before -= 1
        if before >= 0 and singular(words[before]) in entry.fields:
            return True
        if entry.level == Level.NAMED:
            written = text[tokens[at].start : tokens[end - 1].end]
            return words[at] in ACRONYMS and written in entry.spellings and written.isupper() and not text.isupper()
        if singular(words[end]) in entry.tables:
            return True
        if entry.level == Level.ADJACENT:
            return False
        mentioned = {singular(word) for word in words}
        return not mentioned.isdisjoint(entry.tables) and mentioned.isdisjoint(entry.rivals)


def _singulars(key: Iterable[str]) -> tuple[str, ...]:
    return tuple([singular(word) for word in key])


def _whole(tokens: Sequence[Token], first: int, last: int) -> bool:
    """Whether tokens `[first, last]` are no fragment of a longer joined word; "non-" may stand before them."""
    if first > 1 and tokens[first - 1].word in ("-", "_", ".") and tokens[first - 2].end + 1 == tokens[first].start:
        return tokens[first - 1].word == "-" and tokens[first - 2].word == "non"
    following = tokens[last + 1 : last + 3]
    return not (
        len(following) == 2
        and following[0].word in ("-", "_", ".")
        and following[0].start == tokens[last].end
        and following[1].start == following[0].end
    )


def vocabulary(catalog: Catalog) -> Vocabulary:
    """The vocabulary of `catalog`, made once and kept with it, as its own cached properties are."""
    kept: Vocabulary | None = catalog.__dict__.get("_vocabulary")
    if kept is None:
        kept = catalog.__dict__["_vocabulary"] = Vocabulary(catalog)
    return kept
