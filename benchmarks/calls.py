"""What is asked of others by each layer: counted by those who are asked, not timed."""

from __future__ import annotations

from benchmarks import layers
from benchmarks.figures import Figures
from local.processes import Failed
from local.stack import Stack
from rowcall import bootstrap
from rowcall.answer import Ask, answer
from rowcall.auth import Principal
from rowcall.deadline import Deadline

WARM = ("count products", "how many products are there")
KNOWN, ALIKE = "count customers", "how many customers are there"


def measure(stack: Stack) -> Figures:
    """The stack must hold the sample shop, and a Redis of its own."""
    bridge = stack.bridge
    if bridge is None:
        raise Failed("this needs a Redis of its own")
    asker = Principal("bench", "calls")
    rows: list[tuple[str, int, int]] = []
    with layers.quiet():
        services = bootstrap.start(stack.environ | layers.SETTINGS)
        for query in WARM:
            answer(Ask(query), asker, services, Deadline.after(60))
        for name, query, layer in (
            ("layer 3: planned by grammar", KNOWN, 3),
            ("layer 2: means the same", ALIKE, 2),
            ("layer 1: the same template", KNOWN, 1),
        ):
            before = bridge.requests, services.database.transactions
            found = answer(Ask(query), asker, services, Deadline.after(60))
            if found.layer != layer:
                raise Failed(f"“{query}” was answered by layer {found.layer}, not {layer}")
            after = bridge.requests, services.database.transactions
            rows.append((name, after[0] - before[0], after[1] - before[1]))
        services.close()
    return Figures(
        name="calls",
        title="What is asked of others",
        method="Counted by Redis's REST bridge and by the database's client, of one question each, in an environment "
        "that has answered by each layer before; no model is asked by any. A transaction is one round trip: BEGIN READ "
        "ONLY, the statement and COMMIT go together. EXPLAIN is the second transaction of a plan that is new.",
        headings=("", "requests to Redis", "transactions"),
        rows=list(rows),
    )
