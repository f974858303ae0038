"""A catalog as people speak of it: which words name which table or column, what each column is for, how tables join.

Built once per catalog and kept. Declared keys come first; where a database declares none, they are inferred from
names alone. No name of any particular database may stand here.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from rowcall.catalog import Catalog, Column, Table
from rowcall.planners.grammar.words import split_identifier, stem, synonyms

T = TypeVar("T")

NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision", "money")
DATES = ("date", "timestamp without time zone", "timestamp with time zone", "timestamp", "timestamptz")
_ID = frozenset({"id", "uuid", "key", "code", "pk"})
_SUFFIXES = frozenset({"name", "code", "id", "number", "date", "time", "timestamp", "at", "on", "text", "flag"})
_COUNTS = frozenset({"number", "count"})
_GENERIC = frozenset({"id", "name", "code", "key", "number", "title"})
_FILLERS = frozenset({"table", "information", "detail", "details", "data", "record", "records", "tbl", "dim", "fact"})


@dataclass(frozen=True)
class Field:
    """One column, the words of its name, and what it is: a key, a number, a date, a flag or a text."""

    table: str
    column: Column
    words: tuple[str, ...]
    key: bool

    @property
    def name(self) -> str:
        return self.column.name

    @property
    def qualified(self) -> str:
        return f"{self.table}.{self.column.name}"

    @property
    def stems(self) -> tuple[str, ...]:
        return tuple(stem(word) for word in self.words)

    @property
    def is_date(self) -> bool:
        return self.column.type in DATES

    @property
    def is_flag(self) -> bool:
        """A yes or no; also where a database keeps it as 1 or 0 under a name such as `is_open`."""
        return self.column.type == "boolean" or (
            self.words[0] in {"is", "has"} and len(self.words) > 1 and self.column.type in NUMBERS[:3]
        )

    @property
    def is_number(self) -> bool:
        """A quantity: a numeric column that is neither a key nor the number of a year."""
        return self.column.type.startswith(NUMBERS) and not self.key and not self.is_year and not self.is_flag

    @property
    def is_text(self) -> bool:
        return not (self.is_date or self.is_flag or self.column.type.startswith(NUMBERS))

    @property
    def is_year(self) -> bool:
        return self.column.type.startswith(NUMBERS[:4]) and "year" in self.words

    @property
    def counts(self) -> tuple[str, ...] | None:
        """What a column such as `review_count`, `num_reviews` or `seats` counts, as stems."""
        if not self.is_number:
            return None
        if len(self.words) == 1:
            word, whole = self.words[0], self.column.type.startswith(NUMBERS[:3])
            return self.stems if whole and word.endswith("s") and not word.endswith(("ss", "us", "is")) else None
        if self.words[0] in _COUNTS:
            return self.stems[1:]
        if self.words[-1] in _COUNTS and not self.name.casefold().endswith(("number", "_no")):
            return self.stems[:-1]  # but a `room_number` tells rooms apart
        return None


@dataclass(frozen=True)
class Mention:
    """What a phrase may mean: a table or a field, and how well the words fit (1 is the whole name)."""

    table: str
    field: Field | None
    weight: float


@dataclass(frozen=True)
class Step:
    """One join. `up` goes from the table that holds the reference to the one it points to (many to one)."""

    source: str
    target: str
    on: tuple[tuple[str, str], ...]
    up: bool
    role: tuple[str, ...] = ()

    def reversed(self) -> Step:
        return Step(self.target, self.source, tuple((b, a) for a, b in self.on), not self.up, self.role)


Path = tuple[Step, ...]


class Ambiguous(Exception):
    """Two ways that are equally good."""


class Schema:
    """The tables, fields, words and joins of one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.tables: dict[str, Table] = dict(catalog.tables)
        self._keys: dict[str, tuple[str, ...]] = {}
        self._links: dict[str, bool] = {}
        self._looked_up: dict[tuple[str, ...], list[Mention]] = {}
        self._table_words = self._read_tables()
        self.fields: dict[str, dict[str, Field]] = {key: self._read_fields(key) for key in self.tables}
        self.steps = self._read_steps()
        self.tried: dict[str, bool] = {}  # suggestions, and whether they can be answered
        self._paths: dict[tuple[str, str], Path | None] = {}

    # -- words -------------------------------------------------------------------------------------------------

    def _read_tables(self) -> dict[str, tuple[str, ...]]:
        names = {key: table.name for key, table in self.tables.items()}
        shared = _common_prefix(list(names.values())) if len(names) > 2 else ""
        if "_" in shared:
            shared = shared[: shared.rindex("_") + 1]
        elif len(shared) < 2 or any(len(name) - len(shared) < 3 for name in names.values()):
            shared = ""
        return {key: split_identifier(name[len(shared) :]) for key, name in names.items()}

    @cached_property
    def _known(self) -> frozenset[str]:
        """Words of this database's own names, by which run-together names are cut."""
        found: set[str] = set()
        for words in self._table_words.values():
            for word in words:
                if len(word) > 3:
                    found.update((word, word.removesuffix("s")))
        return frozenset(found)

    def _read_fields(self, key: str) -> dict[str, Field]:
        table = self.tables[key]
        names = [column.name for column in table.columns]
        shared = _common_prefix(names) if len(names) > 2 else ""
        if "_" in shared:
            shared = shared[: shared.rindex("_") + 1]
        elif len(shared) < 3 or shared in names:
            shared = ""
        keys = self._key_columns(table, shared)
        fields = {}
        for column in table.columns:
            words = split_identifier(column.name[len(shared) :], self._known)
            is_key = (
                column.name in keys
                or any(column.name in foreign.columns for foreign in table.foreign_keys)
                or (words[-1] in {"id", "uuid"} and not column.type.startswith(("numeric", "double", "real")))
            )
            fields[column.name] = Field(key, column, words, is_key)
        return fields

    def table_stems(self, key: str) -> tuple[str, ...]:
        return tuple(stem(word) for word in self._table_words[key])

    def table_words(self, key: str) -> str:
        return " ".join(self._table_words[key])

    @cached_property
    def _vocabulary(self) -> dict[tuple[str, ...], list[Mention]]:
        found: dict[tuple[str, ...], dict[tuple[str, str], Mention]] = defaultdict(dict)

        def add(words: Iterable[str], table: str, field: Field | None, weight: float) -> None:
            phrase = tuple(stem(word) for word in words)
            name = (table, field.name if field else "")
            if phrase and (name not in found[phrase] or found[phrase][name].weight < weight):
                found[phrase][name] = Mention(table, field, weight)

        for key, words in self._table_words.items():
            add(words, key, None, 1.0)
            add(("".join(words),), key, None, 0.95)
            if len(words) > 1:
                core = tuple(word for word in words if word not in _FILLERS)
                add(core, key, None, 0.9)
                for start in range(1, len(core)):
                    add(core[start:], key, None, 0.6)
                for end in range(1, len(core)):
                    add(core[:end], key, None, 0.5)
            for field in self.fields[key].values():
                for phrase, weight in self._phrases(field, words):
                    add(phrase, key, field, weight)
                if 1 < len(field.words) < 4:
                    add(("".join(field.words),), key, field, 0.9)
        return {phrase: list(mentions.values()) for phrase, mentions in found.items()}

    def _phrases(self, field: Field, table: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], float]]:
        words = field.words
        yield words, 1.0
        if len(words) == 1:
            return
        stems, own = field.stems, tuple(stem(word) for word in table)
        if stems[: len(own)] == own and len(words) > len(own):
            yield words[len(own) :], 0.95
        if words[0] in {"is", "has", "was", "can"}:
            yield words[1:], 0.9
            return
        core = words
        while len(core) > 1 and core[-1] in _SUFFIXES and core[-1] != "id":
            core = core[:-1]
        if core != words:
            yield core, 0.85
        if field.counts:
            core = words[1:] if words[0] in _COUNTS else words[:-1]
            yield core, 0.8
            return
        if words[0] in {"total", "full", "average"}:
            yield words[1:], 0.8
        for start in range(1, len(words)):
            if words[start:] != ("id",):
                yield words[start:], 0.7
        if words[-1] not in _ID:
            for end in range(1, len(words)):
                yield words[:end], 0.55

    def lookup(self, stems: tuple[str, ...]) -> list[Mention]:
        """What these words may name, best first; synonyms count for less than the words themselves."""
        if stems not in self._looked_up:
            if len(self._looked_up) > 10_000:
                self._looked_up.clear()
            self._looked_up[stems] = self._look_up(stems)
        return self._looked_up[stems]

    def _look_up(self, stems: tuple[str, ...]) -> list[Mention]:
        found = {(one.table, one.field): one for one in self._vocabulary.get(stems, [])}
        for position, word in enumerate(stems):
            for other in synonyms(word):
                for one in self._vocabulary.get((*stems[:position], other, *stems[position + 1 :]), []):
                    name = (one.table, one.field)
                    weight = one.weight * 0.8
                    if name not in found or found[name].weight < weight:
                        found[name] = Mention(one.table, one.field, weight)
        return sorted(found.values(), key=lambda one: -one.weight)

    @cached_property
    def longest(self) -> int:
        return max((len(phrase) for phrase in self._vocabulary), default=0)

    # -- what columns are for ----------------------------------------------------------------------------------

    def _key_columns(self, table: Table, shared: str) -> tuple[str, ...]:
        if table.primary_key:
            return table.primary_key
        if table.unique:
            return min(table.unique, key=len)
        own = {"".join(self._table_words[table.key]), table.name.casefold()}
        own |= {stem(word) for word in own} | {word.removesuffix("s") for word in own}
        words = self._table_words[table.key]
        last = words[-1]
        if self._last_words[last] == 1:
            own |= {last, stem(last), last.removesuffix("s")}
        initials = {"".join(word[0] for word in words)}
        flat = {column.name: column.name.casefold().replace("_", "") for column in table.columns}
        for suffix in ("id", "code", "key", "name"):
            for name, run in flat.items():
                if run.endswith(suffix) and run.removesuffix(suffix) in own:
                    return (name,)
            if suffix == "id":
                for wanted in ("id", shared.casefold() + "id", *(initial + "id" for initial in initials)):
                    for name, run in flat.items():
                        if run == wanted:
                            return (name,)
        return self._first_column(table)

    def _first_column(self, table: Table) -> tuple[str, ...]:
        """The key of a table that others refer to by its name: its first column, if that is of the same type."""
        first, named = table.columns[0], self._table_words[table.key]
        words = split_identifier(first.name, self._known)
        if words in self._references and words not in {(*named, "id"), (*named, "code")}:
            return ()
        referring = [one for names in (named, (*named, "id")) for one in self._columns.get(names, ())]
        return (first.name,) if any(key != table.key and kind == _kind(first) for key, kind in referring) else ()

    @cached_property
    def _last_words(self) -> Counter[str]:
        """How many tables end in a word."""
        return Counter(words[-1] for words in self._table_words.values() if words)

    @cached_property
    def _references(self) -> frozenset[tuple[str, ...]]:
        """The words by which a column may refer to some table."""
        return frozenset(words + end for words in self._table_words.values() for end in ((), ("id",), ("code",)))

    @cached_property
    def _columns(self) -> Mapping[tuple[str, ...], Sequence[tuple[str, str]]]:
        """The columns by the words of their names: the table and kind of each."""
        found: dict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
        for key, table in self.tables.items():
            for column in table.columns:
                found[split_identifier(column.name, self._known)].append((key, _kind(column)))
        return dict(found)

    @cached_property
    def _lone_identifiers(self) -> dict[str, str]:
        """A table without a key, whose one identifying column no other table owns: that column serves as its key."""
        owned = {self.key(key) for key in self.tables if self.key(key)}
        found = {}
        for key, fields in self.fields.items():
            if not self.key(key):
                candidates = [f.name for f in fields.values() if f.words[-1] in {"id", "code", "name", "key"}]
                if len(candidates) == 1 and tuple(candidates) not in owned:
                    found[key] = candidates[0]
        return found

    def key(self, key: str) -> tuple[str, ...]:
        """The columns that tell the rows of a table apart, declared or inferred; may be empty."""
        if key not in self._keys:
            table = self.tables[key]
            names = [column.name for column in table.columns]
            shared = _common_prefix(names) if len(names) > 2 else ""
            self._keys[key] = self._key_columns(table, shared)
        return self._keys[key]

    def names(self, key: str) -> tuple[Field, ...]:
        """The columns by which people call a row of this table: its name or title, else its key."""
        fields = self.fields[key]
        own = self.table_stems(key)
        by_stems = {field.stems: field for field in reversed(fields.values()) if field.is_text}
        for wanted in (("name",), ("titl",), (*own, "name"), (*own, "titl"), (own[-1], "name"), ("full", "name")):
            if wanted in by_stems:
                return (by_stems[wanted],)
        if ("first", "name") in by_stems and ("last", "name") in by_stems:
            return (by_stems["first", "name"], by_stems["last", "name"])
        for wanted in (own, ("user", "name"), ("label",), ("display", "name")):
            if wanted in by_stems:
                return (by_stems[wanted],)
        named = [
            field
            for field in fields.values()
            if field.is_text
            and field.words[-1] in {"name", "title"}
            and not field.key
            and self.up(key, field.name) is None
        ]
        if len(named) == 1:
            return (named[0],)
        return tuple(fields[name] for name in self.key(key) if name in fields)

    def main_date(self, key: str) -> Field | None:
        """The date that people mean when they say when a row of this table was."""
        dates = [field for field in self.fields[key].values() if field.is_date]
        if len(dates) <= 1:
            return dates[0] if dates else None
        own = set(self.table_stems(key))

        def rank(field: Field) -> tuple[int, int]:
            stems = set(field.stems) - {"date", "at", "on", "time", "timestamp", "datetim"}
            if not stems or stems <= own:
                return (0, 0)
            if stems & {stem("placed"), stem("ordered"), stem("occurred"), stem("sold"), stem("event")}:
                return (1, 0)
            if stems & {stem("created"), stem("create")}:
                return (2, 0)
            if stems & {stem("start"), stem("started"), stem("begin"), stem("submitted"), stem("reported")}:
                return (3, 0)
            if stems & {stem("updated"), stem("deleted"), stem("modified"), stem("due"), stem("birth"), stem("end")}:
                return (9, 0)
            return (5, 0)

        ranked = sorted(dates, key=rank)
        return ranked[0] if rank(ranked[0]) < rank(ranked[1]) else None

    # -- joins -------------------------------------------------------------------------------------------------

    def _read_steps(self) -> dict[str, list[Step]]:
        found: dict[str, list[Step]] = defaultdict(list)
        for key in self.tables:
            for step in (*self._declared(key), *self._inferred(key)):
                found[step.source].append(step)
                found[step.target].append(step.reversed())
        return found

    def _declared(self, key: str) -> Iterator[Step]:
        for foreign in self.tables[key].foreign_keys:
            if foreign.table in self.tables:
                role = self._role(self.fields[key].get(foreign.columns[0]), foreign.table)
                yield Step(key, foreign.table, tuple(zip(foreign.columns, foreign.references, strict=True)), True, role)

    def _role(self, field: Field | None, target: str) -> tuple[str, ...]:
        if field is None:
            return ()
        own = set(self.table_stems(target)) | {"id", "code", "key", "uuid", "name", "number"}
        return tuple(one for one in field.stems if one not in own and not synonyms(one) & own)

    def _inferred(self, key: str) -> Iterator[Step]:
        table = self.tables[key]
        declared = {name for foreign in table.foreign_keys for name in foreign.columns}
        own = self.key(key)
        for field in self.fields[key].values():
            if field.name in declared:
                continue
            best: list[Step] = []
            for other in self._candidates(field):
                if other == key:
                    continue
                target = self._target(other)
                if target is None or (own == (field.name,) and self.key(other) != (target,)):
                    continue
                at = self.fields[other][target]
                if _family(at) != _family(field):
                    continue
                role = self._points(field, other, at)
                if role is not None and not (own == (field.name,) and field.name != target):
                    best.append(Step(key, other, ((field.name, target),), True, role))
            plain = [step for step in best if not step.role] or best
            if len(plain) == 1:
                yield plain[0]

    def _candidates(self, field: Field) -> Iterable[str]:
        """All tables to which a column may point, and few others: there may be thousands."""
        called = [stems[start:] for stems in (field.stems, field.stems[:-1]) for start in range(len(stems))]
        called += [(other,) for other in synonyms(field.stems[0])]
        found = [key for names in called for key in self._called.get(names, ())]
        return dict.fromkeys((*found, *self._keyed.get(field.name, ())))

    @cached_property
    def _called(self) -> Mapping[tuple[str, ...], Sequence[str]]:
        """The tables by the stems of their names."""
        return _by(self.table_stems, self.tables)

    @cached_property
    def _keyed(self) -> Mapping[str, Sequence[str]]:
        """The tables by the name of the one column that is their key, where that says of what."""
        targets = {key: name for key in self.tables if (name := self._target(key)) and name.casefold() not in _GENERIC}
        return _by(targets.__getitem__, targets)

    def _target(self, key: str) -> str | None:
        """The one column by which others point to a table."""
        own = self.key(key)
        return own[0] if len(own) == 1 else None if own else self._lone_identifiers.get(key)

    def _points(self, field: Field, other: str, at: Field) -> tuple[str, ...] | None:
        """The role in which a column points to another table ("from" of `from_airport`), or `None` if it does not."""
        if field.name == at.name:
            return None if at.name.casefold() in _GENERIC else ()
        own, stems = self.table_stems(other), field.stems
        suffixed = len(stems) > 1 and stems[-1] in {"id", "code", "key", "uuid"}
        core = stems[:-1] if suffixed else stems
        if core == own or (suffixed and len(own) == 1 and core and own[0] in synonyms(core[-1]) and len(core) == 1):
            return () if suffixed or at.words[-1] in {"id", "code"} or self._is_first(at) else None
        if len(core) > len(own) and core[-len(own) :] == own and (suffixed or at.words[-1] == "code"):
            return core[: -len(own)]
        return None

    def _is_first(self, field: Field) -> bool:
        return self.tables[field.table].columns[0].name == field.name and field.column.type.startswith(NUMBERS[:3])

    def up(self, key: str, column: str) -> Step | None:
        """The reference that a column alone makes, if any."""
        for step in self.steps[key] if hasattr(self, "steps") else ():
            if step.up and step.on[0][0] == column and len(step.on) == 1:
                return step
        return None

    def is_link(self, key: str) -> bool:
        """A table that only relates others: nothing but references, or nearly so."""
        if key not in self._links:
            self._links[key] = self._only_relates(key)
        return self._links[key]

    def _only_relates(self, key: str) -> bool:
        refs = {a for step in self.steps[key] if step.up for a, _ in step.on}
        others = [f for f in self.fields[key].values() if f.name not in refs and not (f.key and len(refs) > 1)]
        return len({step.target for step in self.steps[key] if step.up}) >= 2 and not others

    def rivalled(self, path: Path) -> bool:
        """Whether another way, through other tables, is hardly longer."""
        between = {step.target for step in path[:-1]}
        if len(path) == 2 and self.is_link(path[0].target):
            return False  # a table that does nothing but relate these two
        cost = sum(self._price(step) for step in path)
        others = self._shortest(path[0].source, path[-1].target, between)
        return any(sum(self._price(step) for step in other) <= cost + 1.05 for other in others)

    def linked(self, source: str, target: str) -> bool:
        """Whether a table whose key is a pair of these two relates them as well, whatever else it tells."""
        for key, steps in self.steps.items():
            ups = [step for step in steps if step.up and step.target in {source, target}]
            columns = {own for step in ups for own, _ in step.on}
            if {step.target for step in ups} == {source, target} and columns == set(self.key(key)):
                return True
        return False

    def path(self, source: str, target: str) -> Path | None:
        """The one best way to join; `None` if there is none; raises `Ambiguous` when two are equally short."""
        if source == target:
            return ()
        name = (source, target)
        if name not in self._paths:
            self._paths[name] = None
            found = self._shortest(source, target)
            if found and len(found) > 1:
                self._paths.pop(name)
                raise Ambiguous(f"{source} and {target} are related in more than one way")
            self._paths[name] = found[0] if found else None
        return self._paths[name]

    def _price(self, step: Step) -> float:
        return (0.75 if self.is_link(step.target) or self.is_link(step.source) else 1.0) + 0.1 * bool(step.role)

    def _shortest(self, source: str, target: str, avoid: Iterable[str] = ()) -> list[Path]:
        best: dict[str, float] = {source: 0.0}
        heap: list[tuple[float, int, str, Path]] = [(0.0, 0, source, ())]
        found: list[Path] = []
        limit, serial = 5.0, 0
        while heap:
            cost, _, at, path = heapq.heappop(heap)
            if cost > limit:
                break
            if at == target:
                limit = cost
                found.append(path)
                continue
            if cost > best.get(at, cost):
                continue
            for step in self.steps[at]:
                if step.target == source or any(step.target == one.source for one in path):
                    continue
                if step.target in avoid:
                    continue
                price = self._price(step)
                if price + cost <= best.get(step.target, price + cost):
                    best[step.target] = price + cost
                    serial += 1
                    heapq.heappush(heap, (price + cost, serial, step.target, (*path, step)))
        return found


def _common_prefix(names: list[str]) -> str:
    """The characters with which all of these begin."""
    first, last = min(names), max(names)
    return first[: next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


def _by(name: Callable[[str], T], keys: Iterable[str]) -> dict[T, list[str]]:
    found: dict[T, list[str]] = defaultdict(list)
    for key in keys:
        found[name(key)].append(key)
    return dict(found)


def _family(field: Field) -> str:
    return _kind(field.column)


def _kind(column: Column) -> str:
    """Columns of one kind can be compared."""
    if column.type.startswith(NUMBERS):
        return "number"
    return column.type if column.type == "boolean" or column.type in DATES else "text"


def schema_of(catalog: Catalog) -> Schema:
    """The schema of `catalog`, made once and kept with it, as its vocabulary is."""
    kept: Schema | None = catalog.__dict__.get("_schema")
    if kept is None:
        kept = catalog.__dict__["_schema"] = Schema(catalog)
    return kept
