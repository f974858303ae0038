"""Equal cold questions of several processes over one Redis: planned once."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from local.bridge import Bridge
from local.llm_stub import LlmStub, Recorded, Reply, Says
from tests.integration.asking import ask_together
from tests.integration.test_api import environment

PROCESSES, THREADS = 5, 10
PLAN = {
    "outcome": "sql",
    "sql": "SELECT name FROM products ORDER BY price DESC, id LIMIT :s0",
    "constants": [],
    "tables": [],
    "explanation": "",
    "reason": "",
    "suggestions": [],
}


def slowly(_: Recorded) -> Reply:
    time.sleep(1)
    return Says(tool=PLAN)


def test_fifty_of_five_processes_make_one_plan(bridge: Bridge, database_url: str) -> None:
    with LlmStub(slowly) as stub:
        settings = {"ANTHROPIC_API_KEY": "key", "ANTHROPIC_BASE_URL": stub.url}
        environ = environment(bridge, database_url, REQUEST_TIMEOUT="60", REDIS_TIMEOUT="30", **settings)
        begin = time.time() + 4
        with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
            parts = [
                pool.submit(ask_together, environ, "top 5 products by price", THREADS, begin) for _ in range(PROCESSES)
            ]
            answers = [answer for part in parts for answer in part.result()]
    layers = Counter(layer for layer, _ in answers)
    assert layers == {3: 1, 1: PROCESSES * THREADS - 1}
    assert len({rows for _, rows in answers}) == 1
    (stats,) = bridge.command("KEYS", "rowcall:{*:stats:*")
    assert bridge.command("HGET", stats, "layer3") == b"1"
    assert stub.calls == 1
