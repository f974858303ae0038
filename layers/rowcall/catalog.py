"""What a question may be about: the visible tables of one database, and a fingerprint of them.

Holds the types only; `database/introspection.py` reads them from Postgres. A column that is not in the
catalog does not exist for rowcall: no planner is told of it and the guard refuses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Column:
    """One visible column.

    `type` is Postgres's own name as `format_type` prints it, without a length ("integer", "numeric",
    "timestamp with time zone", "text", an enum's name). `values` are the enumerated values of a
    low-cardinality column (or of an enum type), else empty.
    """

    name: str
    type: str
    nullable: bool = True
    comment: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """`columns` of the table that holds it point to `references` of `table` (a `Table.key`)."""

    columns: tuple[str, ...]
    table: str
    references: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """One visible table or view. `rows` is the planner's estimate, not a count."""

    name: str
    columns: tuple[Column, ...]
    schema: str = "public"
    comment: str = ""
    primary_key: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    rows: int = 0
    kind: str = "table"

    @property
    def key(self) -> str:
        """How plans and foreign keys name it: `orders`, or `sales.orders` outside of `public`."""
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    def column(self, name: str) -> Column | None:
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}


@dataclass(frozen=True)
class Catalog:
    """The visible tables by their key, and the fingerprint that every cache key contains."""

    tables: dict[str, Table]
    fingerprint: str

    def table(self, key: str) -> Table | None:
        return self.tables.get(key)

    def column(self, qualified: str) -> Column | None:
        """The column named `table.column`, where `table` is a `Table.key`."""
        table, _, name = qualified.rpartition(".")
        found = self.tables.get(table)
        return found.column(name) if found else None

    def columns(self) -> Iterator[tuple[Table, Column]]:
        return ((table, column) for table in self.tables.values() for column in table.columns)

    @cached_property
    def entities(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Every enumerated value, casefolded, to its spellings, each with the columns that hold it.

        `{"pending": {"pending": ("orders.status", "payments.status")}}`
        """
        found: dict[str, dict[str, list[str]]] = {}
        for table, column in self.columns():
            for value in column.values:
                spellings = found.setdefault(value.casefold(), {})
                spellings.setdefault(value, []).append(f"{table.key}.{column.name}")
        return {
            folded: {value: tuple(sorted(columns)) for value, columns in sorted(spellings.items())}
            for folded, spellings in found.items()
        }
