"""The way in: what stands before the functions, and what API Gateway answers itself."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from api.middleware import SECURITY_HEADERS
from api.problems import MEDIA_TYPE, ProblemDocument
from rowcall.errors import KINDS
from rowcall.settings import Settings
from tests.template.conftest import render
from tests.template.test_template import Resources, routes

ORIGINS = "https://one.example,https://two.example"
VARIABLE = re.compile(r"\$context\.[\w.]+")


def responses(rendered: Any) -> dict[str, Any]:
    body = rendered["Resources"]["Api"]["Properties"]["Body"]
    return dict(body["x-amazon-apigateway-gateway-responses"])


def headers(response: Any) -> dict[str, str]:
    prefix = "gatewayresponse.header."
    found = {name.removeprefix(prefix).lower(): text for name, text in response["responseParameters"].items()}
    assert all(text[0] == text[-1] == "'" and "'" not in text[1:-1] for text in found.values())
    return {name: text[1:-1] for name, text in found.items()}


def test_what_api_gateway_answers_itself_is_a_problem_document(rendered: Any) -> None:
    found = responses(rendered)
    assert {"DEFAULT_4XX", "DEFAULT_5XX", "THROTTLED", "WAF_FILTERED", "MISSING_AUTHENTICATION_TOKEN"} <= found.keys()
    for response in found.values():
        (text,) = response["responseTemplates"].values()
        text = text.replace("$context.error.messageString", '"something"').replace("$context.requestId", "id")
        problem = ProblemDocument.model_validate_json(text)
        kind = KINDS[problem.code]
        assert (problem.title, problem.status, problem.type) == (kind.title, kind.status, "about:blank")
        assert int(response["statusCode"]) == kind.status
        assert problem.request_id == "id"


def test_and_carries_the_apps_headers(rendered: Any) -> None:
    expected = SECURITY_HEADERS | {"content-type": MEDIA_TYPE, "vary": "Origin"}
    expected["content-security-policy"] = expected["content-security-policy"].replace(" 'none'", "")
    for response in responses(rendered).values():
        assert headers(response) == expected


def test_its_errors_can_be_read_by_the_first_origin_alone() -> None:
    for response in responses(render(CorsOrigin=ORIGINS)).values():
        assert headers(response)["access-control-allow-origin"] == "https://one.example"
    for response in responses(render(CorsOrigin="")).values():
        assert "access-control-allow-origin" not in headers(response)


def test_a_preflight_reaches_the_app(resources: Resources) -> None:
    for path, methods in routes(resources).items():
        if path.startswith(("/api/", "/v1/", "/mcp")):
            assert {"any", "options"} & methods.keys(), path


def test_requests_are_limited_together_and_health_more(resources: Resources) -> None:
    (stage,) = resources("ApiGateway::Stage").values()
    limits = {setting["ResourcePath"]: setting for setting in stage["MethodSettings"]}
    assert limits["/*"]["HttpMethod"] == "*"
    assert 0 < limits["/health"]["ThrottlingRateLimit"] < int(limits["/*"]["ThrottlingRateLimit"])
    assert limits["/health"]["HttpMethod"].lower() in routes(resources)["/health"]


def test_the_access_log_is_json_without_what_a_person_wrote(resources: Resources) -> None:
    (stage,) = resources("ApiGateway::Stage").values()
    log = stage["AccessLogSetting"]
    assert log["DestinationArn"] == {"Fn::GetAtt": ["AccessLogs", "Arn"]}
    line = json.loads(VARIABLE.sub("x", log["Format"]))
    assert {"requestId", "ip", "method", "route", "status", "milliseconds"} <= line.keys()
    for variable in VARIABLE.findall(log["Format"]):
        assert not re.search(r"header|querystring|body|\.path$|userAgent", variable)


def test_small_answers_are_not_compressed(resources: Resources) -> None:
    (api,) = resources("ApiGateway::RestApi").values()
    assert api["MinimumCompressionSize"] == 1024


def test_waf_lets_through_every_body_that_the_app_takes() -> None:
    resources = render("prod")["Resources"]
    rules = {rule["Name"]: rule for rule in resources["WebAcl"]["Properties"]["Rules"]}
    group = rules["common"]["Statement"]["ManagedRuleGroupStatement"]
    counted = {one["Name"] for one in group["RuleActionOverrides"] if one["ActionToUse"] == {"Count": {}}}
    assert Settings.model_fields["max_body_bytes"].default > 8192, "over what SizeRestrictions_BODY lets through"
    assert "SizeRestrictions_BODY" in counted
    names = {one["Statement"].get("ManagedRuleGroupStatement", {}).get("Name") for one in rules.values()}
    assert {"AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet"} <= names
    assert rules["address-rate"]["Statement"]["RateBasedStatement"]["AggregateKeyType"] == "IP"
    assert rules["address-rate"]["Action"] == {"Block": {}}
    assert not any(
        json.loads(json.dumps(rule))["VisibilityConfig"]["SampledRequestsEnabled"] for rule in rules.values()
    )


@pytest.mark.parametrize("waf", ["yes", "no"])
def test_waf_stands_before_the_api_where_it_is_wanted(waf: str) -> None:
    resources = render(Waf=waf)["Resources"]
    assert ("WebAcl" in resources) == ("WebAclOfApi" in resources) == (waf == "yes")
