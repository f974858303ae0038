"""Placeholders to `$1`..`$n`: each becomes a value of the question with the type that its place in the SQL asks for."""

from __future__ import annotations

import re
from typing import cast

from sqlglot import exp
from sqlglot.expressions import DType

from rowcall.guard.allowed import TYPES
from rowcall.guard.naming import Named, is_table, output
from rowcall.guard.reading import POSTGRES
from rowcall.guard.rules import unsafe
from rowcall.plan import Parameter, Part
from rowcall.question import Kind, Question, Slot

_SLOT = re.compile(r"s(\d{1,3})(?:_(start|end|contains|prefix|suffix))?", re.ASCII)
_NUMERIC: dict[Kind, str] = {
    "count": "integer",  # what LIMIT, make_interval() and left() all take
    "year": "integer",
    "number": "numeric",
    "money": "numeric",
    "percent": "numeric",
}
REQUEST = ("timezone", "today")
"""Values of the request and not of a slot: they may stand as often as they like."""
PATTERNS = ("contains", "prefix", "suffix")

_OF_CATALOG = {
    # What format_type() calls the types that a time can be compared with.
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "date": "date",
    "text": "text",
    "character varying": "text",
    "character": "text",
    **dict.fromkeys(("smallint", "integer", "bigint", "numeric", "real", "double precision"), "bigint"),
}


def read_placeholder(name: str, question: Question) -> tuple[int | None, Part, Slot | None]:
    """What `:name` stands for; refuses what the question does not have."""
    if name in REQUEST:
        return None, cast("Part", name), None
    match = _SLOT.fullmatch(name)
    if not match or int(match[1]) >= len(question.slots):
        raise unsafe("parameters", f":{name[:40]} is none of its values.")
    index, part = int(match[1]), cast("Part", match[2] or "value")
    slot = question.slots[index]
    fits = (
        slot.kind in ("period", "year")
        if part in ("start", "end")
        else slot.kind == "text"
        if part in PATTERNS
        else slot.kind != "period"
    )
    if not fits:
        raise unsafe("parameters", f":{name} does not fit a {slot.kind}.")
    return index, part, slot


