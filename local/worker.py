"""The jobs worker of `functions/worker` on this machine: what Lambda does for a queue, by one process.

It takes messages from the queue, calls the handler with the event that Lambda would send, and deletes those of which
the handler does not say that they are to come again. Runs until it is told to stop.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from local.processes import ROOT

if TYPE_CHECKING:
    from local.processes import Processes

TIMEOUT_SECONDS = 180
"""Of the function in `template.yaml`."""

WAIT_SECONDS = 5


class Worker:
    """The running worker, with the environment of the API beside it. It ends with the stack."""

    def __init__(self, processes: Processes, environ: Mapping[str, str], log: Path | None = None) -> None:
        self._processes = processes
        path = ":".join(str(ROOT / root) for root in ("layers", "functions", "."))
        self._child = processes.start(
            "the worker",
            [sys.executable, "-m", "local.worker"],
            env={**environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
            cwd=ROOT,
            log=log,
        )

    def stop(self) -> None:
        self._processes.stop(self._child)


def event(messages: list[dict[str, Any]], arn: str) -> dict[str, Any]:
    """What Lambda's event source mapping makes of messages.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#example-standard-queue-message-event
    """
    region = arn.split(":")[3]
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "messageAttributes": {},
                "md5OfBody": message["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": arn,
                "awsRegion": region,
            }
            for message in messages
        ]
    }


def context() -> Any:
    """Lambda's, of an invocation that begins now."""
    ends = time.monotonic() + TIMEOUT_SECONDS
    return SimpleNamespace(
        aws_request_id=str(uuid.uuid4()),
        function_name="worker",
        get_remaining_time_in_millis=lambda: max(int((ends - time.monotonic()) * 1000), 0),
    )


def poll(sqs: Any, url: str, *, most: int = 1, wait: int = 0) -> int:
    """One batch of at most `most` messages; how many there were."""
    from worker.main import handler

    messages = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=most, WaitTimeSeconds=wait, MessageSystemAttributeNames=["All"]
    ).get("Messages", [])
    if not messages:
        return 0
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    failed = {one["itemIdentifier"] for one in handler(event(messages, arn), cast(Any, context()))["batchItemFailures"]}
    for message in messages:
        if message["MessageId"] not in failed:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return len(messages)


def main() -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    from rowcall import aws, telemetry
    from worker.main import services

    sqs, url = aws.queues(wait=WAIT_SECONDS), services().settings.jobs_queue_url
    while True:
        try:
            poll(sqs, url, wait=WAIT_SECONDS)
        except (BotoCoreError, ClientError) as error:
            telemetry.logger().warning("the queue cannot be reached", reason=type(error).__name__)
            time.sleep(1)


if __name__ == "__main__":
    main()
