"""`make redrive STAGE=…`: brings what is in the jobs' dead-letter queue to the worker again."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from rich.console import Console

from local.api import SERVED, served
from local.queues import name
from rowcall import aws

WAIT_SECONDS = 2
"""After so long without a message there is none: SQS asks some of its servers only when it does not wait."""


def redrive(sqs: Any, stage: str) -> int:
    """Move every message of the dead-letter queue back; how many there were.

    Each is sent before it is deleted: one that is then sent twice is run once, as any that SQS brings twice.
    """
    queue, failures = (sqs.get_queue_url(QueueName=f"{name(stage)}{end}")["QueueUrl"] for end in ("", "-failures"))
    moved = 0
    while found := sqs.receive_message(
        QueueUrl=failures,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=WAIT_SECONDS,
        VisibilityTimeout=60,
        MessageSystemAttributeNames=["MessageGroupId"],
    ).get("Messages"):
        for message in found:
            group = message.get("Attributes", {})
            sqs.send_message(QueueUrl=queue, MessageBody=message["Body"], **group)
            sqs.delete_message(QueueUrl=failures, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
    return moved


def main(stage: str) -> int:
    """For the `make serve` that runs, if `stage` is `local`; else on AWS by the ordinary credentials."""
    console = Console(highlight=False)
    if stage == "local":
        if not served():
            console.print("[red]✗[/] No `make serve` runs here.")
            return 1
        os.environ.update(json.loads(SERVED.read_text()).get("aws", {}))
    moved = redrive(aws.queues(wait=WAIT_SECONDS), stage)
    console.print(f"{moved} message{'' if moved == 1 else 's'} of {name(stage)}-failures will be tried again.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
