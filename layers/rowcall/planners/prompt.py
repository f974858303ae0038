"""What a model sees: the instructions, the catalog, the question with its slots marked. Never a row of the database.

All that others wrote (names, comments, enumerated values, the question) is data: it stands in blocks whose marks are
made from the block's own hash, so no text inside can close its block, and in JSON strings, so none can start a line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

from rowcall.catalog import Catalog, Column, Table
from rowcall.planners import Asking
from rowcall.question import Period, Question, Slot

MAX_COMMENT = 300
MAX_VALUES = 60

_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?")
_PARTS = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Prompt:
    """`instructions` never change; `catalog` changes with the catalog, or with the question where it is pruned."""

    instructions: str
    catalog: str
    question: str

    @property
    def bytes(self) -> int:
        """UTF-8 bytes of it all: no tokenizer makes more tokens of them."""
        return sum(len(part.encode()) for part in (self.instructions, self.catalog, self.question))


def build(asking: Asking, catalog_tokens: int) -> Prompt:
    catalog = block("catalog", "\n\n".join(_catalog(asking.catalog, asking.question, catalog_tokens)))
    parts = [_question(asking.question)]
    if asking.examples:
        parts.append("Verified plans of similar questions:")
        parts.append(block("examples", "\n".join(f"{_text(asked)}\n{_text(sql)}" for asked, sql in asking.examples)))
    for failed in asking.failed:
        parts.append("An earlier statement of yours was refused. Answer the question with a better one.")
        parts.append(block("refused", f"{_text(failed.sql)}\n{_text(failed.complaint)}"))
    return Prompt(_instructions(), catalog, "\n\n".join(parts))


def estimate(text: str) -> int:
    """About how many tokens `text` has, rather too many: three bytes make one."""
    return len(text.encode()) // 3 + 1


@cache
def _instructions() -> str:
    return (Path(__file__).parent / "instructions.md").read_text()


def _question(question: Question) -> str:
    today = question.now.astimezone(ZoneInfo(question.timezone)).date()
    marked, end = [], 0
    for index, slot in enumerate(question.slots):
        start, stop = slot.span
        marked += [question.text[end:start], f"⟦s{index}: {question.text[start:stop]}⟧"]
        end = stop
    marked.append(question.text[end:])
    lines = [_text("".join(marked))]
    lines += [f"s{index} {_slot(index, slot)}" for index, slot in enumerate(question.slots)]
    return f"Today is {today:%A} {today}, in {question.timezone}.\n\n" + block("question", "\n".join(lines))


def _slot(index: int, slot: Slot) -> str:
    if isinstance(slot.value, Period):
        kind = f"{slot.kind} from {slot.value.start} to before {slot.value.end}"
        forms = ["start", "end"]
    elif slot.kind == "year":
        kind, forms = f"year {slot.value}", ["", "start", "end"]
    elif slot.kind == "entity":
        kind, forms = f"value of {', '.join(map(_name, slot.columns))}: {_text(str(slot.value))}", [""]
    elif slot.kind == "text":
        kind, forms = f"text {_text(str(slot.value))}", ["", "contains", "prefix", "suffix"]
    else:
        kind, forms = f"{slot.kind} {slot.value}{f' {slot.unit}' if slot.unit else ''}", [""]
    return f"{kind}; placeholders {' '.join(f':s{index}_{form}' if form else f':s{index}' for form in forms)}"


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A table as it is told, and what tells whether a question is about it: words of its names and of its comments."""

    table: Table
    text: str
    tokens: int
    name: frozenset[str]
    columns: dict[str, frozenset[str]]
    comments: frozenset[str]
    keys: frozenset[str]
    neighbours: frozenset[str]

    def score(self, words: frozenset[str], entities: frozenset[str]) -> int:
        held = sum(f"{self.table.key}.{column}" in entities for column in self.columns)
        columns = len(words & frozenset().union(*self.columns.values()))
        return 8 * len(words & self.name) + 6 * held + 2 * columns + len(words & self.comments)

    def narrow(self, words: frozenset[str], entities: frozenset[str]) -> str:
        """Without the columns that neither join nor share a word with the question."""
        kept = [
            column
            for column in self.table.columns
            if column.name in self.keys
            or words & self.columns[column.name]
            or f"{self.table.key}.{column.name}" in entities
        ]
        return _table(self.table, kept)


