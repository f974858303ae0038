"""Whose every name is: tables by the catalog, columns by the tables, and no name that could be another's.

Postgres and the parser do not always agree on what a name means (a subquery in FROM does not see its
siblings, ON sees only its own join, an alias hides a CTE). So a table is written with its schema, a column
with its table, and an alias that is used twice is renamed: then there is nothing left to disagree about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.schema import Schema

from rowcall.catalog import Catalog, Table
from rowcall.guard.allowed import SERIES
from rowcall.guard.reading import POSTGRES
from rowcall.guard.rules import unsafe

Source = exp.Table | Scope


@dataclass(frozen=True)
class Named:
    """A query in which every name is resolved.

    `levels` has every query with what it reads, by the alias that is written; `sources` has, by a column's
    id, what the column comes from.
    """

    tree: exp.Query
    levels: Sequence[tuple[Scope, dict[str, Source]]]
    tables: tuple[str, ...]
    sources: dict[int, Source]
    catalog: Catalog

    def table(self, source: exp.Table) -> Table | None:
        return self.catalog.table(_key(source.db, source.name))

    def origin(self, column: exp.Expr) -> str:
        """The catalog's column (`orders.status`) that this one passes on unchanged, or ""."""
        source = self.sources.get(id(column))
        if isinstance(source, exp.Table):
            table = self.table(source)
            return f"{table.key}.{column.name}" if table else ""
        projection = output(source, column.name) if source else None
        return self.origin(projection) if isinstance(projection, exp.Column) else ""


def resolve(tree: exp.Query, catalog: Catalog) -> Named:
    """Qualifies `tree` in place and proves that it names visible tables and columns only."""
    keys = _resolve_tables(tree, catalog)
    _name_outputs(tree)
    tree = qualify(tree, dialect=POSTGRES, schema=_Visible(catalog), quote_identifiers=False)
    scopes = traverse_scope(tree)
    for node in list(tree.find_all(exp.TableColumn)):
        _unwrap_series(node, scopes)
    scopes = traverse_scope(tree)
    levels, sources = _resolve_columns(scopes, catalog)
    _check_complete(tree, sources)
    _tidy(tree)
    return Named(tree, levels, tuple(sorted(keys)), sources, catalog)


def output(source: Scope, name: str) -> exp.Expr | None:
    """What a subquery gives as `name`; of a set operation, what its first query gives."""
    query: Any = source.expression
    while isinstance(query, (exp.SetOperation, exp.Subquery)):
        query = query.this
    if isinstance(query, exp.Select):
        for projection in query.selects:
            if projection.alias_or_name == name:
                return projection.unalias()
    return None


# Tables ------------------------------------------------------------------------------------------------------


def _resolve_tables(tree: exp.Query, catalog: Catalog) -> set[str]:
    keys = set()
    for node in tree.find_all(exp.Table, exp.Lateral, exp.Unnest):
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            if node.db or node.name not in _ctes_in_sight(node):
                keys.add(_resolve_table(node, catalog))
        else:
            _name_series(node)
    return keys


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
    table = catalog.table(_key(node.db, node.name))
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


def _key(schema: str, name: str) -> str:
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


class _Visible(Schema):
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
        found = self._catalog.table(_key(table.db, table.name))
        return [column.name for column in found.columns] if found else []

    def get_column_type(self, *_: Any, **__: Any) -> exp.DataType:
        return exp.DataType.build("unknown")


# Outputs -----------------------------------------------------------------------------------------------------


def _name_outputs(tree: exp.Query) -> None:
    """Names what has no name as Postgres would, so that it can be referred to, but never two things alike."""
    for values in tree.find_all(exp.Values):
        alias = values.args.get("alias") or exp.TableAlias()
        if not alias.args.get("columns"):
            width = len(values.expressions[0].expressions)
            alias.set("columns", [exp.to_identifier(f"column{n + 1}") for n in range(width)])
        values.set("alias", alias)
    for select in tree.find_all(exp.Select):
        taken = {projection.alias_or_name for projection in select.selects}
        for projection in select.selects:
            if not isinstance(projection, (exp.Alias, exp.Column, exp.Star)):
                name = _unused(_implicit_name(projection), taken)
                projection.replace(exp.alias_(projection.copy(), name, quoted=True))


