"""Questions that work on this catalog, for a person whose own did not, or who has asked nothing yet.

None is offered that was not tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from rowcall.planners.grammar.schema import Schema
from rowcall.planners.grammar.words import Token

MOST = 3
TRIES = 8


def suggestions(tokens: list[Token], schema: Schema, works: Callable[[str], bool]) -> tuple[str, ...]:
    """The first few questions that `works`, about the tables that were named or else about those most referred to."""
    found: list[str] = []
    for tried, text in enumerate(_candidates(_tables(tokens, schema), schema)):
        if len(found) == MOST or tried == TRIES:
            break
        if text not in found and _is_tried(text, schema, works):
            found.append(text)
    return tuple(found)


def samples(schema: Schema, works: Callable[[str], bool]) -> tuple[str, ...]:
    """One question of each kind that `works`, each about another table where that can be."""
    found: list[str] = []
    tables = _by_use(schema)
    for turn, kind in enumerate((_over_time, _top, _valued, _grouped, _counted, _listed)):
        start = turn % max(len(tables), 1)
        asked = (text for key in (*tables[start:], *tables[:start]) for text in kind(key, schema))
        found += islice((text for text in islice(asked, TRIES) if _is_tried(text, schema, works)), 1)
    return tuple(found)


def _is_tried(text: str, schema: Schema, works: Callable[[str], bool]) -> bool:
    if text not in schema.tried:
        schema.tried[text] = works(text)
    return schema.tried[text]


def _tables(tokens: list[Token], schema: Schema) -> list[str]:
    named = [
        one.table for token in tokens for one in schema.lookup((token.stem,)) if one.field is None and one.weight >= 0.5
    ]
    return list(dict.fromkeys([*named, *_by_use(schema)]))[:4]


def _by_use(schema: Schema) -> list[str]:
    """Tables, those first that most others are related to."""
    return sorted(schema.tables, key=lambda key: (schema.is_link(key), -len(schema.steps[key]), key))


def _candidates(tables: list[str], schema: Schema) -> Iterator[str]:
    """One kind of question for each table, then the next kind."""
    for kind in (_grouped, _top, _counted, _listed):
        for key in tables:
            yield from kind(key, schema)


def _counted(key: str, schema: Schema) -> Iterator[str]:
    yield f"how many {schema.table_words(key)} are there?"


def _listed(key: str, schema: Schema) -> Iterator[str]:
    yield f"list all {schema.table_words(key)}"


def _grouped(key: str, schema: Schema) -> Iterator[str]:
    for one in schema.fields[key].values():
        if one.column.values and not one.key:
            yield f"number of {schema.table_words(key)} per {' '.join(one.words)}"
            return
    for step in schema.steps[key]:
        if step.up:
            yield f"number of {schema.table_words(key)} per {schema.table_words(step.target)}"
            return


def _over_time(key: str, schema: Schema) -> Iterator[str]:
    if schema.main_date(key):
        yield f"number of {schema.table_words(key)} per month"


def _valued(key: str, schema: Schema) -> Iterator[str]:
    for one in schema.fields[key].values():
        if one.column.values and not one.key:
            yield f"count {one.column.values[0]} {schema.table_words(key)}"
            return


def _top(key: str, schema: Schema) -> Iterator[str]:
    for one in schema.fields[key].values():
        if one.is_number and not one.counts:
            yield f"top 5 {schema.table_words(key)} by {' '.join(one.words)}"
            return