def _catalog(catalog: Catalog, question: Question, limit: int) -> list[str]:
    """The tables, all of them if they fit, else those that the question seems to be about and what joins them."""
    sheets = _sheets(catalog)
    if sum(sheet.tokens for sheet in sheets) <= limit:
        return [sheet.text for sheet in sheets]
    words, entities = _words(question.text), _entities(question)
    left, shown = limit, dict[str, str]()
    for sheet in _by_relevance(sheets, words, entities):
        text = sheet.text if sheet.tokens <= left else sheet.narrow(words, entities)
        if estimate(text) <= left:
            shown[sheet.table.key] = text
            left -= estimate(text)
    hidden = len(sheets) - len(shown)
    return [*(shown[key] for key in sorted(shown)), f"{hidden} further tables have nothing to do with the question."]


def _by_relevance(sheets: Sequence[_Sheet], words: frozenset[str], entities: frozenset[str]) -> list[_Sheet]:
    """Tables that share words with the question, the most first; then what joins them; then the most joined."""
    scores = {sheet.table.key: sheet.score(words, entities) for sheet in sheets}
    chosen = frozenset(key for key, score in scores.items() if score)

    def rank(sheet: _Sheet) -> tuple[int, int, int, str]:
        key = sheet.table.key
        return (-scores[key], -len(sheet.neighbours & chosen), -len(sheet.neighbours), key)

    return sorted(sheets, key=rank)


_known: tuple[Catalog, list[_Sheet]] | None = None
"""The sheets of the catalog that was told last: an environment has one, for as long as the database stays as it is."""


def _sheets(catalog: Catalog) -> list[_Sheet]:
    global _known
    known = _known
    if known is None or known[0] is not catalog:
        known = _known = catalog, [_sheet(catalog, catalog.tables[key]) for key in sorted(catalog.tables)]
    return known[1]


def _sheet(catalog: Catalog, table: Table) -> _Sheet:
    text = _table(table, table.columns)
    keys = set(table.primary_key)
    neighbours = set()
    for foreign in table.foreign_keys:
        keys.update(foreign.columns)
        neighbours.add(foreign.table)
    for other in catalog.tables.values():
        for foreign in other.foreign_keys:
            if foreign.table == table.key:
                keys.update(foreign.references)
                neighbours.add(other.key)
    return _Sheet(
        table,
        text,
        estimate(text),
        _words(table.name),
        {column.name: _words(column.name) for column in table.columns},
        _words(" ".join([table.comment, *(column.comment for column in table.columns)])),
        frozenset(keys),
        frozenset(neighbours & catalog.tables.keys()),
    )


def _entities(question: Question) -> frozenset[str]:
    return frozenset(column for slot in question.slots for column in slot.columns)


def _table(table: Table, columns: Sequence[Column]) -> str:
    head = [f"{table.kind} {_name(table.key)}", f"about {table.rows} rows"]
    if table.primary_key:
        head.append(f"key {_names(table.primary_key)}")
    head += [f"unique {_names(columns)}" for columns in table.unique]
    lines = [", ".join(head) + _comment(table.comment)]
    lines += [f"  {_column(column)}" for column in columns]
    if len(columns) < len(table.columns):
        lines.append(f"  and {len(table.columns) - len(columns)} further columns")
    lines += [
        f"  {_names(foreign.columns)} -> {_name(foreign.table)}{_names(foreign.references)}"
        for foreign in table.foreign_keys
    ]
    return "\n".join(lines)


def _column(column: Column) -> str:
    text = f"{_name(column.name)} {' '.join(column.type.split())}{'' if column.nullable else ' not null'}"
    if column.values:
        more = " and more" if len(column.values) > MAX_VALUES else ""
        text += f", one of [{', '.join(map(_text, column.values[:MAX_VALUES]))}]{more}"
    return text + _comment(column.comment)


def _comment(comment: str) -> str:
    return f", comment {_text(comment[:MAX_COMMENT])}" if comment else ""


def _names(names: Iterable[str]) -> str:
    return f"({', '.join(map(_name, names))})"


def _name(name: str) -> str:
    """As it must be written in SQL."""
    return name if _PLAIN_NAME.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    """As a JSON string: one line, whatever is in it."""
    return (
        json.dumps(text.encode(errors="replace").decode(), ensure_ascii=False)
        .replace("\u2028", " ")
        .replace("\u2029", " ")
    )


def block(kind: str, text: str) -> str:
    """`text` as data between two marks that it cannot hold, as they are made from its own hash."""
    mark = sha256(text.encode()).hexdigest()[:16]
    return f"<<<{kind} {mark}\n{text}\n{mark} {kind}>>>"


@cache
def _stem(word: str) -> str:
    import snowballstemmer

    return str(snowballstemmer.stemmer("english").stemWord(word))


def _words(text: str) -> frozenset[str]:
    """Stems of the words in a sentence or an identifier."""
    return frozenset(_stem(word.casefold()) for word in _PARTS.findall(_CAMEL.sub(" ", text)))
