"""Cold starts of the built api function, against a bare FastAPI function built the same way, in turns.

INIT is what the emulator reports: from the start of the runtime until it asks for its first event. The first answer is
INIT and a question whose plan is remembered, with the connections to Postgres and Redis made on the way.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import Figures
from local.emulator import BUILDS, Built, Emulator, Function, built
from local.processes import ROOT, Failed
from local.stack import Stack

EVENTS = ROOT / "events"


def measure(stack: Stack, times: int) -> Figures:
    """Start each function `times` times, in turns; the stack must hold the sample shop."""
    artifacts = built()
    ours, bare = artifacts.function("api"), _bare(artifacts)
    question, health = _event("api.query"), _event("api.health")
    with Emulator(artifacts, ours, stack.environ, stack.processes) as emulator:
        emulator.invoke(question)
    found: dict[str, list[tuple[float, float]]] = {bare.name: [], ours.name: []}
    for _ in range(times):
        for function, event in ((bare, health), (ours, question)):
            with Emulator(artifacts, function, stack.environ, stack.processes) as emulator:
                done = emulator.invoke(event)
            if done.init_ms is None or done.response.get("statusCode") != 200:
                raise Failed(f"{function.name} did not answer: {done.response}\n{done.log}")
            found[function.name].append((done.init_ms, done.init_ms + done.duration_ms))
    medians = {name: [median(values) for values in zip(*pairs, strict=True)] for name, pairs in found.items()}
    rows = [
        (name, floor, taken, taken / floor)
        for name, floor, taken in zip(("INIT", "INIT and first answer"), *medians.values(), strict=True)
    ]
    return Figures(
        name="cold_start",
        title="Cold start",
        method=f"The built function under Lambda's runtime emulator, Python {artifacts.version}; medians of {times} "
        "starts in turns. The floor is a bare FastAPI on Mangum with one route, built the same way with the same "
        "layers. INIT is what the emulator reports; the first answer is a remembered question, its connections to "
        "Postgres and Redis made on the way.",
        headings=("", "bare ms", "rowcall ms", "ratio"),
        rows=list(rows),
    )


def sizes() -> Figures:
    """Of each part that is deployed."""
    function = built().function("api")
    parts = {"function": function.code} | {f"layer {layer.parent.name}": layer for layer in function.layers}
    return Figures(
        name="sizes",
        title="What is deployed",
        method="The api function and its layers; Lambda takes up to 250 MB unpacked.",
        headings=("", "MB unpacked", "MB zipped", "files"),
        rows=[(name, _unpacked(folder) / 1e6, _zipped(folder) / 1e6, _files(folder)) for name, folder in parts.items()],
    )


def _bare(artifacts: Built) -> Function:
    """The bare function, with the layers of ours."""
    folder = BUILDS / "bare"
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(
        [
            *("make", "-s", "-C", ROOT / "benchmarks" / "bare", "build-Bare"),
            *(f"ARTIFACTS_DIR={folder}", f"PYTHON_VERSION={artifacts.version}"),
        ],
        check=True,
    )
    return replace(artifacts.function("api"), name="Bare", folder="bare", handler="bare.main.handler", code=folder)


def _event(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text())


def _files(folder: Path) -> int:
    return sum(file.is_file() for file in folder.rglob("*"))


def _unpacked(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _zipped(folder: Path) -> int:
    archive = Path(shutil.make_archive(str(BUILDS / "size"), "zip", folder))
    try:
        return archive.stat().st_size
    finally:
        archive.unlink()
