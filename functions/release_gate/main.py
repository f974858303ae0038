"""The Lambda handler of the release gate: CodeDeploy calls it before a new version of the api function gets a request.

It must tell CodeDeploy something whatever happens, or the deployment would hang for an hour.
"""

from __future__ import annotations

import json
from typing import Any

from aws_lambda_powertools.utilities.parser import BaseModel, Field, parse
from aws_lambda_powertools.utilities.typing import LambdaContext

from rowcall import aws, telemetry

INVOKE_SECONDS = 35.0
"""A version is given a little longer than its own timeout, which is 29 seconds."""


class Hook(BaseModel):
    """What CodeDeploy sends: https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-hooks.html"""

    deployment: str = Field(alias="DeploymentId")
    execution: str = Field(alias="LifecycleEventHookExecutionId")


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Try the new version and tell CodeDeploy whether it may serve. An event that is none of CodeDeploy's fails."""
    with telemetry.correlation(context.aws_request_id):
        hook = parse(event, model=Hook)
        fit = False
        try:
            fit = _tries()
        except Exception as error:
            telemetry.logger().exception("the release gate itself failed", reason=type(error).__name__)
        finally:
            status = "Succeeded" if fit else "Failed"
            telemetry.logger().info("release gate", status=status, deployment=hook.deployment)
            aws.releases().put_lifecycle_event_hook_execution_status(
                deploymentId=hook.deployment, lifecycleEventHookExecutionId=hook.execution, status=status
            )
        return {"status": status}


def _tries() -> bool:
    """Whether the version passes every check. What CodeDeploy is not told by is loaded here, where it may fail."""
    from release_gate.checks import Version, check
    from rowcall import bootstrap

    settings = bootstrap.settings_here()
    client = aws.functions(INVOKE_SECONDS)

    def invoke(event: dict[str, Any]) -> Any:
        reply = client.invoke(FunctionName=settings.release_target, Payload=json.dumps(event))
        return {} if reply.get("FunctionError") else json.loads(reply["Payload"].read())

    return check(Version(invoke, settings))
