"""The built worker function under Lambda's runtime emulator, with the event that Lambda makes of SQS's messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local import queues, tables
from local.aws import REGION, Aws
from local.bridge import Bridge
from local.emulator import Built, Emulator
from local.sample import QUESTION, SampleJob
from local.stack import Stack

pytestmark = pytest.mark.timeout(600)


def test_it_answers_the_question_of_its_event(
    artifacts: Built, stack: Stack, shop: str, bridge: Bridge, event: Any
) -> None:
    aws = Aws(stack.processes)
    tables.create(aws.url, REGION)
    queues.create(aws.url, REGION)
    environ = stack.environ | tables.ENVIRON | queues.environ(aws.url) | {"AWS_ENDPOINT_URL": aws.url}
    environ |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": REGION}
    sent = event("worker.jobs")
    poisoned = {"Records": [sent["Records"][0] | {"body": "{}"}, sent["Records"][0]]}
    with Emulator(artifacts, artifacts.function("worker"), environ, stack.processes) as emulator:
        unknown = emulator.invoke(sent)
        job = SampleJob(aws.url)
        mixed = emulator.invoke(poisoned)
        again = emulator.invoke(sent)
    assert unknown.response == {"batchItemFailures": []}, "a message of a job that is not there any more is let go"
    assert mixed.response == {"batchItemFailures": [{"itemIdentifier": sent["Records"][0]["messageId"]}]}, mixed.log
    assert again.response == {"batchItemFailures": []}
    outcome = job.outcome
    aws.stop()
    assert (outcome["state"], outcome["query"], outcome["problem"]) == ("done", QUESTION, None)
    assert outcome["answer"]["row_count"] == 5
    items = [json.loads(line) for line in mixed.log.splitlines() if '"job item"' in line]
    assert [item["state"] for item in items] == ["done"]
    assert QUESTION not in mixed.log
