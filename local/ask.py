"""`make ask Q="…"`: one question, to a `make serve` that runs, else to a stack started for it."""

from __future__ import annotations

import sys
from contextlib import ExitStack, suppress

import httpx
from rich.console import Console

from local import show
from local.api import Api, served
from local.processes import Failed, free_port
from local.serve import told
from local.stack import Stack


def main(question: str) -> int:
    console = Console(highlight=False)
    if not question.strip():
        console.print('Ask something: make ask Q="top 5 products by revenue"')
        return 2
    try:
        with ExitStack() as context:
            url = served()
            if not url:
                stack = context.enter_context(Stack(tell=lambda part, seconds: told(console, part, seconds)))
                url = Api(stack, free_port()).url
            with httpx.Client(base_url=url, timeout=60) as client:
                asked = show.ask(client, question)
            if asked.status != 200:
                show.problem(console, asked)
                return 1
            console.print()
            show.answer(console, asked, rows=20)
    except Failed as failed:
        console.print("[red]✗[/]", str(failed), markup=True, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(" ".join(sys.argv[1:])))
