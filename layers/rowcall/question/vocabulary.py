"""What the reader knows of a catalog: its enumerated values by their words, and the names they may be mistaken for.

When is a word a value? Values are found as whole words, longest first, without regard to case, accents, a simple plural
and what joins their words ("in_progress", "in-progress", "in progress"; "&" is "and"). A value is no part of a longer
joined word, except behind "non-". What may as well mean something else needs more around it:

- a function word ("all", "in", "or"), a single letter or a table's name: the name of its column before it ("state OR",
  "grade A", "type is orders"). "US" and "IT" may also stand in capitals, where not everything does;
- a word of frequency ("monthly"): that, or the name of its table right behind it ("monthly subscriptions");
- a column's name, or an adjective of any question ("new", "top"): those, or its table named anywhere, if no table is
  named that has a column of that name;
- after one value, "and" or "or", another of its column is plain ("grade A or B");
- a month or a quarter is a value where it stands without a year; a number, a date or a quoted text never is one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from rowcall.catalog import Catalog
from rowcall.question.tokens import Token, normalise, singular, tokenise, word_set

if TYPE_CHECKING:
    from rowcall.question.line import Line

FUNCTION_WORDS = word_set(
    """a about above after all also although always am an and any are around as asc at average avg be because been
    before being below between both but by can count could date day days desc did do does during each either
    else empty equal equals every except exclude excluding few fewer find for from get give greater group had
    has have he her here hers him his hour how i id if in include including into is it its latest least less
    like limit list many max maximum may me mean median min minimum month more most much my name neither no non
    none nor not null number of off on once one only or order other our out over own per percent please quarter
    range ratio same select share she show since so some sort such sum than that the their them then there these
    they this those through time to today tomorrow total under unique until up us versus very via vs was we week
    were what when where which while who whom whose why will with within without would year years yes yesterday
    yet you your"""
)
ACRONYMS = word_set("us it he me am pm id we my hi ok")
_FREQUENCIES = word_set("hourly daily weekly biweekly monthly quarterly yearly annual annually")
_ADJECTIVES = word_set(
    """new old recent top bottom first second third last next previous past current best worst high higher highest low
    lower lowest long short large small big little overall popular"""
)
_LINKS = word_set("is are was were = : of equal equals to as code the a an value")
_JOINERS = frozenset("-_./")
_NUMERIC = ("smallint", "integer", "bigint", "numeric", "decimal", "real", "double precision", "money")

Key = tuple[str, ...]


class Level(IntEnum):
    """How much a value needs around it, see above."""

    FREE = 0
    MENTIONED = 1
    ADJACENT = 2
    NAMED = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One value. `columns` hold it, each with the last word of its table's name. `fields`, `tables` and `rivals` are
    the last words of its columns, of its tables that have no column named like it, and of the tables that do."""

    spellings: dict[str, tuple[str, ...]]
    columns: dict[str, str]
    level: Level
    fields: frozenset[str]
    tables: frozenset[str]
    rivals: frozenset[str]

    def spelling(self, written: str) -> str:
        """As it is written, if the catalog has that; else the spelling that most columns have."""
        if written in self.spellings:
            return written
        return max(self.spellings, key=lambda spelling: len(self.spellings[spelling]))


class Match(NamedTuple):
    """What the catalog has up to token `end`: a value, or, with no `entry`, a name with a number in it."""

    end: int
    entry: Entry | None


def parts(tokens: Sequence[Token]) -> list[int]:
    """The tokens that count when words are compared: all but what joins words, and the points of abbreviations."""
    kept = []
    for at, token in enumerate(tokens):
        if token.word in _JOINERS and at and tokens[at - 1].end == token.start:
            last = at + 1 == len(tokens) or tokens[at + 1].start != token.end
            if token.word == "." or not last:
                continue
        kept.append(at)
    return kept


@lru_cache(maxsize=8192)
def _key(text: str) -> Key:
    words = text.lower().split()
    if text.isascii() and all(word.isalnum() and word[0].isalpha() for word in words):
        return tuple(words)  # as they would be cut, without the cutting
    tokens = tokenise(normalise(text))
    return tuple(["and" if tokens[at].word == "&" else tokens[at].word for at in parts(tokens)])


def _singulars(key: Iterable[str]) -> Key:
    return tuple([singular(word) for word in key])


