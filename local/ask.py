"""`make ask Q="…"`: one question, to a `make serve` that runs, else to a stack started for it.

With DATABASE_URL set the question is for that database, whatever else is being served.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, suppress

from rich.console import Console

from local import show
from local.api import served
from local.processes import STATE, Failed
from local.start import started
from rowcall_client import Rowcall, RowcallError
from rowcall_client.show import failure


def main(question: str) -> int:
    console = Console(highlight=False)
    if not question.strip():
        console.print('Ask something: make ask Q="top 5 products by revenue"')
        return 2
    try:
        with ExitStack() as context:
            url = None if os.environ.get("DATABASE_URL") else served()
            if not url:
                url = context.enter_context(started(console, STATE / "ask.log"))[1].url
            with Rowcall(url) as client:
                asked = show.ask(client, question)
            console.print()
            show.answer(console, asked, rows=20)
    except (Failed, RowcallError) as failed:
        failure(console, failed)
        return 1
    return 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(" ".join(sys.argv[1:])))