def _implicit_name(node: exp.Expr) -> str:
    """https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/parser/parse_target.c, FigureColname"""
    if isinstance(node, exp.Column):
        return node.name
    if isinstance(node, (exp.Anonymous, exp.AnonymousAggFunc)):
        return node.name.lower()
    if isinstance(node, (exp.Paren, exp.Filter, exp.WithinGroup, exp.Window, exp.Bracket, exp.Collate, exp.Alias)):
        return _implicit_name(node.this)
    if isinstance(node, exp.Subquery):
        select = node.unnest()
        return select.named_selects[0] if isinstance(select, exp.Select) and select.named_selects else "column"
    if isinstance(node, exp.Cast):
        name = _implicit_name(node.this)
        return name if name != "column" else node.to.sql(dialect=POSTGRES).lower().partition("(")[0]
    return _OWN_NAMES.get(type(node), "column")


_OWN_NAMES: dict[type[exp.Expr], str] = {
    exp.Count: "count",
    exp.Sum: "sum",
    exp.Avg: "avg",
    exp.Min: "min",
    exp.Max: "max",
    exp.Coalesce: "coalesce",
    exp.Nullif: "nullif",
    exp.Case: "case",
    exp.Exists: "exists",
    exp.Array: "array",
    exp.Extract: "extract",
    exp.Substring: "substring",
    exp.StrPosition: "position",
    exp.Trim: "btrim",
    exp.Overlay: "overlay",
    exp.Explode: "unnest",
    exp.CurrentDate: "current_date",
    exp.CurrentTimestamp: "current_timestamp",
    exp.AtTimeZone: "timezone",
}


def _tidy(tree: exp.Query) -> None:
    """Takes away the aliases that say nothing, and tells apart outputs of the same name."""
    query: Any = tree
    while not isinstance(query, exp.Select):
        query = query.this
    taken: set[str] = set()
    for projection in query.selects:
        if isinstance(projection, exp.Alias):
            name = _unused(projection.alias, taken)
            projection.set("alias", exp.to_identifier(name, quoted=True))
    for node in list(tree.find_all(exp.Alias, exp.Table)):
        if isinstance(node, exp.Alias):
            inner = node.this
            if isinstance(inner, exp.Column) and inner.name == node.alias:
                node.replace(inner)
        elif isinstance(node, exp.Table) and node.db and node.alias == node.name:
            node.set("alias", None)


# Columns -----------------------------------------------------------------------------------------------------


def _unwrap_series(node: exp.TableColumn, scopes: Sequence[Scope]) -> None:
    """A name of a whole row is refused; of a function that gives one column, it is that column."""
    for scope in scopes:
        found = scope.selected_sources.get(node.name)
        if found and any(inner is node for inner in scope.walk()):
            columns = _columns(found[1]) if not is_table(found[1]) else ()
            if _is_series(found[1]) and len(columns) == 1:
                node.replace(exp.column(columns[0], table=node.name, quoted=True))
                return
    raise unsafe("whole_row", f"{node.name[:60]} is one.")


def _resolve_columns(
    scopes: Sequence[Scope], catalog: Catalog
) -> tuple[list[tuple[Scope, dict[str, Source]]], dict[int, Source]]:
    names: dict[int, dict[str, str]] = {}
    taken: set[str] = set()
    for scope in scopes:
        mine = names[id(scope)] = {}
        for alias in scope.selected_sources:
            mine[alias] = _unused(alias, taken)
    sources: dict[int, Source] = {}
    for scope in scopes:
        for column in scope.find_all(exp.Column):
            if not column.table and column.name not in _outputs_for(column):
                _qualify_as_input(column, scope, catalog)
            if column.table:
                _resolve_column(column, scope, names, sources, catalog)
    levels = []
    for scope in scopes:
        mine = names[id(scope)]
        for alias, (node, _) in scope.selected_sources.items():
            _rename(node, alias, mine[alias])
        levels.append((scope, {mine[alias]: source for alias, (_, source) in scope.selected_sources.items()}))
    return levels, sources


