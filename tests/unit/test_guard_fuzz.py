"""Any text at all is a plan or a refusal, and soon; what is a plan holds what every plan holds."""

# ruff: noqa: S608 - these statements are what is tested, and reach no database
from __future__ import annotations

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowcall.errors import UnsafePlan
from rowcall.guard import RULES
from rowcall.plan import Plan
from tests.unit.guarding import HIDDEN, check, honest, refused

STATEMENTS = [item["sql"] for item in (*honest(), *refused())]
WORDS = sorted({word for sql in STATEMENTS for word in re.findall(r"\w+|[^\w\s]", sql)})
PIECES = st.sampled_from([*WORDS, " ", " ", " ", "(", ")", "'", '"', "$$", "--", "/*", "\n", "::", "E'", "U&'", ":s0"])


def judge(sql: str) -> Plan | None:
    plan, rule = None, ""
    try:
        plan = check(sql)
    except UnsafePlan as refusal:
        rule = refusal.rule
    if plan is None:
        assert rule in RULES
        return None
    assert plan.parameters[-1].part == "row_cap"
    assert ";" not in re.sub(r"'[^']*'|\"[^\"]*\"", "", plan.sql)
    for name in HIDDEN:
        assert (
            not re.search(rf"\.\"?{re.escape(name.rpartition('.')[2])}\b", plan.sql) or name.rpartition(".")[2] in sql
        )
    return plan


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    judge(text)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text_where_a_value_would_stand(text: str) -> None:
    judge(f"SELECT id FROM users WHERE name = {text}")
    judge(f"SELECT {text} FROM users")


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=40))
def test_any_soup_of_words(pieces: list[str]) -> None:
    judge("SELECT " + " ".join(pieces))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(STATEMENTS), st.integers(0, 400), st.integers(0, 40), st.lists(PIECES, max_size=4))
def test_any_damage_to_a_statement(sql: str, start: int, length: int, pieces: list[str]) -> None:
    judge(sql[:start] + " ".join(pieces) + sql[start + length :])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(STATEMENTS), st.sampled_from(STATEMENTS), st.sampled_from([" UNION ALL ", "; ", " , ", " ("]))
def test_any_two_statements_together(left: str, right: str, between: str) -> None:
    judge(left + between + right)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40))
def test_a_quoted_text_stays_that_text(text: str) -> None:
    """Whatever is in it, it comes out as one literal that Postgres reads as the same text."""
    plan = judge("SELECT '{}' AS x".format(text.replace("'", "''")))
    if plan is None:  # a placeholder's name in it
        assert ":" in text
        return
    written = plan.sql.removeprefix("SELECT ").removesuffix(" AS x LIMIT CAST($1 AS BIGINT)")
    if written.startswith("E"):
        written = written[1:].replace("\\\\", "\\")
    assert written[1:-1].replace("''", "'") == text


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_a_quoted_name_stays_that_name(name: str) -> None:
    plan = judge('SELECT id AS "' + name.replace('"', '""') + '" FROM users')
    assert plan
    written = plan.sql.removeprefix("SELECT users.id").removesuffix(" FROM public.users LIMIT CAST($1 AS BIGINT)")
    assert written in ("", f" AS {name}", ' AS "' + name.replace('"', '""') + '"')
