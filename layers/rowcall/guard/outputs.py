"""Outputs: what a query calls its columns, and what GROUP BY means by these names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlglot import exp

from rowcall.guard.reading import POSTGRES, Parts
from rowcall.guard.rules import unsafe


def name_outputs(parts: Parts) -> None:
    """Names what has no name as Postgres would, so that it can be referred to, but never two things alike."""
    for values in parts.of(exp.Values):
        table = values.args.get("alias") or exp.TableAlias()
        if not table.args.get("columns"):
            width = len(values.expressions[0].expressions)
            table.set("columns", [exp.to_identifier(f"column{n + 1}") for n in range(width)])
        values.set("alias", table)
    for select in parts.of(exp.Select):
        taken = {projection.alias_or_name for projection in select.selects}
        for projection in select.selects:
            if not isinstance(projection, (exp.Alias, exp.Column, exp.Star)):
                alias = exp.Alias(alias=exp.to_identifier(unused(_implicit_name(projection), taken), quoted=True))
                projection.replace(alias)
                alias.set("this", projection)


Hidden = list[tuple[exp.Var, exp.Alias]]
"""What stands for an output's name, and that output."""


def hide_names(parts: Parts) -> Hidden:
    """Takes the names of outputs that the parser would misread out of its sight.

    These are names in GROUP BY, which it looks for outside of the query as well, and names in ORDER BY where a list
    of other names (`AS t (a, b)`) will take their place.
    """
    hidden: Hidden = []
    for group in parts.of(exp.Group):
        hidden += _hide(group, _GROUPINGS, group.parent)
    for renamed in (*parts.of(exp.CTE), *parts.of(exp.Subquery)):
        if renamed.alias_column_names:
            query = renamed.this
            while isinstance(query, exp.Subquery):
                query = query.this
            for clause in (query.args.get("order"), query.args.get("distinct")):
                if isinstance(clause, exp.Expr):
                    hidden += _hide(clause, (exp.Ordered, exp.Tuple), query)
    return hidden


_GROUPINGS = (exp.Group, exp.Rollup, exp.Cube, exp.GroupingSets, exp.Tuple, exp.Paren)


def _hide(clause: exp.Expr, parents: tuple[type[exp.Expr], ...], query: Any) -> Hidden:
    while isinstance(query, (exp.SetOperation, exp.Subquery)):
        query = query.this
    outputs = {item.alias: item for item in query.selects if isinstance(item, exp.Alias)}
    hidden = []
    for column in list(clause.find_all(exp.Column)):
        if isinstance(column.parent, parents) and not column.table and column.name in outputs:
            name = exp.Var(this=column.name)
            column.replace(name)
            hidden.append((name, outputs[column.name]))
    return hidden


def show_names(hidden: Hidden, inputs: Callable[[exp.Select, str], Sequence[str]]) -> None:
    """A name in GROUP BY is a column of FROM if there is one, or else an output; `inputs` has the aliases with it."""
    for name, output in hidden:
        if name.find_ancestor(exp.Group, exp.Order, exp.Distinct, exp.Select).__class__ is not exp.Group:
            name.replace(exp.column(output.alias, quoted=True))
            continue
        select = output.parent
        if not isinstance(select, exp.Select):
            raise unsafe("construct")
        aliases = inputs(select, name.name)
        if len(aliases) > 1:
            raise unsafe("column", f"{name.name[:60]} is one of several.")
        if aliases:
            name.replace(exp.column(name.name, table=aliases[0], quoted=True))
        else:
            place = next(n for n, item in enumerate(select.selects) if item is output)
            name.replace(exp.Literal.number(place + 1))


def group_by_place(tree: exp.Query) -> None:
    """Where GROUP BY repeats an output, its number says so: a copy of a subquery would be another one."""
    for group in tree.find_all(exp.Group):
        select = group.parent
        outputs = [projection.unalias() for projection in select.selects] if isinstance(select, exp.Select) else []
        for item in group.expressions:
            if item in outputs and not isinstance(item, (exp.Column, exp.Literal)):
                item.replace(exp.Literal.number(outputs.index(item) + 1))


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


def tidy(tree: exp.Query) -> None:
    """Takes away the aliases that say nothing, and tells apart outputs of the same name."""
    query: Any = tree
    while not isinstance(query, exp.Select):
        query = query.this
    taken: set[str] = set()
    for projection in query.selects:
        if isinstance(projection, exp.Alias):
            name = unused(projection.alias, taken)
            projection.set("alias", exp.to_identifier(name, quoted=True))
    for node in list(tree.find_all(exp.Alias, exp.Table)):
        if isinstance(node, exp.Alias):
            inner = node.this
            if isinstance(inner, exp.Column) and inner.name == node.alias:
                node.replace(inner)
        elif isinstance(node, exp.Table) and node.db and node.alias == node.name:
            node.set("alias", None)


def unused(name: str, taken: set[str]) -> str:
    """`name`, or `name_2`, `name_3` … if it is taken; takes it."""
    free, n = name, 1
    while free in taken:
        n += 1
        free = f"{name}_{n}"
    taken.add(free)
    return free
