"""`make rollback`, on moto's CloudFormation and Lambda; CodeDeploy is a stub that hears what the SDK sends."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest

from local.aws import REGION, Aws
from local.rollback import NoWayBack, main, roll_back, stop_deployments

STACK = "rowcall-dev"
TEMPLATE = {
    "Resources": {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
        },
        **{
            name: {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "FunctionName": name,
                    "Runtime": "python3.13",
                    "Handler": "index.handler",
                    "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                    "Code": {"ZipFile": "handler = print"},
                },
            }
            for name in ("api", "warmer", "gate")
        },
    }
}


@pytest.fixture
def cloud(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in {
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("cloudformation")
    client.create_stack(StackName=STACK, TemplateBody=json.dumps(TEMPLATE))
    yield boto3.client("lambda")
    client.delete_stack(StackName=STACK)
    client.close()


def publish(client: Any, function: str, versions: int) -> None:
    """`versions` of a function, the last of which serves."""
    for number in range(1, versions + 1):
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("index.py", f"handler = print  # {number}")
        client.update_function_code(FunctionName=function, ZipFile=code.getvalue())
        assert client.publish_version(FunctionName=function)["Version"] == str(number)
    client.create_alias(FunctionName=function, Name="live", FunctionVersion=str(versions))


def serving(client: Any, function: str) -> str:
    return str(client.get_alias(FunctionName=function, Name="live")["FunctionVersion"])


def test_every_function_goes_back_to_the_version_before(cloud: Any) -> None:
    publish(cloud, "api", 3)
    publish(cloud, "warmer", 1)
    cloud.delete_function(FunctionName="api", Qualifier="2")
    assert roll_back(STACK) == ["api: from version 3 to 1"]
    assert (serving(cloud, "api"), serving(cloud, "warmer")) == ("1", "1")
    with pytest.raises(NoWayBack):
        roll_back(STACK)


def test_a_stage_that_is_not_deployed_is_told(cloud: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("staging") == 1
    assert "rowcall-staging" in capsys.readouterr().out


def test_a_deployment_under_way_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[str, Any]] = []

    class CodeDeploy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            action = self.headers["X-Amz-Target"].partition(".")[2]
            heard.append((action, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            answer = json.dumps({"deployments": ["d-1"]} if action == "ListDeployments" else {"status": "Pending"})
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), CodeDeploy)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    for name, value in {
        "AWS_ENDPOINT_URL_CODEDEPLOY": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)
    try:
        assert stop_deployments([("rowcall", "api")]) == ["d-1"]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    (_, asked), (action, stopped) = heard
    assert asked["deploymentGroupName"] == "api"
    assert "InProgress" in asked["includeOnlyStatuses"]
    assert (action, stopped) == ("StopDeployment", {"deploymentId": "d-1", "autoRollbackEnabled": True})
