"""The catalog of a real Postgres: what the read-only role may see, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pg8000.native
import pytest

from local.postgres import Postgres
from rowcall.catalog import Catalog, Column, ForeignKey, Table
from rowcall.database import introspection
from rowcall.database.connection import Database
from rowcall.database.introspection import from_json, probe, read_catalog, to_json
from rowcall.deadline import Deadline

SQL = """
CREATE TYPE mood AS ENUM ('merry', 'sad', 'Don''t know');
CREATE TYPE "Odd Type" AS ENUM ('a');
CREATE DOMAIN amount AS numeric(10, 2) CHECK (VALUE >= 0);
CREATE DOMAIN grade AS text CHECK (VALUE IN ('good', 'bad'));
CREATE DOMAIN fine_grade AS grade;

CREATE TABLE country (code character(2) PRIMARY KEY, name text NOT NULL UNIQUE);
COMMENT ON TABLE country IS 'Where people live';
CREATE TABLE person (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    country_code character(2) NOT NULL REFERENCES country,
    full_name character varying(200) NOT NULL,
    email text UNIQUE,
    password_hash text,
    api_key text,
    feeling mood,
    odd "Odd Type",
    balance amount,
    grade fine_grade,
    "Kind" text CHECK ("Kind" IN ('x', 'it''s', 'back\\slash')),
    level character varying(9) CHECK (level = ANY (ARRAY['low', 'high'])),
    sort text CHECK (sort = 'one' OR sort = 'two' OR sort IS NULL),
    loud text CHECK (loud = upper(loud)),
    never text CHECK (never NOT IN ('x')),
    tags text[],
    born date,
    gone integer
);
ALTER TABLE person DROP COLUMN gone;
COMMENT ON COLUMN person.balance IS 'In euros; "net"';
CREATE UNIQUE INDEX ON person (full_name, born) INCLUDE (email);
CREATE UNIQUE INDEX ON person (lower(email));
CREATE UNIQUE INDEX ON person (level) WHERE level = 'high';
CREATE UNIQUE INDEX ON person (api_key);
CREATE VIEW adults AS SELECT id, country_code, grade, feeling FROM person;
CREATE MATERIALIZED VIEW totals AS SELECT country_code, count(*) AS people FROM person GROUP BY 1;
CREATE MATERIALIZED VIEW unfilled AS SELECT 'x'::text AS what WITH NO DATA;

CREATE TABLE event (id bigint, at timestamptz NOT NULL, person_id integer REFERENCES person, PRIMARY KEY (id, at))
    PARTITION BY RANGE (at);
CREATE TABLE event_2023 PARTITION OF event FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE event_2024 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY HASH (id);
CREATE TABLE event_2024_0 PARTITION OF event_2024 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TABLE detail (event_id bigint, event_at timestamptz, note text,
    FOREIGN KEY (event_id, event_at) REFERENCES event);

CREATE TABLE "Weird ""Table""; DROP" ("select" integer PRIMARY KEY, "a.b" text, "$1" text, "naïve ☃" text, "{x}" text);
CREATE TABLE nothing ();
CREATE TABLE closed (id integer);
CREATE TABLE partly (id integer, open_ text, closed_ text);
CREATE SCHEMA other;
CREATE TABLE other.person (id integer PRIMARY KEY, friend integer REFERENCES public.person);
CREATE TABLE other.locked (id integer);
CREATE SCHEMA shut;
CREATE TABLE shut.thing (id integer);

INSERT INTO country VALUES ('CH', 'Switzerland'), ('FR', 'France');
INSERT INTO person (country_code, full_name, feeling, odd, grade)
    SELECT CASE WHEN i % 3 = 0 THEN 'FR' ELSE 'CH' END, 'Person ' || i, 'merry', 'a', 'good'
    FROM generate_series(1, 40) i;
