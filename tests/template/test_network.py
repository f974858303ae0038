"""Where the functions stand and how they reach the database, in every combination that is offered."""

from __future__ import annotations

from typing import Any

import pytest

from local.processes import ROOT
from rowcall.database.address import Address
from rowcall.settings import Settings, load
from tests.template.conftest import ASKED, nested, of_type, plain, render
from tests.template.test_template import listed

EXISTING = {
    "Network": "existing",
    "VpcId": "vpc-1",
    "SubnetIds": "subnet-1,subnet-2",
    "FunctionsSecurityGroupId": "sg-1",
}
SECRET = {
    "UPSTASH_REDIS_REST_URL": "https://redis.example",
    "UPSTASH_REDIS_REST_TOKEN": "token",
    "PLAN_SEAL_KEY": "0123456789abcdef" * 2,
    "JWT_SECRET": "0123456789abcdef" * 2,
}


def functions(rendered: Any) -> dict[str, Any]:
    found = of_type(rendered, "Lambda::Function")
    assert found
    return found


def settings(rendered: Any, **secret: str) -> Settings:
    """What the api function starts with. What the database's stack puts out is worked out as far as it can be."""
    outputs = {}
    if "DatabaseStack" in rendered["Resources"]:
        outputs = {name: output["Value"] for name, output in nested(rendered, "DatabaseStack")["Outputs"].items()}
    environ = {}
    for name, value in functions(rendered)["ApiFunction"]["Environment"]["Variables"].items():
        if isinstance(value, dict) and "Fn::GetAtt" in value and value["Fn::GetAtt"][0] == "DatabaseStack":
            _, output = value["Fn::GetAtt"]
            value = outputs[output.removeprefix("Outputs.")]
            if isinstance(value, dict):
                value = value["Fn::Sub"][0].replace("${Host}", "db.example")
        environ[name] = plain(value)
    return load(environ, {ASKED["SecretArn"]: SECRET | secret}.__getitem__)


def statement(rendered: Any, sid: str) -> Any:
    statements = rendered["Resources"]["EveryFunction"]["Properties"]["PolicyDocument"]["Statement"]
    found = [one for one in statements if one["Sid"] == sid]
    return found[0] if found else None


def test_no_network_is_needed_for_a_database_that_is_reached_without() -> None:
    rendered = render(Network="none")
    assert not of_type(rendered, "CloudFormation::Stack").keys() & {"NetworkStack", "DatabaseStack"}
    assert all("VpcConfig" not in function for function in functions(rendered).values())
    assert statement(rendered, "StandInTheNetwork") is None
    assert statement(rendered, "ConnectAsReader") is None
    assert settings(rendered, DATABASE_URL="postgresql://r:p@db.example/shop").database_auth == "password"


