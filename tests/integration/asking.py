"""What one of several processes does in the single-flight test: the same cold question by many threads at once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from rowcall import bootstrap
from rowcall.answer import Ask, answer
from rowcall.auth import LOCAL
from rowcall.deadline import Deadline


def ask_together(environ: Mapping[str, str], query: str, threads: int, begin: float) -> list[tuple[int, str]]:
    """The layer and the rows of each of `threads` answers, all asked at the moment `begin`."""
    services = bootstrap.start(environ)
    services.catalogs.current(Deadline.after(30))

    def ask(_: int) -> tuple[int, str]:
        time.sleep(max(begin - time.time(), 0))
        found = answer(Ask(query), LOCAL, services, Deadline.after(60))
        return found.layer, repr(found.rows)

    with ThreadPoolExecutor(threads) as pool:
        done = list(pool.map(ask, range(threads)))
    services.close()
    return done
