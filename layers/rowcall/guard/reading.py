"""Text to a tree of allowed parts: the half of the guard that needs no catalog but its types' names.

Never lets the parser run away: hostile text makes it backtrack exponentially, so its steps are counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from typing import Any, TypeVar, cast

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import ErrorLevel
from sqlglot.expressions import DType
from sqlglot.parsers.postgres import PostgresParser
from sqlglot.tokenizer_core import Token, TokenType

from rowcall.guard.allowed import (
    AGGREGATES,
    COLLATIONS,
    FUNCTIONS,
    OPERATORS,
    QUERIES,
    SERIES,
    STRUCTURE,
    TYPES,
    UNITS,
)
from rowcall.guard.rules import Rule, unsafe

POSTGRES = Postgres()

Node = TypeVar("Node", bound=exp.Expr)

MAX_CHARACTERS = 10_000
"""RDS Proxy pins its session on statements over 16 KB; what is written is a little longer than what is read."""
MAX_NODES = 2_500
STEPS_PER_TOKEN = 60
"""An honest statement takes about ten."""

_WORDS = re.compile(r"[A-Za-z][A-Za-z ]*")
_INTERVAL = re.compile(r"[\w\s.:+-]*\d[\w\s.:+-]*", re.ASCII)
_PLACEHOLDER_IN_TEXT = re.compile(r":(s\d|today|timezone)")


def read(sql: str, column_types: Collection[str] = ()) -> exp.Query:
    """The one query in `sql`, made of allowed parts only; `column_types` may be cast to as well."""
    tree = _unwrap(_parse(sql))
    nodes = list(tree.walk())
    if len(nodes) > MAX_NODES:
        raise unsafe("too_long")
    for node in nodes:
        _rewrite(node)
    if not isinstance(tree, QUERIES):
        raise unsafe("read_only", f"This is {_name(tree)}.")
    admit(tree, column_types)
    return cast("exp.Query", tree)


def admit(tree: exp.Expr, column_types: Collection[str]) -> None:
    """Refuses every part that is not known to be harmless."""
    for node in tree.walk():
        _admit(node, column_types)


class Parts:
    """The nodes of a tree by their exact type, from one walk: most of what judging a statement costs is walking."""

    def __init__(self, tree: exp.Expr) -> None:
        self._nodes: dict[type[exp.Expr], list[exp.Expr]] = {}
        for node in tree.walk():
            self._nodes.setdefault(type(node), []).append(node)

    def of(self, *types: type[Node]) -> list[Node]:
        return cast("list[Node]", [node for kind in types for node in self._nodes.get(kind, ())])


class _Reader(PostgresParser):
    """Postgres's grammar without translation: a function stays what it was called.

    sqlglot turns many functions into portable nodes and back, not always into the same function, and puts
    some of their arguments into the SQL as they are.
    """

    FUNCTIONS = {  # noqa: RUF012 - as the parser declares it
        **{
            name: PostgresParser.FUNCTIONS[name]
            for name in ("COUNT", "SUM", "AVG", "MIN", "MAX", "COALESCE", "NULLIF", "UNNEST", "ARRAY")
        },
        **{
            name.upper(): lambda args, name=name: exp.AnonymousAggFunc(this=name.upper(), expressions=args)
            for name in AGGREGATES
        },
    }
    FUNCTION_PARSERS = {  # noqa: RUF012
        name: PostgresParser.FUNCTION_PARSERS[name]
        for name in ("CAST", "EXTRACT", "OVERLAY", "POSITION", "SUBSTRING", "TRIM")
    }
    NO_PAREN_FUNCTION_PARSERS = {  # noqa: RUF012
        name: PostgresParser.NO_PAREN_FUNCTION_PARSERS[name] for name in ("ANY", "CASE")
    }
    JSON_OPERATORS = {  # noqa: RUF012 - without taking their paths apart
        **PostgresParser.JSON_OPERATORS,
        TokenType.ARROW: lambda _, this, path: exp.JSONExtract(this=this, expression=path),
        TokenType.DARROW: lambda _, this, path: exp.JSONExtractScalar(this=this, expression=path),
    }

    steps = 0

    def _warn_unsupported(self) -> None:
        """Called where the rest of a statement would be taken as it is, and logged."""
        raise unsafe("read_only", "It is a command.")

    def _advance(self, times: int = 1) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise unsafe("too_long", "It is too ambiguous to be read.")
        super()._advance(times)


def _parse(sql: str) -> exp.Expr:
    if len(sql) > MAX_CHARACTERS:
        raise unsafe("too_long")
    if "\0" in sql:
        raise unsafe("unreadable")
    try:
        tokens = POSTGRES.tokenize(sql)
        for token in tokens:  # sqlglot takes orders from comments
            token.comments.clear()
        _check_numbers(tokens)
        reader = _Reader(dialect=POSTGRES, error_level=ErrorLevel.IMMEDIATE)
        reader.steps = STEPS_PER_TOKEN * len(tokens) + 500
        statements = [
            statement
            for statement in reader.parse(tokens, sql)
            if statement is not None and not isinstance(statement, exp.Semicolon)
        ]
    except RecursionError:
        raise unsafe("too_long", "It is nested too deeply.") from None
    except UnicodeError:
        raise unsafe("unreadable") from None
    if len(statements) != 1:
        raise unsafe("one_statement")
    return statements[0]


def _check_numbers(tokens: Sequence[Token]) -> None:
    """1_000 is a number to one Postgres and `1 AS _000` to an older one and to the parser."""
    for left, right in pairwise(tokens):
        if left.token_type is TokenType.NUMBER and right.start == left.end + 1 and right.text[:1].isidentifier():
            raise unsafe("unreadable", f"{left.text[:40]}{right.text[:40]} is not a plain number.")


def _unwrap(tree: exp.Expr) -> exp.Expr:
    """Takes parentheses off the whole; as in Postgres, what follows them belongs to the query inside."""
    while isinstance(tree, exp.Subquery) and isinstance(tree.this, exp.Query):
        inner = tree.this
        for name, value in tree.args.items():
            if name != "this" and value:
                if inner.args.get(name) or name not in ("with_", "order", "limit", "offset"):
                    raise unsafe("unreadable", f"{name.strip('_').upper()} stands twice.")
                inner.set(name, value)
        tree = inner.pop()
    return tree


def _rewrite(node: exp.Expr) -> None:
    """Says the same in a plainer way."""
    if isinstance(node, (exp.ByteString, exp.RawString, exp.National)) and not node.args.get("is_bytes"):
        node.replace(exp.Literal.string(node.this))
    elif isinstance(node, exp.Operator):
        symbol = str(node.args["operator"]).removeprefix("pg_catalog.").strip()
        if symbol not in OPERATORS:
            raise unsafe("operator", "OPERATOR() names another one.")
        left, right = (exp.paren(side, copy=False) for side in (node.this, node.expression))
        node.replace(exp.paren(OPERATORS[symbol](this=left, expression=right), copy=False))
    elif isinstance(node, exp.Fetch):
        options = node.args.get("limit_options")
        if options and (options.args.get("percent") or options.args.get("with_ties")):
            raise unsafe("limit", "FETCH gives more rows than it says.")
        node.replace(exp.Limit(expression=node.args.get("count") or exp.Literal.number(1)))
    elif isinstance(node, exp.Identifier):
        POSTGRES.normalize_identifier(node)


_REFUSED: dict[str, Rule] = {"recursive": "recursion", "catalog": "table"}
_CHANGES = (exp.DML, exp.DDL, exp.Into, exp.Lock, exp.Command, exp.Set, exp.Transaction, exp.Commit, exp.Drop)


def _admit(node: exp.Expr, column_types: Collection[str]) -> None:
    kind = type(node)
    allowed = STRUCTURE.get(kind)
    if allowed is None:
        if isinstance(node, _CHANGES):
            raise unsafe("read_only", f"{_name(node)} stands in it.")
        if isinstance(node, (exp.ObjectIdentifier, exp.PseudoType)):
            raise unsafe("type", "It names an object of the database.")
        if isinstance(node, exp.Dot):
            if isinstance(node.expression, exp.Func):
                raise unsafe("function", "A function is named without its schema.")
            raise unsafe("whole_row", "A part is taken out of a row.")
        raise unsafe("function" if isinstance(node, exp.Func) else "construct", f"{_name(node)} stands in it.")
    for name, value in node.args.items():
        if not value:
            continue
        if name not in allowed:
            if name in _REFUSED:
                raise unsafe(_REFUSED[name])
            if isinstance(value, list):
                value = value[0]
            if isinstance(value, _CHANGES):
                raise unsafe("read_only", f"{_name(value)} stands in it.")
            raise unsafe("construct", f"{_name(node)} has {name.strip('_').replace('_', ' ')}.")
        if isinstance(value, str) and kind not in _TEXTS and not _WORDS.fullmatch(value):
            raise unsafe("construct", f"{_name(node)} is not spelled plainly.")
    check = _CHECKS.get(kind)
    if check:
        check(node, column_types)


_TEXTS = (exp.Identifier, exp.Literal, exp.Placeholder, exp.Anonymous, exp.AnonymousAggFunc, exp.DataType)


def _anonymous(node: exp.Expr, _: Collection[str]) -> None:
    name = node.this.name if isinstance(node.this, exp.Identifier) else str(node.this).lower()
    if name not in FUNCTIONS and name not in AGGREGATES:
        raise unsafe("function", f"{name[:60]}() is not one of them.")
    node.set("this", name.upper())


def _data_type(node: exp.Expr, column_types: Collection[str]) -> None:
    if node.this == DType.ARRAY and len(node.expressions) == 1:
        return
    if node.this == DType.USERDEFINED:
        kind = node.args.get("kind")
        name = kind.sql() if isinstance(kind, exp.Expr) else str(kind)
        if name in column_types or name.removeprefix("public.") in column_types:
            return
    if node.this in TYPES and all(isinstance(e, exp.DataTypeParam) for e in node.expressions):
        return
    raise unsafe("type", f"{node.sql(dialect=POSTGRES)[:60]} is not one of them.")


def _type_parameter(node: exp.Expr, _: Collection[str]) -> None:
    if not (isinstance(node.this, exp.Literal) and node.this.is_int and int(node.this.this) <= 1000):
        raise unsafe("type")


def _literal(node: exp.Expr, _: Collection[str]) -> None:
    text = str(node.this)
    if not node.args.get("is_string"):
        if len(text) > 60 or not re.fullmatch(r"\d*\.?\d*(e[+-]?\d{1,2})?", text, re.IGNORECASE | re.ASCII):
            raise unsafe("work", "A number is too big.")
    elif "\0" in text:
        raise unsafe("unreadable", "Postgres has no text with a zero in it.")
    elif _PLACEHOLDER_IN_TEXT.search(text):
        raise unsafe("parameters", "A placeholder stands inside of a text.")


def _var(node: exp.Expr, _: Collection[str]) -> None:
    if isinstance(node.parent, exp.Limit):
        raise unsafe("limit")
    if str(node.this).lower() not in UNITS and not isinstance(node.parent, exp.WindowSpec):
        raise unsafe("construct", f"{str(node.this)[:60]} is not a unit of time.")


def _interval(node: exp.Expr, _: Collection[str]) -> None:
    if not (isinstance(node.this, exp.Literal) and _INTERVAL.fullmatch(str(node.this.this))):
        raise unsafe("construct", "INTERVAL takes a constant; multiply it by a value.")


def _alias(node: exp.Expr, _: Collection[str]) -> None:
    if not (isinstance(node.args["alias"], exp.Identifier) and isinstance(node.parent, exp.Select)):
        raise unsafe("unreadable")


def _limit(node: exp.Expr, _: Collection[str]) -> None:
    value = node.expression
    number = isinstance(value, exp.Literal) and value.is_int
    if not isinstance(node.parent, QUERIES) or not (number or isinstance(value, exp.Placeholder)):
        raise unsafe("limit")


def _join(node: exp.Expr, _: Collection[str]) -> None:
    if str(node.args.get("kind") or "").upper() not in ("", "INNER", "OUTER", "CROSS"):
        raise unsafe("construct", "It joins in a way that Postgres does not know.")


def _collate(node: exp.Expr, _: Collection[str]) -> None:
    collation = node.expression
    name = collation.this.this if isinstance(collation, exp.Column) else getattr(collation, "this", None)
    if name not in COLLATIONS:
        raise unsafe("construct", "It sorts by an unknown collation.")
    node.set("expression", exp.to_identifier(name, quoted=True))


def _is(node: exp.Expr, _: Collection[str]) -> None:
    if not isinstance(node.expression, (exp.Null, exp.Boolean)):
        raise unsafe("construct")


def _star(node: exp.Expr, _: Collection[str]) -> None:
    parent = node.parent
    if isinstance(parent, exp.Column) and not isinstance(parent.parent, exp.Select):
        raise unsafe("whole_row")
    if not isinstance(parent, (exp.Select, exp.Count, exp.Column)):
        raise unsafe("construct", "A star stands where no columns are listed.")


def _table(node: exp.Expr, _: Collection[str]) -> None:
    function = node.this
    if isinstance(function, exp.Identifier):
        return
    if not isinstance(function, exp.Anonymous) or function.name.lower() not in SERIES:
        raise unsafe("function", "A function stands where tables do.")


_CHECKS: dict[type[exp.Expr], Callable[[Any, Collection[str]], None]] = {
    exp.Anonymous: _anonymous,
    exp.AnonymousAggFunc: _anonymous,
    exp.DataType: _data_type,
    exp.DataTypeParam: _type_parameter,
    exp.Literal: _literal,
    exp.Var: _var,
    exp.Interval: _interval,
    exp.Alias: _alias,
    exp.Limit: _limit,
    exp.Offset: _limit,
    exp.Join: _join,
    exp.Collate: _collate,
    exp.Is: _is,
    exp.Star: _star,
    exp.Table: _table,
}


def _name(node: exp.Expr) -> str:
    """A node as a person would call it: JSONTable -> "json table"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(node).__name__).upper()
