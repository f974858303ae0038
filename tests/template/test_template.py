"""What would be deployed: the template after SAM's transform, for dev and for prod."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import EventBridgeModel
from fastapi.routing import iter_route_contexts

from api.main import app
from local.processes import ROOT
from local.tables import TABLES
from rowcall.cache.plans import REFRESH_SECONDS
from rowcall.settings import Settings, load
from tests.template.conftest import ASKED, STAGES, plain, render, stage_parameters, transformed
from tests.template.evaluate import evaluate
from warmer.main import MEASURE

Resources = Callable[[str], dict[str, Any]]

FOLDERS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/__init__.py"))
KNOWS_NO_RESOURCES = {"Trace", "StandInTheNetwork", "AskBedrock"}
"""Statements whose actions AWS grants for everything or not at all."""
OBJECTS = [{"Fn::Sub": "${ExportsBucket.Arn}/*"}]
"""Resources that are all of one bucket."""
STREAMED = ("/api/chat", "/v1/chat/completions")
"""What API Gateway streams."""
EVENTS = sorted((ROOT / "events").glob("*.json"))


def routes(resources: Resources) -> dict[str, dict[str, Any]]:
    """What API Gateway routes: path template to methods, lower case."""
    (api,) = resources("ApiGateway::RestApi").values()
    return {
        path: {
            method.replace("x-amazon-apigateway-any-method", "any"): operation for method, operation in methods.items()
        }
        for path, methods in api["Body"]["paths"].items()
    }


def reaches(template: str, path: str) -> bool:
    """Whether API Gateway's path `template` takes `path`."""
    pattern = re.sub(r"\\\{(\w+)\\\}", "[^/]+", re.escape(template).replace(r"\{proxy\+\}", ".+"))
    return re.fullmatch(pattern, path) is not None


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_rendered_is_what_sam_makes_of_all_parameters(stage: str) -> None:
    values = ASKED | stage_parameters(stage)
    assert render(stage) == evaluate(transformed("template.yaml", json.dumps(values)), values)


def test_every_function_runs_on_the_python_and_the_architecture_that_are_built(
    rendered: Any, resources: Resources
) -> None:
    layers = set(resources("Lambda::LayerVersion"))
    assert resources("Lambda::Function")
    for function in resources("Lambda::Function").values():
        assert function["Runtime"] == "python3.13"
        assert function["Architectures"] == ["arm64"]
        assert {layer["Ref"] for layer in function["Layers"] if "Ref" in layer} == layers
    assert len(layers) == 2
    assert set(rendered["Parameters"]["Architecture"]["AllowedValues"]) == {"arm64", "x86_64"}
    for layer in resources("Lambda::LayerVersion").values():
        assert layer["CompatibleRuntimes"] == ["python3.13"]
        assert layer["CompatibleArchitectures"] == ["arm64"]


def test_every_function_logs_to_a_group_that_forgets(rendered: Any, resources: Resources) -> None:
    groups = resources("Logs::LogGroup")
    for function in resources("Lambda::Function").values():
        group = groups[function["LoggingConfig"]["LogGroup"]["Ref"]]
        assert int(group["RetentionInDays"]) <= 90


def statements(resources: Resources, function: dict[str, Any]) -> list[dict[str, Any]]:
    """What a function may do: its role's own policies, and ours among the managed ones."""
    role = resources("IAM::Role")[function["Role"]["Fn::GetAtt"][0]]
    documents = [policy["PolicyDocument"] for policy in role["Policies"]]
    for managed in role.get("ManagedPolicyArns", []):
        documents.append(resources("IAM::ManagedPolicy")[managed["Ref"]]["PolicyDocument"])
    return [statement for document in documents for statement in document["Statement"]]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_no_permission_is_for_everything(resources: Resources) -> None:
    for function in resources("Lambda::Function").values():
        assert statements(resources, function)
        for statement in statements(resources, function):
            assert "NotAction" not in statement
            assert "NotResource" not in statement
            assert not any("*" in action for action in listed(statement["Action"])), statement
            if statement["Sid"] not in KNOWS_NO_RESOURCES:
                granted = [one for one in listed(statement["Resource"]) if one not in OBJECTS]
                assert not any("*" in json.dumps(one) for one in granted), statement


def test_what_serves_has_an_alias(resources: Resources) -> None:
    aliased = {alias["FunctionName"]["Ref"] for alias in resources("Lambda::Alias").values()}
    # The gate belongs to the release that it is deployed with, and is called by its name.
    assert set(resources("Lambda::Function")) - aliased == {"ReleaseGate"}


