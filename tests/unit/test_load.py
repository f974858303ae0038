"""What `make load` asks, and the page that it writes."""

from __future__ import annotations

import json

from benchmarks import load
from benchmarks.load import Request


def test_the_page_is_made_of_the_figures_that_are_kept() -> None:
    kept = json.loads(load.JSON.read_text(encoding="utf-8"))
    assert load.MARKDOWN.read_text(encoding="utf-8") == load.markdown(kept)
    assert kept["errors"] == 0
    assert [stage["askers"] for stage in kept["stages"]] == list(load.STAGES)


def test_a_stage_tells_what_its_askers_met() -> None:
    requests = [Request(at=n, users=4, ms=float(n), status=200, layer=1) for n in range(1, 100)]
    requests.append(Request(at=1, users=4, ms=1000.0, status=503, layer=0))
    stage = load._stage(4, requests, 10)
    assert (stage["requests"], stage["per_second"], stage["errors"]) == (100, 10.0, 1)
    assert (stage["p50_ms"], stage["layers"]) == (50.5, {"1": 0.99, "2": 0.0, "3": 0.0})


def test_what_came_over_time_is_told_in_slices() -> None:
    requests = [Request(0.5, 1, 9.0, 200, 3), Request(1.9, 2, 5.0, 200, 1), Request(2.1, 2, 4.0, 200, 2)]
    first, second = load._over_time(requests)
    assert (first["second"], first["askers"], first["layer_3"], first["layer_1"]) == (0, 2, 0.5, 0.5)
    assert (second["second"], second["layer_2"]) == (2, 1)
