"""`make serve`: the stack and the API, kept up until Ctrl-C."""

from __future__ import annotations

import json
import os
import socket
import sys
from contextlib import suppress

from rich.console import Console

from local.api import SERVED
from local.processes import ROOT, STATE, Failed
from local.start import started
from local.worker import Worker
from rowcall_client.show import failure

CURL = """curl {url}/api/query -H 'content-type: application/json' -d '{{"query": "top 5 products by revenue"}}'"""


def _port(text: str) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(text)))
        except (OSError, ValueError, OverflowError) as error:
            raise Failed(f"PORT={text} is not to be had ({error}). Another: make serve PORT=8001") from None
    return int(text)


def main() -> int:
    console = Console(highlight=False)
    try:
        port = _port(os.environ.get("PORT") or "8000")
        log = STATE / "serve.log"
        with started(console, log, port) as (stack, api):
            SERVED.write_text(json.dumps({"url": api.url, "aws": stack.aws_environ}))
            worker = Worker(stack.processes, stack.environ, STATE / "worker.log") if stack.aws else None
            try:
                console.print(f"\n  Ask at [bold]{api.url}/[/]\n\n  {CURL.format(url=api.url)}\n", soft_wrap=True)
                console.print(
                    f"[dim]Docs at {api.url}/docs, logs in {log.relative_to(ROOT)} and, of jobs, worker.log. "
                    "Ctrl-C stops everything.[/]"
                )
                api.wait()
            finally:
                SERVED.unlink(missing_ok=True)
                if worker:
                    worker.stop()
                console.print("\nstopping …")
    except Failed as failed:
        failure(console, failed)
        return 1
    return 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