def test_every_environment_variable_is_a_setting(resources: Resources) -> None:
    settings = {name.upper() for name in Settings.model_fields}
    for function in resources("Lambda::Function").values():
        names = set(function["Environment"]["Variables"])
        assert {name for name in names if not name.startswith("AWS_")} <= settings
        assert not settings & {name for name in names if name.startswith("AWS_")}, "Lambda keeps those for itself"


def test_the_functions_start_with_what_the_template_gives_and_the_secret_that_it_asks_for(
    rendered: Any, resources: Resources
) -> None:
    asked_for = re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", rendered["Parameters"]["SecretArn"]["Description"])
    secret = dict.fromkeys(asked_for, "0123456789abcdef" * 2)
    for function in resources("Lambda::Function").values():
        environ = {name: plain(value) for name, value in function["Environment"]["Variables"].items()}
        settings = load(environ, {environ["SECRET_ARN"]: secret}.__getitem__)
        assert settings.stage == rendered["Values"]["Stage"] != "local"
        assert settings.auth, "nobody may come in without signing in"


def test_every_stage_has_its_deployment(rendered: Any) -> None:
    sections = tomllib.loads((ROOT / "samconfig.toml").read_text())
    for stage in rendered["Parameters"]["Stage"]["AllowedValues"]:
        deployment = sections[stage]["deploy"]["parameters"]
        assert deployment["stack_name"] == f"rowcall-{stage}"
        assert f"Stage={stage}" in deployment["parameter_overrides"].split()


def test_every_parameter_is_described(rendered: Any) -> None:
    for name, parameter in rendered["Parameters"].items():
        assert parameter.get("Description"), name


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_what_streams_runs_behind_the_adapter_for_as_long_as_a_reply_may_take(architecture: str) -> None:
    resources = render(Architecture=architecture)["Resources"]
    function = resources["ChatStream"]["Properties"]
    (adapter,) = [layer for layer in function["Layers"] if isinstance(layer, str)]
    assert {"arm64": "LambdaAdapterLayerArm64", "x86_64": "LambdaAdapterLayerX86"}[architecture] in adapter
    variables = function["Environment"]["Variables"]
    assert (variables["AWS_LAMBDA_EXEC_WRAPPER"], variables["AWS_LWA_INVOKE_MODE"]) == (
        "/opt/bootstrap",
        "response_stream",
    )
    script = ROOT / "functions" / "chat_stream" / function["Handler"]
    assert os.access(script, os.X_OK)
    assert Settings.model_fields["chat_timeout"].default < function["Timeout"] <= 900
    (api,) = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::ApiGateway::RestApi"]
    for path in STREAMED:
        (operation,) = api["Body"]["paths"][path].values()
        integration = operation["x-amazon-apigateway-integration"]
        assert integration["responseTransferMode"] == "STREAM"
        assert integration["uri"]["Fn::Sub"].endswith("/response-streaming-invocations")
        assert integration["timeoutInMillis"] == function["Timeout"] * 1000


def test_every_request_goes_to_the_alias_within_api_gateways_time(resources: Resources) -> None:
    aliases = resources("Lambda::Alias")
    assert {alias["Name"] for alias in aliases.values()} == {"live"}
    for path, methods in routes(resources).items():
        for operation in methods.values() if path not in STREAMED else ():
            uri = operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
            (alias,) = re.findall(r"functions/\$\{(\w+)\}/", uri)
            function = resources("Lambda::Function")[aliases[alias]["FunctionName"]["Ref"]]
            assert function["Timeout"] <= 29
            assert function["SnapStart"] == {"ApplyOn": "PublishedVersions"}


def test_api_gateway_reaches_every_route_of_the_app(resources: Resources) -> None:
    routed = routes(resources)
    served = [(str(route.path), method) for route in iter_route_contexts(app.routes) for method in route.methods or ()]
    assert ("/api/query", "POST") in served
    for path, method in served:
        if method == "HEAD" or path == "/docs/oauth2-redirect":
            continue
        example = re.sub(r"\{\w+\}", "x", path)
        found = [methods for template, methods in routed.items() if reaches(template, example)]
        assert any(method.lower() in methods or "any" in methods for methods in found), (path, method)


