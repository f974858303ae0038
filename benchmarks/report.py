"""`docs/benchmarks.md` and its plots, made from `docs/benchmarks.json` and from nothing else.

python -m benchmarks.report
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import figures
from benchmarks.figures import Figures, shown
from local.processes import ROOT

DOCS = ROOT / "docs"
JSON, MARKDOWN, PLOTS = DOCS / "benchmarks.json", DOCS / "benchmarks.md", DOCS / "benchmarks"

HEAD = """\
# Benchmarks

`make bench` measures all of this anew and writes this page; `make bench QUICK=1` measures less and only shows it. Each
figure stands beside its floor, the least that the same work could cost, measured in turns with it in the same run. What
else the machine does falls on both, so that ratios hold where milliseconds do not. Everything but the models is real:
Postgres, Redis behind Upstash's REST protocol, the built functions under Lambda's runtime emulator.
"""


def write(document: Mapping[str, Any]) -> None:
    """All three."""
    JSON.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    MARKDOWN.write_text(markdown(document), encoding="utf-8")
    PLOTS.mkdir(exist_ok=True)
    for found in _figures(document):
        if found.plot:
            draw(found, PLOTS / f"{found.name}.svg")


def markdown(document: Mapping[str, Any]) -> str:
    """The page."""
    parts = [HEAD, _machine(document["machine"])]
    for found in _figures(document):
        parts.append(f"## {found.title}\n\n{found.method}\n")
        if found.plot:
            parts.append(f"![{found.title}](benchmarks/{found.name}.svg)\n")
        parts.append(_table(found))
    return "\n".join(parts)


def draw(found: Figures, to: Path) -> None:
    """Its plot, as an SVG that says the same for the same figures."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter, LogFormatter, NullFormatter

    assert found.plot  # noqa: S101 -- narrows the type
    column = found.headings.index
    with mpl.rc_context({"svg.hashsalt": found.name, "svg.fonttype": "none", "font.size": 9}):
        figure, axes = pyplot.subplots(figsize=(6.4, 3.2), layout="constrained")
        for name in found.plot.y:
            points = [(row[column(found.plot.x)], row[column(name)]) for row in found.rows]
            axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=name)
        if found.plot.log:
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xticks([row[column(found.plot.x)] for row in found.rows], minor=False)
            axes.xaxis.set_minor_formatter(NullFormatter())
            for formatted in (axes.xaxis.set_major_formatter, axes.yaxis.set_major_formatter):
                formatted(FuncFormatter(lambda value, _: f"{value:,g}"))
            axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
        axes.set_xlabel(found.plot.x)
        axes.set_ylabel(found.plot.unit)
        axes.grid(visible=True, which="major", alpha=0.3)
        axes.legend(frameon=False)
        figure.savefig(to, format="svg", metadata={"Date": None, "Creator": None})
        pyplot.close(figure)


def _figures(document: Mapping[str, Any]) -> list[Figures]:
    return [figures.of(one) for one in document["figures"]]


def _machine(machine: Mapping[str, Any]) -> str:
    begin, end = machine["load"]
    return (
        f"Measured on {machine['date']} in {machine['minutes']} minutes: {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_gb']} GB, Python {machine['python']}, {machine['system']}. Load average when it began "
        f"{begin}, when it ended {end}, its own work included.\n"
    )


def _table(found: Figures) -> str:
    rows: Sequence[Sequence[str]] = [
        found.headings,
        ["---", *("---:" for _ in found.headings[1:])],
        *([shown(value) for value in row] for row in found.rows),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    write(json.loads(JSON.read_text(encoding="utf-8")))
