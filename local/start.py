"""Starts the stack and the API for a person at a terminal, who sees each part as it becomes ready."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from local.api import Api
from local.processes import free_port
from local.stack import Stack


@contextmanager
def started(console: Console, log: Path, port: int | None = None) -> Iterator[tuple[Stack, Api]]:
    """The running stack and the API on `port` (any free one); its output goes to `log`. All stop together."""

    def tell(part: str, seconds: float) -> None:
        console.print(f"  [green]✓[/] {part} [dim]{seconds:.1f} s[/]")

    with ExitStack() as context:
        with console.status("starting …"):
            stack = context.enter_context(Stack(tell=tell))
            begin = time.monotonic()
            api = Api(stack, port or free_port(), log)
            stack.wait()
            tell("the API", time.monotonic() - begin)
        yield stack, api
