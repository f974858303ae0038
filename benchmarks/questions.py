"""Many distinct questions of a database, made from its catalog: of every table, its numbers, days and values.

Some ask the same in other words, so that the semantic layer is met too. None is of the demo's or of an evaluation's.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from rowcall.answer import Ask, explain
from rowcall.auth import LOCAL
from rowcall.bootstrap import Services
from rowcall.catalog import Catalog, Table
from rowcall.deadline import Deadline
from rowcall.errors import Problem

NUMBERS = ("integer", "bigint", "numeric", "real", "double precision")
COUNTS = (3, 4, 6, 7, 8, 12, 15, 20, 25)
DAYS = (2, 10, 14, 30, 45, 60, 90)


def answerable(services: Services, most: int) -> list[str]:
    """At most `most` questions, evenly over the tables, that the grammar reads. Nothing of them is remembered."""
    catalog = services.catalogs.current(Deadline.after(60))
    found: list[str] = []
    for query in _in_turns([list(_questions(table)) for table in _tables(catalog)]):
        if len(found) == most:
            break
        try:
            explain(Ask(query, purpose="compare"), LOCAL, services, Deadline.after(60))
        except Problem:
            continue
        found.append(query)
    return found


def _tables(catalog: Catalog) -> list[Table]:
    return [catalog.tables[name] for name in sorted(catalog.tables)]


def _questions(table: Table) -> Iterator[str]:
    name = table.name.replace("_", " ")
    keys = set(table.primary_key) | {column for key in table.foreign_keys for column in key.columns}
    columns = [column for column in table.columns if column.name not in keys and not column.name.endswith("_id")]
    numbers = [column.name.replace("_", " ") for column in columns if column.type in NUMBERS]
    values = [value for column in columns for value in column.values]
    yield from (f"how many {name} are there", f"number of {name}", f"show {name}")
    yield from chain.from_iterable(
        (f"how many {value} {name} are there", f"number of {value} {name}", f"list {value} {name}") for value in values
    )
    for number in numbers:
        yield from (f"average {number} of {name}", f"highest {number} of {name}", f"total {number} of {name}")
        yield from (f"top {count} {name} by {number}" for count in COUNTS)
        yield from (f"{count} {name} with the lowest {number}" for count in COUNTS)
        yield from (f"{name} with {number} over {count}" for count in COUNTS)
    if any(column.type.startswith(("timestamp", "date")) for column in columns):
        yield from (f"{name} from the last {days} days" for days in DAYS)
        yield from (f"how many {name} in the last {days} days" for days in DAYS)
    for column in columns:
        if column.values:
            yield f"number of {name} by {column.name.replace('_', ' ')}"


def _in_turns(lists: list[list[str]]) -> Iterator[str]:
    for number in range(max(map(len, lists), default=0)):
        yield from (one[number] for one in lists if number < len(one))