REFRESH MATERIALIZED VIEW totals;
INSERT INTO event SELECT i, '2023-06-01', 1 FROM generate_series(1, 30) i;
INSERT INTO event SELECT i, '2024-06-01', 1 FROM generate_series(1, 12) i;
"""
GRANTS = """
REVOKE ALL ON closed, partly FROM rowcall_reader;
GRANT SELECT (id, open_) ON partly TO rowcall_reader;
GRANT USAGE ON SCHEMA other TO rowcall_reader;
GRANT SELECT ON other.person TO rowcall_reader;
GRANT SELECT ON shut.thing TO rowcall_reader;
"""


def soon() -> Deadline:
    return Deadline.after(30)


@contextmanager
def owner(postgres: Postgres, name: str) -> Iterator[pg8000.native.Connection]:
    url = urlsplit(postgres.owner_url(name))
    with pg8000.native.Connection(
        url.username, host=url.hostname, port=url.port, password=url.password, database=name
    ) as connection:
        yield connection


@pytest.fixture(scope="module")
def name(postgres: Postgres, make_database: Callable[[str], str]) -> str:
    made = make_database(SQL)
    with owner(postgres, made) as connection:
        connection.run(GRANTS)
    return made


@pytest.fixture(scope="module")
def database(postgres: Postgres, name: str) -> Iterator[Database]:
    with closing(Database(postgres.reader_url(name))) as opened:
        yield opened


@pytest.fixture(scope="module")
def catalog(database: Database) -> Catalog:
    return read_catalog(database, soon(), schemas=("public", "other", "shut", "absent"))


@pytest.fixture(scope="module")
def workshop(postgres: Postgres, make_database: Callable[[str], str]) -> str:
    return make_database("CREATE TYPE mood AS ENUM ('sad');")


@pytest.fixture
def fresh(postgres: Postgres, workshop: str) -> Iterator[tuple[pg8000.native.Connection, Database]]:
    """A connection of the owner, and the reader's, to a database where there is but a new table."""
    with owner(postgres, workshop) as connection, closing(Database(postgres.reader_url(workshop))) as database:
        connection.run("DROP TABLE IF EXISTS thing, things, other CASCADE")
        connection.run("CREATE TABLE thing (id integer PRIMARY KEY, kind text)")
        yield connection, database


def column(catalog: Catalog, qualified: str) -> Column:
    found = catalog.column(qualified)
    assert found, qualified
    return found


def table(catalog: Catalog, key: str) -> Table:
    found = catalog.table(key)
    assert found, key
    return found


def test_relations_that_the_role_may_read(catalog: Catalog) -> None:
    assert {key: found.kind for key, found in catalog.tables.items()} == {
        'Weird "Table"; DROP': "table",
        "adults": "view",
        "country": "table",
        "detail": "table",
        "event": "table",
        "partly": "table",
        "person": "table",
        "totals": "materialized view",
        "unfilled": "materialized view",
        "other.person": "table",
    }


def test_columns(catalog: Catalog) -> None:
    seen = [(c.name, c.type, c.nullable) for c in table(catalog, "person").columns]
    assert seen == [
        ("id", "integer", False),
        ("country_code", "character", False),
        ("full_name", "character varying", False),
        ("email", "text", True),
        ("feeling", "mood", True),
        ("odd", '"Odd Type"', True),
        ("balance", "numeric", True),
        ("grade", "text", True),
        ("Kind", "text", True),
        ("level", "character varying", True),
        ("sort", "text", True),
        ("loud", "text", True),
        ("never", "text", True),
        ("tags", "text[]", True),
        ("born", "date", True),
    ]
    assert [c.name for c in table(catalog, "partly").columns] == ["id", "open_"]
    odd = table(catalog, 'Weird "Table"; DROP')
    assert [c.name for c in odd.columns] == ["select", "a.b", "$1", "naïve ☃", "{x}"]


def test_comments(catalog: Catalog) -> None:
    assert table(catalog, "country").comment == "Where people live"
    assert column(catalog, "person.balance").comment == 'In euros; "net"'
    assert table(catalog, "person").comment == column(catalog, "person.id").comment == ""


def test_keys(catalog: Catalog) -> None:
    person = table(catalog, "person")
    assert person.primary_key == ("id",)
    assert person.unique == (("email",), ("full_name", "born"))
    assert person.foreign_keys == (ForeignKey(("country_code",), "country", ("code",)),)
    assert table(catalog, "event").primary_key == ("id", "at")
    assert table(catalog, "event").foreign_keys == (ForeignKey(("person_id",), "person", ("id",)),)
    assert table(catalog, "detail").foreign_keys == (ForeignKey(("event_id", "event_at"), "event", ("id", "at")),)
    assert table(catalog, "other.person").foreign_keys == (ForeignKey(("friend",), "person", ("id",)),)


def test_a_key_of_a_hidden_column_is_hidden(database: Database) -> None:
    found = read_catalog(database, soon(), hidden_columns=("country.code", "person.born"))
    assert table(found, "country").primary_key == ()
    assert table(found, "person").foreign_keys == ()
    assert table(found, "person").unique == (("email",),)
    assert table(read_catalog(database, soon(), allowed_tables=("person",)), "person").foreign_keys == ()


def test_enumerated_values(catalog: Catalog) -> None:
    values = {
        f"{found.key}.{c.name}": c.values for found, c in catalog.columns() if c.values and found.schema == "public"
    }
    assert values == {
        "adults.country_code": ("CH", "FR"),
        "adults.feeling": ("merry", "sad", "Don't know"),
        "adults.grade": ("good", "bad"),
        "country.code": ("CH", "FR"),
        "country.name": ("France", "Switzerland"),
        "person.country_code": ("CH", "FR"),
        "person.feeling": ("merry", "sad", "Don't know"),
        "person.odd": ("a",),
        "person.grade": ("good", "bad"),
        "person.Kind": ("x", "it's", "back\\slash"),
        "person.level": ("low", "high"),
        "person.sort": ("one", "two"),
        "totals.country_code": ("CH", "FR"),
    }


