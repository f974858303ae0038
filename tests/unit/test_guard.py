"""What the guard lets through, what it refuses, and by which rule."""

# ruff: noqa: S608 - these statements are what is tested, and reach no database
from __future__ import annotations

import csv
import functools
import itertools
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from rowcall.catalog import Catalog, Column, Table
from rowcall.errors import UnsafePlan
from rowcall.guard import RULES
from rowcall.guard.reading import MAX_CHARACTERS
from rowcall.guard.rules import Rule
from tests.unit.guarding import CATALOG, HIDDEN, catalog_of, check, honest, refused

SHARED = Path(__file__).parents[3] / "shared" / "evals"
HONEST = [statement["sql"] for statement in honest()]
CAP = " LIMIT CAST($1 AS BIGINT)"


plan_of = functools.cache(check)


def rule_of(sql: str, catalog: Catalog = CATALOG) -> str:
    with pytest.raises(UnsafePlan) as refusal:
        check(sql, catalog=catalog)
    return refusal.value.rule


@pytest.mark.parametrize(("rule", "sql"), [(item["rule"], item["sql"]) for item in refused()])
def test_refuses_by_the_rule_and_logs_nothing(rule: str, sql: str, caplog: pytest.LogCaptureFixture) -> None:
    """A log line would hold the statement, which may hold a person's data."""
    with caplog.at_level(logging.WARNING):
        assert rule_of(sql) == rule
    assert not caplog.records


@pytest.mark.parametrize("sql", HONEST)
def test_lets_honest_sql_through(sql: str) -> None:
    plan = plan_of(sql)
    assert re.search(r"LIMIT (LEAST\(.*)?CAST\(\$1 AS BIGINT\)", plan.sql)
    assert plan.parameters[-1].part == "row_cap"


@pytest.mark.parametrize("sql", HONEST)
def test_what_it_writes_it_reads_as_the_same(sql: str) -> None:
    """What Postgres is given has one meaning: guarded again, it does not change."""
    written = again(plan_of(sql).sql)
    assert again(written) == written


def again(written: str) -> str:
    limit = re.sub(r"LEAST\(CAST\((\d+) AS BIGINT\), CAST\(\$1 AS BIGINT\)\)", r"\1", written)
    return check(limit.removesuffix(CAP)).sql


@pytest.mark.parametrize("sql", HONEST)
def test_never_writes_a_hidden_name(sql: str) -> None:
    written = plan_of(sql).sql
    for name in HIDDEN:
        assert not re.search(rf"\b{name.rpartition('.')[2]}\b", written)


def test_every_rule_has_a_sentence_and_a_statement_that_breaks_it() -> None:
    assert set(RULES) == set(get_args(Rule))
    assert {item["rule"] for item in refused()} | {"too_long"} == set(RULES)


def test_a_refusal_says_which_rule_and_why() -> None:
    with pytest.raises(
        UnsafePlan, match=r"Only the visible tables are read\. secret_audit is not one of them"
    ) as refusal:
        check("SELECT * FROM secret_audit")
    assert refusal.value.rule == "table"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "(" * 200 + "1" + ")" * 200,
        "SELECT " + "ARRAY[" * 40 + "1" + "]" * 40,
        "SELECT 1::" + "int(" * 40 + "1" + ")" * 40,
        "SELECT " + "f(" * 300,
        "SELECT " + "NOT " * 900 + "true",
        "SELECT " + "- " * 900 + "1",
        "SELECT " + "CASE WHEN true THEN " * 100 + "1" + " END" * 100,
        "SELECT " + "(SELECT " * 100 + "1" + ")" * 100,
        "SELECT * FROM " + "(SELECT * FROM " * 60 + "users" + ") x" * 60,
        "SELECT 1" + " UNION ALL SELECT 1" * 900,
        "SELECT " + "1 + " * 1500 + "1",
        "SELECT id FROM users WHERE " + "id = 1 OR " * 700 + "true",
        "SELECT id FROM users WHERE id IN (" + "1, " * 3000 + "1)",
        "SELECT '" + "x" * MAX_CHARACTERS + "'",
        "SELECT 1" + " " * MAX_CHARACTERS,
        "SELECT users.id FROM users" + "".join(f" JOIN orders o{n} ON o{n}.id = users.id" for n in range(30)),
    ],
)
def test_what_is_too_long_to_judge_is_refused_at_once(sql: str) -> None:
    assert rule_of(sql) == "too_long"


@pytest.mark.parametrize("sql", ["SELECT '\0'", "SELECT '\ud800'", "\ufeffSELECT 1", "SELECT\u200bid FROM users"])
def test_strange_characters_are_refused(sql: str) -> None:
    assert rule_of(sql) in ("unreadable", "read_only", "column")


