"""The Lambda handler of the warmer: called by schedules, and after each deploy."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.parser import parse
from aws_lambda_powertools.utilities.parser.models import EventBridgeModel
from aws_lambda_powertools.utilities.typing import LambdaContext

from rowcall import bootstrap, telemetry
from rowcall.bootstrap import Services
from rowcall.deadline import Deadline
from rowcall.warming import warm
from rowcall.watching import measure

MEASURE = "Measure"
"""The detail type of the schedule of each minute."""
MEASURE_SECONDS = 30.0
MARGIN_SECONDS = 5.0
"""Kept of Lambda's remaining time, to tell what was done."""


@cache
def services() -> Services:
    return bootstrap.start()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Warm the cache once, or only measure.

    An event that is none of EventBridge's fails, and is kept in the dead-letter queue.
    """
    with telemetry.correlation(context.aws_request_id):
        occasion = parse(event, model=EventBridgeModel)
        telemetry.logger().info("warmer called", source=occasion.source, occasion=occasion.detail_type)
        ours = services()
        deadline = Deadline.after(context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS)
        try:
            if occasion.detail_type == MEASURE:
                return asdict(measure(ours, deadline.within(MEASURE_SECONDS)))
            return asdict(warm(ours, deadline))
        except Exception as error:
            ours.reporter.report(error, context.aws_request_id, "warmer", getattr(error, "code", "internal"))
            raise
