"""The queue, the dead-letter queue and the bucket of jobs, as `template.yaml` makes them on AWS."""

from __future__ import annotations

import json

from rowcall.jobs import ATTEMPTS

BUCKET = "rowcall-local-exports"
VISIBILITY_SECONDS = 1080
"""Six times the worker's timeout, as AWS advises."""

ACCOUNT = "123456789012"
"""Moto's."""


def name(stage: str) -> str:
    """Of the queue of `stage`; that of its dead-letter queue has `-failures` after it."""
    return f"rowcall-{stage}-jobs"


def environ(url: str) -> dict[str, str]:
    """The settings that lead to them at `url`."""
    return {"JOBS_QUEUE_URL": f"{url}/{ACCOUNT}/{name('local')}", "EXPORTS_BUCKET": BUCKET}


def create(url: str, region: str) -> None:
    """Create them at `url`."""
    import boto3

    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=region)  # noqa: S106
    sqs, s3 = session.client("sqs", endpoint_url=url), session.client("s3", endpoint_url=url)
    failures = sqs.create_queue(QueueName=f"{name('local')}-failures")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=failures, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": ATTEMPTS})
    attributes = {"RedrivePolicy": redrive, "VisibilityTimeout": str(VISIBILITY_SECONDS)}
    sqs.create_queue(QueueName=name("local"), Attributes=attributes)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": region})
    sqs.close()
    s3.close()
