"""A guarded tree back to text, so that nothing in it can mean something else to Postgres."""

from __future__ import annotations

import re
from pathlib import Path

from sqlglot import exp
from sqlglot.errors import ErrorLevel
from sqlglot.generators.postgres import PostgresGenerator

from rowcall.guard.reading import POSTGRES

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_KEYWORDS = frozenset(Path(__file__).with_name("keywords.txt").read_text().split())


def write(tree: exp.Expr) -> str:
    """Postgres SQL; identifiers are quoted where they must be."""
    return _Writer(
        dialect=POSTGRES, comments=False, unsupported_level=ErrorLevel.RAISE, normalize_functions=False
    ).generate(tree, copy=False)


class _Writer(PostgresGenerator):
    MULTI_ARG_DISTINCT = True  # string_agg(DISTINCT a, ','): two arguments, one of them distinct

    def literal_sql(self, expression: exp.Literal) -> str:
        text = str(expression.this)
        if not expression.is_string:
            return text
        quoted = text.replace("'", "''")
        # A backslash means itself or an escape, as standard_conforming_strings says; in E'' it is always an escape.
        return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in text else f"'{quoted}'"

    def identifier_sql(self, expression: exp.Identifier) -> str:
        text = str(expression.this)
        if _PLAIN.fullmatch(text) and text not in _KEYWORDS:
            return text
        return '"' + text.replace('"', '""') + '"'
