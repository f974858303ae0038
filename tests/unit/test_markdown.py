"""Rows and SQL as Markdown: values stay values, and only so many of them are shown."""

from __future__ import annotations

from typing import Any

import pytest

from api import markdown


def answer(*rows: Any, columns: int = 1, sql: str = "SELECT 1", params: tuple[Any, ...] = (), **more: Any) -> Any:
    names = [f"c{number}" for number in range(columns)]
    return {
        "query": "show it",
        "columns": [{"name": name, "type": "text"} for name in names],
        "data": [dict.fromkeys(names, row) for row in rows],
        "row_count": len(rows),
        "truncated": False,
        "sql": sql,
        "params": list(params),
    } | more


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain 2024-01-01 12:00", "plain 2024-01-01 12:00"),
        ("a|b", "a\\|b"),
        ("`code`", "\\`code\\`"),
        ("![x](https://evil.example)", "!\\[x\\](https://evil.example)"),
        ("<img src=x>", "\\<img src=x\\>"),
        ("**bold** _it_ ~~no~~ &amp; $x$", "\\*\\*bold\\*\\* \\_it\\_ \\~\\~no\\~\\~ \\&amp; \\$x\\$"),
        ("back\\|slash", "back\\\\\\|slash"),
        ("two\nlines\r\n\ttab", "two lines tab"),
        ("\x1b[31mred\u202e", " \\[31mred "),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        ({"a": "b|c"}, '{"a": "b\\|c"}'),
        ("x" * 200, "x" * 79 + "…"),
    ],
)
def test_a_value_is_shown_as_it_is_and_on_one_line(value: object, shown: str) -> None:
    assert markdown.value(value) == shown
    lines = markdown.evidence([answer(value)]).splitlines()
    assert f"| {shown} |" in lines


def test_of_many_rows_and_columns_the_first_are_shown_and_that_is_said() -> None:
    told = markdown.evidence([answer(*range(50), columns=20, truncated=True)])
    assert "… 30 more rows, others beyond the limit of 50, 8 more columns" in told
    assert sum(line.startswith("| ") for line in told.splitlines()) == 22
    assert len(told) < 5_000


def test_no_rows_are_said_to_be_none() -> None:
    assert "No row matches." in markdown.evidence([answer()])
    assert markdown.evidence([]) == ""


def test_code_ends_where_its_fence_does() -> None:
    told = markdown.evidence([answer(1, sql="SELECT '```'", params=("a\n```\nb", "````"))])
    lines = told.splitlines()
    assert (lines.count("`````sql"), lines.count("`````")) == (1, 1)
    assert "-- $1 = a ``` b" in lines


def test_prose_is_what_stands_before_it() -> None:
    assert markdown.prose("Ten.\n" + markdown.evidence([answer(1)])) == "Ten."
    assert markdown.prose(markdown.evidence([answer(1)])) == ""
    assert markdown.prose("Ten.") == "Ten."
