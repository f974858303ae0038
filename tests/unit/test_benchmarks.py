"""The page of figures says what was measured, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import figures, report
from benchmarks.figures import Figures, Plot

FOUND = Figures(
    name="things",
    title="By how many things",
    method="Things, counted.",
    headings=("things", "floor ms", "ms", "said"),
    rows=[(10, 0.5, 1.0, "few"), (1_000, 0.5, 123.456, None), (100_000, 0.25, 1234.5, "many")],
    plot=Plot("things", ("floor ms", "ms"), "ms"),
)
DOCUMENT = {
    "machine": {
        "date": "2026-01-02",
        "minutes": 7.5,
        "cpu": "A processor",
        "cores": 2,
        "memory_gb": 8,
        "python": "3.11.7",
        "system": "Linux x86_64",
        "load": [0.5, 2.25],
    },
    "figures": [FOUND.document()],
}


def test_a_document_survives_its_file() -> None:
    assert figures.of(json.loads(json.dumps(FOUND.document()))) == FOUND


def test_the_page() -> None:
    page = report.markdown(DOCUMENT)
    assert "Measured on 2026-01-02 in 7.5 minutes: A processor, 2 cores, 8 GB, Python 3.11.7, Linux x86_64." in page
    assert "began 0.5, when it ended 2.25" in page
    assert page.endswith(
        """\
## By how many things

Things, counted.

![By how many things](benchmarks/things.svg)

| things | floor ms | ms | said |
| --- | ---: | ---: | ---: |
| 10 | 0.50 | 1.00 | few |
| 1,000 | 0.50 | 123.5 |  |
| 100,000 | 0.25 | 1,234 | many |
"""
    )


def test_the_committed_page_is_made_from_the_committed_figures() -> None:
    document = json.loads(report.JSON.read_text())
    assert report.MARKDOWN.read_text() == report.markdown(document)
    drawn = {f"{one['name']}.svg" for one in document["figures"] if one["plot"]}
    assert {file.name for file in Path(report.PLOTS).iterdir()} == drawn
