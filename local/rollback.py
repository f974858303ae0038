"""`make rollback STAGE=prod`: every function of a stage back to the version before the one that serves.

A deployment that is under way is stopped, and CodeDeploy takes it back itself. Otherwise the alias `live` of each
function moves to its former version, at once and for all requests. The next deployment goes on from there.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

ALIAS = "live"
UNDER_WAY = ["Created", "Queued", "InProgress", "Baking", "Ready"]


class NoWayBack(Exception):
    """Says why."""


def roll_back(stack: str) -> list[str]:
    """What was done, in sentences. Raises `NoWayBack`."""
    resources = _resources(stack)
    applications = resources["AWS::CodeDeploy::Application"]
    groups = resources["AWS::CodeDeploy::DeploymentGroup"]
    if stopped := stop_deployments([(name, group) for name in applications for group in groups]):
        return [f"{deployment} is stopped, and CodeDeploy takes it back" for deployment in stopped]
    client = boto3.client("lambda")
    moves = [move for function in resources["AWS::Lambda::Function"] if (move := _move(client, function))]
    if not moves:
        raise NoWayBack(f"no function of {stack} has a version before the one that serves")
    for function, _, former in moves:
        client.update_alias(
            FunctionName=function, Name=ALIAS, FunctionVersion=former, RoutingConfig={"AdditionalVersionWeights": {}}
        )
    return [f"{function}: from version {serving} to {former}" for function, serving, former in moves]


def stop_deployments(groups: list[tuple[str, str]]) -> list[str]:
    """Stop what is under way in `groups`, pairs of an application and a group of it; the deployments' ids."""
    client = boto3.client("codedeploy")
    stopped: list[str] = []
    for application, group in groups:
        found = client.list_deployments(
            applicationName=application, deploymentGroupName=group, includeOnlyStatuses=UNDER_WAY
        )
        for deployment in found["deployments"]:
            client.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
            stopped.append(deployment)
    return stopped


def _resources(stack: str) -> dict[str, list[str]]:
    """The names of what `stack` has, by type."""
    found: dict[str, list[str]] = defaultdict(list)
    for page in boto3.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack):
        for resource in page["StackResourceSummaries"]:
            found[resource["ResourceType"]].append(resource["PhysicalResourceId"])
    return found


def _move(client: Any, function: str) -> tuple[str, str, str] | None:
    """The function, the version that serves and the one before; nothing where there is no alias or no such version."""
    try:
        serving = client.get_alias(FunctionName=function, Name=ALIAS)["FunctionVersion"]
    except client.exceptions.ResourceNotFoundException:
        return None
    pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=function)
    numbers = [int(one["Version"]) for page in pages for one in page["Versions"] if one["Version"].isdigit()]
    former = max((number for number in numbers if number < int(serving)), default=None)
    return None if former is None else (function, serving, str(former))


def main(stage: str) -> int:
    console = Console(highlight=False, soft_wrap=True)
    try:
        for sentence in roll_back(f"rowcall-{stage}"):
            console.print(f"[green]✓[/] {sentence}")
    except (NoWayBack, BotoCoreError, ClientError) as error:
        console.print("[red]✗[/]", str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
