"""The Lambda handler of the jobs worker: a batch of messages from SQS in, those that are to come again out."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.parser import parse
from aws_lambda_powertools.utilities.parser.models import SqsRecordModel
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, ConfigDict, Field, Json, ValidationError

from rowcall import bootstrap, telemetry
from rowcall.bootstrap import Services
from rowcall.deadline import Deadline
from rowcall.jobs import MOST_QUESTIONS, Message
from rowcall.jobs.running import Again, run

MARGIN_SECONDS = 5.0
"""Kept of Lambda's remaining time, to tell what became of an item."""

LEAST_SECONDS = 2.0
"""An item for which less is left is not begun."""


class Poisoned(Again):
    """A message that is none of ours: it is brought again at once, so that the dead-letter queue has it soon."""

    def __init__(self) -> None:
        super().__init__(0)


class Body(BaseModel):
    """What `rowcall.jobs.queue` sends."""

    model_config = ConfigDict(extra="forbid", strict=True)

    owner: str = Field(pattern=r"^[0-9a-f]{32}$")
    job: str = Field(pattern=r"^[0-9a-f]{32}$")
    item: int = Field(ge=0, lt=MOST_QUESTIONS)


class Record(SqsRecordModel):
    body: Json[Body]


@cache
def services() -> Services:
    return bootstrap.start()


def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Run the items of a batch, each by itself."""
    deadline = Deadline.after(context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS)
    with telemetry.correlation(context.aws_request_id):
        return process_partial_response(
            event=event,
            record_handler=partial(_handle, services(), deadline, context.aws_request_id),
            processor=BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False),
        )


def _handle(ours: Services, deadline: Deadline, request_id: str, record: SQSRecord) -> None:
    """Raises when the message is to come again."""
    try:
        message, attempt = _read(record)
        if not Deadline(deadline.at - LEAST_SECONDS).open:
            raise Again(0)
        run(message, attempt, ours, deadline, request_id)
    except Again as again:
        ours.queue.postpone(record.receipt_handle, again.seconds)
        raise
    except Exception as error:
        telemetry.logger().exception("a message failed")
        ours.reporter.report(error, request_id, "worker", "internal")
        raise


def _read(record: SQSRecord) -> tuple[Message, int]:
    """The message, and how often it has come. Raises `Poisoned`."""
    try:
        read = parse(record.raw_event, model=Record)
    except ValidationError as error:
        wrong = [".".join(map(str, one["loc"])) + f": {one['type']}" for one in error.errors(include_input=False)]
        telemetry.logger().error("poisoned message", message_id=record.message_id, wrong=wrong)
        telemetry.emit({"job_items_total": (1, MetricUnit.Count)}, state="poisoned")
        raise Poisoned from None
    message = Message(read.body.owner, read.body.job, read.body.item)
    return message, int(read.attributes.ApproximateReceiveCount)
