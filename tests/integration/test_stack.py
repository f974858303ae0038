"""The stack starts whole, gives way to what is set already, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable

from local.bridge import Bridge
from local.postgres import Postgres


def test_a_fresh_database_is_readable_by_the_reader_and_not_writable(
    postgres: Postgres, make_database: Callable[[str], str]
) -> None:
    name = make_database("CREATE TABLE thing (id int); INSERT INTO thing VALUES (1), (2);")
    url = postgres.reader_url(name)
    assert name in url
    assert postgres.sql("SELECT count(*) FROM thing", name) == [[2]]


def test_bridge_works(bridge: Bridge) -> None:
    assert bridge.command("GET", "a") is None
