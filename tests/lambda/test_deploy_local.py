"""The deployment, to moto's CloudFormation: all of the template is made there or left out for a reason, and every
function that was deployed, with the environment that CloudFormation gave it, takes the events that AWS sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto.cloudformation.parsing import resource_class_from_type

from local.deploy import LACKS, Deployment, deployed, sent, token, transformed, without
from local.processes import ROOT
from local.stack import Stack
from tests.template.evaluate import evaluate

pytestmark = pytest.mark.timeout(600)

EVENTS = sorted(path.stem for path in (ROOT / "events").glob("*.json") if not path.stem.startswith("chat_stream."))
"""Without those that the Web Adapter takes in place of Lambda's runtime: `test_chat_stream` does as it does."""


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    with Stack({}) as stack, deployed(stack) as found:
        yield found


def test_all_of_the_template_is_made_or_left_out_for_a_reason(deployment: Deployment) -> None:
    assert deployment.resources.keys() | deployment.left_out.keys() == deployment.template["Resources"].keys()
    assert set(deployment.left_out.values()) == set(LACKS), "a reason that nothing needs"


@pytest.mark.parametrize("kind", [kind for kind, why in LACKS.items() if why.startswith("no type of moto's")])
def test_what_is_left_out_is_still_lacking(kind: str) -> None:
    assert resource_class_from_type(kind) is None


def test_every_function_is_deployed_with_an_environment_that_is_resolved(deployment: Deployment) -> None:
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/__init__.py")}
    assert deployment.environs.keys() == folders
    for environ in deployment.environs.values():
        secret = deployment.client("secretsmanager").describe_secret(SecretId=environ["SECRET_ARN"])
        assert secret["ARN"] == environ["SECRET_ARN"]
        for name, value in environ.items():
            assert isinstance(value, str)
            assert "left-out" not in value, name
            assert "${" not in value, name


@pytest.mark.parametrize("nat", ["yes", "no"])
def test_the_network_that_a_deployment_may_ask_for_is_made_whole(deployment: Deployment, nat: str) -> None:
    parameters = {"Stage": "dev", "NatGateway": nat, "Database": "existing"}
    network = evaluate(transformed(ROOT / "stacks/network.yaml", {}), parameters)
    kept, left_out = without(network, LACKS)
    assert not left_out
    cloudformation = deployment.client("cloudformation")
    cloudformation.create_stack(StackName=f"network-{nat}", TemplateBody=json.dumps(kept))
    made = cloudformation.describe_stack_resources(StackName=f"network-{nat}")["StackResources"]
    assert {one["LogicalResourceId"] for one in made} == network["Resources"].keys()


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_is_taken_by_the_deployed_function(deployment: Deployment, name: str) -> None:
    folder, _, what = name.partition(".")
    done = deployment.function(folder).invoke(sent(name))
    assert not done.failed, done.log
    if folder == "api":
        assert done.response["statusCode"] == (400 if what == "invalid" else 200), done.response


def test_the_deployed_chat_stream_starts_as_its_adapter_starts_it(deployment: Deployment) -> None:
    with deployment.app("chat_stream") as client:
        assert client.get("/health").json()["services"] == {"database": "ok", "cache": "ok"}
        asked = {"messages": [{"role": "user", "content": "hello"}], "stream": True}
        assert client.post("/api/chat", json=asked).status_code == 401
        signed_in = client.post("/api/chat", json=asked, headers={"Authorization": f"Bearer {token()}"})
        assert signed_in.status_code not in (401, 403, 404, 500), signed_in.text


def test_the_release_gate_tries_the_deployed_version_and_tells_codedeploy(deployment: Deployment) -> None:
    deployment.cloud.told.clear()
    assert deployment.function("release_gate").invoke(sent("release_gate.codedeploy")).response == {
        "status": "Succeeded"
    }
    assert [told["status"] for told in deployment.cloud.told] == ["Succeeded"]
    assert deployment.cloud.invoked == {deployment.environs["release_gate"]["RELEASE_TARGET"]}


def api(deployment: Deployment, method: str, path: str, body: Any = None) -> Any:
    """What the deployed api answers to a request of Ann's."""
    event = sent("api.query", httpMethod=method, path=path, body=json.dumps(body) if body else None)
    event |= {"resource": "/api/{proxy+}", "pathParameters": {"proxy": path.removeprefix("/api/")}}
    response = deployment.function("api").invoke(event).response
    assert response["statusCode"] < 300, response["body"]
    return json.loads(response["body"])


@pytest.mark.parametrize("format_", ["json", "csv"])
def test_a_job_goes_from_the_deployed_api_by_its_queue_to_the_deployed_worker(
    deployment: Deployment, format_: str
) -> None:
    queue = deployment.environs["api"]["JOBS_QUEUE_URL"]
    job = api(deployment, "POST", "/api/jobs", {"query": "count shipped orders", "format": format_})["id"]
    received = deployment.client("sqs").receive_message(QueueUrl=queue, MessageSystemAttributeNames=["All"])
    (message,) = received["Messages"]
    event = sent("worker.jobs")
    (record,) = event["Records"]
    record |= {"messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"]}
    done_by = deployment.function("worker").invoke(event)
    assert done_by.response == {"batchItemFailures": []}, done_by.log
    deployment.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    done = api(deployment, "GET", f"/api/jobs/{job}")
    assert (done["state"], done["progress"]) == ("done", {"total": 1, "done": 1, "failed": 0})
    kept = deployment.client("s3").list_objects_v2(Bucket=deployment.environs["worker"]["EXPORTS_BUCKET"])
    assert (done["results"][0]["file"] is not None) == (format_ == "csv") == (kept["KeyCount"] == 1)


def test_the_deployed_api_lets_nobody_in_without_a_token_of_its_issuer(deployment: Deployment) -> None:
    def status(authorization: str | None) -> int:
        event = sent("api.query")
        headers = {name: value for name, value in event["headers"].items() if name != "Authorization"}
        event["headers"] = headers | ({"Authorization": authorization} if authorization else {})
        event["multiValueHeaders"] = {name: [value] for name, value in event["headers"].items()}
        response: dict[str, Any] = deployment.function("api").invoke(event).response
        return int(response["statusCode"])

    assert status(None) == 401
    assert status(f"Bearer {token(iss='https://someone.else')}") == 401
    assert status(f"Bearer {token(scope='chat')}") == 403
    assert status(f"Bearer {token()}") == 200


def test_a_question_of_one_tenant_is_remembered_for_that_tenant_alone(deployment: Deployment) -> None:
    def layer(tenant: str) -> int:
        event = sent("api.query", body=json.dumps({"query": "count shipped orders"}))
        event["headers"]["Authorization"] = f"Bearer {token(tenant=tenant)}"
        event["multiValueHeaders"] = {name: [value] for name, value in event["headers"].items()}
        return int(json.loads(deployment.function("api").invoke(event).response["body"])["meta"]["cache_layer"])

    assert [layer("north"), layer("north"), layer("south")] == [3, 1, 3]
