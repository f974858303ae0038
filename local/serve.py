"""`make serve`: the stack and the API, kept up until Ctrl-C."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from contextlib import suppress

from rich.console import Console

from local.api import SERVED, Api
from local.processes import ROOT, STATE, Failed
from local.stack import Stack

CURL = """curl {url}/api/query -H 'content-type: application/json' -d '{{"query": "top 5 products by revenue"}}'"""


def told(console: Console, part: str, seconds: float) -> None:
    console.print(f"  [green]✓[/] {part} [dim]{seconds:.1f} s[/]")


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Failed(f"Port {port} is not to be had ({error.strerror}): make serve PORT=8001") from None


def main() -> int:
    console = Console(highlight=False)
    try:
        port = int(os.environ.get("PORT") or 8000)
        _check_port(port)
        log = STATE / "serve.log"
        with Stack(tell=lambda part, seconds: told(console, part, seconds)) as stack:
            begin = time.monotonic()
            api = Api(stack, port, log)
            told(console, "the API", time.monotonic() - begin)
            SERVED.write_text(json.dumps({"url": api.url}))
            try:
                console.print(f"\n  [bold]{api.url}[/]\n\n  {CURL.format(url=api.url)}\n", markup=True, soft_wrap=True)
                console.print(
                    f"[dim]Docs at {api.url}/docs, log in {log.relative_to(ROOT)}. Ctrl-C stops everything.[/]"
                )
                api.wait()
            finally:
                SERVED.unlink(missing_ok=True)
                console.print("\nstopping …")
    except Failed as failed:
        console.print(f"[red]✗[/] {failed}", markup=True, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
