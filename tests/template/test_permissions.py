"""What each function may do of AWS is what its code does, and no more."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from local.processes import ROOT
from tests.template.conftest import of_type, render
from tests.template.test_template import listed, statements

EVERYTHING = {"Network": "create", "Database": "create", "Tracing": "yes", "BedrockRegion": "us-east-1"}
CALLS = {
    r"_secrets\(\)|SecretsProvider": {"secretsmanager:GetSecretValue"},
    r"\bput_lifecycle_event_hook_execution_status\(": {"codedeploy:PutLifecycleEventHookExecutionStatus"},
    r"\.invoke\(FunctionName=": {"lambda:InvokeFunction"},
    r"\.get_item\(": {"dynamodb:GetItem"},
    r"\.put_item\(": {"dynamodb:PutItem", "dynamodb:BatchWriteItem"},
    r"\.query\(": {"dynamodb:Query"},
    r"\.update_item\(": {"dynamodb:UpdateItem"},
    r"\.delete_item\(": {"dynamodb:DeleteItem", "dynamodb:BatchWriteItem"},
    r"\.batch_writer\(": {"dynamodb:BatchWriteItem"},
    r"\.batch_get_item\(": {"dynamodb:BatchGetItem"},
    r"transact_write_items\(": {
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "dynamodb:DeleteItem",
        "dynamodb:ConditionCheckItem",
    },
    r"DynamoDBPersistenceLayer": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"},
    r"send_message(_batch)?\(": {"sqs:SendMessage"},
    r"change_message_visibility": {"sqs:ChangeMessageVisibility"},
    r"rds-db": {"rds-db:connect"},
    r"_object\.(put|initiate_multipart_upload)\(|upload_part": {"s3:PutObject", "s3:AbortMultipartUpload"},
    r"\.get_object\(|generate_presigned_url|\.Object\(": {"s3:GetObject"},
    r"abort": {"s3:AbortMultipartUpload"},
    r"bedrock": {"bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"},
}
"""What in a source calls AWS, and the actions that the call takes."""

OF_LAMBDA = {
    # done by Lambda itself in the function's name
    *("logs:CreateLogStream", "logs:PutLogEvents"),
    *("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
    *("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"),
    *("ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"),
    *("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
}


def called(paths: list[Path]) -> set[str]:
    """The actions that the sources can ask for."""
    found: set[str] = set()
    for path in paths:
        text = path.read_text()
        for pattern, actions in CALLS.items():
            if re.search(pattern, text):
                found |= actions
    return found


@pytest.mark.parametrize("parameters", [{}, EVERYTHING], ids=["least", "most"])
def test_a_function_may_do_only_what_code_of_ours_does(parameters: dict[str, str]) -> None:
    rendered = render("prod", **parameters)

    def resources(kind: str) -> dict[str, Any]:
        return of_type(rendered, kind)

    domain = sorted((ROOT / "layers/rowcall").rglob("*.py"))
    for name, function in resources("Lambda::Function").items():
        folder = function["Handler"].split(".")[0]
        possible = called([*domain, *(ROOT / "functions" / folder).rglob("*.py")]) | OF_LAMBDA
        if folder == "chat_stream":
            possible |= called(sorted((ROOT / "functions/api").rglob("*.py")))
        if "DeadLetterConfig" in function:
            possible |= {"sqs:SendMessage"}
        granted = {action for one in statements(resources, function) for action in listed(one["Action"])}
        assert granted <= possible, (name, granted - possible)


def test_what_the_code_calls_is_granted_to_somebody() -> None:
    rendered = render("prod", Network="create", Database="create", BedrockRegion="us-east-1")
    granted = {
        action
        for function in of_type(rendered, "Lambda::Function").values()
        for one in statements(lambda kind: of_type(rendered, kind), function)
        for action in listed(one["Action"])
    }
    assert {
        *("secretsmanager:GetSecretValue", "rds-db:connect", "bedrock:InvokeModel"),
        *("codedeploy:PutLifecycleEventHookExecutionStatus", "lambda:InvokeFunction"),
        *(
            "dynamodb:GetItem",
            "dynamodb:Query",
            "dynamodb:UpdateItem",
            "sqs:SendMessage",
            "s3:GetObject",
            "s3:PutObject",
        ),
    } <= granted
