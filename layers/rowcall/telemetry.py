"""Log lines (JSON, one canonical line a request) and metrics (CloudWatch EMF), both to stdout.

Never writes a key, a token or a row, nor the text of a question unless a setting asks for it; and of whatever is
logged, never what REDACT names.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit

from rowcall.redaction import Redaction

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMESPACE = "rowcall"


_labels = {"stage": "local"}
"""On every metric: two stages may share an account."""
_redaction = Redaction()


def begin(stage: str, log_level: str, redaction: Redaction) -> None:
    """Tell which stage this is, the least level that is logged, and what is replaced in each line."""
    global _redaction
    _labels["stage"] = stage
    _redaction = redaction
    logger().setLevel(log_level)


@cache
def logger() -> Logger:
    """The one logger; `begin` sets its level."""
    return Logger(
        service=NAMESPACE,
        utc=True,
        log_uncaught_exceptions=False,
        json_serializer=_line,
        json_deserializer=str,  # a message of ours is a sentence: it is not tried as JSON first
    )


def _line(record: dict[str, Any]) -> str:
    return _json(_redaction.value(record))


@contextmanager
def correlation(request_id: str) -> Iterator[None]:
    """Every line logged inside carries `correlation_id`, in this thread or task only."""
    logger().thread_safe_append_keys(correlation_id=request_id)
    try:
        yield
    finally:
        logger().thread_safe_remove_keys(["correlation_id"])


def emit(values: Mapping[str, tuple[float, MetricUnit]], **dimensions: str) -> None:
    """Write one EMF line (AWS: "CloudWatch embedded metric format specification").

    Dimensions must be bounded: a route, a layer, a code; never a user or a question.
    """
    labels = dimensions | _labels
    described = {
        "Namespace": NAMESPACE,
        "Dimensions": [list(labels)],
        "Metrics": [{"Name": name, "Unit": unit.value} for name, (_, unit) in values.items()],
    }
    line = {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [described]},
        **labels,
        **{name: [float(value)] for name, (value, _) in values.items()},
    }
    print(_json(line))  # noqa: T201 -- Powertools' Metrics take 0.1 ms for it


def _json(line: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(line, default=_text).decode()
    except TypeError:  # half of a surrogate pair, an integer of more than 64 bits: a line is written all the same
        return json.dumps(line, default=_text, separators=(",", ":"))


def _text(value: object) -> str:
    """Of what is no JSON, such as an exception."""
    return _redaction.text(str(value))


def emit_answer(layer: int, seconds: float, *, degraded: bool) -> None:
    """The metrics of one answer, whoever asked for it."""
    emit(
        {"query_duration_seconds": (seconds, MetricUnit.Seconds), "query_success_total": (1, MetricUnit.Count)},
        cache_hit=str(layer != 3).lower(),
        cache_layer=str(layer),
    )
    if degraded:
        emit({"query_degraded_total": (1, MetricUnit.Count)})


def span(name: str, *, enabled: bool) -> AbstractContextManager[Any]:
    """An X-Ray subsegment where tracing is on; Powertools' Tracer is loaded only then."""
    from contextlib import nullcontext

    return _tracer().provider.in_subsegment(name) if enabled else nullcontext()


@cache
def _tracer() -> Any:
    from aws_lambda_powertools import Tracer

    return Tracer(service=NAMESPACE, auto_patch=False)
