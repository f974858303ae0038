"""Runs one item: what a worker does with a message. Whatever becomes of it is told in the item, then in its job.

A message may come twice, or again after a worker was lost: who holds the item's lease runs it, the others leave it
alone, so each question is run once and charged once. A failure that may pass is run again; another is a result.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import MetricUnit

from rowcall import document, telemetry
from rowcall.answer import answer, export, rows_wanted
from rowcall.errors import Problem
from rowcall.jobs import ATTEMPTS, Message
from rowcall.jobs.records import Busy, Gone
from rowcall.trace import Trace

if TYPE_CHECKING:
    from rowcall.bootstrap import Services
    from rowcall.deadline import Deadline
    from rowcall.document import Document
    from rowcall.jobs.records import Item, Job

LARGE_BYTES = 300_000
"""An answer of more goes to the bucket: DynamoDB takes 400 KB a record."""

LOOK_SECONDS = 1.0
"""How often a running export asks whether its job was cancelled."""

LEASE_MARGIN_SECONDS = 10.0
"""A lease outlasts the deadline by this: what was come to must be told before another may begin."""


class Again(Exception):
    """The message is to come again, after `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"after {seconds:.0f} s")
        self.seconds = seconds


class _Cancelled(Exception):
    """The job was cancelled while its export ran."""


def run(message: Message, attempt: int, services: Services, deadline: Deadline, request_id: str) -> None:
    """Run the item of `message`, which has come for the `attempt`th time. Raises `Again`.

    After the last attempt it is raised too: the message then goes to the dead-letter queue, and the item has failed.
    """
    try:
        _run(message, attempt, services, deadline, request_id)
    except Problem as problem:  # of the table
        _tell(message, "retried", problem.code)
        raise Again(2**attempt) from problem


def _run(message: Message, attempt: int, services: Services, deadline: Deadline, request_id: str) -> None:
    records = services.jobs
    try:
        job, item, lease = records.begin(message, deadline.left() + LEASE_MARGIN_SECONDS)
    except Gone:
        _tell(message, "needless")
        return
    except Busy as busy:
        _tell(message, "busy")
        raise Again(busy.seconds) from busy
    started = time.monotonic()
    try:
        came = _come_to(message, job, item, lease, services, deadline, request_id)
    except _Cancelled:
        records.release(message, lease)
        _tell(message, "cancelled", started=started)
        return
    except Exception as error:
        problem = error if isinstance(error, Problem) else Problem("internal")
        if problem is not error:
            telemetry.logger().exception("an item failed")
            services.reporter.report(error, request_id, "worker", "internal")
        passing = problem.kind.status >= 500
        if passing and attempt < ATTEMPTS:
            records.release(message, lease)
            _tell(message, "retried", problem.code, started)
            raise Again(2**attempt) from error
        told = records.fail(message, lease, document.of_problem(problem, request_id), passing=passing)
        _tell(message, "failed", problem.code, started)
        _tell_job(told)
        if passing:
            raise Again(2**attempt) from error
        return
    _tell_job(records.finish(message, lease, **came))
    _tell(message, "done", started=started)


def _come_to(
    message: Message, job: Job, item: Item, lease: str, services: Services, deadline: Deadline, request_id: str
) -> dict[str, Document]:
    """The answer, and the file if there is one."""
    trace, settings = Trace(), services.settings
    if job.format == "json":
        deadline = deadline.within(settings.request_timeout)
        answered = answer(item.ask, job.principal, services, deadline, trace=trace)
        seconds = sum(trace.seconds.values())
        telemetry.emit_answer(answered.layer, seconds, degraded=answered.degraded)
        told = document.of_answer(answered, seconds, request_id)
        body = document.encode(told)
        if len(body) <= LARGE_BYTES:
            return {"answer": told}
        file = services.exports.put(message, lease, job.format, body, told["row_count"])
        return {"answer": told | {"data": []}, "file": asdict(file)}
    deadline = deadline.within(settings.export_timeout)
    with export(item.ask, job.principal, services, deadline, trace=trace) as (answered, batches):
        names = [column.name for column in answered.columns]
        watched, limit = _unless_cancelled(batches, job, services), rows_wanted(item.ask, settings)
        file, truncated = services.exports.export(message, lease, job.format, names, watched, limit)
    told = document.of_answer(answered, sum(trace.seconds.values()), request_id)
    return {"answer": told | {"row_count": file.rows, "truncated": truncated}, "file": asdict(file)}


def _unless_cancelled(
    batches: Iterator[list[list[object]]], job: Job, services: Services
) -> Iterator[list[list[object]]]:
    looked = float("-inf")
    for batch in batches:
        if time.monotonic() - looked >= LOOK_SECONDS:
            if services.jobs.is_cancelled(job):
                raise _Cancelled
            looked = time.monotonic()
        yield batch


def _tell(message: Message, state: str, code: str | None = None, started: float | None = None) -> None:
    seconds = 0.0 if started is None else time.monotonic() - started
    telemetry.logger().info(
        "job item", job=message.job, item=message.item, state=state, error=code, milliseconds=round(seconds * 1000, 2)
    )
    values = {"job_items_total": (1.0, MetricUnit.Count)}
    if started is not None:
        values["job_item_duration_seconds"] = (seconds, MetricUnit.Seconds)
    telemetry.emit(values, state=state)


def _tell_job(job: Job | None) -> None:
    """The job's own metrics, by whoever finished its last item."""
    if job is None or not job.finished:
        return
    telemetry.logger().info("job", job=job.id, state=job.state, total=job.total, failed=len(job.failed))
    telemetry.emit(
        {
            "jobs_total": (1, MetricUnit.Count),
            "job_duration_seconds": (job.updated - job.created, MetricUnit.Seconds),
        },
        state=job.state,
    )
