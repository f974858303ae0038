"""The guard beside a real Postgres: what it lets through means there what it meant, and reads nothing hidden.

The role may not read the hidden columns, so Postgres itself tells if a guarded statement would.
"""

# ruff: noqa: S311, S608 - statements are made up on purpose, and by dice that fall alike every time
from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest

from local.postgres import READER, Postgres
from rowcall import bind, guard
from rowcall.catalog import Catalog
from rowcall.database.connection import Database, StatementFailed
from rowcall.database.introspection import read_catalog
from rowcall.deadline import Deadline
from rowcall.errors import UnsafePlan
from rowcall.plan import Draft
from rowcall.question import Kind, Period, Question, Slot
from tests.unit.guarding import CATALOG, DATABASE, honest

INSUFFICIENT_PRIVILEGE = "42501"
BOUND = Path(__file__).with_name("bound.json")
KEYWORDS = Path(guard.__file__).with_name("keywords.txt")


@pytest.fixture(scope="module")
def name(postgres: Postgres, make_database: Callable[[Path], str]) -> str:
    """The database of the unit tests, in which the reader may read the visible columns and nothing else."""
    made = make_database(DATABASE)
    postgres.sql(f"REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM {READER}", made)
    postgres.sql(f"GRANT USAGE ON SCHEMA crm TO {READER}", made)
    for table in CATALOG.tables.values():
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        postgres.sql(f'GRANT SELECT ({columns}) ON "{table.schema}"."{table.name}" TO {READER}', made)
    return made


@pytest.fixture(scope="module")
def database(postgres: Postgres, name: str) -> Iterator[Database]:
    opened = Database(postgres.reader_url(name))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def catalog(database: Database) -> Catalog:
    return read_catalog(database, soon(), schemas=("public", "crm"))


def soon() -> Deadline:
    return Deadline.after(20)


def question(*slots: Slot, zone: str = "UTC", now: datetime = datetime(2024, 6, 1, 12, tzinfo=UTC)) -> Question:
    return Question("?", "?", slots, now, zone)


def run(database: Database, catalog: Catalog, sql: str, asked: Question, cap: int = 100_000) -> list[list[object]]:
    plan = guard.check(Draft(sql, ""), asked, catalog)
    return database.query(plan.sql, bind.values(plan, asked, catalog, cap), soon()).rows


def test_the_catalog_that_is_read_is_the_one_of_the_unit_tests(catalog: Catalog) -> None:
    names = {key: [(column.name, column.type) for column in table.columns] for key, table in catalog.tables.items()}
    assert names == {key: [(c.name, c.type) for c in table.columns] for key, table in CATALOG.tables.items()}


@pytest.mark.parametrize(("sql", "same_as"), [(item["sql"], item.get("same_as", item["sql"])) for item in honest()])
def test_honest_sql_gives_the_same_rows(database: Database, catalog: Catalog, sql: str, same_as: str) -> None:
    guarded = run(database, catalog, sql, question())
    original = database.query(same_as.rstrip(";"), (), soon()).rows
    if "ORDER BY" not in sql:
        guarded, original = sorted(guarded, key=repr), sorted(original, key=repr)
    assert guarded == original


def test_every_keyword_is_known(postgres: Postgres) -> None:
    """One that is not would be written without quotes, and read as something else."""
    words = {row[0] for row in postgres.sql("SELECT word FROM pg_get_keywords() WHERE catcode <> 'U'")}
    assert words <= set(KEYWORDS.read_text().split())


def test_a_text_is_the_same_text_under_any_setting(postgres: Postgres, name: str, catalog: Catalog) -> None:
    """With standard_conforming_strings off, a backslash would eat the quote after it."""
    plan = guard.check(Draft(r"SELECT 'a\' AS x, ' || (SELECT 1) -- ' AS y", ""), question(), catalog)
    url = postgres.owner_url(name)
    for setting in ("on", "off"):
        postgres.sql(f"ALTER DATABASE {name} SET standard_conforming_strings = {setting}", name)
        opened = Database(url)
        assert opened.query(plan.sql, [1], soon()).rows == [["a\\", " || (SELECT 1) -- "]]
        opened.close()


# Parameters ----------------------------------------------------------------------------------------------------

SPAN = (0, 1)
PAID = Slot("entity", "paid", SPAN, ("orders.status",))
MARCH = Slot("period", Period(date(2024, 3, 1), date(2024, 4, 1)), SPAN)
Y2024 = Slot("period", Period(date(2024, 1, 1), date(2025, 1, 1)), SPAN)


