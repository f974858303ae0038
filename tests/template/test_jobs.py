"""What jobs stand on, as it would be deployed: the queue, the worker behind it, the table and the bucket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local import queues, worker
from rowcall.jobs import ATTEMPTS
from rowcall.jobs.records import STALE_SECONDS
from rowcall.jobs.running import LEASE_MARGIN_SECONDS
from rowcall.settings import Settings

Resources = Callable[[str], dict[str, Any]]


def default(name: str) -> Any:
    return Settings.model_fields[name].default


def test_a_question_comes_again_and_goes_to_the_dead_letters_as_the_code_counts_on(resources: Resources) -> None:
    made = resources("SQS::Queue")
    queue, function = made["JobsQueue"], resources("Lambda::Function")["Worker"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] == ATTEMPTS
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": ["JobsFailures", "Arn"]}
    assert made["JobsFailures"]["MessageRetentionPeriod"] == 14 * 86400
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
    assert queue["VisibilityTimeout"] + function["Timeout"] + LEASE_MARGIN_SECONDS < STALE_SECONDS
    assert (queue["VisibilityTimeout"], function["Timeout"]) == (queues.VISIBILITY_SECONDS, worker.TIMEOUT_SECONDS)
    assert function["Timeout"] > default("export_timeout") + LEASE_MARGIN_SECONDS
    assert function["Timeout"] > default("request_timeout") + LEASE_MARGIN_SECONDS
    (mapping,) = resources("Lambda::EventSourceMapping").values()
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": ["JobsQueue", "Arn"]}
    assert resources("Lambda::Alias")[mapping["FunctionName"]["Ref"]]["FunctionName"]["Ref"] == "Worker"
    assert 2 <= mapping["ScalingConfig"]["MaximumConcurrency"] <= 1000


def test_redrive_finds_the_queues_by_their_names(rendered: Any, resources: Resources) -> None:
    stage = rendered["Values"]["Stage"]
    named = {name: queue["QueueName"] for name, queue in resources("SQS::Queue").items()}
    assert named["JobsQueue"] == queues.name(stage)
    assert named["JobsFailures"] == f"{queues.name(stage)}-failures"


def test_files_are_private_encrypted_and_forgotten(resources: Resources) -> None:
    (bucket,) = resources("S3::Bucket").values()
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["BucketEncryption"]
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", default("job_days"))
    assert rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 1
    (policy,) = resources("S3::BucketPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