def test_rows_are_estimated_before_the_first_analyze(postgres: Postgres, name: str, catalog: Catalog) -> None:
    with owner(postgres, name) as connection:
        connection.run("SELECT pg_stat_force_next_flush()")
        found = connection.run("SELECT reltuples FROM pg_class WHERE relname = 'person'")
    assert found[0][0] in (-1, 40)
    assert table(catalog, "person").rows == 40
    assert table(catalog, "event").rows == 42


def test_allowed_tables_and_hidden_columns(database: Database) -> None:
    found = read_catalog(
        database,
        soon(),
        schemas=("public", "other"),
        allowed_tables=("Person", "other.person"),
        hidden_columns=("*.born", "email", "person.tags"),
        visible_columns=("person.password_hash", "person.email"),
    )
    assert set(found.tables) == {"person", "other.person"}
    names = {c.name for c in found.tables["person"].columns}
    assert "password_hash" in names
    assert names.isdisjoint({"born", "email", "tags", "api_key"})


def test_an_empty_database(postgres: Postgres, make_database: Callable[[str], str]) -> None:
    with closing(Database(postgres.reader_url(make_database("")))) as database:
        assert read_catalog(database, soon()).tables == {}


def test_an_extension_is_not_shown(postgres: Postgres, make_database: Callable[[str], str]) -> None:
    made = make_database(
        "CREATE TABLE thing (id integer); CREATE VIEW things AS SELECT 1; ALTER EXTENSION plpgsql ADD VIEW things;"
    )
    with closing(Database(postgres.reader_url(made))) as database:
        assert set(read_catalog(database, soon()).tables) == {"thing"}


def test_values_from_statistics_of_a_big_table(postgres: Postgres, make_database: Callable[[str], str]) -> None:
    made = make_database(
        """CREATE TABLE thing AS SELECT i AS id, 'kind ' || i % 7 AS kind, 'code ' || i AS code,
               CASE WHEN i = 1 THEN repeat('x', 61) ELSE 'short' END AS long, NULL::text AS none
           FROM generate_series(1, 20000) i;
           CREATE TABLE unknown AS SELECT * FROM thing;
           ANALYZE thing;"""
    )
    with closing(Database(postgres.reader_url(made))) as database:
        found = read_catalog(database, soon())
        assert database.transactions == 1
        assert column(found, "thing.kind").values == tuple(f"kind {n}" for n in range(7))
        assert column(found, "thing.code").values == column(found, "thing.long").values == ()
        assert column(read_catalog(database, soon(), max_values=6), "thing.kind").values == ()
        assert not any(c.values for c in table(found, "unknown").columns)


@pytest.mark.parametrize(("rows", "listed"), [(50, True), (51, False)])
def test_values_of_a_table_that_was_never_analyzed(
    postgres: Postgres, make_database: Callable[[str], str], rows: int, listed: bool
) -> None:
    made = make_database(
        f"""CREATE TABLE thing (kind text, long text, blank text);
            INSERT INTO thing
                SELECT 'kind ' || i, repeat('x', 60 + i / {rows}), '' FROM generate_series(1, {rows}) i;"""  # noqa: S608
    )
    with closing(Database(postgres.reader_url(made))) as database:
        found = read_catalog(database, soon())
        assert bool(column(found, "thing.kind").values) is listed
        assert column(found, "thing.long").values == column(found, "thing.blank").values == ()


def test_a_view_that_costs_much_or_fails_is_not_looked_into(
    postgres: Postgres, make_database: Callable[[str], str]
) -> None:
    made = make_database(
        """CREATE TABLE thing AS SELECT 'a kind' AS kind;
           CREATE VIEW cheap AS SELECT kind FROM thing;
           CREATE VIEW costly AS SELECT max(md5((a * b)::text)) AS kind
               FROM generate_series(1, 10000) a, generate_series(1, 10000) b;
           CREATE VIEW endless AS SELECT max(kind) AS kind FROM costly,
               generate_series(1, 1000000000) c, generate_series(1, 1000000000) d, generate_series(1, 1000000000) e;
           CREATE VIEW failing AS SELECT (1 / (length(kind) - 6))::text AS kind FROM thing;"""
    )
    with closing(Database(postgres.reader_url(made))) as database:
        found = read_catalog(database, soon())
        assert {key: t.columns[0].values for key, t in found.tables.items()} == {
            "thing": ("a kind",),
            "cheap": ("a kind",),
            "costly": (),
            "endless": (),
            "failing": (),
        }


