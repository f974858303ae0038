"""Whose every name is: tables by the catalog, columns by the tables, and no name that could be another's.

Postgres and the parser do not always agree on what a name means (a subquery in FROM does not see its
siblings, ON sees only its own join, an alias hides a CTE). So a table is written with its schema, a column
with its table, and an alias that is used twice is renamed: then there is nothing left to disagree about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope

from rowcall.catalog import Catalog, Table
from rowcall.guard import outputs, tables
from rowcall.guard.reading import POSTGRES, Parts
from rowcall.guard.rules import unsafe

Source = exp.Table | Scope


@dataclass
class Named:
    """A query in which every name is resolved.

    `levels` has every query with what it reads, by the alias that is written; `sources` has, by a column's
    id, what the column comes from.
    """

    tree: exp.Query
    catalog: Catalog
    tables: tuple[str, ...] = ()
    levels: list[tuple[Scope, dict[str, Source]]] = field(default_factory=list)
    sources: dict[int, Source] = field(default_factory=dict)

    def table(self, source: exp.Table) -> Table | None:
        return self.catalog.table(tables.key_of(source.db, source.name))

    def origin(self, column: exp.Expr) -> str:
        """The catalog's column (`orders.status`) that this one passes on unchanged, or ""."""
        source = self.sources.get(id(column))
        if isinstance(source, exp.Table):
            table = self.table(source)
            return f"{table.key}.{column.name}" if table else ""
        projection = output(source, column.name) if source else None
        return self.origin(projection) if isinstance(projection, exp.Column) else ""

    def has_column(self, source: Source, name: str) -> bool:
        if isinstance(source, exp.Table) and is_table(source):
            table = self.table(source)
            return table is not None and table.column(name) is not None
        return name in _columns(source)

    def having(self, scope: Scope, name: str) -> list[str]:
        """The aliases in FROM that have a column of that name."""
        return [alias for alias, (_, source) in scope.selected_sources.items() if self.has_column(source, name)]


def resolve(tree: exp.Query, parts: Parts, catalog: Catalog) -> Named:
    """Qualifies `tree` in place and proves that it names visible tables and columns only."""
    keys = tables.resolve_tables(parts, catalog)
    outputs.name_outputs(parts)
    hidden = outputs.hide_names(parts)
    tree = qualify(
        tree,
        dialect=POSTGRES,
        schema=tables.Visible(catalog),
        expand_alias_refs=False,  # Postgres does not know an output's name in WHERE, HAVING, ON or SELECT
        quote_identifiers=False,
        validate_qualify_columns=False,  # see _check_complete
    )
    named = Named(tree, catalog, tuple(sorted(keys)))
    rows = list(tree.find_all(exp.TableColumn))
    if hidden or rows:
        scopes = {id(scope.expression): scope for scope in traverse_scope(tree)}
        outputs.show_names(hidden, lambda select, name: named.having(scopes[id(select)], name))
        for row in rows:
            _unwrap_series(row, scopes.values())
    outputs.group_by_place(tree)
    _resolve_columns(named)
    _check_complete(named)
    outputs.tidy(tree)
    return named


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


def is_table(source: Source) -> bool:
    """A table of the database, and neither a subquery nor a function."""
    return isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier)


def _unwrap_series(node: exp.TableColumn, scopes: Iterable[Scope]) -> None:
    """A name of a whole row is refused; of a function that gives one column, it is that column."""
    for scope in scopes:
        found = scope.selected_sources.get(node.name)
        if found and any(inner is node for inner in scope.walk()):
            columns = _columns(found[1]) if _is_series(found[1]) else ()
            if len(columns) == 1:
                node.replace(exp.column(columns[0], table=node.name, quoted=True))
                return
    raise unsafe("whole_row", f"{node.name[:60]} is one.")


def _resolve_columns(named: Named) -> None:
    scopes = traverse_scope(named.tree)
    taken: set[str] = set()
    names = {id(scope): {alias: outputs.unused(alias, taken) for alias in scope.selected_sources} for scope in scopes}
    for scope in scopes:
        for column in scope.find_all(exp.Column):
            if not column.table and column.name not in _outputs_for(column):
                _qualify_as_input(column, scope, named)
            if column.table:
                level, source = _resolve_column(column, scope, named)
                named.sources[id(column)] = source
                column.set("table", exp.to_identifier(names[id(level)][column.table], quoted=True))
    for scope in scopes:
        mine = names[id(scope)]
        for alias, (node, _) in scope.selected_sources.items():
            _rename(node, alias, mine[alias])
        named.levels.append((scope, {mine[alias]: source for alias, (_, source) in scope.selected_sources.items()}))


def _outer(scope: Scope) -> Scope | None:
    """The query whose FROM is in sight after this one's: a subquery in FROM, or a CTE, does not see its neighbours."""
    if scope.parent is not None and (scope.is_derived_table or scope.is_cte):
        return _outer(scope.parent)
    return scope.parent


def _qualify_as_input(column: exp.Column, scope: Scope, named: Named) -> None:
    """In HAVING and in an expression of ORDER BY, a name is a column of FROM and never one of the output."""
    level: Scope | None = scope
    while level is not None:
        aliases = named.having(level, column.name)
        if aliases:
            if len(aliases) == 1:
                column.set("table", exp.to_identifier(aliases[0], quoted=True))
            return
        level = _outer(level)


def _resolve_column(column: exp.Column, scope: Scope, named: Named) -> tuple[Scope, Source]:
    """The query that reads what the column is of, and what that is."""
    level: Scope | None = scope
    while level is not None and column.table not in level.selected_sources:
        level = _outer(level)
    if level is None:
        raise unsafe("column", f"{column.table[:60]} is not read here.")
    source = level.selected_sources[column.table][1]
    if not named.has_column(source, column.name):
        raise unsafe("column", f"{column.table[:60]}.{column.name[:60]} is not one of them.")
    if column.args.get("db"):
        raise unsafe("column", f"{column.name[:60]} is named with its schema, but read from something else.")
    return level, source


def _is_series(source: Source) -> bool:
    if isinstance(source, exp.Table):
        return not is_table(source)
    expression = source.expression
    return isinstance(expression, exp.Unnest) or (
        isinstance(expression, exp.Lateral) and not isinstance(expression.this, exp.Subquery)
    )


def _columns(source: Source) -> Sequence[str]:
    """The columns of a subquery or a function."""
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


def _check_complete(named: Named) -> None:
    """Every column was resolved, but for the names of outputs that ORDER BY and DISTINCT ON may use."""
    for column in named.tree.find_all(exp.Column):
        if id(column) in named.sources:
            continue
        if isinstance(column.this, exp.Star) or column.table or column.name not in _outputs_for(column):
            raise unsafe("column", f"{column.name[:60] or '*'} is not one of them, or one of several.")


def _outputs_for(column: exp.Column) -> Sequence[str]:
    """The outputs that a bare name may mean where it stands."""
    node: Any = column.parent
    if isinstance(node, exp.Ordered):
        clause: Any = node.parent
    else:
        clause = node.parent if isinstance(node, exp.Tuple) else None
    query = clause.parent if isinstance(clause, (exp.Order, exp.Distinct)) else None
    if isinstance(query, exp.Subquery):
        query = query.unnest()
    return query.named_selects if isinstance(query, (exp.Select, exp.SetOperation)) else ()
