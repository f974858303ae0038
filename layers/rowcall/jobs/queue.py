"""The SQS queue that brings items to workers, one message each, so that one can fail, or come again, by itself.

Each message is of its owner's group: of one who has queued a lot, SQS then serves the others first.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rowcall import telemetry
from rowcall.deadline import Deadline
from rowcall.jobs import Message

MOST_AT_ONCE = 10
"""SendMessageBatch takes no more."""


class Queue:
    """The queue at `url`."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, messages: Sequence[Message], deadline: Deadline) -> list[int]:
        """Queue `messages`; the items of those that could not be."""
        unsent: list[int] = []
        for start in range(0, len(messages), MOST_AT_ONCE):
            some = messages[start : start + MOST_AT_ONCE]
            unsent += self._send(some) if deadline.open else [message.item for message in some]
        return unsent

    def postpone(self, receipt: str, seconds: float) -> None:
        """Bring a received message again after `seconds`; after the queue's own time where that cannot be said."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=round(seconds)
            )
        except (BotoCoreError, ClientError) as error:
            telemetry.logger().warning("a message could not be postponed", reason=type(error).__name__)

    def _send(self, messages: Sequence[Message]) -> list[int]:
        from botocore.exceptions import BotoCoreError, ClientError

        entries = [
            {
                "Id": str(message.item),
                "MessageBody": json.dumps(asdict(message), separators=(",", ":")),
                "MessageGroupId": message.owner,
            }
            for message in messages
        ]
        try:
            failed = self._client.send_message_batch(QueueUrl=self._url, Entries=entries).get("Failed", [])
        except (BotoCoreError, ClientError) as error:
            telemetry.logger().error("questions cannot be queued", reason=type(error).__name__)
            return [message.item for message in messages]
        if failed:
            telemetry.logger().error("questions cannot be queued", reason=failed[0]["Code"])
        return [int(one["Id"]) for one in failed]
