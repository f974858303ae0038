"""What is generated is current, and the table of errors is all there is."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest

from api.problems import STATUS_CODES
from docs import generate
from evals.paraphrases_run import KINDS as PAIRS
from evals.paraphrases_run import SUITE, catalog_of, count, judge, pairs_of
from rowcall.embedders.lexical import LexicalEmbedder
from rowcall.errors import KINDS
from rowcall.question import Kind
from tests.docs import documents

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


LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
CITED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def anchors(path: Path) -> set[str]:
    """The headings of a page as GitHub links to them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target, anchor in LINK.findall(path.read_text()):
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), f"{target}#{anchor}"


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_every_test_that_is_named_exists(path: Path) -> None:
    for file, name in CITED.findall(path.read_text()):
        assert any(f"def {name}(" in found.read_text() for found in (ROOT / "tests").rglob(file)), f"{file}::{name}"


def test_the_page_on_security_names_tests() -> None:
    assert len(CITED.findall((ROOT / "docs/security.md").read_text())) > 40


TERMS = re.findall(r"^\| \*([^*]+)\* \| .+ \| `([\w.]+)` \|$", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize(("word", "name"), TERMS)
def test_every_word_of_the_glossary_lives_where_it_says(word: str, name: str) -> None:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            fields = getattr(found, "__annotations__", {})
            assert hasattr(found, part) or part in fields, name
            found = getattr(found, part, None)
        return
    raise AssertionError(name)


def test_the_glossary_is_read_and_its_slots_are_those_there_are() -> None:
    page = (ROOT / "docs/glossary.md").read_text()
    assert len(TERMS) == page.count("\n| *")
    (told,) = re.findall(r"its type: ([\w, ]+) \|", page)
    assert tuple(told.split(", ")) == get_args(Kind)


def test_the_figures_on_paraphrases_are_those_that_are_measured() -> None:
    counts: Counter[str] = Counter()
    for path in SUITE.glob("*.json"):
        catalog = catalog_of(path)
        counts += count(list(judge(list(pairs_of(path.stem, catalog)), catalog, LexicalEmbedder())))
    page = (ROOT / "docs/evaluation.md").read_text()
    told = re.findall(r"^\| [a-z, ]+ \| (\d+) \| (\d+) \| (\d+) \|$", page, re.MULTILINE)
    measured = [(counts[kind], counts[f"{kind} hit"], counts[f"{kind} false"]) for kind in PAIRS]
    assert [tuple(map(int, line)) for line in told] == measured
