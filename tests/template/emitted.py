"""The metrics that the code can write, read from its sources: nothing is imported.

CloudWatch keeps a metric by its name and its whole set of dimensions: watched by another set, it does not exist.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from local.processes import ROOT

RUNNING = ("function", "version")
"""What `settings.running()` gives."""

Metric = tuple[str, frozenset[str]]


def emitted() -> set[Metric]:
    """Each metric's name, with the names of its dimensions."""
    return {metric for path in _sources() for metric in _of(ast.parse(path))}


def _sources() -> Iterator[str]:
    for folder in ("layers/rowcall", "functions"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.read_text()


def _of(tree: ast.Module) -> Iterator[Metric]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            yield from _of_function(function)


def _of_function(function: ast.FunctionDef) -> Iterator[Metric]:
    for call in ast.walk(function):
        if not isinstance(call, ast.Call) or ast.unparse(call.func) not in ("emit", "telemetry.emit"):
            continue
        dimensions = {"stage"}
        for keyword in call.keywords:
            if keyword.arg is None:
                assert ast.unparse(keyword.value) == "settings.running()", ast.unparse(call)
                dimensions |= set(RUNNING)
            else:
                dimensions.add(keyword.arg)
        for name in _names(call.args[0], function):
            yield name, frozenset(dimensions)


def _names(values: ast.expr, function: ast.FunctionDef) -> Iterator[str]:
    """The keys of a dictionary, or of a variable of one, with those that are set later."""
    if isinstance(values, ast.Dict):
        for key in values.keys:
            assert isinstance(key, ast.Constant), f"line {values.lineno}: a metric's name is written out"
            yield str(key.value)
        return
    assert isinstance(values, ast.Name), ast.unparse(values)
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict() as written) if name == values.id:
                yield from _names(written, function)
            case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=later))]) if (
                name == values.id
            ):
                yield str(later)
