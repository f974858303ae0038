"""How long AWS may be waited for: boto3 would by default wait a minute, and try again."""

from __future__ import annotations

from typing import Any


def patience() -> Any:
    """A botocore `Config`: two attempts of at most three seconds each."""
    from botocore.config import Config

    return Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"})


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