@pytest.mark.parametrize("setting", TABLES)
def test_every_table_is_as_on_a_laptop_and_can_be_restored(setting: str, resources: Resources) -> None:
    api = resources("Lambda::Function")["ApiFunction"]
    table = resources("DynamoDB::Table")[api["Environment"]["Variables"][setting]["Ref"]]
    assert {name: table[name] for name in TABLES[setting].definition} == TABLES[setting].definition
    assert table["TimeToLiveSpecification"] == {"AttributeName": TABLES[setting].expires, "Enabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}


def test_what_cannot_be_made_again_outlives_the_stack(rendered: Any) -> None:
    kept = {
        name: (resource["DeletionPolicy"], resource["UpdateReplacePolicy"])
        for name, resource in rendered["Resources"].items()
        if resource["Type"] == "AWS::DynamoDB::Table" and name not in ("IdempotencyTable", "JobsTable")
    }
    assert {"ApiKeysTable", "ConversationsTable"} <= kept.keys()
    assert set(kept.values()) == {("RetainExceptOnCreate", "Retain")}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_function_has_a_build_target_a_handler_and_events(folder: str, resources: Resources) -> None:
    (name,) = [
        name for name, function in resources("Lambda::Function").items() if function["Handler"].startswith(f"{folder}.")
    ]
    module, end = resources("Lambda::Function")[name]["Handler"].rsplit(".", 1)
    file = f"{folder}/{module}.sh" if end == "sh" else f"{module.replace('.', '/')}.py"
    assert (ROOT / "functions" / file).exists()
    assert f"build-{name}:" in (ROOT / "functions" / folder / "Makefile").read_text()
    assert [path for path in EVENTS if path.name.startswith(f"{folder}.")]


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_every_event_is_of_a_function(path: Any) -> None:
    assert path.name.split(".")[0] in FOLDERS


@pytest.mark.parametrize(
    "path", [path for path in EVENTS if path.name.startswith(("api.", "chat_stream."))], ids=lambda path: path.stem
)
def test_every_event_of_the_api_is_one_that_api_gateway_would_send(path: Any, resources: Resources) -> None:
    event = json.loads(path.read_text())
    methods = routes(resources)[event["resource"]]
    assert reaches(event["resource"], event["path"])
    assert event["httpMethod"].lower() in methods or "any" in methods
    assert event["requestContext"]["resourcePath"] == event["resource"]
    assert event["requestContext"]["path"] == f"/{event['requestContext']['stage']}{event['path']}"
    assert event["multiValueHeaders"] == {name: [value] for name, value in event["headers"].items()}


def test_the_warmer_is_called_by_a_schedule_and_after_a_deploy(resources: Resources) -> None:
    aliases = resources("Lambda::Alias")
    schedule = resources("Scheduler::Schedule")["WarmerSchedule"]
    alias = aliases[schedule["Target"]["Arn"]["Ref"]]
    assert alias["FunctionName"]["Ref"] == "Warmer"
    assert schedule["ScheduleExpression"] == f"rate({int(REFRESH_SECONDS) // 60} minutes)"
    (rule,) = resources("Events::Rule").values()
    assert rule["Targets"][0]["Arn"] == schedule["Target"]["Arn"]
    assert rule["EventPattern"]["detail"]["stack-id"] == [{"Ref": "AWS::StackId"}]
    assert resources("Lambda::Function")["Warmer"]["Timeout"] > Settings.model_fields["warm_seconds"].default


def test_what_the_warmer_cannot_take_is_kept(resources: Resources) -> None:
    kept = {"Fn::GetAtt": ["WarmerFailures", "Arn"]}
    assert resources("Lambda::Function")["Warmer"]["DeadLetterConfig"] == {"TargetArn": kept}
    schedule = resources("Scheduler::Schedule")["WarmerSchedule"]
    assert schedule["Target"]["DeadLetterConfig"] == {"Arn": kept}


def test_each_minute_it_measures(resources: Resources) -> None:
    schedules = resources("Scheduler::Schedule")
    minute = schedules["WarmerMinute"]
    assert minute["ScheduleExpression"] == "rate(1 minute)"
    assert minute["Target"]["Arn"] == schedules["WarmerSchedule"]["Target"]["Arn"]
    assert (
        EventBridgeModel.model_validate_json(
            minute["Target"]["Input"].replace("<aws.scheduler.scheduled-time>", "2026-01-15T10:30:00Z")
        ).detail_type
        == MEASURE
    )
