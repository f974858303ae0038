"""What rows cost: a remembered question for 1 to 500 of them, beside its statement and one request to Redis by hand."""

from __future__ import annotations

from benchmarks import layers
from benchmarks.figures import Figures, Plot
from local.stack import Stack
from rowcall import bootstrap

QUESTION = "list orders"


def measure(stack: Stack, sizes: tuple[int, ...], times: int) -> Figures:
    """The stack must hold the sample shop."""
    with layers.quiet():
        services = bootstrap.start(stack.environ | layers.SETTINGS)
        ways = {}
        for size in sizes:
            ways[f"floor {size}"] = layers.by_hand(services, QUESTION, size)
            ways[f"engine {size}"] = layers.engine(services, QUESTION, size)
            ways[f"handler {size}"] = layers.handler(services, QUESTION, size)
        found = layers.in_turns(ways, times)
        services.close()
    rows = []
    for size in sizes:
        floor, engine, handler = (found[f"{name} {size}"].ms for name in ("floor", "engine", "handler"))
        rows.append((size, floor, engine, engine / floor, handler, handler / floor))
    return Figures(
        name="rows",
        title="By how many rows are answered",
        method=f"“{QUESTION}” as a hit of layer 1, medians of {times} in turns. The floor is the same "
        "statement with the same limit in one transaction, and one request to Redis, with the same clients.",
        headings=("rows", "by hand ms", "engine ms", "engine ratio", "handler ms", "handler ratio"),
        rows=list(rows),
        plot=Plot("rows", ("by hand ms", "engine ms", "handler ms"), "ms"),
    )
