"""What a suite accepts as right: several statements for a question, column choices in braces, and how rows compare.

The format is that of defog's sql-eval: statements separated by `;`; `{a, b}` stands for any non-empty subset of those
columns, and `GROUP BY {}` follows the choice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import combinations

Row = tuple[object, ...]
_CHOICE = re.compile(r"\{([^{}]+)\}")


def statements(query: str) -> Iterator[str]:
    """Every accepted statement, the choices of columns spelled out."""
    for one in _split(query):
        choice = _CHOICE.search(one)
        if choice is None:
            yield one
            continue
        columns = [column.strip() for column in choice.group(1).split(",")]
        for size in range(len(columns), 0, -1):
            for chosen in combinations(columns, size):
                named = ", ".join(chosen)
                bare = ", ".join(re.sub(r"(?i)\s+as\s+\w+$", "", column) for column in chosen)
                yield one.replace(choice.group(), named, 1).replace(choice.group(), bare).replace("{}", bare)


def _split(query: str) -> Iterator[str]:
    quote, start = "", 0
    for index, character in enumerate(query):
        if character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        elif character == ";" and not quote:
            if query[start:index].strip():
                yield query[start:index].strip()
            start = index + 1
    if query[start:].strip():
        yield query[start:].strip()


def orders(statement: str) -> bool:
    """Whether the outermost SELECT of a statement orders its rows."""
    depth, flat = 0, []
    for character in re.sub(r"'[^']*'", "''", statement):
        depth += (character == "(") - (character == ")")
        flat.append(character if depth == 0 and character != ")" else " ")
    return re.search(r"(?i)\border\s+by\b", "".join(flat)) is not None


def same(answer: Sequence[Row], gold: Sequence[Row], ordered: bool) -> bool:
    """Whether the rows are equal, in whatever order the columns stand; the order of rows counts where it is given."""
    found = [tuple(_plain(value) for value in row) for row in answer]
    wanted = [tuple(_plain(value) for value in row) for row in gold]
    if len(found) != len(wanted):
        return False
    if not wanted:
        return True
    if len(found[0]) != len(wanted[0]):
        return False
    return any(
        Counter(moved) == Counter(wanted) and (not ordered or _in_order(moved, wanted))
        for columns in _matches(found, wanted)
        for moved in [[tuple(row[column] for column in columns) for row in found]]
    )


def _matches(found: list[Row], wanted: list[Row]) -> Iterator[tuple[int, ...]]:
    """The ways to put the columns of `found` under those of `wanted` so that each column has the same values."""
    bags = [Counter(column) for column in zip(*found, strict=True)]
    fits = [[i for i, bag in enumerate(bags) if bag == Counter(column)] for column in zip(*wanted, strict=True)]

    def choose(position: int, taken: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if position == len(fits):
            yield taken
            return
        for one in fits[position]:
            if one not in taken:
                yield from choose(position + 1, (*taken, one))

    return choose(0, ())


def _in_order(found: list[Row], wanted: list[Row]) -> bool:
    """Rows that tie may change places: it is enough that a column by which the gold is sorted reads the same."""
    if found == wanted:
        return True
    for mine, theirs in zip(zip(*found, strict=True), zip(*wanted, strict=True), strict=True):
        known = [value for value in theirs if value is not None]
        try:
            sorted_ = known == sorted(known) or known == sorted(known, reverse=True)
        except TypeError:
            continue
        if mine == theirs and sorted_:
            return True
    return False


def _plain(value: object) -> object:
    """A value as it compares: numbers by value, a midnight as its day, text without padding."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float | Decimal):
        return float(f"{float(value):.9g}")
    if isinstance(value, datetime):
        value = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return value.rstrip() if isinstance(value, str) else repr(value)
