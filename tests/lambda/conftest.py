"""Tests of what is deployed: the built artifacts, by the Python they were built for, which sees nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.emulator import Built, Emulator, built
from local.processes import ROOT
from local.stack import Stack


@pytest.fixture(scope="session")
def event() -> Callable[..., Any]:
    """Reads the event of `events/<name>.json`, with changes."""

    def read(name: str, **changes: Any) -> Any:
        return json.loads((ROOT / "events" / f"{name}.json").read_text()) | changes

    return read


@pytest.fixture(params=sorted(path.stem for path in (ROOT / "events").glob("api.*.json")))
def event_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def artifacts() -> Built:
    return built()


@pytest.fixture(scope="module")
def api(artifacts: Built, stack: Stack, shop: str) -> Iterator[Emulator]:
    with Emulator(artifacts, artifacts.function("api"), stack.environ, stack.processes) as emulator:
        yield emulator
