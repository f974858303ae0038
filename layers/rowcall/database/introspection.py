"""Reads the catalog from Postgres: what this role may select, less what is hidden.

Never scans a big table: a column's values come from its type, its CHECK constraint or the statistics, or else from a
table that has no more than `SAMPLE` rows. Where tenants share tables, only from the first two, which hold no rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from pg8000.converters import identifier

from rowcall.catalog import Catalog, Column, ForeignKey, Table
from rowcall.database.connection import Database, StatementFailed
from rowcall.database.visibility import Visibility, may_be_listed
from rowcall.deadline import Deadline

KINDS = {"r": "table", "p": "table", "v": "view", "m": "materialized view", "f": "foreign table"}
SAMPLE = 10_000
LONGEST_VALUE = 60

MAX_VIEW_COST = 10_000
"""A view that Postgres estimates to cost more than this is not looked into; about a tenth of a second."""

MAX_STATEMENT_BYTES = 12_000
"""RDS Proxy pins a client to a server for any statement of more than 16 KB."""

_LITERAL = re.compile(r"'((?:[^']|'')*+)'")
_EQUALITIES = r"(?:CHECK|ANY|ARRAY|OR|IS NULL|NULL|{column}|=|[()\[\], ]|{literal}|::(?:character varying|[\w.\"]+))*"


@dataclass(slots=True)
class _Attribute:
    number: int
    name: str
    type: str
    nullable: bool
    comment: str
    is_text: bool
    labels: list[str] | None
    statistics: list[str] | None
    values: tuple[str, ...] = ()


@dataclass(slots=True)
class _Relation:
    """A row of `catalog.sql`, its attributes by number, only the visible ones."""

    oid: int
    schema: str
    name: str
    kind: str
    comment: str
    rows: int
    is_analyzed: bool
    is_small: bool
    attributes: dict[int, _Attribute]
    keys: list[tuple[bool, list[int]]]
    foreign_keys: list[tuple[list[int], int, list[int]]]
    conditions: list[tuple[int, str]]

    def names(self, numbers: Sequence[int]) -> tuple[str, ...] | None:
        """Nothing if one of them is not visible."""
        if not all(number in self.attributes for number in numbers):
            return None
        return tuple(self.attributes[number].name for number in numbers)


_Unknown = tuple[_Relation, list[_Attribute]]


def read_catalog(
    database: Database,
    deadline: Deadline,
    *,
    schemas: Sequence[str] = ("public",),
    allowed_tables: Sequence[str] = (),
    hidden_columns: Sequence[str] = (),
    visible_columns: Sequence[str] = (),
    max_values: int = 50,
    values_of_rows: bool = True,
) -> Catalog:
    """The catalog as the role of `database` sees it, which all tenants share. Raises `Problem`."""
    visibility = Visibility.of(allowed_tables, hidden_columns, visible_columns)
    found = database.query(_statement("catalog"), [list(schemas), max_values], deadline)
    relations = {row[0]: relation for row in found.rows if (relation := _relation(row, visibility))}
    unknown = [
        (relation, attributes)
        for relation in relations.values()
        if (attributes := [a for a in relation.attributes.values() if not _declared(relation, a, max_values)])
        and values_of_rows
        and (attributes := [a for a in attributes if not _known(relation, a, max_values)])
        and _is_cheap(database, relation, attributes, deadline)
    ]
    _sample(database, unknown, max_values, deadline)
    tables = {table.key: table for table in (_table(relation, relations) for relation in relations.values())}
    structure = [_as_list(table)[:-1] for table in tables.values()]
    return Catalog(tables, sha256(_dump(structure).encode()).hexdigest())


def probe(database: Database, deadline: Deadline) -> str:
    """A value that changes with the structure of the database; `probe.sql` tells what it sees. Raises `Problem`."""
    return str(database.query(_statement("probe"), (), deadline).rows[0][0])


def to_json(catalog: Catalog) -> str:
    """What `from_json` reads."""
    return _dump([catalog.fingerprint, *(_as_list(table) for table in catalog.tables.values())])


def from_json(text: str) -> Catalog:
    """The catalog that `to_json` wrote."""
    fingerprint, *tables = json.loads(text)
    restored = (
        Table(
            schema=schema,
            name=name,
            kind=kind,
            comment=comment,
            columns=tuple(Column(n, t, nullable, c, tuple(values)) for n, t, nullable, c, values in columns),
            primary_key=tuple(primary_key),
            unique=tuple(map(tuple, unique)),
            foreign_keys=tuple(ForeignKey(tuple(own), table, tuple(theirs)) for own, table, theirs in foreign_keys),
            rows=rows,
        )
        for schema, name, kind, comment, columns, primary_key, unique, foreign_keys, rows in tables
    )
    return Catalog({table.key: table for table in restored}, fingerprint)


def _statement(name: str) -> str:
    return Path(__file__).with_name(f"{name}.sql").read_text(encoding="utf-8")


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _as_list(table: Table) -> list[object]:
    """All of a table; the last item is the estimate of its rows, which is no part of the structure."""
    return [
        table.schema,
        table.name,
        table.kind,
        table.comment,
        [[column.name, column.type, column.nullable, column.comment, column.values] for column in table.columns],
        table.primary_key,
        table.unique,
        [[key.columns, key.table, key.references] for key in table.foreign_keys],
        table.rows,
    ]


def _relation(row: Sequence[Any], visibility: Visibility) -> _Relation | None:
    oid, schema, name, kind, comment, rows, is_analyzed, is_small, attributes, *keys = row
    if not visibility.table(schema, name):
        return None
    visible = {
        attribute.number: attribute
        for attribute in (_Attribute(*each) for each in attributes)
        if visibility.column(schema, name, attribute.name, attribute.type)
    }
    return _Relation(oid, schema, name, kind, comment, rows, is_analyzed, is_small, visible, *keys) if visible else None


def _table(relation: _Relation, relations: dict[Any, _Relation]) -> Table:
    primary_key: tuple[str, ...] = ()
    unique = []
    for is_primary, numbers in relation.keys:
        if names := relation.names(numbers):
            primary_key = names if is_primary else primary_key
            unique += [] if is_primary else [names]
    foreign_keys = []
    for own, oid, theirs in relation.foreign_keys:
        target = relations.get(oid)
        if target and (columns := relation.names(own)) and (references := target.names(theirs)):
            foreign_keys.append(ForeignKey(columns, _key(target), references))
    return Table(
        name=relation.name,
        schema=relation.schema,
        kind=KINDS[relation.kind],
        comment=relation.comment,
        columns=tuple(Column(a.name, a.type, a.nullable, a.comment, a.values) for a in relation.attributes.values()),
        primary_key=primary_key,
        unique=tuple(unique),
        foreign_keys=tuple(foreign_keys),
        rows=relation.rows,
    )


def _key(relation: _Relation) -> str:
    return Table(relation.name, (), relation.schema).key


def _declared(relation: _Relation, attribute: _Attribute, max_values: int) -> bool:
    """Give `attribute` the values that its type or a CHECK declares; false if only rows could tell."""
    if attribute.labels:
        attribute.values = tuple(attribute.labels)
        return True
    if not attribute.is_text:
        return True
    if values := _allowed(relation, attribute):
        attribute.values = _short(values, max_values)
        return True
    return not may_be_listed(relation.name, attribute.name)


def _known(relation: _Relation, attribute: _Attribute, max_values: int) -> bool:
    """Give `attribute` the values that statistics tell; false if the rows are worth a look."""
    if attribute.statistics is not None and (relation.is_analyzed or relation.rows > SAMPLE):
        attribute.values = tuple(sorted(_short([value.rstrip() for value in attribute.statistics], max_values)))
        return True
    is_unique = any(numbers == [attribute.number] for _, numbers in relation.keys)
    return relation.rows > (max_values if is_unique else SAMPLE)


def _allowed(relation: _Relation, attribute: _Attribute) -> list[str]:
    """The values that a CHECK allows, when it does nothing but compare the column with them."""
    for number, condition in relation.conditions:
        name = rf"(?:VALUE|{re.escape(attribute.name)}|{re.escape(identifier(attribute.name))})"
        equalities = _EQUALITIES.format(column=name, literal=_LITERAL.pattern)
        if number == attribute.number and re.fullmatch(equalities, condition):
            return [value.replace("''", "'") for value in _LITERAL.findall(condition)]
    return []


def _short(values: Sequence[str], max_values: int) -> tuple[str, ...]:
    """`values`, or none of them where they are too many or some are rather free text."""
    if len(values) > max_values or any(len(value) > LONGEST_VALUE for value in values):
        return ()
    return tuple(dict.fromkeys(value for value in values if value.strip()))


def _sample(database: Database, unknown: Sequence[_Unknown], max_values: int, deadline: Deadline) -> None:
    """Give the attributes the values that their relations hold, by as few statements as can be."""
    for batch in _batches(unknown, max_values):
        statement = " UNION ALL ".join(
            f"SELECT {index}, {_distinct(*each, max_values)}" for index, each in enumerate(batch)
        )
        try:
            found = database.query(statement, (), deadline).rows
        except StatementFailed:  # one of them cannot be read after all, by a policy or a broken view
            if len(batch) > 1:
                for each in batch:
                    _sample(database, [each], max_values, deadline)
            continue
        for index, (count, *columns) in cast("list[tuple[int, list[Any]]]", found):
            if count <= SAMPLE:
                for attribute, values in zip(batch[index][1], columns, strict=True):
                    attribute.values = tuple(sorted(_short([v for v in values or () if v is not None], max_values)))


def _batches(unknown: Sequence[_Unknown], max_values: int) -> Iterator[list[_Unknown]]:
    batch: list[_Unknown] = []
    size = 0
    for each in unknown:
        length = len(_distinct(*each, max_values).encode())
        if batch and size + length > MAX_STATEMENT_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += length
    if batch:
        yield batch


def _distinct(relation: _Relation, attributes: Sequence[_Attribute], max_values: int) -> str:
    """An expression: how many rows were looked at, then the distinct values of each attribute."""
    columns = [f"(array_agg(DISTINCT c{number}))[1:{max_values + 2}]" for number in range(len(attributes))]
    values = ", ".join(("count(*)", *columns))
    return f"(SELECT json_build_array({values}) FROM ({_rows(relation, attributes)}) s)"  # noqa: S608


def _rows(relation: _Relation, attributes: Sequence[_Attribute]) -> str:
    columns = ", ".join(
        f"left({identifier(attribute.name)}::text, {LONGEST_VALUE + 1}) AS c{number}"
        for number, attribute in enumerate(attributes)
    )
    source = f"{identifier(relation.schema)}.{identifier(relation.name)}"
    return f"SELECT {columns} FROM {source} LIMIT {SAMPLE + 1}"  # noqa: S608 (names are quoted)


def _is_cheap(database: Database, relation: _Relation, attributes: Sequence[_Attribute], deadline: Deadline) -> bool:
    if relation.kind != "v":
        return relation.is_small
    try:
        plan = database.explain(_rows(relation, attributes), (), deadline)
    except StatementFailed:
        return False
    return float(plan["Plan"]["Total Cost"]) <= MAX_VIEW_COST
