"""How long AWS may be waited for: boto3 would by default wait a minute, and try again."""

from __future__ import annotations

from typing import Any


def patience(read_seconds: float = 2, **more: Any) -> Any:
    """A botocore `Config`: two attempts, each with a second to connect and `read_seconds` to wait for an answer."""
    from botocore.config import Config

    retries = {"total_max_attempts": 2, "mode": "standard"}
    return Config(connect_timeout=1, read_timeout=read_seconds, retries=retries, **more)


def table(name: str) -> Any:
    """A DynamoDB table. boto3 is imported when the first is asked for."""
    import boto3

    return boto3.resource("dynamodb", config=patience()).Table(name)


def functions(read_seconds: float) -> Any:
    """A client of Lambda, for invocations of up to `read_seconds`: one attempt, as what is lost may have run."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=1, read_timeout=read_seconds, retries={"total_max_attempts": 1})
    return boto3.client("lambda", config=config)


def releases() -> Any:
    """A client of CodeDeploy."""
    import boto3

    return boto3.client("codedeploy", config=patience())


def queues(*, wait: float = 0) -> Any:
    """A client of SQS, which may `wait` for messages."""
    import boto3

    return boto3.client("sqs", config=patience(2 + wait))


def bucket(name: str) -> Any:
    """An S3 bucket, with time to store a part.

    Its region's endpoint is named outright: links would else lead to us-east-1, and no signature outlives a redirect.
    """
    import boto3

    config = patience(20, signature_version="s3v4")
    endpoint = boto3.client("s3", config=config).meta.endpoint_url
    return boto3.resource("s3", config=config, endpoint_url=endpoint).Bucket(name)
