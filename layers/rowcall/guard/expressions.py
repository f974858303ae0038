"""How much work an expression may make: functions that give far more than they take, and repetition in patterns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp

from rowcall.guard.naming import Named, output
from rowcall.guard.rules import unsafe

MAX_SERIES = 10_000
"""Steps of generate_series()."""
MAX_TEXT = 1_000
"""Characters that a function may make text by; how many times longer replacing may make it."""
MAX_PIECES = 10_000
"""Values that one text or array is put together from."""
MAX_GROUPINGS = 128


def check(named: Named) -> None:
    lengths = _Lengths(named)
    for node in named.tree.walk():
        _check_node(node)
        if isinstance(node, _GROWN) and lengths.of(node) > MAX_PIECES:
            raise unsafe("work", "It puts copies of a value together again and again.")


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


class _Lengths:
    """How many values, at most, a text or an array is put together from, through all subqueries."""

    def __init__(self, named: Named) -> None:
        self._named = named
        self._known: dict[int, int] = {}

    def of(self, node: exp.Expr | None) -> int:
        if node is None:
            return 1
        if id(node) not in self._known:
            self._known[id(node)] = self._measure(node)
        return self._known[id(node)]

    def _measure(self, node: exp.Expr) -> int:
        if isinstance(node, exp.Column):
            source = self._named.sources.get(id(node))
            return 1 if source is None or isinstance(source, exp.Table) else self.of(output(source, node.name))
        if isinstance(node, exp.Subquery):
            select = node.unnest()
            return max(map(self.of, select.selects), default=1) if isinstance(select, exp.Select) else 1
        parts = [self.of(part) for part in node.iter_expressions()]
        return sum(parts) if isinstance(node, _GROWN) else max(parts, default=1)


_GROWN = (exp.DPipe, exp.Array, exp.Anonymous, exp.AnonymousAggFunc)
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