def _without_accents(word: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFD", word) if not unicodedata.combining(letter))


@cache
def _last(name: str) -> str:
    key = _key(name)
    return singular(key[-1]) if key else ""


class Vocabulary:
    """The words of one catalog. What stands around a value is looked into only when the value is met."""

    def __init__(self, catalog: Catalog) -> None:
        self.tables = frozenset(_last(table.name) for table in catalog.tables.values())
        columns = list(catalog.columns())
        self.numeric = frozenset(
            _last(column.name)
            for _, column in columns
            if column.type.startswith(_NUMERIC) and "year" not in column.name.casefold()
        )
        self._catalog = catalog
        self._table_keys = {_singulars(_key(table.name)) for table in catalog.tables.values()}
        self._named: dict[Key, set[str]] = {}
        for table, column in columns:
            self._named.setdefault(_singulars(_key(column.name)), set()).add(_last(table.name))

        self._values: dict[Key, dict[str, tuple[str, ...]]] = {}
        self._alike: dict[Key, Key] = {}
        self._lengths: dict[str, tuple[int, ...]] = {}
        self._entries: dict[Key, Entry] = {}
        for name in {_key(table.name) for table in catalog.tables.values()} | {_key(c.name) for _, c in columns}:
            # "address 1" is a name, and no address and a 1; "last_30_days" is what a question says of a period
            if any(part[0].isdigit() and len(part) < 4 for part in name[1:]) and name[0] not in _ADJECTIVES:
                self._learn(name)
        for spellings in catalog.entities.values():
            for value, held in spellings.items():
                key = _key(value)
                if 0 < len(key) < 16 and any(part[0].isalpha() for part in key):
                    self._values.setdefault(key, {})[value] = held
                    self._learn(key)
                    if not value.isascii():
                        self._learn(key, _singulars(_without_accents(word) for word in key))

    def _learn(self, key: Key, alike: Key = ()) -> None:
        alike = alike or _singulars(key)
        self._alike.setdefault(alike, key)
        lengths = self._lengths.get(alike[0], ())
        if len(key) not in lengths:
            self._lengths[alike[0]] = tuple(sorted((*lengths, len(key)), reverse=True))

    def has(self, word: str) -> bool:
        """Whether `word` is a value of the catalog."""
        return self._alike.get((singular(word),)) in self._values

    def match(self, line: Line, at: int) -> Match | None:
        """The longest name or value that starts at token `at`."""
        lengths = self._lengths.get(singular(line.words[at]))
        position = line.position.get(at)
        if lengths is None or position is None:
            return None
        for length in lengths:
            tokens = line.kept[position : position + length]
            if len(tokens) < length:
                continue
            key: Key | None = tuple([line.words[each] for each in tokens])
            if key not in self._values:
                key = self._alike.get(_singulars(key or ()))
            if key is not None and _whole(line.tokens, at, tokens[-1]):
                return Match(tokens[-1] + 1, self._entry(key) if key in self._values else None)
        return None

    def _entry(self, key: Key) -> Entry:
        if key in self._entries:
            return self._entries[key]
        spellings = self._values[key]
        columns = sorted({column for held in spellings.values() for column in held})
        rivals = frozenset(self._named.get(_singulars(key), ()))
        level = Level.FREE
        if _singulars(key) in self._table_keys or FUNCTION_WORDS.issuperset(key) or (len(key) == 1 == len(key[0])):
            level = Level.NAMED
        elif len(key) == 1 and key[0] in _FREQUENCIES:
            level = Level.ADJACENT
        elif rivals or (len(key) == 1 and key[0] in _ADJECTIVES):
            level = Level.MENTIONED
        held = [column.rpartition(".") for column in columns]
        entry = self._entries[key] = Entry(
            spellings,
            {
                column: _last(self._catalog.tables[table].name)
                for column, (table, _, _) in zip(columns, held, strict=True)
            },
            level,
            frozenset(_last(name) for _, _, name in held),
            frozenset(_last(self._catalog.tables[table].name) for table, _, _ in held) - rivals,
            rivals,
        )
        return entry

    def quoted(self, written: str) -> dict[str, str]:
        """The columns that hold a quoted text as a value, each with the last word of its table's name."""
        held = self._catalog.entities.get(written.casefold(), {})
        columns = sorted({column for columns in held.values() for column in columns})
        return {column: _last(self._catalog.tables[column.rpartition(".")[0]].name) for column in columns}

    def is_plain(self, entry: Entry, line: Line, at: int, end: int) -> bool:
        """Whether tokens `[at, end)` mean the value `entry` there."""
        if entry.level == Level.FREE:
            return True
        words = line.words
        before = at - 1
        while before > at - 4 and before >= 0 and words[before] in _LINKS:
            before -= 1
        if before >= 0 and singular(words[before]) in entry.fields:
            return True
        beside = line.slots.get(before - 1) if before > 0 and words[before] in ("and", "or", ",") else None
        if beside and not set(beside.columns).isdisjoint(entry.columns):
            return True
        if entry.level == Level.NAMED:
            written = line.text[line.tokens[at].start : line.tokens[end - 1].end]
            return (
                words[at] in ACRONYMS and written in entry.spellings and written.isupper() and not line.text.isupper()
            )
        if singular(words[end]) in entry.tables:
            return True
        if entry.level == Level.ADJACENT:
            return False
        return not line.mentioned.isdisjoint(entry.tables) and line.mentioned.isdisjoint(entry.rivals)


def of_mentioned(columns: dict[str, str], mentioned: frozenset[str]) -> tuple[str, ...]:
    """Those columns whose table, told by its last word, is mentioned; all of them where none is."""
    return tuple(column for column, table in columns.items() if table in mentioned) or tuple(columns)


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