def slot(text: str) -> Slot:
    """ "count 3" is a count of 3, and so on; "paid", "march" and "the year" are themselves."""
    kind, _, value = text.partition(" ")
    match kind:
        case "count" | "year":
            return Slot(cast("Kind", kind), int(value), SPAN)
        case "number" | "percent":
            return Slot(cast("Kind", kind), Decimal(value), SPAN)
        case "date":
            return Slot("date", date.fromisoformat(value), SPAN)
        case "text":
            return Slot("text", value, SPAN)
    return {"paid": PAID, "march": MARCH, "the year": Y2024}[text]


@pytest.mark.parametrize("case", json.loads(BOUND.read_text()), ids=lambda case: case["sql"])
def test_parameters_mean_what_their_values_would(database: Database, catalog: Catalog, case: dict[str, str]) -> None:
    slots = [slot(case["slot"])] if "slot" in case else []
    found = run(database, catalog, case["sql"], question(*slots))
    assert sorted(map(repr, found)) == sorted(map(repr, database.query(case["same_as"], (), soon()).rows))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"])
@pytest.mark.parametrize("day", [date(2024, 3, 10), date(2024, 3, 31), date(2024, 4, 7), date(2024, 7, 1)])
def test_a_day_is_the_askers_day(database: Database, catalog: Catalog, zone: str, day: date) -> None:
    """Also where it has 23 or 25 hours."""
    slot = Slot("period", Period(day, day + timedelta(days=1)), SPAN)
    sql = "SELECT id FROM orders WHERE placed_at >= :s0_start AND placed_at < :s0_end"
    here = f"SELECT id FROM orders WHERE (placed_at AT TIME ZONE '{zone}')::date = '{day}'"
    assert run(database, catalog, sql, question(slot, zone=zone)) == database.query(here, (), soon()).rows
    hours = "SELECT extract(epoch FROM :s0_end::timestamptz - :s0_start::timestamptz)::int / 3600"
    there = f"SELECT extract(epoch FROM ('{day + timedelta(1)}'::timestamp AT TIME ZONE '{zone}') - ('{day}'::timestamp AT TIME ZONE '{zone}'))::int / 3600"  # noqa: E501
    assert run(database, catalog, hours, question(slot, zone=zone)) == database.query(there, (), soon()).rows


@pytest.mark.parametrize(
    ("sql", "rows"),
    [("SELECT id FROM orders", 7), ("SELECT id FROM orders LIMIT 3", 3), ("SELECT id FROM orders LIMIT 30", 7)],
)
def test_the_cap_bounds_the_rows(database: Database, catalog: Catalog, sql: str, rows: int) -> None:
    assert len(run(database, catalog, sql, question(), cap=7)) == rows


# Made-up statements --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_let_through_reads_nothing_hidden(database: Database, catalog: Catalog, seed: int) -> None:
    """Names that hide each other, at every level: Postgres must never find a hidden column by one of them.

    Where the original may run too, it gives the same rows.
    """
    author = Author(seed)
    ran = compared = 0
    failures = []
    for _ in range(150):
        sql, _ = author.query(author.dice.choice((1, 2, 2, 3)))
        try:
            plan = guard.check(Draft(sql, ""), question(), catalog)
        except UnsafePlan:
            continue
        try:
            guarded = database.query(plan.sql, [1000], soon()).rows
            ran += 1
        except StatementFailed as error:
            failures.append((error.sqlstate, plan.sql))
            continue
        try:
            original = database.query(sql, (), soon()).rows
        except StatementFailed:
            continue
        if len(original) < 1000:
            compared += 1
            assert sorted(map(repr, guarded)) == sorted(map(repr, original)), f"{sql}\n{plan.sql}"
    assert not [sql for sqlstate, sql in failures if sqlstate == INSUFFICIENT_PRIVILEGE]
    assert ran > 20
    assert compared > 10


