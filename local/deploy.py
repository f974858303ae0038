"""`make deploy-local`: the deployment, to moto's CloudFormation instead of AWS, and what it deployed put to work.

Package and deploy are the SAM CLI's own. Between them SAM's transform and the conditions of the template are worked out
here, since moto knows neither, and the resources of types that moto lacks (`LACKS`) are taken out and named. What was
deployed is then read back: each function's zip, handler, memory and environment as CloudFormation gave them, with
references resolved. Run under Lambda's runtime emulator, it is sent the events that AWS would send. Linux only.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import httpx
import jwt
from rich.console import Console

from local.cloud import Cloud
from local.emulator import BUILDS, Built, Emulator, Function, Invocation, architecture, built, function_environ
from local.processes import ROOT, Failed, free_port
from local.stack import Stack
from tests.template.evaluate import PSEUDO, evaluate

SAM = ROOT / ".venv-sam/bin/sam"
TRANSFORM = ROOT / "tests/template/transform.py"
REGION = PSEUDO["AWS::Region"]
STACK = "rowcall-dev"
BUCKET = "rowcall-artifacts"
ISSUER, AUDIENCE = "https://issuer.test", "rowcall"
JWT_SECRET = "of-a-deployment-that-lasts-a-minute"  # noqa: S105

REFERENCE = r"\$\{([^!}]+)\}"

LACKS = {
    "AWS::ApiGateway::Account": "no type of moto's CloudFormation; where the account's access logs go",
    "AWS::ApiGateway::Deployment": "moto ignores the Body of a REST API, and deploys none that has no methods",
    "AWS::ApiGateway::Stage": "no type of moto's CloudFormation; moto serves no stage of a REST API in any case",
    "AWS::CloudFormation::Stack": "sam deploy takes no address of this machine for a nested template; what stacks/ "
    "holds is linted, and of the template's tests",
    "AWS::CloudWatch::Alarm": "no type of moto's CloudFormation; its metrics are of the template's tests",
    "AWS::CodeDeploy::Application": "no type of moto's CloudFormation; what the gate tells CodeDeploy is heard here",
    "AWS::CodeDeploy::DeploymentGroup": "no type of moto's CloudFormation; likewise",
    "AWS::Lambda::Alias": "no type of moto's CloudFormation; what calls the alias is made to call the function",
    "AWS::Lambda::EventInvokeConfig": "no type of moto's CloudFormation; how often Lambda tries again",
    "AWS::Lambda::EventSourceMapping": "moto would call the function under Docker; its event is sent here",
    "AWS::S3::BucketPolicy": "no type of moto's CloudFormation; it asks for TLS, which moto has not",
    "AWS::SNS::TopicPolicy": "no type of moto's CloudFormation; nothing publishes here",
    "AWS::Scheduler::Schedule": "no type of moto's CloudFormation; the event it would send is sent here",
    "AWS::WAFv2::WebACL": "no type of moto's CloudFormation; nothing here is behind it",
    "AWS::WAFv2::WebACLAssociation": "no type of moto's CloudFormation; nothing here is behind it",
}
"""Types of resources that moto's CloudFormation cannot make, and why each may be left out here."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is deployed. `environs` are the functions' environments as CloudFormation resolved them, by folder."""

    stack: Stack
    built: Built
    template: Mapping[str, Any]
    resources: Mapping[str, str]
    left_out: Mapping[str, str]
    environs: Mapping[str, Mapping[str, str]]
    cloud: Cloud
    running: dict[str, Emulator]

    def client(self, service: str) -> Any:
        return _client(self.stack, service)

    def function(self, folder: str) -> Emulator:
        """The deployed function of `functions/<folder>`, in one environment, which is started when first asked for."""
        if folder not in self.running:
            environ = {**_aws_environ(self.stack), **self.cloud.environ, **self.environs[folder]}
            self.running[folder] = Emulator(self.built, self.built.function(folder), environ, self.stack.processes)
        return self.running[folder]

    def adapted(self, folder: str) -> bool:
        """Whether the function's handler is a script that the Lambda Web Adapter starts, which is not here."""
        return self.built.function(folder).handler.endswith(".sh")

    @contextmanager
    def app(self, folder: str) -> Iterator[httpx.Client]:
        """The app that the Web Adapter would start, and a client that asks it as the adapter would."""
        function, port = self.built.function(folder), free_port()
        with tempfile.TemporaryDirectory() as directory:
            (Path(directory) / "python").symlink_to(self.built.python)
            environ = function_environ({**_aws_environ(self.stack), **self.cloud.environ, **self.environs[folder]}) | {
                "PATH": f"{directory}{os.pathsep}{os.defpath}",
                "PYTHONPATH": self.built.path(function),
                "LAMBDA_TASK_ROOT": str(function.code),
                "LAMBDA_RUNTIME_DIR": str(self.built.runtime),
                "AWS_LAMBDA_FUNCTION_NAME": function.name,
                "AWS_LWA_PORT": str(port),
            }
            script = function.code / function.handler
            child = self.stack.processes.start(f"app-{port}", [script], env=environ, cwd=function.code)
            try:
                with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                    child.wait_until(lambda: _listens(client), 60)
                    client.headers["x-amzn-request-context"] = json.dumps({"identity": {"sourceIp": "192.0.2.1"}})
                    yield client
            finally:
                self.stack.processes.stop(child)

    def invoke(self, name: str, event: Any) -> Any:
        """What Lambda's Invoke does: `name` is a deployed function's name, or its ARN, with or without a version."""
        for function in self.built.functions:
            if function.name in name.split(":"):
                return self.function(function.folder).invoke(event).response
        raise Failed(f"{name} is not deployed")


