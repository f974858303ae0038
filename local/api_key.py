"""`make api-key WHO=… TENANT=…`: makes an API key and shows it, this once.

For the `make serve` that runs, else on AWS by the ordinary credentials, in the table that API_KEYS_TABLE names.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping

from rich.console import Console

from local.api import SERVED, served
from local.processes import Failed
from rowcall import aws
from rowcall.auth.keys import ApiKeys


def main(environ: Mapping[str, str]) -> int:
    console = Console(highlight=False, stderr=True)
    if served():
        os.environ.update(json.loads(SERVED.read_text()).get("aws", {}))
    try:
        key, told = _create(environ)
    except (Failed, ValueError) as failed:
        console.print(f"[red]✗[/] {failed}")
        return 2
    console.print(f"{told}\nIt is shown this once; send it as [bold]Authorization: Bearer[/] …")
    sys.stdout.write(f"{key}\n")
    return 0


def _create(environ: Mapping[str, str]) -> tuple[str, str]:
    """The key, and a sentence about it."""
    table, user = environ.get("API_KEYS_TABLE"), environ.get("WHO")
    if not table:
        raise Failed("API_KEYS_TABLE is not set, and no `make serve` runs here: which table is the key for?")
    if not user:
        raise Failed("Whose key? make api-key WHO=ann TENANT=acme SCOPES=query,chat DAYS=90")
    tenant, scopes = environ.get("TENANT") or "local", environ.get("SCOPES") or "query,chat"
    days = int(environ.get("DAYS") or 90)
    if days <= 0:
        raise Failed("DAYS must be one or more")
    key = ApiKeys(aws.table(table)).create(
        user=user, tenant=tenant, scopes=scopes.split(","), expires=time.time() + days * 86400
    )
    return key, f"{user} of {tenant} may {scopes} for {days} days ({table})."


if __name__ == "__main__":
    sys.exit(main(os.environ))
