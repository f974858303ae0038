"""Tables to the catalog: each is visible, and written with its schema, or is a CTE that is in sight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.schema import Schema

from rowcall.catalog import Catalog
from rowcall.guard.allowed import SERIES
from rowcall.guard.reading import POSTGRES, Parts
from rowcall.guard.rules import unsafe


def resolve_tables(parts: Parts, catalog: Catalog) -> set[str]:
    keys = set()
    for select in parts.of(exp.Select):
        _check_using(select.args.get("joins") or ())
    for table in parts.of(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            _name_series(table)
        elif table.db or table.name not in _ctes_in_sight(table):
            keys.add(_resolve_table(table, catalog))
    for series in (*parts.of(exp.Lateral), *parts.of(exp.Unnest)):
        _name_series(series)
    return keys


def _check_using(joins: Sequence[exp.Join]) -> None:
    """Of columns merged by an outer join and merged again, the parser would compare the wrong one."""
    if sum(bool(join.args.get("using")) for join in joins) > 1 and any(
        join.side in ("RIGHT", "FULL") for join in joins
    ):
        raise unsafe("construct", "RIGHT or FULL JOIN stands with more than one USING.")


def _ctes_in_sight(table: exp.Table) -> Iterator[str]:
    """Names of the CTEs that may be read here: those of every enclosing query, and inside of WITH the earlier ones."""
    child: exp.Expr = table
    while (parent := child.parent) is not None:
        if isinstance(parent, exp.With):
            for cte in parent.expressions:
                if cte is child:
                    break
                yield cte.alias
        elif (with_ := parent.args.get("with_")) is not None and with_ is not child:
            yield from (cte.alias for cte in with_.expressions)
        child = parent


def _resolve_table(node: exp.Table, catalog: Catalog) -> str:
    table = catalog.table(key_of(node.db, node.name))
    if table is None and not node.db:
        named = [table for table in catalog.tables.values() if table.name == node.name]
        table = named[0] if len(named) == 1 else None
    if table is None:
        raise unsafe("table", f"{node.name[:60]} is not one of them.")
    if node.alias_column_names:
        raise unsafe("column", "A table's columns are renamed by position.")
    node.set("this", exp.to_identifier(table.name, quoted=True))
    node.set("db", exp.to_identifier(table.schema, quoted=True))
    if not node.alias:
        node.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
    return table.key


def key_of(schema: str, name: str) -> str:
    return name if schema in ("", "public") else f"{schema}.{name}"


def _name_series(node: exp.Expr) -> None:
    """Gives a function in FROM the alias and the column names that Postgres would."""
    if isinstance(node, exp.Lateral) and isinstance(node.this, exp.Subquery):
        return
    if isinstance(node.parent, exp.Lateral):
        return
    function = node.this if isinstance(node, (exp.Table, exp.Lateral)) else node
    alias = node.args.get("alias") or exp.TableAlias()
    name = "unnest" if isinstance(function, (exp.Unnest, exp.Explode)) else function.name.lower()
    given = list(alias.args.get("columns") or ())
    own = SERIES.get(name, ("",) * max(1, len(function.expressions) if name == "unnest" else 1))
    alias_name = alias.name or name
    columns = [exp.to_identifier(column or alias_name, quoted=True) for column in own]
    if node.args.get("ordinality") or node.args.get("offset"):
        columns.append(exp.to_identifier("ordinality"))
    if len(given) > len(columns) or (len(given) < len(own) > 1 and name == "unnest"):
        raise unsafe("column", f"{name}() does not give these columns.")
    columns[: len(given)] = given
    alias.set("this", exp.to_identifier(alias_name, quoted=True))
    alias.set("columns", columns)
    node.set("alias", alias)


class Visible(Schema):
    """The catalog as sqlglot's schema."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @property
    def dialect(self) -> Dialect:
        return POSTGRES

    @property
    def empty(self) -> bool:
        return False

    @property
    def supported_table_args(self) -> tuple[str, ...]:
        return ("this", "db")

    def add_table(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError

    def column_names(self, table: exp.Table | str, *_: Any, **__: Any) -> list[str]:
        if isinstance(table, str) or not table.db:
            return [] if isinstance(table, str) else list(table.alias_column_names)
        found = self._catalog.table(key_of(table.db, table.name))
        return [column.name for column in found.columns] if found else []

    def get_column_type(self, *_: Any, **__: Any) -> exp.DataType:
        return exp.DataType.build("unknown")
