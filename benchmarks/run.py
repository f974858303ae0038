"""`make bench`: figures of this machine, each beside the floor it is compared with, measured in the same run."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from benchmarks import cold_start, front_door, layers
from local.processes import Failed
from local.stack import Stack


def main() -> int:
    console = Console(highlight=False)
    try:
        with Stack(aws=False) as stack:
            _layers(console, layers.measure(stack))
            _front_door(console, front_door.measure(stack))
            _cold_start(console, cold_start.measure(stack))
            _sizes(console)
    except Failed as failed:
        console.print(f"[red]✗[/] {failed}")
        return 1
    return 0


def _cold_start(console: Console, found: cold_start.ColdStart) -> None:
    table = Table(title=f"Cold start, python{found.python}, median of {found.times}, ms", title_justify="left")
    for heading in ("", "rowcall", "bare FastAPI", "ratio"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, ours, bare in (
        ("INIT", found.init_ms, found.bare_init_ms),
        ("INIT and first answer", found.first_answer_ms, found.bare_first_answer_ms),
    ):
        table.add_row(name, f"{ours:.0f}", f"{bare:.0f}", f"{ours / bare:.2f}")
    console.print(table)


def _layers(console: Console, found: layers.Layers) -> None:
    title = f"A hit beside one request to Redis and one transaction by hand, median of {found.times}, ms"
    table = Table(title=title, title_justify="left")
    for heading in ("", "by hand", "rowcall", "ratio"):
        table.add_column(heading, justify="right" if heading else "left")
    rows = [("layer 1, engine", found.floor, found.engine), ("layer 1, handler", found.floor, found.handler)]
    rows += [(f"layer 2, {size:,} templates", found.floor_alike, taken) for size, taken in found.alike.items()]
    for name, floor, taken in rows:
        table.add_row(name, f"{floor:.2f}", f"{taken:.2f}", f"{taken / floor:.2f}")
    console.print(table)
    table = Table(title="Learning the templates of layer 2 from Redis", title_justify="left")
    for heading in ("templates", "ms", "ms a page", "MB"):
        table.add_column(heading, justify="right")
    for size, learnt in found.learning.items():
        table.add_row(f"{size:,}", f"{learnt.whole_ms:.1f}", f"{learnt.page_ms:.1f}", f"{learnt.memory_mb:.1f}")
    console.print(table)


def _front_door(console: Console, found: front_door.FrontDoor) -> None:
    title = f"A remembered question through the handler, median of {found.times}, ms"
    table = Table(title=title, title_justify="left")
    for heading in ("", "ms", "adds", "CPU", "adds CPU"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, (taken, cpu) in (
        ("without the front door", found.nothing),
        ("two policies", found.policies),
        ("sign-in by token", found.sign_in),
        ("both, metrics and the log's line", found.everything),
    ):
        table.add_row(
            name,
            f"{taken:.2f}",
            f"{taken - found.nothing[0]:+.2f}",
            f"{cpu:.2f}",
            f"{cpu - found.nothing[1]:+.2f}",
        )
    console.print(table)


def _sizes(console: Console) -> None:
    table = Table(title="What is deployed, MB", title_justify="left")
    for heading in ("", "unpacked", "zip"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, (unpacked, zipped) in cold_start.sizes().items():
        table.add_row(name, f"{unpacked / 1e6:.2f}", f"{zipped / 1e6:.2f}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
