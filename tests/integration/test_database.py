"""One statement, one read-only transaction, values safe for JSON: against a real Postgres."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from local.postgres import Postgres
from rowcall.database.connection import Database, ResultColumn, StatementFailed
from rowcall.database.values import TYPE_NAMES
from rowcall.deadline import Deadline
from rowcall.errors import Problem

SQL = """
CREATE TYPE mood AS ENUM ('sad', 'merry');
CREATE TYPE pair AS (a integer, b text);
CREATE TABLE thing (id integer PRIMARY KEY, name text NOT NULL, price numeric(10, 2));
INSERT INTO thing SELECT i, 'thing ' || i, i * 1.25 FROM generate_series(1, 100) i;
"""

# An expression, its value as JSON, the name of its type.
VALUES = [
    ("NULL::integer", None, "integer"),
    ("1::smallint", 1, "smallint"),
    ("2::integer", 2, "integer"),
    ("9007199254740991::bigint", 9007199254740991, "bigint"),
    ("9007199254740992::bigint", "9007199254740992", "bigint"),
    ("count(*)", 1, "bigint"),
    ("12.50::numeric", 12.5, "numeric"),
    ("sum(3::bigint)", 3, "numeric"),
    ("1::numeric / 8", 0.125, "numeric"),
    ("2::numeric / 3", 0.6666666666666666, "numeric"),
    ("'NaN'::numeric", "NaN", "numeric"),
    ("'Infinity'::numeric", "Infinity", "numeric"),
    ("0.1::real", 0.1, "real"),
    ("0.1::double precision", 0.1, "double precision"),
    ("'NaN'::double precision", "NaN", "double precision"),
    ("'-Infinity'::real", "-Infinity", "real"),
    ("true", True, "boolean"),
    ("'naïve ☃'::text", "naïve ☃", "text"),
    ("'x'::character(3)", "x  ", "character"),
    ("'x'::character varying", "x", "character varying"),
    ("'x'::name", "x", "name"),
    ("'2024-02-29'::date", "2024-02-29", "date"),
    ("'infinity'::date", "infinity", "date"),
    ("'0044-03-15 BC'::date", "-0043-03-15", "date"),
    ("'20240-01-01'::date", "+20240-01-01", "date"),
    ("'12:30'::time", "12:30:00", "time without time zone"),
    ("'24:00'::time", "24:00:00", "time without time zone"),
    ("'12:30+02'::timetz", "12:30:00+02:00", "time with time zone"),
    ("'2024-02-29 12:30'::timestamp", "2024-02-29T12:30:00", "timestamp without time zone"),
    ("'2024-02-29 12:30+02'::timestamptz", "2024-02-29T10:30:00+00:00", "timestamp with time zone"),
    ("'0044-03-15 12:30 BC'::timestamptz", "-0043-03-15T12:30:00+00:00", "timestamp with time zone"),
    ("'-infinity'::timestamp", "-infinity", "timestamp without time zone"),
    ("interval '1 year 2 months 3 days 4.5 seconds'", "P1Y2M3DT4.5S", "interval"),
    ("interval '-25 hours'", "PT-25H", "interval"),
    ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "uuid"),
    ("""'{"a": [1, 1e400]}'::jsonb -> 'a' -> 0""", 1, "jsonb"),
    ("""'{"a": [1, 2.50]}'::json""", {"a": [1, 2.5]}, "json"),
    ("""'"half \\ud83d"'::json""", '"half \\ud83d"', "json"),
    ("(repeat('[', 1000) || repeat(']', 1000))::json", "[" * 1000 + "]" * 1000, "json"),
    ("ARRAY[[1, 2], [3, NULL]]", [[1, 2], [3, None]], "integer[]"),
    ("ARRAY['a', 'b,c', NULL, 'NULL', '', 'q\"\\']", ["a", "b,c", None, "NULL", "", 'q"\\'], "text[]"),
    ("ARRAY['2024-02-29'::date]", ["2024-02-29"], "date[]"),
    ("""ARRAY['{"a": 1}'::jsonb]""", [{"a": 1}], "jsonb[]"),
    ("'[0:1]={1.5,2.5}'::numeric[]", [1.5, 2.5], "numeric[]"),
    ("'{}'::text[]", [], "text[]"),
    ("'\\xdeadbeef'::bytea", "\\xdeadbeef", "bytea"),
    ("'10.0.0.1/8'::inet", "10.0.0.1/8", "inet"),
    ("'10.0.0.0/8'::cidr", "10.0.0.0/8", "cidr"),
    ("'08:00:2b:01:02:03'::macaddr", "08:00:2b:01:02:03", "macaddr"),
    ("int4range(1, 5)", "[1,5)", "int4range"),
    ("tstzrange('2024-01-01', NULL)", '["2024-01-01 00:00:00+00",)', "tstzrange"),
    ("'{[1,3), [5,7)}'::int4multirange", "{[1,3),[5,7)}", "int4multirange"),
    ("'merry'::mood", "merry", "text"),
    ("ROW(1, 'x')::pair", "(1,x)", "text"),
    ("ROW(1, 'x')", "(1,x)", "text"),
    ("'a fat cat'::tsvector", "'a' 'cat' 'fat'", "tsvector"),
    ("'12.34'::numeric::money", "$12.34", "money"),
    ("B'101'", "101", "bit"),
    ("'(1,2)'::point", "(1,2)", "point"),
    ("'(1,1),(0,0)'::box", "(1,1),(0,0)", "text"),
    ("'pg_class'::regclass", "pg_class", "text"),
    ("'1'::oid", 1, "oid"),
    ("'18446744073709551615'::xid8", "18446744073709551615", "xid8"),
    ("NULL", None, "text"),
]


@pytest.fixture(scope="module")
def name(make_database: Callable[[str], str]) -> str:
    return make_database(SQL)


@pytest.fixture
def database(postgres: Postgres, name: str) -> Iterator[Database]:
    """As the owner, who may do anything that the transaction lets him."""
    opened = Database(postgres.owner_url(name))
    yield opened
    opened.close()


def soon() -> Deadline:
    return Deadline.after(10)


@pytest.mark.parametrize(("expression", "value", "type_"), VALUES)
def test_values(database: Database, expression: str, value: object, type_: str) -> None:
    found = database.query(f"SELECT {expression} AS v", (), soon())
    assert found.columns == [ResultColumn("v", type_)]
    assert found.rows == [[value]]
    assert type(found.rows[0][0]) is type(value)
    json.dumps(found.rows, allow_nan=False, ensure_ascii=False).encode()


def test_types_are_named_as_postgres_names_them(postgres: Postgres) -> None:
    oids = "{" + ",".join(map(str, TYPE_NAMES)) + "}"
    named = postgres.sql("SELECT oid, format_type(oid, NULL) FROM unnest(:oids ::oid[]) oid", oids=oids)
    assert {row[0]: row[1] for row in named} == TYPE_NAMES


def test_intervals_agree_with_postgres_in_that_style(database: Database) -> None:
    sql = """SELECT {} FROM (VALUES (1, 2, 3, 4, 5, 6.7), (0, 0, 0, 0, 0, 0), (-1, 2, -3, 4, -5, 60.000001),
                                    (0, -14, 0, 0, 90, 0), (0, 0, 40, 0, -90, -0.5)) v (y, m, d, h, i, s)"""
    interval = "make_interval(y, m, 0, d, h, i, s)"
    styled = database.query(sql.format(f"set_config('intervalstyle', 'iso_8601', true), {interval}::text"), (), soon())
    ours = database.query(sql.format(interval), (), soon())
    assert [row[0] for row in ours.rows] == [row[1] for row in styled.rows]


def test_parameters_are_bound_with_the_type_that_postgres_infers(database: Database) -> None:
    sql = "SELECT name FROM thing WHERE id = $1 AND price < $2 AND name LIKE $3 LIMIT LEAST(5, $4)"
    assert database.query(sql, [4, Decimal("5.01"), "thing%", 51], soon()).rows == [["thing 4"]]
    sql = "SELECT $1::date, $2::timestamptz, $3::boolean, $4::text, $5::text, $6::text[]"
    moment = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)
    values = [date(2024, 2, 29), moment, False, None, "'; DROP TABLE thing; --", ["a b", None, '"']]
    assert database.query(sql, values, soon()).rows == [
        ["2024-02-29", "2024-02-29T12:30:00+00:00", False, None, "'; DROP TABLE thing; --", ["a b", None, '"']]
    ]


def test_no_rows_and_no_columns(database: Database) -> None:
    none = database.query("SELECT id FROM thing WHERE false", (), soon())
    assert (none.columns, none.rows) == ([ResultColumn("id", "integer")], [])
    assert database.query("SELECT FROM thing LIMIT 2", (), soon()).rows == [[], []]
    assert database.query("", (), soon()).rows == []


# A statement, the SQLSTATE of its error, and where in it that is.
REFUSED = [
    ("SELECT nothing FROM thing", "42703", 8),
    ("SELECT 1 / 0", "22012", None),
    ("SELECT 1 / (id - 50) FROM thing", "22012", None),
    ("SELECT * FROM nowhere", "42P01", 15),
    ("SELECT FROM", "42601", 12),
    ("SELECT 'x'::integer", "22P02", 8),
    ("SELECT $1", "08P01", None),
    ("SELECT 'zero \0 byte'", "22021", None),
    ("SELECT '\ud83d'", "22021", None),
    ("SELECT 1; SELECT 2", "42601", None),
    ("SELECT 1; COMMIT; BEGIN READ WRITE; DROP TABLE thing", "42601", None),
    ("INSERT INTO thing VALUES (0, 'x', 0)", "25006", None),
    ("WITH gone AS (DELETE FROM thing RETURNING *) SELECT * FROM gone", "25006", None),
    ("DROP TABLE thing", "25006", None),
    ("SELECT * FROM thing FOR UPDATE", "25006", None),
    ("DO $$ BEGIN DROP TABLE thing; END $$", "25006", None),
    ("DO $$ BEGIN COMMIT; DROP TABLE thing; END $$", "2D000", None),
]


@pytest.mark.parametrize(("sql", "state", "position"), REFUSED)
def test_after_an_error_the_next_statement_meets_a_clean_transaction(
    database: Database, sql: str, state: str, position: int | None
) -> None:
    backend = database.query("SELECT pg_backend_pid()", (), soon()).rows
    with pytest.raises(StatementFailed) as failed:
        database.query(sql, (), soon())
    assert (failed.value.sqlstate, failed.value.position) == (state, position)
    assert is_untouched(database)
    assert database.query("SELECT pg_backend_pid()", (), soon()).rows == backend


@pytest.mark.parametrize("sql", ["COMMIT", "COMMIT AND CHAIN", "ROLLBACK", "SET TRANSACTION READ WRITE", "BEGIN"])
def test_a_statement_cannot_leave_its_transaction_to_the_next(database: Database, sql: str) -> None:
    database.query(sql, (), soon())
    assert is_untouched(database)


def is_untouched(database: Database) -> bool:
    with pytest.raises(StatementFailed, match="25006"):
        database.query("DELETE FROM thing", (), soon())
    return database.query("SELECT count(*), current_setting('transaction_read_only') FROM thing", (), soon()).rows == [
        [100, "on"]
    ]


def test_nothing_stays_in_the_session(postgres: Postgres, database: Database) -> None:
    for _ in range(20):
        database.query("SELECT name FROM thing WHERE id = $1", [1], soon())
    state = database.query(
        """SELECT (SELECT count(*) FROM pg_prepared_statements WHERE name <> ''), (SELECT count(*) FROM pg_cursors)""",
        (),
        soon(),
    )
    assert state.rows[0][0] == 0
    backend = database.query("SELECT pg_backend_pid()", (), soon()).rows[0][0]
    [[idle]] = postgres.sql("SELECT state FROM pg_stat_activity WHERE pid = :pid", pid=backend)
    assert idle == "idle"


def test_a_statement_of_another_protocol_is_refused(database: Database) -> None:
    with pytest.raises(Problem):
        database.query("COPY thing TO STDOUT", (), soon())
    assert database.query("SELECT 1", (), soon()).rows == [[1]]


def test_explain_runs_nothing(database: Database) -> None:
    plan = database.explain("SELECT id, pg_sleep(20) FROM thing WHERE id > $1 LIMIT $2", [3, 51], soon())
    assert plan["Plan"]["Node Type"] == "Limit"
    with pytest.raises(StatementFailed) as failed:
        database.explain("SELECT nothing FROM thing", (), soon())
    assert failed.value.position == 8


def test_explain_of_a_plan_that_is_nested_deep(database: Database) -> None:
    sql = "SELECT id FROM thing LIMIT 1"
    for _ in range(60):
        sql = f"SELECT id FROM ({sql}) s ORDER BY id LIMIT 1"  # noqa: S608
    assert database.explain(sql, (), soon())["Plan"]["Node Type"] == "Limit"


def test_a_transaction_each_and_a_connection_for_each_thread(postgres: Postgres, name: str) -> None:
    database = Database(postgres.owner_url(name))
    together = threading.Barrier(4)

    def ask(_: int) -> object:
        together.wait()
        return [database.query("SELECT pg_backend_pid()", (), soon()).rows[0][0] for _ in range(50)]

    with ThreadPoolExecutor(4) as threads:
        backends = [set(found) for found in threads.map(ask, range(4))]  # type: ignore[call-overload]
    assert [len(found) for found in backends] == [1, 1, 1, 1]
    assert len(set.union(*backends)) == 4
    assert database.transactions == 200
    database.ping(soon())
    assert database.transactions == 201
    database.close()
    wait_for_no_sessions(postgres, name)


def test_a_thread_takes_its_connection_with_it(postgres: Postgres, name: str) -> None:
    gc.collect()
    gc.disable()
    try:
        with closing(Database(postgres.owner_url(name))) as database:
            thread = threading.Thread(target=database.ping, args=(soon(),))
            thread.start()
            thread.join()
            wait_for_no_sessions(postgres, name)
    finally:
        gc.enable()


def test_bytes_that_are_not_utf_8_are_an_error_of_the_statement(postgres: Postgres) -> None:
    postgres.drop("ascii")
    postgres.sql("CREATE DATABASE ascii TEMPLATE template0 ENCODING SQL_ASCII LOCALE_PROVIDER libc LOCALE 'C'")
    database = Database(postgres.owner_url("ascii"))
    try:
        with pytest.raises(StatementFailed, match="22021"):
            database.query("SELECT 'caf' || chr(233)", (), soon())
        assert database.query("SELECT 1", (), soon()).rows == [[1]]
    finally:
        database.close()
        postgres.drop("ascii")


def test_notices_are_no_answer(database: Database) -> None:
    for _ in range(3):
        database.query("DO $$ BEGIN RAISE NOTICE 'x'; RAISE WARNING 'y'; END $$", (), soon())
    assert database.query("SELECT 1", (), soon()).rows == [[1]]


def test_a_result_that_would_fill_the_memory_is_cut(postgres: Postgres, database: Database, name: str) -> None:
    with pytest.raises(StatementFailed, match="54000"):
        database.query("SELECT repeat('x', 1000) FROM generate_series(1, 1000000)", (), soon())
    wait_for_no_sessions(postgres, name)
    assert database.query(
        "SELECT length(v), v = repeat('é', 8000000) FROM repeat('é', 8000000) v", (), soon()
    ).rows == [[8000000, True]]
    assert database.query("SELECT repeat('é', 8000000)", (), soon()).rows == [["é" * 8000000]]


def wait_for_no_sessions(postgres: Postgres, name: str) -> None:
    until = soon()
    while postgres.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = :name", name=name) != [[0]]:
        until.left()
