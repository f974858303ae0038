"""`make bench`: figures of this machine, each beside the floor it is compared with, measured in the same run.

All of it is shown, and kept in `docs/benchmarks.json`, from which the page and its plots are made; `--quick` measures
less and keeps nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from rich.console import Console

from benchmarks import calls, chat, cold_start, concurrency, front_door, layers, report, rows, tables
from benchmarks.figures import Figures
from benchmarks.machine import Machine
from local.processes import Failed
from local.stack import Stack


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    console = Console(highlight=False)
    machine = Machine()
    found = []
    try:
        with Stack(aws=False) as stack:
            for figures in _quick(stack) if quick else _all(stack):
                console.print(figures.table())
                found.append(figures)
    except Failed as failed:
        console.print(f"[red]✗[/] {failed}")
        return 1
    if not quick:
        report.write({"machine": machine.document(), "figures": [figures.document() for figures in found]})
        console.print(f"Written to {report.MARKDOWN.name}")
    return 0


def _all(stack: Stack) -> Iterator[Figures]:
    yield calls.measure(stack)
    yield from layers.measure(stack, (10, 100, 1_000, 10_000, 100_000), 300)
    yield rows.measure(stack, (1, 10, 50, 100, 500), 150)
    yield front_door.measure(stack, 400)
    yield concurrency.measure(stack, (1, 2, 4, 8, 16, 32, 64), 3.0)
    yield chat.measure(stack, (0.0, 0.02, 0.1), 30)
    yield tables.measure(stack, (10, 30, 100, 300, 1_000), 20)
    yield cold_start.measure(stack, 15)
    yield cold_start.sizes()


def _quick(stack: Stack) -> Iterator[Figures]:
    yield calls.measure(stack)
    yield from layers.measure(stack, (10, 1_000), 60)
    yield rows.measure(stack, (1, 50, 500), 30)
    yield front_door.measure(stack, 60)
    yield concurrency.measure(stack, (1, 8), 1.0)
    yield chat.measure(stack, (0.0, 0.02), 10)
    yield tables.measure(stack, (10, 100), 5)
    yield cold_start.measure(stack, 3)
    yield cold_start.sizes()


if __name__ == "__main__":
    sys.exit(main())
