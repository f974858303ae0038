"""`make demo`: starts everything on this machine, asks a few questions over HTTP, shows how each was answered, stops.

It asks as any client would and knows nothing of the answers.
"""

from __future__ import annotations

import sys
from contextlib import suppress

from rich.console import Console
from rich.table import Table
from rich.text import Text

from local import show
from local.processes import ROOT, STATE, Failed
from local.stack import Stack
from local.start import started
from rowcall_client import Rowcall, RowcallError
from rowcall_client.show import failure

QUESTIONS = (
    "show active users",
    "count pending orders",
    "top 10 products by revenue",
    "recent orders from last 7 days",
)
# The template of one above with another value: the same plan, and its own rows.
OTHER_VALUE = "top 5 products by revenue"
LOG = STATE / "demo.log"


def main() -> int:
    console = Console(highlight=False)
    console.print("[bold]rowcall[/] on this machine: no account, no Docker, no key\n")
    try:
        with started(console, LOG) as (stack, api):
            asking = [(question, rows) for question in QUESTIONS for rows in (10, 3)] + [(OTHER_VALUE, 10)]
            with Rowcall(api.url) as client:
                answers = [_ask(console, stack, client, question, rows) for question, rows in asking]
            _summary(console, answers)
            console.print("\nstopping …")
    except (Failed, RowcallError) as failed:
        failure(console, failed)
        return 1
    console.print("All stopped. [bold]make serve[/] keeps it up.")
    return 0


def _ask(console: Console, stack: Stack, client: Rowcall, question: str, rows: int) -> tuple[show.Asked, str]:
    """The answer, shown, and the Redis requests that the bridge counted (where Redis is not ours: the API)."""
    console.print()
    console.rule(Text(question, "bold"), align="left")
    before = stack.bridge.requests if stack.bridge else 0
    try:
        asked = show.ask(client, question)
    except RowcallError as error:
        failure(console, error)
        raise Failed(f"{question!r} was not answered. The API's log is {LOG.relative_to(ROOT)}") from error
    redis = str(stack.bridge.requests - before) if stack.bridge else asked.trips("redis")
    show.answer(console, asked, rows)
    return asked, redis


def _summary(console: Console, answers: list[tuple[show.Asked, str]]) -> None:
    table = Table(show_edge=False, header_style="bold")
    for name in ("question", "layer", "rows", "Redis", "Postgres", "ms"):
        table.add_column(name, justify="left" if name == "question" else "right")
    for asked, redis in answers:
        meta = asked.answer["meta"]
        table.add_row(
            Text(asked.question),
            str(meta["cache_layer"]),
            str(asked.answer["row_count"]),
            redis,
            asked.trips("postgres"),
            f"{asked.milliseconds:.1f}",
        )
    console.print()
    console.rule(align="left")
    console.print(table)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(130)