@contextmanager
def deployed(stack: Stack, **parameters: str) -> Iterator[Deployment]:
    """Deploy what is built to the moto of `stack`, which needs the sample shop."""
    artifacts = built()
    secret = _secret(stack)
    given = {
        "Stage": "dev",
        "SecretArn": secret,
        "JwtIssuer": ISSUER,
        "JwtAudience": AUDIENCE,
        "Architecture": architecture(),
    } | parameters
    with tempfile.TemporaryDirectory(dir=BUILDS) as directory:
        folder = Path(directory)
        _client(stack, "s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        template = evaluate(transformed(_packaged(stack, folder), given), given)
        kept, left_out = without(template, LACKS)
        (folder / "deployed.json").write_text(json.dumps(kept))
        _sam(stack, "deploy", "--template-file", folder / "deployed.json", *_HOW)
        resources = _resources(stack, kept)
        functions = list(_functions(stack, template, resources, folder))
        running: dict[str, Emulator] = {}
        with Cloud(lambda name, event: deployment.invoke(name, event)) as cloud:
            deployment = Deployment(
                stack=stack,
                built=replace(artifacts, functions=tuple(function for function, _ in functions)),
                template=template,
                resources=resources,
                left_out=left_out,
                environs={function.folder: environ for function, environ in functions},
                cloud=cloud,
                running=running,
            )
            try:
                yield deployment
            finally:
                for emulator in running.values():
                    emulator.stop()


_HOW = (
    *("--stack-name", STACK, "--s3-bucket", BUCKET, "--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"),
    *("--no-confirm-changeset", "--no-progressbar"),
)


def without(template: Mapping[str, Any], types: Iterable[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """`template` less its resources of `types`, and those by name.

    A reference to an alias becomes one to its function, one to a version (of which moto's CloudFormation gives no ARN)
    the ARN of the first; to another of what is left out, a text that says so.
    """
    left_out = {name: one["Type"] for name, one in template["Resources"].items() if one["Type"] in set(types)}
    suffixes = {"AWS::Lambda::Alias": "", "AWS::Lambda::Version": ":1"}
    arns = {
        name: f"${{{one['Properties']['FunctionName']['Ref']}.Arn}}{suffixes[one['Type']]}"
        for name, one in template["Resources"].items()
        if one["Type"] in suffixes
    }

    def mend_text(found: re.Match[str]) -> str:
        name = found[1].partition(".")[0]
        return arns.get(name) or (f"left-out-{found[1]}" if name in left_out else found[0])

    def mend(value: Any) -> Any:
        match value:
            case {"Ref": str(name)} if name in arns:
                return {"Fn::Sub": arns[name]}
            case {"Ref": str(name)} if name in left_out:
                return f"left-out-{name}"
            case {"Fn::GetAtt": [str(name), attribute]} if name in left_out:
                return f"left-out-{name}-{attribute}"
            case {"Fn::Sub": [str(text), known]}:
                return {"Fn::Sub": [re.sub(REFERENCE, mend_text, text), mend(known)]}
            case {"Fn::Sub": str(text)}:
                return {"Fn::Sub": re.sub(REFERENCE, mend_text, text)}
            case dict():
                return {name: mend(inner) for name, inner in value.items()}
            case list():
                return [mend(inner) for inner in value]
            case _:
                return value

    resources = {}
    for name, one in template["Resources"].items():
        if name in left_out:
            continue
        needs = [need for need in _several(one.get("DependsOn", [])) if need not in left_out]
        resources[name] = mend({part: inner for part, inner in one.items() if part not in ("DependsOn", "Condition")})
        resources[name] |= {"DependsOn": needs} if needs else {}
        if one["Type"] == "AWS::Lambda::Function":
            resources[name]["Properties"]["Layers"] = _own_layers(one)
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}, left_out


def _own_layers(function: Mapping[str, Any]) -> list[dict[str, str]]:
    """Without those that AWS publishes, which moto does not know."""
    return [layer for layer in function["Properties"]["Layers"] if isinstance(layer, dict) and "Ref" in layer]


def _several(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _packaged(stack: Stack, folder: Path) -> Path:
    """The built template with its zips uploaded, as `sam package` writes it."""
    source, packaged = BUILDS / "emulated/template.yaml", folder / "packaged.yaml"
    _sam(stack, "package", "--template-file", source, "--s3-bucket", BUCKET, "--output-template-file", packaged)
    return packaged


def transformed(packaged: Path, parameters: Mapping[str, str]) -> Any:
    """A template as SAM transforms it; raises `Failed`."""
    done = subprocess.run(
        [ROOT / ".venv-sam/bin/python", "-I", TRANSFORM, packaged, json.dumps(parameters)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(f"SAM cannot transform the template:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout)


def _secret(stack: Stack) -> str:
    """The ARN of the secret that a deployment asks for, with what leads to the laptop's Postgres and Redis."""
    names = ("DATABASE_URL", "UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN", "PLAN_SEAL_KEY")
    secret = {name: stack.environ[name] for name in names} | {"JWT_SECRET": JWT_SECRET}
    created = _client(stack, "secretsmanager").create_secret(Name=STACK, SecretString=json.dumps(secret))
    return str(created["ARN"])


def _resources(stack: Stack, template: Mapping[str, Any]) -> dict[str, str]:
    """The physical ids of everything in `template`. Raises `Failed` if moto dropped something."""
    found = _client(stack, "cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
    made = {one["LogicalResourceId"]: one.get("PhysicalResourceId", "") for one in found if "LogicalResourceId" in one}
    dropped = {one["Type"] for name, one in template["Resources"].items() if name not in made}
    if dropped:
        raise Failed(f"moto made none of {', '.join(sorted(dropped))}: local/deploy.py must say so in LACKS")
    return made


def _functions(
    stack: Stack, template: Mapping[str, Any], resources: Mapping[str, str], folder: Path
) -> Iterator[tuple[Function, dict[str, str]]]:
    """Each deployed function, its zip unpacked as Lambda would mount it, and its environment."""
    client, layers = _client(stack, "lambda"), {}
    for name, one in template["Resources"].items():
        if one["Type"] == "AWS::Lambda::LayerVersion":  # moto hands out layers without their content
            layers[name] = _unpacked(stack, one["Properties"]["Content"]["S3Key"], folder / name) / "python"
    for name, one in template["Resources"].items():
        if one["Type"] != "AWS::Lambda::Function":
            continue
        told = client.get_function(FunctionName=resources[name])
        about = told["Configuration"]
        function = Function(
            name=about["FunctionName"],
            folder=about["Handler"].split(".")[0],
            handler=about["Handler"],
            timeout=about["Timeout"],
            memory=about["MemorySize"],
            code=_unpacked(stack, told["Code"]["Location"].rpartition("/")[2], folder / name),
            layers=tuple(layers[layer["Ref"]] for layer in _own_layers(one)),
        )
        yield function, about.get("Environment", {}).get("Variables", {})


def _unpacked(stack: Stack, key: str, where: Path) -> Path:
    content = _client(stack, "s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with zipfile.ZipFile(BytesIO(content)) as archive:
        archive.extractall(where)  # made by `sam package` a moment ago
        for one in archive.infolist():
            if mode := one.external_attr >> 16:
                (where / one.filename).chmod(mode)
    return where


def _listens(client: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        return client.get("/openapi.json").status_code == 200
    return False


def _client(stack: Stack, service: str) -> Any:
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=REGION)  # noqa: S106
    return session.client(service, endpoint_url=_endpoint(stack))


def _endpoint(stack: Stack) -> str:
    """By its name: moto takes a bucket's name for the first part of a host that is an address."""
    if stack.aws is None:
        raise Failed("AWS_ENDPOINT_URL is set: a deployment to a moto of ours needs to start one")
    return stack.aws.url.replace("127.0.0.1", "localhost")


def _aws_environ(stack: Stack) -> dict[str, str]:
    """What leads to our AWS, in the deployment's region."""
    ours = {name: value for name, value in stack.aws_environ.items() if name.startswith("AWS_")}
    return ours | {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}


def _sam(stack: Stack, *arguments: str | Path) -> None:
    ours = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [SAM, *arguments],
        env=ours | _aws_environ(stack) | {"AWS_ENDPOINT_URL": _endpoint(stack), "SAM_CLI_TELEMETRY": "0"},
        cwd=BUILDS,  # where no samconfig.toml is
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        moto = stack.aws.last_words() if stack.aws else ""
        raise Failed(f"sam {arguments[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}\nmoto said:\n{moto}")


def token(**claims: Any) -> str:
    """A token by which the deployment lets `claims` in."""
    standard = {"sub": "ann", "tenant": "acme", "scope": "query chat operator", "iss": ISSUER, "aud": AUDIENCE}
    return jwt.encode(standard | {"exp": time.time() + 600} | claims, JWT_SECRET)


def sent(name: str, **changes: Any) -> Any:
    """The event of `events/<name>.json` as a signed-in asker causes it."""
    event = json.loads((ROOT / "events" / f"{name}.json").read_text()) | changes
    if "httpMethod" in event:
        event["headers"] = event["headers"] | {"Authorization": f"Bearer {token()}"}
        event["multiValueHeaders"] = {header: [value] for header, value in event["headers"].items()}
    return event


def main() -> int:
    console = Console(highlight=False, soft_wrap=True)
    try:
        with ExitStack() as context:
            begin = time.monotonic()
            with console.status("deploying …"):
                deployment = context.enter_context(deployed(context.enter_context(Stack({}))))
            count = len(deployment.resources)
            console.print(f"[green]✓[/] deployed {count} resources in {time.monotonic() - begin:.1f} s")
            for name, kind in deployment.left_out.items():
                console.print(f"  [dim]left out {name} ({kind}): {LACKS[kind]}[/]")
            return max(_show(console, deployment, folder) for folder in sorted(deployment.environs))
    except Failed as failed:
        console.print(f"[red]✗[/] {failed}")
        return 2


def _show(console: Console, deployment: Deployment, folder: str) -> int:
    """Send the function of `folder` its events; 1 if one of them makes it fail."""
    if deployment.adapted(folder):
        with deployment.app(folder) as client:
            status = client.get("/health").status_code
        console.print(
            f"{'[green]✓[/]' if status == 200 else '[red]✗[/]'} {folder}, started as by its adapter: {status}"
        )
        return int(status != 200)
    worst = 0
    for path in sorted((ROOT / "events").glob(f"{folder}.*.json")):
        done = deployment.function(folder).invoke(sent(path.stem))
        wrong = done.failed or _status(done) >= 500
        worst = max(worst, int(wrong))
        init = f", init {done.init_ms:.0f} ms" if done.init_ms else ""
        mark = "[red]✗[/]" if wrong else "[green]✓[/]"
        console.print(f"{mark} {path.stem}: {_status(done) or 'done'} in {done.duration_ms:.0f} ms{init}")
    return worst


def _status(done: Invocation) -> int:
    return int(done.response.get("statusCode", 0)) if isinstance(done.response, dict) else 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
