"""The guard's own statements, and catalogs made from CREATE TABLE, for tests that need no database."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers

from rowcall import guard
from rowcall.catalog import Catalog, Column, Table
from rowcall.plan import Draft, Plan
from rowcall.question import Question, Slot

HOSTILE = Path(__file__).with_name("hostile")
DATABASE = HOSTILE / "database.sql"
HIDDEN = frozenset({"users.password_hash", "products.cost", "crm.Accounts.secret", "secret_audit"})
NOW = datetime(2024, 5, 17, 9, 30, tzinfo=UTC)

_TYPES = {
    "int": "integer",
    "decimal": "numeric",
    "varchar": "character varying",
    "char": "character",
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
    "serial": "integer",
}


class Refused(TypedDict):
    rule: str
    sql: str


class Honest(TypedDict, total=False):
    """`same_as` is a statement that gives the same rows where `sql` itself reads hidden columns."""

    sql: str
    same_as: str


def refused() -> list[Refused]:
    files = sorted(file for file in HOSTILE.glob("*.json") if file.stem != "honest")
    return [statement for file in files for statement in json.loads(file.read_text())]


def honest() -> list[Honest]:
    statements: list[Honest] = json.loads((HOSTILE / "honest.json").read_text())
    return statements


def catalog_of(ddl: str, hidden: frozenset[str] = frozenset(), **values: tuple[str, ...]) -> Catalog:
    """The tables that `ddl` creates; `values` are the values of a column, by `table__column`."""
    tables = {}
    for parsed in sqlglot.parse(ddl, dialect="postgres"):
        statement = normalize_identifiers(parsed, dialect="postgres") if parsed else None
        if not isinstance(statement, exp.Create) or statement.kind != "TABLE":
            continue
        created = statement.find(exp.Table)
        assert created
        table = Table(created.name, (), created.db or "public")
        columns = [
            Column(
                definition.name,
                _type(definition.kind),
                values=values.get(f"{table.key.replace('.', '_')}__{definition.name}", ()),
            )
            for definition in statement.find_all(exp.ColumnDef)
            if f"{table.key}.{definition.name}" not in hidden
        ]
        if table.key not in hidden:
            tables[table.key] = Table(table.name, tuple(columns), table.schema)
    return Catalog(tables, "fingerprint")


def _type(kind: exp.DataType | None) -> str:
    assert kind
    name = kind.sql(dialect="postgres").lower().partition("(")[0]
    return _TYPES.get(name, name)


CATALOG = catalog_of(
    DATABASE.read_text(),
    HIDDEN,
    orders__status=("cancelled", "paid", "pending", "shipped"),
    users__country=("DE", "FR", "US"),
)


def question(*slots: Slot, text: str = "?", timezone: str = "Europe/Berlin", now: datetime = NOW) -> Question:
    return Question(text, text, slots, now, timezone)


def check(sql: str, *slots: Slot, constants: tuple[str, ...] = (), catalog: Catalog = CATALOG) -> Plan:
    return guard.check(Draft(sql, "", constants), question(*slots), catalog)
