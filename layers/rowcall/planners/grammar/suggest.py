"""Questions that work on this catalog, for a person whose own did not. None is offered that was not tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
        if text not in schema.tried:
            schema.tried[text] = works(text)
        if schema.tried[text] and text not in found:
            found.append(text)
    return tuple(found)


def _tables(tokens: list[Token], schema: Schema) -> list[str]:
    named = [
        one.table for token in tokens for one in schema.lookup((token.stem,)) if one.field is None and one.weight >= 0.5
    ]
    by_use = sorted(schema.tables, key=lambda key: (schema.is_link(key), -len(schema.steps[key]), key))
    return list(dict.fromkeys([*named, *by_use]))[:4]


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


def _top(key: str, schema: Schema) -> Iterator[str]:
    for one in schema.fields[key].values():
        if one.is_number and not one.counts:
            yield f"top 5 {schema.table_words(key)} by {' '.join(one.words)}"
            return
