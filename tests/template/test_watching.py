"""What is watched exists, what matters is watched, and whoever is woken finds what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from local.processes import ROOT
from rowcall.errors import KINDS
from tests.template.conftest import nested, of_type, render
from tests.template.emitted import RUNNING, Metric, emitted
from tests.template.test_template import Resources

SEARCH = re.compile(r"SEARCH\('\{rowcall,([\w,]+)\} MetricName=\"(\w+)\"")
SELECT = re.compile(r"(?:AVG|MAX|MIN|SUM|COUNT)\((\w+)\) FROM SCHEMA\(rowcall, ([\w, ]+)\)")
RUNBOOK = re.compile(r"docs/operations\.md#([a-z0-9-]+)$")

IMPORTANT = {
    "http_requests_total",
    "http_5xx_total",
    "errors_total",
    "query_success_total",
    "query_duration_seconds",
    "query_degraded_total",
    "llm_cost_usd_total",
    "llm_errors_total",
    "llm_call_duration_seconds",
    "shadow_false_total",
    "synthetic_up",
    "total_schemas",
    "pinned_schemas",
    "avg_use_count",
}
OF_AWS = {
    ("AWS/ApiGateway", "Count"): {"ApiName", "Stage"},
    ("AWS/ApiGateway", "Latency"): {"ApiName", "Stage"},
    ("AWS/ApiGateway", "4XXError"): {"ApiName", "Stage"},
    ("AWS/ApiGateway", "5XXError"): {"ApiName", "Stage"},
    ("AWS/Lambda", "Errors"): {"FunctionName"},
    ("AWS/Lambda", "Duration"): {"FunctionName"},
    ("AWS/Lambda", "Throttles"): {"FunctionName"},
    ("AWS/Lambda", "ConcurrentExecutions"): {"FunctionName"},
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): {"QueueName"},
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {"QueueName"},
    ("AWS/RDS", "ACUUtilization"): {"DBClusterIdentifier"},
    ("AWS/RDS", "ServerlessDatabaseCapacity"): {"DBClusterIdentifier"},
    ("AWS/RDS", "ClientConnections"): {"ProxyName"},
    ("AWS/RDS", "DatabaseConnections"): {"ProxyName"},
    ("AWS/RDS", "DatabaseConnectionsCurrentlySessionPinned"): {"ProxyName"},
    ("AWS/Backup", "NumberOfBackupJobsFailed"): {"BackupVaultName"},
}
"""The sets of dimensions by which AWS writes its own metrics, from each service's page on CloudWatch metrics."""
OF_A_VERSION = {"FunctionName", "Resource", "ExecutedVersion"}
OF_AN_ALIAS = {"FunctionName", "Resource"}
"""https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html"""


@pytest.fixture(scope="module")
def everything() -> Any:
    """With all that may be watched."""
    return render("prod", Network="create", Database="create")


@pytest.fixture(scope="module")
def watching(everything: Any) -> Any:
    return nested(everything, "WatchingStack")


@pytest.fixture(scope="module")
def alarms(everything: Any, watching: Any) -> dict[str, Any]:
    stacks = [everything, watching, nested(everything, "BackupStack")]
    return {name: alarm for stack in stacks for name, alarm in of_type(stack, "CloudWatch::Alarm").items()}


def widgets(watching: Any) -> list[Any]:
    (dashboard,) = of_type(watching, "CloudWatch::Dashboard").values()
    return list(json.loads(dashboard["DashboardBody"])["widgets"])