def test_an_existing_network_gets_the_functions() -> None:
    rendered = render(**EXISTING)
    for name, function in functions(rendered).items():
        if name != "ReleaseGate":
            assert function["VpcConfig"] == {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    assert statement(rendered, "StandInTheNetwork")


@pytest.mark.parametrize("parameters", [EXISTING, {"Network": "create", "NatGateway": "no"}], ids=["existing", "made"])
def test_the_gate_reaches_lambda_and_codedeploy_wherever_the_others_stand(parameters: dict[str, str]) -> None:
    assert "VpcConfig" not in functions(render(**parameters))["ReleaseGate"]


def test_an_existing_database_lets_in_by_iam() -> None:
    url = "postgresql://rowcall_reader@proxy.example:5432/shop"
    rendered = render(DatabaseUrl=url, DatabaseReadUrl=f"{url}2", DatabaseResourceId="prx-0a")
    found = settings(rendered)
    assert (found.database_auth, found.database_url.get_secret_value()) == ("iam", url)
    assert found.database_read_url.get_secret_value() == f"{url}2"
    resource = statement(rendered, "ConnectAsReader")["Resource"]
    assert resource == "arn:aws:rds-db:eu-west-1:123456789012:dbuser:prx-0a/rowcall_reader"


@pytest.mark.parametrize("network", [{"Network": "create"}, EXISTING], ids=["made", "existing"])
@pytest.mark.parametrize("proxy", ["yes", "no"])
@pytest.mark.parametrize("reader", ["yes", "no"])
def test_a_database_that_is_made_is_reached_by_iam_and_tls(network: dict[str, str], proxy: str, reader: str) -> None:
    rendered = render(Database="create", DatabaseProxy=proxy, DatabaseReader=reader, **network)
    found = settings(rendered)
    assert found.database_auth == "iam"
    assert bool(found.database_read_url.get_secret_value()) == (reader == "yes")
    ca_file = found.database_ca_file
    assert bool(ca_file) == (proxy == "no"), "the authority of a proxy is one that every system trusts"
    if ca_file:
        ca_file = str(ROOT / "layers" / ca_file.removeprefix("/opt/python/"))
    for url in filter(None, (found.database_url.get_secret_value(), found.database_read_url.get_secret_value())):
        address = Address.parse(url, ca_file=ca_file)
        assert address.tls
        assert (address.user, address.password, address.database) == ("rowcall_reader", None, "rowcall")
    assert statement(rendered, "ConnectAsReader")
    database = nested(rendered, "DatabaseStack")
    assert len(of_type(database, "RDS::DBInstance")) == 1 + (reader == "yes")
    assert len(of_type(database, "RDS::DBProxy")) == (proxy == "yes")
    assert len(of_type(database, "RDS::DBProxyEndpoint")) == (proxy == reader == "yes")


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_database_is_encrypted_backed_up_and_closed_to_the_world(stage: str) -> None:
    database = nested(render(stage, Database="create", Network="create"), "DatabaseStack")
    (cluster,) = of_type(database, "RDS::DBCluster").values()
    assert cluster["StorageEncrypted"] is cluster["EnableIAMDatabaseAuthentication"] is True
    assert cluster["BackupRetentionPeriod"] >= 7
    assert cluster["DeletionProtection"] is (stage == "prod")
    assert "MasterUserPassword" not in cluster
    assert not any(one["PubliclyAccessible"] for one in of_type(database, "RDS::DBInstance").values())
    for proxy in of_type(database, "RDS::DBProxy").values():
        assert proxy["RequireTLS"] is True
        assert proxy["DefaultAuthScheme"] == "IAM_AUTH"


@pytest.mark.parametrize(("capacity", "pauses"), [("0", True), ("0.5", False)])
def test_a_database_pauses_where_its_least_is_nothing(capacity: str, pauses: bool) -> None:
    rendered = render(Database="create", Network="create", DatabaseProxy="no", DatabaseMinCapacity=capacity)
    (cluster,) = of_type(nested(rendered, "DatabaseStack"), "RDS::DBCluster").values()
    assert ("SecondsUntilAutoPause" in cluster["ServerlessV2ScalingConfiguration"]) is pauses


@pytest.mark.parametrize(("capacity", "state"), [("0", "DISABLED"), ("0.5", "ENABLED")])
def test_nothing_wakes_a_database_that_pauses(capacity: str, state: str) -> None:
    rendered = render(Database="create", Network="create", DatabaseProxy="no", DatabaseMinCapacity=capacity)
    assert {one["State"] for one in of_type(rendered, "Scheduler::Schedule").values()} == {state}
    alarms = of_type(nested(rendered, "WatchingStack"), "CloudWatch::Alarm")
    assert ("Unreachable" in alarms) is (state == "ENABLED")


@pytest.mark.parametrize("database", ["existing", "create"])
def test_the_functions_of_a_network_reach_a_database_elsewhere(database: str) -> None:
    network = nested(render(Network="create", Database=database), "NetworkStack")
    ways = of_type(network, "EC2::SecurityGroup")["FunctionsGroup"]["SecurityGroupEgress"]
    assert any(one["FromPort"] == 5432 for one in ways) is (database == "existing")


@pytest.mark.parametrize("proxy", ["yes", "no"])
def test_the_groups_of_the_database_name_each_other_and_nobody_else(proxy: str) -> None:
    database = nested(render(Database="create", Network="create", DatabaseProxy=proxy), "DatabaseStack")
    front = {"Ref": "ProxyGroup" if proxy == "yes" else "ClusterGroup"}
    rules = {**of_type(database, "EC2::SecurityGroupIngress"), **of_type(database, "EC2::SecurityGroupEgress")}
    assert rules["FromFunctions"]["GroupId"] == rules["FromFunctionsOut"]["DestinationSecurityGroupId"] == front
    assert rules["FromFunctions"]["SourceSecurityGroupId"] == rules["FromFunctionsOut"]["GroupId"]
    if proxy == "yes":
        assert rules["FromProxy"]["GroupId"] == {"Ref": "ClusterGroup"}
        assert rules["FromProxy"]["SourceSecurityGroupId"] == {"Ref": "ProxyGroup"}
    for rule in rules.values():
        assert (rule["FromPort"], rule["ToPort"]) == (5432, 5432)
        assert "CidrIp" not in rule
    for group in of_type(database, "EC2::SecurityGroup").values():
        assert "SecurityGroupIngress" not in group
        assert all(one.get("CidrIp", "127.0.0.1/32") == "127.0.0.1/32" for one in group["SecurityGroupEgress"])


@pytest.mark.parametrize("nat", ["yes", "no"])
def test_a_network_has_one_way_out_and_none_in(nat: str) -> None:
    network = nested(render(Network="create", NatGateway=nat, Database="create"), "NetworkStack")
    routes = of_type(network, "EC2::Route")
    endpoints = of_type(network, "EC2::VPCEndpoint")
    assert len(of_type(network, "EC2::NatGateway")) == (nat == "yes")
    assert ("PrivateToInternet" in routes) == (nat == "yes")
    assert {name for name, one in endpoints.items() if one["VpcEndpointType"] == "Gateway"} == {
        "S3Endpoint",
        "DynamoDbEndpoint",
    }
    assert any(one["VpcEndpointType"] == "Interface" for one in endpoints.values()) == (nat == "no")
    group = of_type(network, "EC2::SecurityGroup")["FunctionsGroup"]
    assert "SecurityGroupIngress" not in group
    assert [one["FromPort"] for one in group["SecurityGroupEgress"]] == [443]
    zones = [
        subnet["AvailabilityZone"] for name, subnet in of_type(network, "EC2::Subnet").items() if "Private" in name
    ]
    assert len(zones) == 2
    assert zones[0] != zones[1]


def test_the_templates_rules_refuse_what_cannot_work() -> None:
    rules = render()["Rules"]
    assert {"ADatabaseStandsInANetwork", "AnExistingNetworkIsNamed", "ADatabaseOfIamIsNamed"} <= rules.keys()
    assert all(listed(rule["Assertions"]) for rule in rules.values())
