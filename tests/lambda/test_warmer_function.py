"""The built warmer function under Lambda's runtime emulator, with the event that EventBridge Scheduler sends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.bridge import Bridge
from local.emulator import Built, Emulator
from local.stack import Stack

pytestmark = pytest.mark.timeout(600)


def test_a_schedule_warms_what_is_configured(
    artifacts: Built, stack: Stack, shop: str, bridge: Bridge, event: Any
) -> None:
    environ = stack.environ | {"WARM_QUESTIONS": "count pending orders; top 5 products by revenue; how tall are you"}
    with Emulator(artifacts, artifacts.function("warmer"), environ, stack.processes) as emulator:
        first, second = (emulator.invoke(event("warmer.schedule")) for _ in range(2))
        refused = emulator.invoke({"what": "is this"})
    assert not first.failed, first.log
    assert first.response["questions"] == {"known": 0, "planned": 2, "failed": 1, "skipped": 0}
    assert second.response["questions"] == {"known": 2, "planned": 0, "failed": 1, "skipped": 0}
    assert first.response["total_schemas"] == 2
    metrics = [json.loads(line) for line in first.log.splitlines() if line.startswith('{"_aws"')]
    assert {"total_schemas", "pinned_schemas", "avg_use_count"} <= {name for line in metrics for name in line}
    assert refused.failed


def test_each_minute_it_measures_and_warms_nothing(
    artifacts: Built, stack: Stack, shop: str, bridge: Bridge, event: Any
) -> None:
    environ = stack.environ | {"WARM_QUESTIONS": "count pending orders"}
    with Emulator(artifacts, artifacts.function("warmer"), environ, stack.processes) as emulator:
        measured = emulator.invoke(event("warmer.measure"))
    assert not measured.failed, measured.log
    assert measured.response == {"up": None, "plans": 0}
    assert '"total_schemas":[0.0]' in measured.log
