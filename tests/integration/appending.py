"""What one of several processes does in the conversations' test: it adds turns to one that others add to as well."""

from __future__ import annotations

import boto3
from botocore.config import Config

from local.tables import TABLES
from rowcall.auth import Principal
from rowcall.chat.conversations import Conversations, Turn
from rowcall.deadline import Deadline
from rowcall.redaction import Redaction

TABLE = TABLES["CONVERSATIONS_TABLE"].name
ANN = Principal("ann", "acme")


def patient(leads_to_aws: dict[str, str]) -> Conversations:
    """For many at once: moto takes its time, and one after the other."""
    resource = boto3.resource(
        "dynamodb",
        endpoint_url=leads_to_aws["AWS_ENDPOINT_URL"],
        region_name=leads_to_aws["AWS_DEFAULT_REGION"],
        aws_access_key_id=leads_to_aws["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=leads_to_aws["AWS_SECRET_ACCESS_KEY"],
        config=Config(read_timeout=60, max_pool_connections=100),
    )
    return Conversations(resource.Table(TABLE), 30, Redaction())


def append(leads_to_aws: dict[str, str], begun: str, contents: list[str]) -> None:
    own = patient(leads_to_aws)
    for content in contents:
        own.append(ANN, begun, [Turn("user", content)], Deadline.after(110))