class Author:
    """Writes statements whose names collide: aliases are tables' names, outputs are hidden columns' names."""

    ALIASES = ("users", "u", "x", "products", "c")
    OUTPUTS = ("id", "name", "password_hash", "cost", "v", "u", "x")
    TABLES = {  # noqa: RUF012
        "users": ("id", "name", "email", "country"),
        "products": ("id", "name", "price"),
        "orders": ("id", "user_id", "note"),
        "public.users": ("id", "name"),
        'crm."Accounts"': ('"Id"', '"Full Name"'),
    }
    Sight = Sequence[dict[str, Sequence[str]]]
    """What may be read: by alias its columns, the innermost query's first."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def query(
        self,
        depth: int,
        outer: Sight = (),
        width: int = 0,
        ctes: dict[str, Sequence[str]] | None = None,
    ) -> tuple[str, list[str]]:
        ctes = dict(ctes or {})
        head = ""
        if depth and self.dice.random() < 0.25:
            name = self.dice.choice((*self.ALIASES, "secret_audit"))
            sql, columns = self.query(depth - 1, outer, 0, ctes)
            if self.dice.random() < 0.5:
                columns = ["password_hash", "cost", "v"][: len(columns)]
                head = f"WITH {name} ({', '.join(columns)}) AS ({sql}) "
            else:
                head = f"WITH {name} AS ({sql}) "
            ctes[name] = columns
        mine: dict[str, Sequence[str]] = {}
        sight = [mine, *outer]
        tail = self.sources(depth, mine, outer, ctes)
        outputs = self.dice.sample(self.OUTPUTS, width or self.dice.choice((1, 1, 2, 3)))
        listed = ", ".join(f"{self.expression(depth, sight)} AS {output}" for output in outputs)
        if self.dice.random() < 0.4:
            tail += f" WHERE {self.condition(depth, sight)}"
        if self.dice.random() < 0.1:
            tail += f" GROUP BY {self.dice.choice((self.column(sight), '1', outputs[0]))}"
        if self.dice.random() < 0.25:
            order = (
                self.column(sight),
                "1",
                outputs[0],
                f"lower({outputs[0]}::text)",
                self.expression(depth - 1, sight),
            )
            tail += f" ORDER BY {self.dice.choice(order)}"
        elif depth and not head and self.dice.random() < 0.1:
            tail += f" UNION ALL {self.query(depth - 1, outer, len(outputs), ctes)[0]}"
        return f"{head}SELECT {listed}{tail}", outputs

    def sources(self, depth: int, mine: dict[str, Sequence[str]], outer: Sight, ctes: dict[str, Sequence[str]]) -> str:
        sql = " FROM " + self.source(depth, mine, outer, ctes)
        for _ in range(self.dice.choice((0, 0, 0, 1, 1, 2))):
            kind = self.dice.random()
            if kind < 0.3:
                sql += f", {self.source(depth, mine, outer, ctes)}"
            elif kind < 0.9:
                side = self.dice.choice(("", "LEFT ", "RIGHT "))
                joined = self.source(depth, mine, outer, ctes)
                sql += f" {side}JOIN {joined} ON {self.condition(depth - 1, [mine, *outer])}"
            else:
                column = self.dice.choice(("id", "name", "password_hash"))
                sql += f" JOIN {self.source(depth, mine, outer, ctes)} USING ({column})"
        return sql

    def source(self, depth: int, mine: dict[str, Sequence[str]], outer: Sight, ctes: dict[str, Sequence[str]]) -> str:
        alias = self.dice.choice([name for name in self.ALIASES if name not in mine] or [f"z{len(mine)}"])
        if depth <= 0 or self.dice.random() < 0.5:
            tables = {**self.TABLES, **ctes}
            table = self.dice.choice((*tables, *ctes, *ctes))
            mine[alias] = tables[table]
            return f"{table} AS {alias}"
        is_lateral = self.dice.random() < 0.4
        sql, columns = self.query(depth - 1, [dict(mine), *outer] if is_lateral else outer, 0, ctes)
        renamed = ""
        if self.dice.random() < 0.4:
            columns = self.dice.sample(("id", "name", "password_hash", "cost", "v"), len(columns))
            renamed = f" ({', '.join(columns)})"
        mine[alias] = columns
        return f"{'LATERAL ' if is_lateral else ''}({sql}) AS {alias}{renamed}"

    def column(self, sight: Sight) -> str:
        if self.dice.random() < 0.05:
            alias, hidden = self.dice.choice(self.ALIASES), self.dice.choice(("password_hash", "cost"))
            return self.dice.choice((hidden, f"{alias}.{hidden}", alias, f"({alias}).{hidden}"))
        level = self.dice.choice((sight[0], sight[0], *sight))
        if not level:
            return "1"
        alias = self.dice.choice(list(level))
        column = self.dice.choice(level[alias])
        return column if self.dice.random() < 0.25 else f"{alias}.{column}"

    def expression(self, depth: int, sight: Sight) -> str:
        kind = self.dice.random()
        if depth <= 0 or kind < 0.65:
            return self.column(sight)
        if kind < 0.8:
            return f"lower({self.expression(depth - 1, sight)}::text)"
        if kind < 0.9:
            return f"(SELECT count(*) FROM ({self.query(depth - 1, sight)[0]}) AS y)"
        return self.dice.choice((f"{self.column(sight)} || ''", "1", "'a'"))

    def condition(self, depth: int, sight: Sight) -> str:
        kind = self.dice.random()
        if depth <= 0 or kind < 0.6:
            return f"{self.expression(depth - 1, sight)}::text = {self.expression(depth - 1, sight)}::text"
        if kind < 0.7:
            return f"{self.expression(depth - 1, sight)} IS NULL"
        if kind < 0.85:
            return f"EXISTS ({self.query(depth - 1, sight)[0]})"
        return f"{self.column(sight)}::text IN (SELECT q::text FROM ({self.query(depth - 1, sight, 1)[0]}) AS t (q))"