def watched_by_alarm(alarm: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Namespace, name and dimensions of each metric."""
    for one in [alarm, *(query.get("MetricStat", {}).get("Metric", {}) for query in alarm.get("Metrics", []))]:
        if "MetricName" in one:
            dimensions = {dimension["Name"]: dimension["Value"] for dimension in one.get("Dimensions", [])}
            yield one["Namespace"], one["MetricName"], dimensions
    yield from of_expressions([query.get("Expression", "") for query in alarm.get("Metrics", [])])


def watched_by_widget(widget: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for metric in widget["properties"].get("metrics", []):
        if isinstance(metric[0], dict):
            yield from of_expressions([metric[0]["expression"]])
        else:
            namespace, name, *rest = [one for one in metric if isinstance(one, str)]
            yield namespace, name, dict(zip(rest[::2], rest[1::2], strict=True))


def of_expressions(expressions: list[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for expression in expressions:
        for pattern, order in ((SEARCH, (2, 1)), (SELECT, (1, 2))):
            for found in pattern.finditer(expression):
                name, dimensions = (found[index] for index in order)
                yield "rowcall", name, dict.fromkeys(re.split(r",\s*", dimensions), "any")


def all_watched(alarms: dict[str, Any], watching: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for alarm in alarms.values():
        yield from watched_by_alarm(alarm)
    for widget in widgets(watching):
        yield from watched_by_widget(widget)


def test_the_sources_tell_what_is_emitted() -> None:
    found = emitted()
    assert ("http_requests_total", frozenset({"method", "route", "status", "stage"})) in found
    assert ("http_5xx_total", frozenset({*RUNNING, "stage"})) in found
    assert ("total_schemas", frozenset({"stage"})) in found
    assert {name for name, _ in found} >= IMPORTANT


def test_what_is_watched_is_emitted(alarms: dict[str, Any], watching: Any) -> None:
    ours: set[Metric] = emitted()
    seen = list(all_watched(alarms, watching))
    assert len(seen) > 50
    for namespace, name, dimensions in seen:
        if namespace == "rowcall":
            assert (name, frozenset(dimensions)) in ours, (name, set(dimensions))
        else:
            expected = [OF_AWS[namespace, name]]
            expected += [OF_A_VERSION, OF_AN_ALIAS] if namespace == "AWS/Lambda" else []
            assert set(dimensions) in expected, (namespace, name)


def test_what_matters_is_watched(alarms: dict[str, Any], watching: Any) -> None:
    assert {name for namespace, name, _ in all_watched(alarms, watching) if namespace == "rowcall"} >= IMPORTANT


def test_every_error_code_that_is_watched_can_happen(alarms: dict[str, Any], watching: Any) -> None:
    codes = {
        dimensions["error_type"] for _, name, dimensions in all_watched(alarms, watching) if name == "errors_total"
    }
    assert codes - {"any"} <= set(KINDS)
    assert {"database_unavailable", "planner_unavailable", "budget_exceeded"} <= codes


def test_the_dashboard_is_of_one_stage(watching: Any) -> None:
    for widget in widgets(watching):
        for _, _, dimensions in watched_by_widget(widget):
            assert dimensions.get("stage", "prod") in ("prod", "any")
        for metric in widget["properties"].get("metrics", []):
            if isinstance(metric[0], dict) and "SEARCH" in metric[0]["expression"]:
                assert 'stage="prod"' in metric[0]["expression"]


def test_the_widgets_of_the_dashboard_do_not_overlap(watching: Any) -> None:
    taken: set[tuple[int, int]] = set()
    for widget in widgets(watching):
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not cells & taken
        assert widget["x"] + widget["width"] <= 24
        taken |= cells


def test_every_alarm_wakes_somebody_and_tells_what_to_do(alarms: dict[str, Any]) -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    told = set()
    for name, alarm in alarms.items():
        found = RUNBOOK.search(alarm["AlarmDescription"])
        assert found, name
        assert found[1] in anchors, (name, found[1])
        told.add(found[1])
        assert alarm["AlarmActions"] in ([{"Ref": "Alerts"}], ["of-a-resource"]), name
        assert alarm["AlarmName"].startswith("rowcall-prod-"), name
    of_no_alarm = {"how-bad-is-it", "an-incident-in-six-steps", "roll-back", "restore"}
    assert anchors - told == of_no_alarm, "a runbook that nothing leads to"


def test_the_plan_for_incidents_has_six_steps() -> None:
    text = (ROOT / "docs/operations.md").read_text()
    steps = re.findall(r"^\d\. \*\*([\w-]+)\.\*\*", text, re.MULTILINE)
    assert steps == ["Detect", "Assess", "Respond", "Communicate", "Resolve", "Post-mortem"]


def test_every_function_has_an_alarm(everything: Any) -> None:
    given = everything["Resources"]["WatchingStack"]["Properties"]["Parameters"]
    text = (ROOT / "stacks/watching.yaml").read_text()
    errors = [one for one in text.split("Type: AWS::CloudWatch::Alarm") if "MetricName: Errors" in one]
    for name in of_type(everything, "Lambda::Function"):
        assert given[name] == {"Ref": name}
        assert any(f"Name: FunctionName, Value: !Ref {name} " in one for one in errors), name


def test_every_queue_of_what_was_given_up_has_an_alarm(everything: Any) -> None:
    given = json.dumps(everything["Resources"]["WatchingStack"]["Properties"]["Parameters"])
    text = (ROOT / "stacks/watching.yaml").read_text()
    for name in of_type(everything, "SQS::Queue"):
        assert f'"{name}", "QueueName"' in given, name
        assert f"Name: QueueName, Value: !Ref {name} " in text, name


def test_a_message_is_given_up_into_a_queue_or_there_is_a_reason(resources: Resources) -> None:
    """The api function, the chat and the gate are called by somebody who waits, and is told."""
    called_by_who_waits = {"ApiFunction", "ChatStream", "ReleaseGate"}
    queues = resources("SQS::Queue")
    mapped = {one["FunctionName"]["Ref"] for one in resources("Lambda::EventSourceMapping").values()}
    for name, function in resources("Lambda::Function").items():
        if name in called_by_who_waits:
            continue
        aliased = {alias for alias, one in resources("Lambda::Alias").items() if one["FunctionName"] == {"Ref": name}}
        assert "DeadLetterConfig" in function or aliased & mapped, name
    for name, queue in queues.items():
        assert "RedrivePolicy" in queue or queue["MessageRetentionPeriod"] == 14 * 86400, name
        assert queue["SqsManagedSseEnabled"] is True


def test_saved_queries_read_what_is_logged(watching: Any) -> None:
    """Each field is a word of the code that writes the log, or of the access log's format."""
    writing = ("functions/api", "layers/rowcall/jobs", "layers/rowcall/trace.py", "layers/rowcall/answer.py")
    sources = [path for place in writing for path in [ROOT / place, *(ROOT / place).rglob("*.py")] if path.is_file()]
    logged = {word for path in sources for word in re.findall(r"\w+", path.read_text())}
    logged |= {f"{step}_ms" for step in logged} | {"message", "correlation_id"}
    (stage,) = of_type(render("prod"), "ApiGateway::Stage").values()
    access = set(json.loads(re.sub(r"\$context\.[\w.]+", "x", stage["AccessLogSetting"]["Format"])))
    for name, query in of_type(watching, "Logs::QueryDefinition").items():
        text = re.sub(r"'[^']*'|@\w+", "", query["QueryString"])
        named = set(re.findall(r"\b[a-z]\w*\b(?!\()", text)) - KEYWORDS
        assert named, name
        assert named <= logged | access, (name, named - logged - access)


KEYWORDS = {"fields", "filter", "sort", "stats", "limit", "by", "as", "desc", "asc", "and", "or"} | {
    *("times", "dollars", "plans"),  # names that the queries give
}


def test_backups_are_nightly_and_kept_a_month(everything: Any) -> None:
    backup = nested(everything, "BackupStack")
    (plan,) = of_type(backup, "Backup::BackupPlan").values()
    (rule,) = plan["BackupPlan"]["BackupPlanRule"]
    assert (rule["ScheduleExpression"], rule["Lifecycle"]) == ("cron(0 2 * * ? *)", {"DeleteAfterDays": 30})
    tables = everything["Resources"]["BackupStack"]["Properties"]["Parameters"]["Tables"]["Fn::Join"][1]
    kept = {name for name, one in everything["Resources"].items() if one["Type"] == "AWS::DynamoDB::Table"}
    # What an idempotency key stands for is gone within a day.
    assert {table["Fn::GetAtt"][0] for table in tables} == kept - {"IdempotencyTable"}


def test_tables_are_encrypted_expire_and_go_back_to_any_second(resources: Resources) -> None:
    assert resources("DynamoDB::Table")
    for table in resources("DynamoDB::Table").values():
        assert table["SSESpecification"]["SSEEnabled"] is True
        assert table["TimeToLiveSpecification"]["Enabled"] is True
        assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
        assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_exports_are_for_nobody_else_and_forgotten(resources: Resources) -> None:
    (bucket,) = resources("S3::Bucket").values()
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["BucketEncryption"]
    assert all(rule["Status"] == "Enabled" for rule in bucket["LifecycleConfiguration"]["Rules"])
