"""The grammar planner over its own suites, on a real Postgres: what it answers is right, and it knows when not to."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.run import ABSTAINED, FAILED, RIGHT, SILENT, WRONG, Databases, ask, cases_of
from local.postgres import Postgres
from rowcall.planners.chain import GrammarPlanner

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "evals" / "defog"


def outcomes(suite: Path, postgres: Postgres) -> dict[str, list[str]]:
    databases = Databases(suite, postgres)
    found: dict[str, list[str]] = {RIGHT: [], WRONG: [], FAILED: [], SILENT: [], ABSTAINED: []}
    for case in cases_of(suite):
        result = ask(case, GrammarPlanner(), databases)
        found[result.outcome].append(f"{case.question}: {result.sql}")
    return found


@pytest.mark.parametrize("name", ["shop", "fleet", "clinic"])
def test_is_right_or_silent(name: str, postgres: Postgres) -> None:
    found = outcomes(ROOT / "evals" / name, postgres)
    assert found[WRONG] == []
    assert found[FAILED] == []
    assert len(found[RIGHT]) >= 3 * len(found[ABSTAINED])
    right, silent, abstained = (len(found[outcome]) for outcome in (RIGHT, SILENT, ABSTAINED))
    answerable = right + abstained
    told = f"| {name} | {answerable + silent} | {answerable} | {right} | {right} | {silent} |"
    assert told in (ROOT / "docs/evaluation.md").read_text()


@pytest.mark.skipif(not SHARED.exists(), reason="the shared questions are not here")
def test_is_right_on_the_shared_questions(postgres: Postgres) -> None:
    found = outcomes(SHARED, postgres)
    answered = len(found[RIGHT]) + len(found[WRONG]) + len(found[FAILED])
    assert found[FAILED] == []
    assert len(found[RIGHT]) >= 0.95 * answered
    assert answered >= 0.35 * (answered + len(found[ABSTAINED]))