# Names ---------------------------------------------------------------------------------------------------------


def test_names_what_postgres_would_not_have_to_guess() -> None:
    plan = check("SELECT o.*, name, count(*) OVER () FROM users u JOIN orders o ON u.id = user_id ORDER BY lower(name)")
    assert plan.sql == (
        "SELECT o.id, o.user_id, o.status, o.total, o.placed_at, o.delivered_at, o.due, o.note, u.name, "
        "COUNT(*) OVER () AS count FROM public.users AS u JOIN public.orders AS o ON u.id = o.user_id "
        "ORDER BY LOWER(u.name)" + CAP
    )
    assert plan.tables == ("orders", "users")


def test_tells_outputs_of_one_name_apart() -> None:
    assert check("SELECT count(*), count(id), u.id, u.id FROM users u").sql == (
        "SELECT COUNT(*) AS count, COUNT(u.id) AS count_2, u.id, u.id AS id_2 FROM public.users AS u" + CAP
    )


def test_an_alias_that_is_used_twice_is_renamed() -> None:
    assert check("SELECT x.id FROM users x WHERE EXISTS (SELECT 1 FROM orders x WHERE x.id = 1)").sql == (
        'SELECT x_2.id FROM public.users AS x_2 WHERE EXISTS(SELECT 1 AS "column" FROM public.orders AS x '
        "WHERE x.id = 1)" + CAP
    )


def test_quotes_what_must_be_quoted() -> None:
    assert check('SELECT "order", "Full Name" FROM crm."Accounts"').sql == (
        'SELECT "Accounts"."order", "Accounts"."Full Name" FROM crm."Accounts"' + CAP
    )


def test_finds_a_table_outside_of_public_by_its_name_alone_if_there_is_one() -> None:
    tables = [Table(name, (Column("id", "integer"),), schema) for name, schema in (("a", "s"), ("b", "s"), ("b", "t"))]
    catalog = Catalog({table.key: table for table in tables}, "")
    assert check("SELECT id FROM a", catalog=catalog).sql == "SELECT a.id FROM s.a" + CAP
    assert rule_of("SELECT id FROM b", catalog) == "table"


def test_a_cte_hides_a_table_only_where_it_is_in_sight() -> None:
    shadowed = check(
        "WITH orders AS (SELECT id FROM users) SELECT * FROM orders, public.orders o WHERE o.id = orders.id"
    )
    assert "FROM orders AS orders, public.orders AS o" in shadowed.sql


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("'it''s'", "'it''s'"),
        (r"'a\b'", r"E'a\\b'"),
        (r"E'a\\b\'c\n'", "E'a\\\\b''c\n'"),
        ("$$a'b$$", "'a''b'"),
        ("$x$;--$$$x$", "';--$$'"),
        ("E'\\x27 OR 1=1 --'", "''' OR 1=1 --'"),
        ("'ünï ✓'", "'ünï ✓'"),
    ],
)
def test_writes_texts_so_that_no_setting_can_change_them(written: str, kept: str) -> None:
    assert check(f"SELECT {written} AS x").sql == f"SELECT {kept} AS x{CAP}"


def test_comments_give_no_orders() -> None:
    """sqlglot takes some comments as instructions: to leave a name's case, to take a function as it is."""
    assert rule_of("SELECT PASSWORD_HASH /* sqlglot.meta case_sensitive */ FROM users") == "column"
    assert (
        check("SELECT ID /* sqlglot.meta case_sensitive */ FROM users").sql == "SELECT users.id FROM public.users" + CAP
    )
    assert rule_of("SELECT pg_sleep(1) /* sqlglot.anonymous */") == "function"


# The cap -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "ending"),
    [
        ("SELECT id FROM users", CAP),
        ("SELECT id FROM users LIMIT 5", " LIMIT LEAST(CAST(5 AS BIGINT), CAST($1 AS BIGINT))"),
        ("SELECT id FROM users FETCH FIRST ROW ONLY", " LIMIT LEAST(CAST(1 AS BIGINT), CAST($1 AS BIGINT))"),
        ("SELECT id FROM users LIMIT 5 OFFSET 3", " LIMIT LEAST(CAST(5 AS BIGINT), CAST($1 AS BIGINT)) OFFSET 3"),
        ("SELECT 1 UNION SELECT 2", ' SELECT 2 AS "column"' + CAP),
        ("(SELECT 1) UNION (SELECT 2 LIMIT 1) LIMIT 7", " LIMIT LEAST(CAST(7 AS BIGINT), CAST($1 AS BIGINT))"),
        ("((SELECT id FROM users LIMIT 5))", " LIMIT LEAST(CAST(5 AS BIGINT), CAST($1 AS BIGINT))"),
        ("SELECT x.id FROM (SELECT id FROM users LIMIT 5) x", " LIMIT 5) AS x" + CAP),
        ("WITH x AS (SELECT id FROM users LIMIT 5) SELECT id FROM x", " LIMIT 5) SELECT x.id FROM x AS x" + CAP),
    ],
)
def test_only_the_outermost_limit_is_capped(sql: str, ending: str) -> None:
    assert check(sql).sql.endswith(ending)