def test_a_table_under_ddl_does_not_hold_up_the_catalog(fresh: tuple[pg8000.native.Connection, Database]) -> None:
    connection, database = fresh
    connection.run("INSERT INTO thing VALUES (1, 'a kind')")
    connection.run("BEGIN")
    connection.run("LOCK TABLE thing IN ACCESS EXCLUSIVE MODE")
    assert column(read_catalog(database, soon()), "thing.kind").values == ()
    connection.run("ROLLBACK")
    assert column(read_catalog(database, soon()), "thing.kind").values == ("a kind",)


def test_many_tables_in_a_few_round_trips(postgres: Postgres, make_database: Callable[[str], str]) -> None:
    made = make_database(
        """CREATE TABLE thing_0 (id integer PRIMARY KEY);
           DO $$ BEGIN FOR i IN 1..300 LOOP EXECUTE format('CREATE TABLE thing_%s (id integer PRIMARY KEY, kind text,
               name text, at date, thing_id integer REFERENCES thing_%s)', i, i - 1); END LOOP; END $$;
           INSERT INTO thing_300 VALUES (1, 'a kind');"""
    )
    with closing(Database(postgres.reader_url(made))) as database:
        found = read_catalog(database, soon())
        assert len(found.tables) == 301
        assert found.tables["thing_7"].foreign_keys == (ForeignKey(("thing_id",), "thing_6", ("id",)),)
        assert column(found, "thing_300.kind").values == ("a kind",)
        assert database.transactions < 15


def test_json_keeps_all(catalog: Catalog) -> None:
    assert from_json(to_json(catalog)) == catalog
    assert from_json(to_json(Catalog({}, "x"))) == Catalog({}, "x")


CHANGES = [
    "CREATE TABLE other (id integer)",
    "ALTER TABLE thing ADD COLUMN more text",
    "ALTER TABLE thing RENAME COLUMN kind TO sort",
    "ALTER TABLE thing DROP COLUMN kind",
    "ALTER TABLE thing ALTER COLUMN kind TYPE character varying(20)",
    "ALTER TABLE thing ALTER COLUMN kind SET NOT NULL",
    "ALTER TABLE thing ADD CHECK (kind IN ('a', 'b'))",
    "ALTER TABLE thing ADD UNIQUE (kind)",
    "ALTER TABLE thing ADD FOREIGN KEY (id) REFERENCES thing",
    "ALTER TABLE thing RENAME TO things",
    "COMMENT ON TABLE thing IS 'what it is'",
    "COMMENT ON COLUMN thing.kind IS 'what it is'",
    "REVOKE SELECT ON thing FROM rowcall_reader",
    "CREATE VIEW seen AS SELECT id FROM thing",
]


@pytest.mark.parametrize("change", CHANGES)
def test_probe_and_fingerprint_change_with_the_structure(
    fresh: tuple[pg8000.native.Connection, Database], change: str
) -> None:
    connection, database = fresh
    probed, before = probe(database, soon()), read_catalog(database, soon()).fingerprint
    assert (probe(database, soon()), read_catalog(database, soon()).fingerprint) == (probed, before)
    connection.run(change)
    assert probe(database, soon()) != probed
    assert read_catalog(database, soon()).fingerprint != before


def test_probe_sees_a_new_value_of_an_enum(fresh: tuple[pg8000.native.Connection, Database]) -> None:
    connection, database = fresh
    connection.run("ALTER TABLE thing ADD COLUMN feeling mood")
    probed, before = probe(database, soon()), read_catalog(database, soon()).fingerprint
    connection.run("ALTER TYPE mood ADD VALUE 'merry'")
    assert probe(database, soon()) != probed
    assert read_catalog(database, soon()).fingerprint != before


def test_data_and_upkeep_change_neither(fresh: tuple[pg8000.native.Connection, Database]) -> None:
    connection, database = fresh
    connection.run("INSERT INTO thing SELECT i FROM generate_series(1, 100) i")
    probed, before = probe(database, soon()), read_catalog(database, soon())
    connection.run("DELETE FROM thing WHERE id > 10")
    connection.run("VACUUM (FREEZE, ANALYZE)")
    connection.run("CREATE TEMPORARY TABLE passing (id integer)")
    after = read_catalog(database, soon())
    assert probe(database, soon()) == probed
    assert after.fingerprint == before.fingerprint
    assert table(after, "thing") != table(before, "thing")
    assert replace(table(after, "thing"), rows=0) == replace(table(before, "thing"), rows=0)


def test_no_statement_is_long_enough_to_pin_a_proxy() -> None:
    for statement in ("catalog", "probe"):
        assert len(introspection._statement(statement).encode()) < introspection.MAX_STATEMENT_BYTES
