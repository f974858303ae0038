"""A domain of one's own, with and without CloudFront."""

from __future__ import annotations

from typing import Any

import pytest

from tests.template.conftest import nested, of_type, render

DOMAIN = {"Domain": "ask.example.com", "HostedZoneId": "Z1"}


def environ(rendered: Any, function: str) -> dict[str, Any]:
    variables: dict[str, Any] = of_type(rendered, "Lambda::Function")[function]["Environment"]["Variables"]
    return variables


def test_none_is_needed() -> None:
    rendered = render()
    assert not {"EdgeStack", "OriginKey"} & rendered["Resources"].keys()
    assert environ(rendered, "ApiFunction")["TRUSTED_PROXIES"] == "0"


@pytest.mark.parametrize("certificate", ["", "arn:aws:acm:us-east-1:123456789012:certificate/1"])
def test_a_domain_is_the_apis_own(certificate: str) -> None:
    rendered = render("prod", **DOMAIN, CertificateArn=certificate)
    edge = nested(rendered, "EdgeStack")
    (domain,) = of_type(edge, "ApiGateway::DomainName").values()
    assert domain["SecurityPolicy"] == "TLS_1_2"
    assert domain["RegionalCertificateArn"] == (certificate or {"Ref": "Certificate"})
    assert not of_type(edge, "CloudFront::Distribution")
    (name,) = of_type(edge, "Route53::RecordSet").values()
    assert name["AliasTarget"]["DNSName"] == {"Fn::GetAtt": ["ApiDomain", "RegionalDomainName"]}
    assert environ(rendered, "Warmer")["WATCH_URL"] == "https://ask.example.com/health"
    assert environ(rendered, "ApiFunction")["TRUSTED_PROXIES"] == "0"


def test_cloudfront_keeps_files_and_no_answer() -> None:
    edge = nested(render("prod", **DOMAIN, CloudFront="yes"), "EdgeStack")
    (distribution,) = of_type(edge, "CloudFront::Distribution").values()
    configuration = distribution["DistributionConfig"]
    assert configuration["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
    default, (files,) = configuration["DefaultCacheBehavior"], configuration["CacheBehaviors"]
    assert default["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert files["PathPattern"] == "/static/*"
    assert files["AllowedMethods"] == ["GET", "HEAD"]
    for behaviour in (default, files):
        assert behaviour["ViewerProtocolPolicy"] == "redirect-to-https"
        assert behaviour["ResponseHeadersPolicyId"] == {"Ref": "Headers"}


def test_nothing_comes_past_cloudfront_and_each_address_counts_for_itself() -> None:
    rendered = render("prod", **DOMAIN, CloudFront="yes")
    assert environ(rendered, "ApiFunction")["TRUSTED_PROXIES"] == "1"
    rules = {rule["Name"]: rule for rule in of_type(rendered, "WAFv2::WebACL")["WebAcl"]["Rules"]}
    assert len({rule["Priority"] for rule in rules.values()}) == len(rules)
    past = rules["past-cloudfront"]
    match = past["Statement"]["NotStatement"]["Statement"]["ByteMatchStatement"]
    assert past["Action"] == {"Block": {}}
    assert match["FieldToMatch"] == {"SingleHeader": {"Name": "x-origin-key"}}
    edge = nested(rendered, "EdgeStack")
    (origin,) = of_type(edge, "CloudFront::Distribution")["Distribution"]["DistributionConfig"]["Origins"]
    assert [header["HeaderName"] for header in origin["OriginCustomHeaders"]] == ["x-origin-key"]
    by_address = rules["address-rate"]["Statement"]["RateBasedStatement"]
    header = by_address["ForwardedIPConfig"]["HeaderName"]
    (function,) = of_type(edge, "CloudFront::Function").values()
    assert f'headers["{header}"] = {{ value: event.viewer.ip }}' in function["FunctionCode"]
    assert "past-cloudfront" not in str(of_type(render("prod"), "WAFv2::WebACL"))
