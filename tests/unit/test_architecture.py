"""Who may import whom, and who alone does what. Read from the sources: nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = ROOT / "layers" / "rowcall"
FUNCTIONS = ROOT / "functions"
FOLDERS = {path.parent.name for path in FUNCTIONS.glob("*/__init__.py")}
OURS = {"rowcall", "rowcall_client", "local", "tests", "benchmarks", "evals", "docs"} | FOLDERS

ALONE: dict[str, tuple[str, ...]] = {
    "upstash_redis": ("cache/store.py",),
    "httpcore": ("cache/transport.py",),
    # pgvector's index is a database of its own, which is written to.
    "pg8000": ("database/", "cache/pgvector.py"),
    "sqlglot": ("guard/", "planners/grammar/", "warming.py"),
    "os.environ": ("settings.py",),
    "os.getenv": ("settings.py",),
}
"""Files or folders of the domain that alone may use a package or a name."""

WITHOUT_THE_DOMAIN = {"fastapi", "starlette", "mangum", "uvicorn", "awslambdaric", "samcli"}


def sources(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def used(path: Path) -> Iterator[str]:
    """The modules that `path` imports, and the names of `os` that it uses."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                assert level == 0, f"{path} has a relative import"
                yield module or ""
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.Attribute(value=ast.Name(id="os"), attr=name):
                yield f"os.{name}"


def packages(path: Path) -> set[str]:
    return {module.partition(".")[0] for module in used(path)}


@pytest.mark.parametrize("path", sources(DOMAIN), ids=lambda path: str(path.relative_to(DOMAIN)))
def test_the_domain_knows_neither_functions_nor_http_nor_lambda(path: Path) -> None:
    assert not packages(path) & ((OURS - {"rowcall"}) | WITHOUT_THE_DOMAIN)


@pytest.mark.parametrize("path", sources(FUNCTIONS), ids=lambda path: str(path.relative_to(FUNCTIONS)))
def test_a_function_knows_itself_and_the_domain_only(path: Path) -> None:
    assert packages(path) & OURS <= {"rowcall", path.relative_to(FUNCTIONS).parts[0]}


@pytest.mark.parametrize("path", sources(ROOT / "client"), ids=lambda path: path.name)
def test_the_client_knows_the_contract_and_none_of_our_code(path: Path) -> None:
    assert packages(path) & OURS <= {"rowcall_client"}


@pytest.mark.parametrize("path", [*sources(DOMAIN), *sources(FUNCTIONS)], ids=lambda path: str(path.relative_to(ROOT)))
def test_each_thing_has_one_place(path: Path) -> None:
    inside = path.relative_to(DOMAIN).as_posix() if path.is_relative_to(DOMAIN) else ""
    names = set(used(path))
    for name, places in ALONE.items():
        if any(found == name or found.startswith(f"{name}.") for found in names):
            assert inside.startswith(places), f"{path.relative_to(ROOT)} uses {name}"


def test_what_has_one_place_is_used_there() -> None:
    """So that a rule whose package is gone goes too."""
    everything = {name for path in sources(DOMAIN) for name in used(path)}
    for name in ("upstash_redis", "httpcore", "pg8000", "sqlglot", "os.environ"):
        assert any(found == name or found.startswith(f"{name}.") for found in everything), name
