"""How a new version gets the requests, and how it loses them again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local.processes import ROOT
from release_gate.checks import MOST_INVOCATIONS
from release_gate.main import INVOKE_SECONDS
from tests.template.conftest import ASKED, of_type, render, transformed
from tests.template.test_template import Resources

TO_TELL_SECONDS = 20
SERVING = ("ApiFunction", "ChatStream")
WATCHED = {
    "ApiFunction": {"Errors", "Duration", "Throttles", "http_5xx_total"},
    "ChatStream": {"Errors", "http_5xx_total"},
}


@pytest.mark.parametrize(
    ("stage", "shift"),
    [("dev", "AllAtOnce"), ("staging", "Canary10Percent5Minutes"), ("prod", "Canary10Percent5Minutes")],
)
def test_how_a_stage_shifts_its_traffic(stage: str, shift: str) -> None:
    resources = render(stage)["Resources"]
    for function in SERVING:
        group = resources[f"{function}DeploymentGroup"]["Properties"]
        assert group["DeploymentConfigName"] == f"CodeDeployDefault.Lambda{shift}"


def test_a_version_passes_the_gate_before_it_serves(resources: Resources, rendered: Any) -> None:
    alias = rendered["Resources"]["ApiFunctionAliaslive"]
    update = alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
    assert update["BeforeAllowTrafficHook"] == {"Ref": "ReleaseGate"}
    gate = resources("Lambda::Function")["ReleaseGate"]
    assert gate["FunctionName"].startswith("CodeDeployHook_")
    (version,) = [name for name in resources("Lambda::Version") if name.startswith("ApiFunctionVersion")]
    assert alias["Properties"]["FunctionVersion"] == {"Fn::GetAtt": [version, "Version"]}
    assert gate["Environment"]["Variables"]["RELEASE_TARGET"] == {"Ref": version}


@pytest.mark.parametrize("layer", ["rowcall", "dependencies"])
def test_what_changed_in_a_layer_alone_is_a_new_version_too(layer: str, tmp_path: Path) -> None:
    def versions(content: str) -> dict[str, str]:
        path = tmp_path / f"{content}.yaml"
        path.write_text(template.replace(f"ContentUri: layers/{layer}\n", f"ContentUri: s3://bucket/{content}\n"))
        found = of_type(transformed(str(path), json.dumps(ASKED)), "Lambda::Version")
        return {name.partition("Version")[0]: name for name in found}

    template = (ROOT / "template.yaml").read_text()
    former, new = versions("former"), versions("new")
    assert former.keys() == new.keys() >= set(SERVING)
    assert not set(former.values()) & set(new.values())


def test_the_gate_has_time_for_its_checks_and_to_tell(resources: Resources) -> None:
    functions = resources("Lambda::Function")
    assert functions["ApiFunction"]["Timeout"] < INVOKE_SECONDS
    assert functions["ReleaseGate"]["Timeout"] >= MOST_INVOCATIONS * (INVOKE_SECONDS + 1) + TO_TELL_SECONDS


@pytest.mark.parametrize("function", SERVING)
def test_alarms_on_the_new_version_alone_take_it_back(function: str, resources: Resources) -> None:
    group = resources("CodeDeploy::DeploymentGroup")[f"{function}DeploymentGroup"]
    assert group["AutoRollbackConfiguration"]["Enabled"] is True
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    alarms = [resources("CloudWatch::Alarm")[alarm["Name"]["Ref"]] for alarm in group["AlarmConfiguration"]["Alarms"]]
    watched = {alarm["MetricName"]: alarm for alarm in alarms}
    assert set(watched) == WATCHED[function]
    (version,) = [name for name in resources("Lambda::Version") if name.startswith(f"{function}Version")]
    of_version = {"Fn::GetAtt": [version, "Version"]}
    for metric, alarm in watched.items():
        dimensions = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
        named = dimensions.get("ExecutedVersion") or dimensions.get("version")
        # A request that is throttled has met no version yet.
        assert named == (None if metric == "Throttles" else of_version)
        assert alarm["TreatMissingData"] == "notBreaching"
        assert alarm["Period"] * alarm["EvaluationPeriods"] <= 120, "to be in time for a canary of five minutes"