# Sizes ---------------------------------------------------------------------------------------------------------


def sized(**rows: int) -> Catalog:
    return Catalog(
        {name: Table(name, (Column("id", "integer"), Column("x", "text")), rows=count) for name, count in rows.items()},
        "",
    )


@pytest.mark.parametrize(
    ("sql", "big", "small", "is_allowed"),
    [
        ("SELECT 1 FROM big, small", 50_000, 20, True),
        ("SELECT 1 FROM big, small", 50_000, 21, False),
        ("SELECT 1 FROM big, small WHERE big.id = small.id", 10**9, 10**9, True),
        ("SELECT 1 FROM big, small WHERE big.id < small.id", 30_000, 30_000, True),
        ("SELECT 1 FROM big, small WHERE big.id < small.id", 10**6, 10**6, False),
        ("SELECT 1 FROM big a, big b WHERE a.x = 'a' AND b.x = 'b'", 200_000, 1, True),
        ("SELECT 1 FROM big a, big b WHERE a.x = 'a'", 200_000, 1, False),
        ("SELECT 1 FROM big CROSS JOIN (SELECT max(id) AS m FROM big) t", 10**9, 1, True),
        ("SELECT 1 FROM big CROSS JOIN (SELECT id FROM big LIMIT 3) t", 300_000, 1, True),
        ("SELECT 1 FROM big CROSS JOIN LATERAL (SELECT s.id FROM small s WHERE s.id = big.id) t", 10**9, 10**9, True),
        ("SELECT 1 FROM big CROSS JOIN LATERAL (SELECT s.id FROM small s) t", 10**5, 10**5, False),
        ("SELECT 1 FROM big a JOIN small b ON a.id = b.id CROSS JOIN small c", 10**6, 10**6, False),
    ],
)
def test_a_product_of_tables_is_judged_by_their_size(sql: str, big: int, small: int, is_allowed: bool) -> None:
    catalog = sized(big=big, small=small)
    if is_allowed:
        check(sql, catalog=catalog)
    else:
        assert rule_of(sql, catalog) == "cartesian"


# What others have written ----------------------------------------------------------------------------------------


@pytest.mark.skipif(not (SHARED / "hostile_sql").exists(), reason="the shared hostile statements are not here")
def test_judges_the_shared_statements_right() -> None:
    catalog = catalog_of(
        "CREATE TABLE users (id int, name text, email text, tenant_id int);"
        "CREATE TABLE orders (id int, user_id int, total numeric, created_at timestamptz, tenant_id int);"
    )
    wrong = []
    for statement in json.loads((SHARED / "hostile_sql" / "statements.json").read_text()):
        try:
            plan = check(statement["sql"], catalog=catalog)
        except UnsafePlan:
            is_right = statement["refuse"]
        else:
            is_right = not statement["refuse"] or ("*" in statement["sql"] and "password_hash" not in plan.sql)
        if not is_right:
            wrong.append(statement["name"])
    assert not wrong


@pytest.mark.skipif(not (SHARED / "defog").exists(), reason="the shared gold statements are not here")
def test_refuses_no_gold_statement() -> None:
    catalogs = {file.stem: catalog_of(file.read_text()) for file in (SHARED / "defog").glob("*.sql")}
    checked = 0
    with (SHARED / "defog" / "questions.csv").open() as file:
        for row in csv.DictReader(file):
            for sql in accepted(row["query"]):
                check(sql, catalog=catalogs[row["db_name"]])
                checked += 1
    assert checked > 200


def accepted(query: str) -> Iterator[str]:
    """`a; b` are two statements; `{a, b}` is any choice of these columns, which `{}` repeats."""
    for statement in filter(None, map(str.strip, query.split(";"))):
        choice = re.search(r"\{([^{}]+)\}", statement)
        columns = [column.strip() for column in choice[1].split(",")] if choice else []
        for count in range(1, len(columns) + 1):
            for chosen in itertools.combinations(columns, count):
                text = ", ".join(chosen)
                yield statement.replace(choice[0] if choice else "", text, 1).replace("{}", text)
        if not choice:
            yield statement


def test_binding_imports_no_sql_parser() -> None:
    script = "import sys; from rowcall import bind; assert not [m for m in sys.modules if m.startswith('sqlglot')]"
    subprocess.run([sys.executable, "-c", script], check=True, env={"PYTHONPATH": ":".join(sys.path)})
