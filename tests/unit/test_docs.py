"""What is generated is current, and the table of errors is all there is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.problems import STATUS_CODES
from docs import generate
from rowcall.errors import KINDS

ROOT = Path(generate.__file__).parent.parent


@pytest.mark.parametrize("name", generate.FILES)
def test_generated_documents_are_current(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == generate.FILES[name](), "run: make docs"


def raised() -> Iterator[str]:
    """The codes that the code names."""
    raising = {"Problem", "KINDS"}
    for folder in ("layers/rowcall", "functions"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                called = isinstance(node, ast.Call) and node.args and ast.unparse(node.func).split(".")[-1] in raising
                if called and isinstance(node, ast.Call) and isinstance(node.args[0], ast.Constant):
                    yield str(node.args[0].value)


def test_every_error_is_in_the_table_and_every_one_there_can_happen() -> None:
    assert {*raised(), *STATUS_CODES.values(), "unanswerable", "unsafe"} == set(KINDS)


def test_every_error_says_what_to_do() -> None:
    for code, kind in KINDS.items():
        assert code.replace("_", "").isalpha()
        assert code.islower()
        assert kind.title.endswith(".")
        assert kind.advice.endswith(".")
        assert 400 <= kind.status < 600
