"""`python -m rowcall_client` is `rowcall`."""

from rowcall_client.main import run

run()