def _unused(alias: str, taken: set[str]) -> str:
    name, n = alias, 1
    while name in taken:
        n += 1
        name = f"{alias}_{n}"
    taken.add(name)
    return name


def _qualify_as_input(column: exp.Column, scope: Scope, catalog: Catalog) -> None:
    """In an expression of ORDER BY, a name is a column of FROM and never one of the output."""
    having = [
        alias for alias, (_, source) in scope.selected_sources.items() if _has_column(source, column.name, catalog)
    ]
    if len(having) == 1:
        column.set("table", exp.to_identifier(having[0], quoted=True))


def _resolve_column(
    column: exp.Column,
    scope: Scope,
    names: dict[int, dict[str, str]],
    sources: dict[int, Source],
    catalog: Catalog,
) -> None:
    level: Scope | None = scope
    while level is not None and column.table not in level.selected_sources:
        level = level.parent
    if level is None:
        raise unsafe("column", f"{column.table[:60]} is not read here.")
    source = level.selected_sources[column.table][1]
    if not _has_column(source, column.name, catalog):
        raise unsafe("column", f"{column.table[:60]}.{column.name[:60]} is not one of them.")
    sources[id(column)] = source
    column.set("table", exp.to_identifier(names[id(level)][column.table], quoted=True))


def _has_column(source: Source, name: str, catalog: Catalog) -> bool:
    if isinstance(source, exp.Table) and is_table(source):
        table = catalog.table(_key(source.db, source.name))
        return table is not None and table.column(name) is not None
    return name in _columns(source)


def is_table(source: Source) -> bool:
    return isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier)


def _is_series(source: Source) -> bool:
    if isinstance(source, exp.Table):
        return not is_table(source)
    expression = source.expression
    return isinstance(expression, exp.Unnest) or (
        isinstance(expression, exp.Lateral) and not isinstance(expression.this, exp.Subquery)
    )


def _columns(source: Source) -> Sequence[str]:
    if isinstance(source, exp.Table):
        return source.alias_column_names
    expression: Any = source.expression
    if isinstance(expression, exp.Lateral) and isinstance(expression.this, exp.Subquery):
        expression = expression.this.unnest()
    return [str(name) for name in expression.named_selects]


def _rename(node: Any, old: str, new: str) -> None:
    """Writes a source's alias; a subquery's stands on the parentheses around it."""
    while node is not None and not (node.args.get("alias") and node.alias == old):
        node = node.parent
    if node is None:
        raise unsafe("construct")
    node.args["alias"].set("this", exp.to_identifier(new, quoted=True))


def _check_complete(tree: exp.Query, sources: dict[int, Source]) -> None:
    """Every column was resolved, but for the names of the output that ORDER BY and DISTINCT ON may use."""
    for column in tree.find_all(exp.Column):
        if id(column) in sources:
            continue
        if isinstance(column.this, exp.Star) or column.table or column.name not in _outputs_for(column):
            raise unsafe("column", f"{column.name[:60] or '*'} cannot be told apart.")


def _outputs_for(column: exp.Column) -> Sequence[str]:
    node: Any = column
    if isinstance(node.parent, exp.Ordered):
        node = node.parent
        clause = node.parent
    else:
        clause = node.parent.parent if isinstance(node.parent, exp.Tuple) else None
    query = clause.parent if isinstance(clause, (exp.Order, exp.Distinct)) else None
    if isinstance(query, exp.Subquery):
        query = query.unnest()
    return query.named_selects if isinstance(query, (exp.Select, exp.SetOperation)) else ()