class Parameters:
    """Numbers the parameters of a query as it replaces its placeholders."""

    def __init__(self, named: Named, question: Question) -> None:
        self._named = named
        self._question = question
        self._numbers: dict[Parameter, int] = {}

    def replace_all(self) -> tuple[Parameter, ...]:
        for placeholder in list(self._named.tree.find_all(exp.Placeholder, bfs=False)):
            self._replace(placeholder)
        self._cap()
        return tuple(self._numbers)

    def _replace(self, node: exp.Placeholder) -> None:
        index, part, slot = read_placeholder(str(node.this or ""), self._question)
        if part in PATTERNS:
            self._check_pattern(node)
        cast_to = _cast_around(node)
        if cast_to is not None:
            kind = _type_name(cast_to)
            written: exp.Expr = self._parameter(Parameter(index, part, kind, self._column(node, slot)))
        else:
            kind = self._type(node, part, slot)
            parameter = self._parameter(Parameter(index, part, kind, self._column(node, slot)))
            written = exp.cast(parameter, kind, dialect=POSTGRES) if kind else parameter
        node.replace(written)

    def _parameter(self, parameter: Parameter) -> exp.Parameter:
        number = self._numbers.setdefault(parameter, len(self._numbers) + 1)
        return exp.Parameter(this=exp.Literal.number(number))

    def _cap(self) -> None:
        """The outermost LIMIT gives no more rows than the caller can take."""
        tree = self._named.tree
        cap: exp.Expr = exp.cast(self._parameter(Parameter(None, "row_cap", "bigint")), "bigint")
        limit = tree.args.get("limit")
        if limit is not None:
            wanted = limit.expression
            if isinstance(wanted, exp.Literal):
                wanted = exp.cast(wanted.copy(), "bigint")
            cap = exp.Anonymous(this="LEAST", expressions=[wanted, cap])
        tree.set("limit", exp.Limit(expression=cap))

    # Types ---------------------------------------------------------------------------------------------------

    def _type(self, node: exp.Expr, part: Part, slot: Slot | None) -> str:
        if isinstance(node.parent, (exp.Limit, exp.Offset)):
            return "bigint"
        if part == "timezone":
            return "text"
        if slot is not None and slot.kind in ("text", "entity"):
            return ""
        if slot is not None and part == "value" and slot.kind in _NUMERIC:
            return _NUMERIC[slot.kind]
        return self._time_type(node, default="timestamptz" if part in ("start", "end") else "date")

    def _time_type(self, node: exp.Expr, default: str) -> str:
        """The type of what a time is compared with."""
        child, parent = node, node.parent
        while isinstance(parent, (exp.Paren, exp.Add, exp.Sub)):
            if isinstance(parent, (exp.Add, exp.Sub)):
                other = parent.expression if parent.this is child else parent.this
                if self._type_of(other) != "interval":
                    return self._type_of(other) if self._type_of(other) in ("timestamptz", "timestamp") else "date"
            child, parent = parent, parent.parent
        if isinstance(parent, exp.Between):
            others = [parent.this, parent.args["low"], parent.args["high"]]
        elif isinstance(parent, (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)):
            others = [parent.this, parent.expression]
        elif isinstance(parent, exp.In):
            others = [parent.this]
        elif isinstance(parent, exp.Anonymous) and parent.name in ("LEAST", "GREATEST", "AGE", "DATE_TRUNC"):
            others = list(parent.expressions)
        else:
            others = []
        for other in others:
            found = "" if other is child else self._type_of(other)
            if found in ("timestamptz", "timestamp", "date", "text", "bigint"):
                return found
        return default

    def _type_of(self, node: exp.Expr | None) -> str:
        """The short name of an expression's type, as far as it matters to times, else ""."""
        if isinstance(node, exp.Column):
            source = self._named.sources.get(id(node))
            if isinstance(source, exp.Table) and is_table(source):
                column = self._named.catalog.column(self._named.origin(node))
                return _OF_CATALOG.get(column.type, "") if column else ""
            if source is not None and not isinstance(source, exp.Table):
                return self._type_of(output(source, node.name))
            if isinstance(source, exp.Table):
                return self._type_of(source.this.expressions[0] if source.this.expressions else None)
        if isinstance(node, exp.Cast):
            name = _type_name(node.to)
            return _OF_CATALOG.get(name, name)
        if isinstance(node, exp.Interval):
            return "interval"
        if isinstance(node, (exp.Paren, exp.Min, exp.Max, exp.Coalesce, exp.Neg, exp.Filter, exp.Window)):
            return self._type_of(node.this)
        if isinstance(node, exp.Mul):
            return "interval" if "interval" in (self._type_of(node.this), self._type_of(node.expression)) else ""
        if isinstance(node, (exp.Add, exp.Sub)):
            left, right = self._type_of(node.this), self._type_of(node.expression)
            if right == "interval" or left == "interval":
                time = left if right == "interval" else right
                return "timestamp" if time == "date" else time
            return left if right in ("", "bigint") else ""
        if isinstance(node, exp.AtTimeZone):
            return "timestamptz" if self._type_of(node.this) in ("timestamp", "date") else "timestamp"
        if isinstance(node, exp.CurrentDate):
            return "date"
        if isinstance(node, exp.CurrentTimestamp):
            return "timestamptz"
        if isinstance(node, exp.Localtimestamp):
            return "timestamp"
        if isinstance(node, exp.Extract):
            return "bigint"
        if isinstance(node, exp.Subquery):
            select = node.unnest()
            return self._type_of(select.selects[0].unalias()) if isinstance(select, exp.Select) else ""
        if isinstance(node, exp.Anonymous):
            return self._type_of_function(node)
        return ""

    def _type_of_function(self, node: exp.Anonymous) -> str:
        name, arguments = node.name.lower(), node.expressions
        if name == "date_trunc" and len(arguments) > 1:
            found = self._type_of(arguments[1])
            return "timestamptz" if found == "date" else found
        if name in ("greatest", "least") and arguments:
            return self._type_of(arguments[0])
        return {
            "now": "timestamptz",
            "date": "date",
            "to_date": "date",
            "make_date": "date",
            "to_timestamp": "timestamptz",
            "make_timestamp": "timestamp",
            "make_interval": "interval",
            "age": "interval",
            "date_part": "bigint",
            "to_char": "text",
        }.get(name, "")

    # Columns -------------------------------------------------------------------------------------------------

    def _column(self, node: exp.Expr, slot: Slot | None) -> str:
        """The catalog's column that a text or an entity is compared with."""
        if slot is None or slot.kind not in ("text", "entity"):
            return ""
        child, parent = node, node.parent
        while parent is not None and (isinstance(parent, _TRANSPARENT) or _is_case_folding(parent)):
            child, parent = parent, parent.parent
        if isinstance(parent, (exp.EQ, exp.NEQ, exp.Like, exp.ILike, exp.NullSafeEQ, exp.NullSafeNEQ)):
            other = parent.expression if parent.this is child else parent.this
        elif isinstance(parent, exp.In) and parent.this is not child:
            other = parent.this
        else:
            return ""
        while other is not None and (isinstance(other, _TRANSPARENT) or _is_case_folding(other)):
            other = other.expressions[0] if isinstance(other, exp.Anonymous) else other.this
        return self._named.origin(other) if isinstance(other, exp.Column) else ""

    @staticmethod
    def _check_pattern(node: exp.Expr) -> None:
        child, parent = node, node.parent
        while parent is not None and (isinstance(parent, (exp.Paren, exp.Cast)) or _is_case_folding(parent)):
            child, parent = parent, parent.parent
        if not isinstance(parent, (exp.Like, exp.ILike)) or parent.expression is not child:
            raise unsafe("parameters", f":{node.this} is a pattern for LIKE.")
        if isinstance(parent.parent, exp.Escape):
            raise unsafe("parameters", f":{node.this} is escaped by a backslash.")


_TRANSPARENT = (exp.Paren, exp.Cast, exp.Any, exp.Array)


def _is_case_folding(node: exp.Expr) -> bool:
    return isinstance(node, exp.Anonymous) and node.name in ("LOWER", "UPPER", "BTRIM") and len(node.expressions) == 1


def _cast_around(node: exp.Expr) -> exp.DataType | None:
    parent = node.parent
    while isinstance(parent, exp.Paren):
        parent = parent.parent
    return parent.to if isinstance(parent, exp.Cast) else None


def _type_name(kind: exp.DataType) -> str:
    if kind.this in TYPES:
        return TYPES[kind.this]
    return "text" if kind.this == DType.USERDEFINED else kind.sql(dialect=POSTGRES).lower()
