"""What is measured each minute, whether anybody asks or not: how much is remembered, and whether we can be reached.

It asks no question and plans nothing. What cannot be measured is no failure: the alarms on what is missing tell of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import MetricUnit

from rowcall import telemetry
from rowcall.cache.store import StoreUnavailable
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.warming import scopes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rowcall.bootstrap import Services
    from rowcall.cache.inventory import Holdings

VISIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Measures:
    """`up` is whether `/health` said 200 from outside; `None` where nobody looked. `plans` is `None` without Redis."""

    up: bool | None
    plans: int | None


def measure(services: Services, deadline: Deadline) -> Measures:
    """Look, and tell the metrics."""
    up = _visit(services.settings.watch_url, deadline) if services.settings.watch_url else None
    try:
        held = [services.inventory.holdings(group, deadline) for group in scopes(services, deadline)]
    except (StoreUnavailable, Problem) as error:
        telemetry.logger().warning("what is remembered cannot be counted", reason=type(error).__name__)
        return Measures(up, None)
    return Measures(up, _tell(held))


def _tell(held: Sequence[Holdings]) -> int:
    plans, uses = sum(one.plans for one in held), sum(one.uses for one in held)
    telemetry.emit(
        {
            "total_schemas": (plans, MetricUnit.Count),
            "pinned_schemas": (sum(one.pinned for one in held), MetricUnit.Count),
            "avg_use_count": (round(uses / plans, 3) if plans else 0.0, MetricUnit.NoUnit),
        }
    )
    return plans


def _visit(url: str, deadline: Deadline) -> bool:
    """Whether `url` answers with 200: through DNS, TLS, WAF and API Gateway, as a user does."""
    import httpx

    from rowcall.cache.transport import DeadlineClient

    started = time.perf_counter()
    with DeadlineClient(url) as client:
        try:
            with client.until(deadline.within(VISIT_SECONDS)):
                status = client.get(url).status_code
        except (httpx.HTTPError, Problem) as error:
            telemetry.logger().error("not reached from outside", reason=type(error).__name__)
            status = 0
    telemetry.emit(
        {
            "synthetic_up": (status == 200, MetricUnit.Count),
            "synthetic_duration_seconds": (time.perf_counter() - started, MetricUnit.Seconds),
        }
    )
    return status == 200
