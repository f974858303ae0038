"""How much work a query may make: no part of it may give far more data than it reads.

What this cannot see (a many-to-many join, a slow sort) ends at the deadline. It is here so that a statement
whose cost is plain to see never reaches the database.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

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
MAX_SERIES = 10_000
MAX_TEXT = 1_000
MAX_GROUPINGS = 128


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
    for node in named.tree.walk():
        _check_node(node)


def _depth(scope: Scope | None) -> int:
    depth = 0
    while scope is not None:
        depth += not scope.is_set_operation
        scope = scope.parent
    return depth


# Rows --------------------------------------------------------------------------------------------------------


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
                return MAX_SERIES
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


# Functions ---------------------------------------------------------------------------------------------------


def _check_node(node: exp.Expr) -> None:
    if isinstance(node, exp.Anonymous):
        _check_function(node.name.lower(), node.expressions, node)
    elif isinstance(node, exp.Pow):
        _check_power(node.this, node.expression)
    elif isinstance(node, (exp.RegexpLike, exp.RegexpILike, exp.SimilarTo)):
        _check_regex(node.expression)
    elif isinstance(node, exp.Substring):
        start = node.args.get("start")
        if start is not None and start.is_string:
            _check_regex(start)
    elif isinstance(node, exp.Group):
        _check_groupings(node)
    elif isinstance(node, exp.Cast) and node.this.is_string and node.to.this == exp.DType.DECIMAL:
        _check_number(node.this.name)


def _check_function(name: str, arguments: Sequence[exp.Expr], node: exp.Expr) -> None:
    if name in ("repeat", "lpad", "rpad"):
        if len(arguments) < 2 or not 0 <= _integer(arguments[1]) <= MAX_TEXT or _inside(node, _GROWING):
            raise unsafe("work", f"{name}() makes text of a size that is not plain to see.")
    elif name in ("replace", "regexp_replace"):
        if _growth(node) > MAX_TEXT:
            raise unsafe("work", f"{name}() makes text longer and longer.")
    elif name == "format":
        if not (arguments and arguments[0].is_string and _FORMAT.fullmatch(arguments[0].name)):
            raise unsafe("work", "format() pads text.")
    elif name in ("pow", "power"):
        if len(arguments) == 2:
            _check_power(*arguments)
    elif name == "generate_series":
        _check_series(arguments)
    if name.startswith("regexp_"):
        _check_regex(arguments[1] if len(arguments) > 1 else None)


_GROWING = ("repeat", "lpad", "rpad", "format", "string_agg")
_FORMAT = re.compile(r"(?:[^%]|%%|%(?:\d\$)?[sIL])*")


def _inside(node: exp.Expr, names: Sequence[str]) -> bool:
    return any(
        inner is not node and inner.name.lower() in names
        for inner in node.find_all(exp.Anonymous, exp.AnonymousAggFunc)
    )


def _growth(node: exp.Expr) -> float:
    """How many times longer than its text a chain of replacements can be."""
    growth = 1.0
    for inner in node.find_all(exp.Anonymous):
        if inner.name.lower() in ("replace", "regexp_replace") and len(inner.expressions) > 2:
            old, new = inner.expressions[1:3]
            written = len(new.name) if new.is_string else 100
            growth *= max(1.0, written / max(1, len(old.name) if inner.name.lower() == "replace" else 1))
    return growth


def _check_power(base: exp.Expr, exponent: exp.Expr) -> None:
    if any(
        isinstance(node, (exp.Pow, exp.Mul))
        or (isinstance(node, exp.Anonymous) and node.name.lower() in ("pow", "power", "exp"))
        or (isinstance(node, exp.Literal) and not node.is_string and float(node.this) > 100)
        for node in exponent.walk()
    ) or any(
        isinstance(node, exp.Pow) or (isinstance(node, exp.Anonymous) and node.name.lower() in ("pow", "power"))
        for node in base.walk()
    ):
        raise unsafe("work", "A power is too big.")


def _check_groupings(group: exp.Group) -> None:
    sets = 1
    for cube in group.find_all(exp.Cube):
        sets *= 2 ** len(cube.expressions)
    for rollup in group.find_all(exp.Rollup):
        sets *= 1 + len(rollup.expressions)
    for grouping in group.find_all(exp.GroupingSets):
        sets *= max(1, len(grouping.expressions))
    if sets > MAX_GROUPINGS:
        raise unsafe("work", "It groups in too many ways.")


def _check_number(text: str) -> None:
    if len(text) > 60 or re.search(r"e\W*\d{3}", text, re.IGNORECASE):
        raise unsafe("work", "A number is too big.")


def _integer(node: exp.Expr) -> int:
    """The constant, or -1."""
    if isinstance(node, exp.Paren):
        return _integer(node.this)
    return int(node.this) if isinstance(node, exp.Literal) and node.is_int else -1


# Series ------------------------------------------------------------------------------------------------------

_TIME_PARTS = (
    *(exp.Literal, exp.Cast, exp.DataType, exp.Add, exp.Sub, exp.Paren, exp.Interval, exp.Var, exp.Placeholder),
    *(exp.CurrentDate, exp.CurrentTimestamp, exp.Localtimestamp, exp.AtTimeZone, exp.Min, exp.Max, exp.Coalesce),
    *(exp.Subquery, exp.Select, exp.From, exp.Table, exp.TableAlias, exp.Alias, exp.Column, exp.Identifier),
)
_TIME_FUNCTIONS = ("date_trunc", "now", "date", "timezone")
_DATE = re.compile(r"(19|20)\d\d-\d\d?(-\d\d?)?([ T][\d:.]+)?(Z|[+-]\d\d(:?\d\d)?)?", re.ASCII)
_LONG = re.compile(r"(day|week|month|quarter|year|decade)s?", re.IGNORECASE)


def _check_series(arguments: Sequence[exp.Expr]) -> None:
    numbers = [_signed(argument) for argument in arguments]
    if all(number is not None for number in numbers) and len(numbers) in (2, 3):
        start, stop, step = (*(float(n or 0) for n in numbers), 1.0)[:3]
        if step and abs((stop - start) / step) <= MAX_SERIES:
            return
    elif len(arguments) == 3 and _is_long(arguments[2]):
        bounds = (node for argument in arguments[:2] for node in argument.walk())
        if all(map(_is_near, bounds)):
            return
    raise unsafe("work", "generate_series() goes on for a length that is not plain to see.")


def _signed(node: exp.Expr) -> float | None:
    if isinstance(node, exp.Neg):
        number = _signed(node.this)
        return None if number is None else -number
    if isinstance(node, exp.Paren):
        return _signed(node.this)
    return float(node.this) if isinstance(node, exp.Literal) and not node.is_string else None


def _is_long(step: exp.Expr) -> bool:
    """A constant interval of a day or more."""
    if isinstance(step, exp.Neg):
        return _is_long(step.this)
    if isinstance(step, exp.Cast) and step.to.this == exp.DType.INTERVAL:
        step = step.this
    text = f"{step.this.name} {step.text('unit')}" if isinstance(step, exp.Interval) else step.name
    amount = re.match(r"\s*[-+]?(\d+)", text)
    return bool(amount and int(amount[1]) > 0 and _LONG.search(text))


def _is_near(node: exp.Expr) -> bool:
    """Part of an expression that gives a time within the lives of people."""
    if isinstance(node, exp.Literal):
        if isinstance(node.parent, exp.Interval):
            return all(int(number) <= 1_000 for number in re.findall(r"\d+", node.name))
        if not node.is_string:
            return float(node.this) <= 1_000
        if isinstance(node.parent, exp.AtTimeZone) or _is_first_of_time_function(node):
            return True  # a unit or a time zone
        return bool(_DATE.fullmatch(node.name) or re.fullmatch(r"\d{1,3} [a-z]+", node.name))
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in _TIME_FUNCTIONS
    return isinstance(node, _TIME_PARTS)


def _is_first_of_time_function(node: exp.Expr) -> bool:
    parent = node.parent
    return isinstance(parent, exp.Anonymous) and parent.name.lower() in ("date_trunc", "timezone") and node.index == 0


# Regular expressions -----------------------------------------------------------------------------------------


def _check_regex(pattern: exp.Expr | None) -> None:
    if pattern is None or not pattern.is_string or len(pattern.name) > 200 or _runs_away(pattern.name):
        raise unsafe("regex")


def _runs_away(pattern: str) -> bool:
    """A repetition inside of a repetition, or a back reference: what can take exponential time or space."""
    text = re.sub(r"\[\^?\]?(?:\\.|[^\]\\])*\]", "x", pattern)
    if re.search(r"\\[1-9]", text):
        return True
    text = re.sub(r"\\.", "x", text)
    repeats = [False]
    for index, character in enumerate(text):
        if character == "(":
            repeats.append(False)
        elif character == ")" and len(repeats) > 1:
            inner = repeats.pop()
            if inner and re.match(r"[*+%]|\{(\d{2,}|\d+,\d*)\}|\{\d,\}", text[index + 1 :]):
                return True
            repeats[-1] |= inner
        elif character in "*+{%":
            repeats[-1] = True
    return False
