"""A reading becomes one SELECT, built as a tree; text is made of it once, at the end.

Joins that lead from many to one are joins; everything that could repeat a row is an EXISTS or a scalar subquery,
so that no row is counted twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.generators.postgres import PostgresGenerator

from rowcall.catalog import Table
from rowcall.planners.grammar.reading import (
    Against,
    Between,
    Bucket,
    Compare,
    Condition,
    Dimension,
    Either,
    Expression,
    Flag,
    Known,
    Like,
    Measure,
    Not,
    Place,
    Ratio,
    Reading,
    Related,
    Things,
    Value,
    Within,
)
from rowcall.planners.grammar.schema import Field, Path, Schema, Step

_COMPARE = {">": exp.GT, ">=": exp.GTE, "<": exp.LT, "<=": exp.LTE, "=": exp.EQ, "<>": exp.NEQ}
_TIMES = frozenset({"timestamp with time zone", "timestamptz"})


_Given = TypeVar("_Given")


class Unspeakable(Exception):
    """A reading that this module has no faithful SQL for."""


class _Named(PostgresGenerator):
    """Postgres with placeholders as drafts have them: `:s0`."""

    def placeholder_sql(self, expression: exp.Placeholder) -> str:
        return f":{expression.name}"


def text_of(tree: exp.Expr) -> str:
    return str(_Named(dialect="postgres").generate(tree))


def _slot(name: str, type_: str = "") -> exp.Expr:
    placeholder = exp.Placeholder(this=name)
    return exp.cast(placeholder, type_, dialect="postgres") if type_ else placeholder


@dataclass
class _Rows:
    """One FROM with its joins: a path taken twice is one join."""

    composer: Composer
    root: str
    table: str

    def __post_init__(self) -> None:
        self.aliases: dict[tuple[str, Path], str] = {}
        self.joins: list[tuple[Table, str, exp.Expr, bool]] = []
        self.where: list[exp.Expr] = []

    def reach(self, path: Path, start: str = "", outer: bool = False) -> str:
        alias = start or self.root
        done: Path = ()
        for step in path:
            done = (*done, step)
            name = (start or self.root, done)
            if name not in self.aliases:
                target = self.composer.alias(step.target)
                self.joins.append((self.composer.schema.tables[step.target], target, _on(step, alias, target), outer))
                self.aliases[name] = target
            alias = self.aliases[name]
        return alias

    def select(self, columns: Sequence[exp.Expr]) -> exp.Select:
        table = self.composer.schema.tables[self.table]
        query = exp.select(*columns).from_(_table(table, self.root))
        for joined, alias, on, outer in self.joins:
            query = query.join(_table(joined, alias), on=on, join_type="left" if outer else "")
        return query.where(*self.where) if self.where else query


def _table(table: Table, alias: str) -> exp.Expr:
    schema = exp.to_identifier(table.schema, quoted=True) if table.schema != "public" else None
    made = exp.Table(this=exp.to_identifier(table.name, quoted=_quoted(table.name)), db=schema)
    return exp.alias_(made, alias, table=True)


def _quoted(name: str) -> bool:
    return not (name.islower() and name.isidentifier() and name.isascii()) or name in _RESERVED


_RESERVED = frozenset(word.casefold() for word in Postgres.Tokenizer.KEYWORDS)


def _column(alias: str, name: str) -> exp.Column:
    return exp.Column(this=exp.to_identifier(name, quoted=_quoted(name)), table=exp.to_identifier(alias))


def _on(step: Step, source: str, target: str) -> exp.Expr:
    return exp.and_(*(_column(source, a).eq(_column(target, b)) for a, b in step.on))


class Composer:
    """Makes SQL for one question: hands out aliases, remembers the constants it wrote."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.constants: list[str] = []
        self._taken: set[str] = set()

    def alias(self, table: str) -> str:
        words = self.schema.table_words(table).split()
        short = "".join(word[0] for word in words if word[0].isascii() and word[0].isalpha()) or "t"
        number = 0
        while (name := short + (str(number) if number else "")) in self._taken or name in _RESERVED:
            number += 1
        self._taken.add(name)
        return name

    # -- conditions --------------------------------------------------------------------------------------------

    def value(self, value: Value, field: Field | None = None) -> exp.Expr:
        if value.slot is None:
            return self.constant(value.constant)
        if field is None or field.is_text:
            if field is not None and field.column.type not in ("text", "character varying", "character"):
                return _slot(f"s{value.slot}", f'"{field.column.type}"' if False else "")
            return _slot(f"s{value.slot}")
        if field.is_date:
            return _slot(f"s{value.slot}", field.column.type)
        if field.column.type in ("real", "double precision"):
            return _slot(f"s{value.slot}", field.column.type)
        return _slot(f"s{value.slot}", "numeric")

    def constant(self, value: str | int | bool | None) -> exp.Expr:
        if isinstance(value, bool):
            return exp.true() if value else exp.false()
        self.constants.append(str(value))
        return exp.Literal.number(value) if isinstance(value, int) else exp.Literal.string(str(value))

    def condition(self, rows: _Rows, alias: str, one: Condition) -> exp.Expr:
        if isinstance(one, Not):
            return exp.not_(exp.paren(self.condition(rows, alias, one.condition)))
        if isinstance(one, Either):
            return exp.paren(exp.or_(*(self.condition(rows, alias, each) for each in one.conditions)))
        if isinstance(one, Related):
            return self.related(alias, one)
        if any(not step.up for step in one.place.path):
            inner = Things(one.place.field.table, [_local(one)])
            return self.related(alias, Related(one.place.path, inner))
        at = rows.reach(one.place.path, alias if alias != rows.root else "")
        column = _column(at, one.place.field.name)
        if isinstance(one, Compare):
            return _COMPARE[one.operator](this=column, expression=self.value(one.value, one.place.field))
        if isinstance(one, Between):
            return exp.Between(
                this=column,
                low=self.value(one.low, one.place.field),
                high=self.value(one.high, one.place.field),
            )
        if isinstance(one, Known):
            empty = exp.Is(this=column, expression=exp.null())
            return exp.not_(empty) if one.known else empty
        if isinstance(one, Flag):
            if one.place.field.column.type != "boolean":
                return column.eq(self.constant(int(one.value)))
            return column if one.value else exp.not_(column)
        if isinstance(one, Like):
            return self.like(column, one)
        if isinstance(one, Within):
            return self.within(column, one)
        return self.against(column, one)

    def like(self, column: exp.Expr, one: Like) -> exp.Expr:
        name = f"s{one.slot}"
        if one.how == "equals":
            if one.folded:
                return exp.func("LOWER", column).eq(exp.func("LOWER", _slot(name, "text")))
            return column.eq(_slot(name))
        kind = exp.ILike if one.folded else exp.Like
        return kind(this=column, expression=_slot(f"{name}_{one.how}"))

    def within(self, column: exp.Expr, one: Within) -> exp.Expr:
        field, name = one.place.field, f"s{one.slot}"
        if field.is_year and one.kind == "year":
            operator = {"in": "=", "before": "<", "after": ">", "since": ">=", "until": "<="}[one.relation]
            return _COMPARE[operator](this=column, expression=_slot(name, "integer"))
        if not field.is_date:
            raise Unspeakable
        type_ = field.column.type
        start, end = _slot(f"{name}_start", type_), _slot(f"{name}_end", type_)
        if one.relation == "in":
            return exp.and_(exp.GTE(this=column, expression=start), exp.LT(this=column.copy(), expression=end))
        if one.relation == "before":
            return exp.LT(this=column, expression=start)
        if one.relation == "since":
            return exp.GTE(this=column, expression=start)
        if one.relation == "after":
            return exp.GTE(this=column, expression=end)
        return exp.LT(this=column, expression=end)

    def _day(self, column: exp.Expr, type_: str) -> exp.Expr:
        if type_ == "date":
            return column
        return exp.cast(self._local_time(column, type_), "date", dialect="postgres")

    def _local_time(self, column: exp.Expr, type_: str) -> exp.Expr:
        if type_ in _TIMES:
            return exp.AtTimeZone(this=column, zone=_slot("timezone"))
        return column

    def against(self, column: exp.Expr, one: Against) -> exp.Expr:
        inner = self.rows(one.things)
        measure = exp.func(one.function.upper(), _column(inner.root, one.place.field.name))
        return _COMPARE[one.operator](this=column, expression=exp.paren(inner.select([measure])))

    def related(self, alias: str, one: Related) -> exp.Expr:
        first, *rest = one.path
        inner = _Rows(self, self.alias(first.target), first.target)
        inner.where.append(_on(first, alias, inner.root))
        at = inner.reach(tuple(rest))
        inner.where.extend(self.condition(inner, at, each) for each in one.things.where)
        if one.operator:
            key = self.schema.key(one.things.table)
            counted: exp.Expr = exp.Count(this=exp.Star())
            if any(not step.up for step in rest) and len(key) == 1:
                counted = exp.Count(this=exp.Distinct(expressions=[_column(at, key[0])]))
            elif rest and any(step.up for step in rest):
                if len(key) != 1:
                    raise Unspeakable
                counted = exp.Count(this=exp.Distinct(expressions=[_column(at, key[0])]))
            value = _given(one.value)
            number = _slot(f"s{value.slot}", "bigint") if value.slot is not None else self.value(value)
            return _COMPARE[one.operator](this=exp.paren(inner.select([counted])), expression=number)
        self.constants.append("1")
        found = exp.Exists(this=inner.select([exp.Literal.number(1)]))
        return exp.not_(found) if one.negated else found

    def rows(self, things: Things) -> _Rows:
        rows = _Rows(self, self.alias(things.table), things.table)
        rows.where.extend(self.condition(rows, rows.root, one) for one in things.where)
        return rows

    # -- numbers -----------------------------------------------------------------------------------------------

    def measure(self, rows: _Rows, alias: str, one: Measure, spread: bool = False) -> exp.Expr:
        """An aggregate over the rows at `alias`. `spread` says that the joins repeat them."""
        only = [self.condition(rows, alias, each) for each in one.only]
        made: exp.Expr
        if one.function == "count":
            if one.place is not None:
                at = rows.reach(one.place.path, alias if alias != rows.root else "")
                column: exp.Expr = _column(at, one.place.field.name)
                made = exp.Count(this=exp.Distinct(expressions=[column]) if one.distinct else column)
            elif spread:
                key = self.schema.key(one.things.table)
                if len(key) != 1:
                    raise Unspeakable
                made = exp.Count(this=exp.Distinct(expressions=[_column(alias, key[0])]))
            else:
                made = exp.Count(this=exp.Star())
        else:
            place = _given(one.place)
            if any(not step.up for step in place.path):
                raise Unspeakable
            at = rows.reach(place.path, alias if alias != rows.root else "")
            inner: exp.Expr = _column(at, place.field.name)
            if one.times is not None:
                inner = exp.Mul(this=inner, expression=_column(alias, one.times.name))
            if one.distinct:
                inner = exp.Distinct(expressions=[inner])
            if one.function == "median":
                self.constants.append("0.5")
                made = exp.WithinGroup(
                    this=exp.PercentileCont(this=exp.Literal.number("0.5")),
                    expression=exp.Order(expressions=[exp.Ordered(this=inner)]),
                )
            else:
                made = exp.func(one.function.upper(), inner)
        if only:
            made = exp.Filter(this=made, expression=exp.Where(this=exp.and_(*only)))
        return made

    def divide(self, above: exp.Expr, below: exp.Expr, percent: bool) -> exp.Expr:
        top = exp.cast(above, "double precision", dialect="postgres")
        self.constants.append("0")
        bottom = exp.func("NULLIF", below, exp.Literal.number(0))
        if percent:
            self.constants.append("100")
            return exp.Div(this=exp.paren(exp.Mul(this=exp.Literal.number(100), expression=top)), expression=bottom)
        return exp.Div(this=top, expression=bottom)

    # -- whole questions ---------------------------------------------------------------------------------------

    def query(self, reading: Reading) -> exp.Select:
        measures = [one for one in (*reading.shown, *(order.by for order in reading.order)) if _measured(one)]
        if not measures and not reading.having and not reading.dimensions:
            return self.listing(reading)
        if reading.dimensions:
            return self.grouped(reading)
        return self.scalars(reading)

    def listing(self, reading: Reading) -> exp.Select:
        rows = self.rows(reading.things)
        shown = reading.shown or [Place(field) for field in self.schema.fields[reading.things.table].values()]
        columns = [self.expression(rows, one) for one in shown]
        order = self.order_of(reading, rows)  # before the joins are written: it may need more of them
        if reading.distinct and not order:
            order = [_direction(one, descending=False) for one in columns]
        elif not reading.distinct:
            # what a limit cuts off must not depend on how Postgres happens to read the table
            known = {one.this for one in order}
            keys = [_column(rows.root, name) for name in self.schema.key(reading.things.table)]
            order += [_direction(one, descending=False) for one in keys if one not in known]
        query = rows.select(self.named(columns, shown))
        if reading.distinct:
            if any(one.this not in columns for one in order):
                raise Unspeakable
            query = query.distinct()
        return self.limited(query.order_by(*order) if order else query, reading.limit)

    def named(self, columns: list[exp.Expr], shown: Sequence[Expression | Dimension]) -> list[exp.Expr]:
        """Two columns of one name would hide one another; a computed one has no name at all."""
        taken: set[str] = set()
        found: list[exp.Expr] = []
        for column, one in zip(columns, shown, strict=True):
            plain = column.name if isinstance(column, exp.Column) else ""
            name = plain or self.title(one)
            if name in taken:
                place = one if isinstance(one, Place) else one.place if isinstance(one, Dimension) else None
                prefix = self.schema.tables[place.field.table].name if place else "other"
                name = f"{prefix}_{name}"
            serial, base = 2, name
            while name in taken:
                name, serial = f"{base}_{serial}", serial + 1
            taken.add(name)
            found.append(column if name == plain else exp.alias_(column, name, quoted=_quoted(name)))
        return found

    def title(self, one: Expression | Dimension) -> str:
        if isinstance(one, Measure):
            if one.function == "count":
                named = self.schema.tables[one.things.table].name
                return f"{one.place.field.name}_count" if one.place else f"{named}_count"
            if one.name:
                return one.name
            prefix = {"sum": "total", "avg": "average"}.get(one.function, one.function)
            name = "value" if one.times else _given(one.place).field.name
            return name if name.split("_")[0] in {prefix, one.function} else f"{prefix}_{name}"
        if isinstance(one, Ratio):
            return "percentage" if one.percent else "ratio"
        if isinstance(one, Dimension):
            return one.bucket.unit if one.bucket else one.place.field.name if one.place else "name"
        return one.field.name

    def expression(self, rows: _Rows, one: Expression, alias: str = "", spread: bool = False) -> exp.Expr:
        start = alias or rows.root
        if isinstance(one, Place):
            if any(not step.up for step in one.path):
                raise Unspeakable
            at = rows.reach(one.path, start if start != rows.root else "", outer=not rows_strict(rows, one.path))
            return _column(at, one.field.name)
        if isinstance(one, Measure):
            return self.measure(rows, start, one, spread)
        return self.divide(
            self.expression(rows, one.above, alias, spread),
            self.expression(rows, one.below, alias, spread),
            one.percent,
        )

    def order_of(self, reading: Reading, rows: _Rows) -> list[exp.Ordered]:
        if any(isinstance(one.by, Dimension) for one in reading.order):
            raise Unspeakable
        return [
            _direction(self.expression(rows, one.by), one.descending)
            for one in reading.order
            if not isinstance(one.by, Dimension)
        ]

    def limited(self, query: exp.Select, limit: Value | None) -> exp.Select:
        if limit is None:
            return query
        return query.limit(self.value(limit))

    def scalars(self, reading: Reading) -> exp.Select:
        """Measures of all rows: in one pass where they are of the same rows, else each in a subquery of its own."""
        sets = {id(things) for one in reading.shown for things in _sets(one)}
        if len(sets) == 1:
            things = next(iter(things for one in reading.shown for things in _sets(one)))
            rows = self.rows(things)
            columns = [self.expression(rows, one) for one in reading.shown]
            return rows.select(self.named(columns, reading.shown))
        columns = [self.scalar(one) for one in reading.shown]
        return exp.select(*self.named(columns, reading.shown))

    def scalar(self, one: Expression) -> exp.Expr:
        if isinstance(one, Ratio):
            return self.divide(self.scalar(one.above), self.scalar(one.below), one.percent)
        if not isinstance(one, Measure):
            raise Unspeakable
        rows = self.rows(one.things)
        return exp.paren(rows.select([self.measure(rows, rows.root, one)]))

    def grouped(self, reading: Reading) -> exp.Select:
        measures = [one for one in reading.shown if _measured(one)]
        measures += [order.by for order in reading.order if not isinstance(order.by, Dimension) and _measured(order.by)]
        of = {id(things): things for one in measures for things in _sets(one)}
        of |= {id(one.things): one.things for one, _, _ in reading.having}
        if len(of) != 1:
            raise Unspeakable
        things = next(iter(of.values()))
        rows = self.rows(things)
        groups: list[exp.Expr] = []
        keys: list[list[exp.Expr]] = []
        spread = False
        for one in reading.dimensions:
            columns, extra, repeats = self.dimension(rows, things, one)
            keys.append(columns)
            groups += [*columns, *extra]
            spread = spread or repeats
        if spread:
            for measure in measures:
                self.refuse_repeats(measure, reading)
        shown: list[exp.Expr] = []
        titles: list[Expression | Dimension] = []
        if not all(_measured(number) for number in reading.shown):
            raise Unspeakable
        for columns, one in zip(keys, reading.dimensions, strict=True):
            shown += columns
            titles += [_titled(one, index) for index in range(len(columns))]
        for number in reading.shown:
            shown.append(self.expression(rows, number, spread=spread))
            titles.append(number)
        having: list[exp.Expr] = []
        for measure, operator, value in reading.having:
            left = self.measure(rows, rows.root, measure, spread)
            right = _slot(f"s{value.slot}", "numeric") if value.slot is not None else self.value(value)
            having.append(_COMPARE[operator](this=left, expression=right))
        order: list[exp.Ordered] = []
        for each in reading.order:
            if isinstance(each.by, Dimension):
                position = next(i for i, one in enumerate(reading.dimensions) if one is each.by)
                order += [_direction(column.copy(), each.descending) for column in keys[position]]
            elif isinstance(each.by, Place):
                raise Unspeakable
            else:
                order.append(_direction(self.expression(rows, each.by, spread=spread), each.descending))
        query = rows.select(self.named(shown, titles)).group_by(*_unique(groups))
        query = query.having(*having) if having else query
        return self.limited(query.order_by(*order) if order else query, reading.limit)

    def refuse_repeats(self, one: Expression, reading: Reading) -> None:
        """Through a link table a row belongs to several groups, once each; through more than that it would repeat."""
        if isinstance(one, Ratio):
            self.refuse_repeats(one.above, reading)
            self.refuse_repeats(one.below, reading)
        elif isinstance(one, Measure) and one.function != "count":
            for dimension in reading.dimensions:
                path = self.dimension_path(one.things, dimension)
                down = [step for step in path if not step.up]
                if len(down) > 1 or any(not self.schema.is_link(step.target) for step in down):
                    raise Unspeakable

    def dimension_path(self, things: Things, one: Dimension) -> Path:
        if one.things is not None:
            if not one.path and things.table != one.things.table:
                raise Unspeakable
            return one.path
        return _given(one.bucket.place if one.bucket else one.place).path

    def dimension(self, rows: _Rows, things: Things, one: Dimension) -> tuple[list[exp.Expr], list[exp.Expr], bool]:
        """What a group is shown by, what else it is grouped by, and whether joins to it repeat rows."""
        path = self.dimension_path(things, one)
        repeats = any(not step.up for step in path)
        if one.things is None:
            if one.bucket is not None:
                at = rows.reach(path)
                return [self.bucket(_column(at, one.bucket.place.field.name), one.bucket)], [], repeats
            return [_column(rows.reach(path), _given(one.place).field.name)], [], repeats
        at = rows.reach(path)
        rows.where.extend(self.condition(rows, at, each) for each in one.things.where)
        shown: list[exp.Expr] = [
            _column(rows.reach(place.path, at if at != rows.root else ""), place.field.name) for place in one.shown
        ]
        extra: list[exp.Expr] = [_column(at, name) for name in self.schema.key(one.things.table)]
        if path and not path[-1].up and not self.schema.is_link(path[-1].source) and one.shown:
            extra = []  # values listed for each row of another table: what they are called is all they are
        return shown, extra, repeats

    def bucket(self, column: exp.Expr, one: Bucket) -> exp.Expr:
        type_ = one.place.field.column.type
        if one.unit == "day":
            return self._day(column, type_)
        self.constants.append(one.unit)
        local = self._local_time(column, type_)
        truncated = exp.Anonymous(this="DATE_TRUNC", expressions=[exp.Literal.string(one.unit), local])
        return exp.cast(truncated, "date", dialect="postgres")


def rows_strict(rows: _Rows, path: Path) -> bool:
    """A joined column is shown beside its row even where the row has none, unless a condition already needs it."""
    return not path or (rows.root, path) in rows.aliases


def _given(value: _Given | None) -> _Given:
    if value is None:
        raise Unspeakable
    return value


def _measured(one: Expression | Dimension) -> bool:
    if isinstance(one, Ratio):
        return _measured(one.above)
    return isinstance(one, Measure)


def _sets(one: Expression | Dimension) -> list[Things]:
    if isinstance(one, Measure):
        return [one.things]
    if isinstance(one, Ratio):
        return [*_sets(one.above), *_sets(one.below)]
    return []


def _titled(one: Dimension, index: int) -> Expression | Dimension:
    return one.shown[index] if one.things is not None else one


def _local(one: Compare | Between | Within | Like | Known | Flag | Against) -> Condition:
    return replace(one, place=Place(one.place.field))


def _direction(column: exp.Expr, descending: bool) -> exp.Ordered:
    return exp.Ordered(this=column, desc=descending, nulls_first=False)


def _unique(columns: Sequence[exp.Expr]) -> list[exp.Expr]:
    found: list[exp.Expr] = []
    for column in columns:
        if column not in found:
            found.append(column)
    return found
