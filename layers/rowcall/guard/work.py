"""How much work a query may make: no part of it may give far more data than it reads.

What this cannot see (a many-to-many join, a slow sort) ends at the deadline. It is here so that a statement
whose cost is plain to see never reaches the database.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from rowcall.guard import expressions
from rowcall.guard.naming import Named, Source, is_table
from rowcall.guard.rules import unsafe

MAX_SOURCES = 24
"""Tables, subqueries and functions in the FROM of one query."""
MAX_DEPTH = 12
"""Queries inside of queries."""
MAX_SCANS = 100
"""Tables read in all, a CTE counted each time that it is read."""
MAX_PRODUCT = 1_000_000
"""Rows that sources without a condition between them may multiply to."""
MAX_FACTOR = 10
"""What a table of any size may be multiplied by: a few constants, the other side of a comparison."""
MAX_COMPARED = 1_000_000_000
"""The same where the condition is not an equality, so that every pair is looked at."""
UNKNOWN_ROWS = 1_000
"""Autovacuum counts a table from its fiftieth change on: one that was not counted is small, or very new."""
EQUAL_SHARE = 0.005
"""Rows that are thought to equal a constant: DEFAULT_EQ_SEL of Postgres's src/include/utils/selfuncs.h."""


def check(named: Named) -> None:
    sizes = _Sizes(named)
    for scope, sources in named.levels:
        if len(sources) > MAX_SOURCES:
            raise unsafe("too_long", "It joins too many tables.")
        if _depth(scope) > MAX_DEPTH:
            raise unsafe("too_long", "It is nested too deeply.")
        sizes.of(scope)
    if sizes.scans(named.levels[-1][0]) > MAX_SCANS:
        raise unsafe("work", "It reads its own parts again and again.")
    expressions.check(named)


def _depth(scope: Scope | None) -> int:
    depth = 0
    while scope is not None:
        depth += not scope.is_set_operation
        scope = scope.parent
    return depth


class _Sizes:
    """Rows that each query may give, as estimated from the catalog, and the tables that it scans."""

    def __init__(self, named: Named) -> None:
        self._named = named
        self._sources = {id(scope): sources for scope, sources in named.levels}
        self._rows: dict[int, float] = {}
        self._scans: dict[int, int] = {}

    def of(self, source: Source) -> float:
        if isinstance(source, exp.Table):
            if not is_table(source):
                return expressions.MAX_SERIES
            table = self._named.table(source)
            return (table.rows if table else 0) or UNKNOWN_ROWS
        if id(source) not in self._rows:
            self._rows[id(source)] = self._estimate(source)
        return self._rows[id(source)]

    def scans(self, source: Source) -> int:
        if isinstance(source, exp.Table):
            return 1
        if id(source) not in self._scans:
            inner = [*self._sources.get(id(source), {}).values(), *source.subquery_scopes]
            inner += source.set_operation_scopes
            self._scans[id(source)] = sum(map(self.scans, inner)) or 1
        return self._scans[id(source)]

    def _estimate(self, scope: Scope) -> float:
        query = scope.expression
        if isinstance(query, exp.Values):
            return len(query.expressions)
        if isinstance(query, (exp.Unnest, exp.Lateral)):
            inner = scope.subquery_scopes or scope.derived_table_scopes
            return self.of(inner[0]) if inner else UNKNOWN_ROWS
        if isinstance(query, exp.SetOperation):
            rows = sum(map(self.of, scope.set_operation_scopes))
        else:
            rows = self._product(scope)
            if isinstance(query, exp.Select) and not query.args.get("group") and _aggregates(query):
                rows = 1
        limit = query.args.get("limit")
        if limit is not None and isinstance(limit.expression, exp.Literal):
            rows = min(rows, int(limit.expression.this))
        return rows

    def _product(self, scope: Scope) -> float:
        sources = self._sources[id(scope)]
        if not sources:
            return 1
        rows = {alias: self.of(source) for alias, source in sources.items()}
        equal, compared = _Groups(sources), _Groups(sources)
        for pair in self._dependent(sources):
            equal.join(pair)
        for condition in _conditions(scope):
            tables = _tables(condition) & sources.keys()
            if isinstance(condition, exp.EQ) and len(tables) == 1 and _is_to_constant(condition):
                alias = next(iter(tables))
                rows[alias] = max(1, rows[alias] * EQUAL_SHARE)
            if isinstance(condition, (exp.EQ, exp.NullSafeEQ)):
                for left in _tables(condition.this) & sources.keys():
                    for right in _tables(condition.expression) & sources.keys():
                        equal.join((left, right))
            if not isinstance(condition, exp.NEQ):
                compared.join(tables)
        for group in equal:
            compared.join(group)
        product = math.prod(max(rows[alias] for alias in group) for group in equal)
        apart = math.prod(max(rows[alias] for alias in group) for group in compared)
        biggest = max(rows.values())
        if apart > max(MAX_PRODUCT, MAX_FACTOR * biggest):
            raise unsafe("cartesian", f"{', '.join(sorted(sources))} are not.")
        if product > max(MAX_COMPARED, MAX_FACTOR * biggest):
            raise unsafe("cartesian", f"{', '.join(sorted(sources))} are compared pair by pair.")
        return product

    def _dependent(self, sources: dict[str, Source]) -> Iterator[tuple[str, str]]:
        """What stands in FROM and reads its siblings: LATERAL, and functions of their columns."""
        for alias, source in sources.items():
            inside = source if isinstance(source, exp.Table) else source.expression
            if isinstance(source, exp.Table) and is_table(source):
                continue
            for other in _tables(inside) & sources.keys():
                yield alias, other


class _Groups:
    """Aliases that belong together."""

    def __init__(self, aliases: Iterable[str]) -> None:
        self._group = {alias: {alias} for alias in aliases}

    def join(self, aliases: Iterable[str]) -> None:
        merged: set[str] = set().union(*(self._group[alias] for alias in aliases))
        for alias in merged:
            self._group[alias] = merged

    def __iter__(self) -> Iterator[set[str]]:
        return iter({id(group): group for group in self._group.values()}.values())


def _conditions(scope: Scope) -> Iterator[exp.Expr]:
    """What every row that is given must meet: the parts of ON and WHERE between their ANDs."""
    clauses = [join.args.get("on") for join in scope.find_all(exp.Join)]
    where = scope.expression.args.get("where")
    clauses.append(where.this if where else None)
    for clause in clauses:
        if clause is not None:
            inner = clause.unnest()
            parts = inner.flatten() if isinstance(inner, exp.And) else (inner,)
            yield from (part.unnest() for part in parts)


def _is_to_constant(condition: exp.EQ) -> bool:
    return any(
        isinstance(side.unnest(), (exp.Literal, exp.Placeholder, exp.Cast)) and not _tables(side)
        for side in (condition.this, condition.expression)
    )


def _tables(node: exp.Expr) -> set[str]:
    return {column.table for column in node.find_all(exp.Column)}


def _aggregates(select: exp.Select) -> bool:
    return any(
        isinstance(node, exp.AggFunc) and not isinstance(_unwrapped(node), exp.Window)
        for projection in select.selects
        for node in projection.walk(prune=lambda node: isinstance(node, exp.Query))
    )


def _unwrapped(node: exp.Expr) -> exp.Expr | None:
    parent = node.parent
    while isinstance(parent, (exp.Filter, exp.WithinGroup)):
        parent = parent.parent
    return parent
