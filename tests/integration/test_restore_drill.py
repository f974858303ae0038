"""A restore is proven by a drill: what was dumped is there again, value by value, and answers the same; and a drill on
a restore that is not whole says where."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from local import restore_drill
from local.bridge import Bridge
from local.postgres import Postgres
from local.processes import Failed
from local.restore_drill import differences, drill, dump, moment, restore
from tests.integration.test_api import environment

PARTS = """
CREATE TYPE colour AS ENUM ('red', 'green');
CREATE SCHEMA "Old Stock";
CREATE TABLE parts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text, "Colour" colour, price numeric(12, 4),
    weight float8, made timestamptz, life interval, tags text[], more jsonb,
    twice numeric GENERATED ALWAYS AS (price * 2) STORED
);
INSERT INTO parts (title, "Colour", price, weight, made, life, tags, more)
SELECT 'part ' || i, CASE i % 2 WHEN 0 THEN 'red' ELSE 'green' END::colour, i / 7.0, 1e-7 / i,
       timestamptz '2026-03-29 00:59:59.999999+00' + i * interval '1 h', i * interval '1 day', ARRAY['a', NULL, 'ü,"'],
       jsonb_build_object('i', i, 'ß', null)
FROM generate_series(1, 500) i;
CREATE TABLE "Old Stock"."Screws" (title text);
INSERT INTO "Old Stock"."Screws" VALUES ('a'), ('a'), (NULL), (E'tab\\there');
CREATE TABLE sales (day date, amount int) PARTITION BY RANGE (day);
CREATE TABLE sales_2025 PARTITION OF sales FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE sales_2026 PARTITION OF sales FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO sales SELECT date '2025-12-01' + i, i FROM generate_series(1, 60) i;
CREATE TABLE nothing ();
CREATE VIEW cheap AS SELECT * FROM parts WHERE price < 5;
"""


@pytest.fixture(scope="module")
def source(make_database: Callable[[str], str], postgres: Postgres) -> str:
    return postgres.owner_url(make_database(PARTS))


@pytest.fixture
def target(postgres: Postgres) -> Iterator[str]:
    postgres.drop("restored")
    postgres.sql("CREATE DATABASE restored")
    yield postgres.owner_url("restored")
    postgres.drop("restored")


@pytest.fixture
def console() -> Console:
    return Console(record=True, width=200)


def test_everything_is_there_again_and_answers_the_same(
    source: str, target: str, bridge: Bridge, console: Console
) -> None:
    assert drill(console, environment(bridge, source), source, target, "how many parts are there") == 0
    assert "564 rows in 5 tables" in console.export_text()


def test_what_is_written_meanwhile_is_not_in_the_dump_and_not_missed(
    source: str, target: str, postgres: Postgres, tmp_path: Path
) -> None:
    name = source.rpartition("/")[2]
    with moment(source, "SOURCE") as now:
        postgres.sql('INSERT INTO "Old Stock"."Screws" VALUES (\'late\')', name)
        try:
            dump(source, now.snapshot, tmp_path / "dump")
            before = now.contents()
        finally:
            postgres.sql('DELETE FROM "Old Stock"."Screws" WHERE title = \'late\'', name)
    restore(tmp_path / "dump", target)
    with moment(target, "TARGET") as restored:
        assert not differences(before, restored.contents())


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("DELETE FROM parts WHERE id = 7", "public.parts has 500 rows and was restored with 499"),
        ("UPDATE parts SET weight = weight * 1.0000001 WHERE id = 7", "public.parts has the same number of rows and"),
        ("UPDATE parts SET tags[2] = '' WHERE id = 7", "public.parts has the same number of rows and"),
        ("UPDATE sales SET amount = amount + 1 WHERE day = '2026-01-01'", "public.sales_2026 has the same number of"),
        ('DROP TABLE "Old Stock"."Screws"', '"Old Stock"."Screws" is only in the source'),
        ("CREATE TABLE other ()", "public.other is only in the target"),
    ],
)
def test_a_restore_that_is_not_whole_is_told_by_table(
    source: str, target: str, postgres: Postgres, tmp_path: Path, damage: str, told: str
) -> None:
    with moment(source, "SOURCE") as now:
        dump(source, now.snapshot, tmp_path / "dump")
        before = now.contents()
    restore(tmp_path / "dump", target)
    postgres.sql(damage, "restored")
    with moment(target, "TARGET") as restored:
        (difference,) = differences(before, restored.contents())
    assert difference.startswith(told)


def test_nothing_is_restored_over_something(source: str, target: str, postgres: Postgres, tmp_path: Path) -> None:
    postgres.sql("CREATE TABLE precious AS SELECT 1 AS one", "restored")
    with moment(source, "SOURCE") as now:
        dump(source, now.snapshot, tmp_path / "dump")
    with pytest.raises(Failed, match="not empty"):
        restore(tmp_path / "dump", target)
    assert postgres.sql("SELECT one FROM precious", "restored") == [[1]]


def test_a_dump_that_is_broken_restores_nothing(source: str, target: str, tmp_path: Path) -> None:
    with moment(source, "SOURCE") as now:
        dump(source, now.snapshot, tmp_path / "dump")
    whole = (tmp_path / "dump").read_bytes()
    (tmp_path / "dump").write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(Failed, match="pg_restore failed"):
        restore(tmp_path / "dump", target)
    with moment(target, "TARGET") as restored:
        assert restored.contents() == {}


def test_what_cannot_be_reached_is_named_and_its_password_is_not() -> None:
    with pytest.raises(Failed, match="TARGET_URL: the database cannot be reached") as raised:
        restore(Path("none"), "postgresql://someone:secret-word@127.0.0.1:1/nowhere")
    assert "secret-word" not in str(raised.value)
    assert restore_drill.main({"DATABASE_URL": "postgresql://a@127.0.0.1/b"}) == 2, "TARGET_URL is missing"
