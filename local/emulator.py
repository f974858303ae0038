"""Built functions under Lambda's runtime emulator (aws-lambda-rie, which the SAM CLI carries), with no Docker.

`make lambda EVENT=events/api.query.json` invokes one on the laptop stack; tests and benchmarks use `built` and
`Emulator`. What runs is what `sam build` made, by a Python that sees nothing else. Linux only, as the emulator is.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.json import JSON

from local.processes import ROOT, Failed, Processes, free_port
from local.sample import SampleJob
from local.stack import Stack
from rowcall.settings import Settings

BUILDS = ROOT / ".aws-sam"
LAMBDA_PYTHON = "3.13"
RUNNING_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
INVOKE = "/2015-03-31/functions/function/invocations"
INIT = re.compile(rb"INIT REPORT\(durationMs: ([\d.]+)\)")
REPORT = re.compile(rb"^REPORT RequestId: .*?\tDuration: ([\d.]+) ms", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the built template. `folder` is its folder under `functions/`."""

    name: str
    folder: str
    handler: str
    timeout: int
    memory: int
    code: Path
    layers: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Built:
    """What was built for this machine: the functions, the Python that runs them, and Lambda's own packages."""

    functions: tuple[Function, ...]
    python: Path
    version: str
    runtime: Path

    def function(self, folder: str) -> Function:
        for function in self.functions:
            if function.folder == folder:
                return function
        raise Failed(f"template.yaml has no function of functions/{folder}")

    def path(self, function: Function) -> str:
        """PYTHONPATH of `function`, beside its own folder."""
        return os.pathsep.join(str(folder) for folder in (*function.layers, self.runtime))


@dataclass(frozen=True, slots=True)
class Invocation:
    """`response` is what the function returned, `init_ms` what its start took (the first time only)."""

    response: Any
    duration_ms: float
    init_ms: float | None
    log: str

    @property
    def failed(self) -> bool:
        return isinstance(self.response, dict) and "errorType" in self.response


@cache
def built() -> Built:
    """Build for this machine what changed: for Lambda's Python if it is here, else for the running one."""
    if platform.system() != "Linux":
        raise Failed("Lambda's runtime emulator is a Linux program. Where Docker is: make sam-local")
    for version in (LAMBDA_PYTHON, RUNNING_PYTHON):
        if python := _make("-f", "build.mk", "compiler", f"PYTHON_VERSION={version}").strip():
            return _built(version, Path(python))
    raise Failed(f"There is neither python{LAMBDA_PYTHON} nor python{RUNNING_PYTHON} here.")


class Emulator:
    """`function` in one environment, as a context. `environ` gives its settings and AWS_… variables; no others pass."""

    def __init__(self, built: Built, function: Function, environ: Mapping[str, str], processes: Processes) -> None:
        self._processes = processes
        port = free_port()
        self._url = f"http://127.0.0.1:{port}{INVOKE}"
        program = next(
            ROOT.glob(f".venv-sam/lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{architecture()}")
        )
        self._child = processes.start(
            f"emulator-{port}",
            [
                *(program, "--log-level", "info", "--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
                *("--runtime-api-address", f"127.0.0.1:{free_port()}"),
                *(built.python, "-S", "-m", "awslambdaric", function.handler),
            ],
            env={
                "PATH": os.defpath,
                "LANG": "C.UTF-8",
                "TZ": ":UTC",
                "PYTHONPATH": built.path(function),
                "LAMBDA_TASK_ROOT": str(function.code),
                "LAMBDA_RUNTIME_DIR": str(built.runtime),
                "_HANDLER": function.handler,
                "AWS_EXECUTION_ENV": f"AWS_Lambda_python{built.version}",
                "AWS_LAMBDA_FUNCTION_NAME": function.name,
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
                "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout),
                "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
                "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
                "AWS_LAMBDA_LOG_STREAM_NAME": "local",
                **function_environ(environ),
            },
            cwd=function.code,
        )
        self._child.wait_until(lambda: _listens(port))

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def invoke(self, event: Any) -> Invocation:
        """Send `event`; the first one starts the function."""
        begin = self._child.log.stat().st_size
        request = urllib.request.Request(self._url, json.dumps(event).encode())  # noqa: S310
        try:
            with urllib.request.urlopen(request) as answer:  # noqa: S310 -- it ends at the function's timeout
                response = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                response = json.loads(error.read())
        until = time.monotonic() + 5
        while not (reported := REPORT.findall(log := self._child.log.read_bytes()[begin:])):
            if time.monotonic() > until:
                raise Failed("\n".join(["The emulator gave no report. Its last words:", *self._child.last_words()]))
            time.sleep(0.005)
        init = INIT.search(log)
        init_ms = float(init[1]) if init else None
        # The emulator counts the start of an environment as part of its first invocation.
        return Invocation(response, float(reported[-1]) - (init_ms or 0), init_ms, log.decode(errors="replace"))

    def stop(self) -> None:
        self._processes.stop(self._child)


def architecture() -> str:
    """This machine's, as Lambda calls it."""
    return "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"


def function_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """What of `environ` a function gets: settings, and what leads to AWS."""
    settings = {name.upper() for name in Settings.model_fields}
    return {name: value for name, value in environ.items() if name in settings or name.startswith("AWS_")}


def build(*targets: str) -> None:
    """Make `targets` below `.aws-sam`, one process at a time."""
    BUILDS.mkdir(exist_ok=True)
    with (BUILDS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _make(*(f"{BUILDS.name}/{target}" for target in targets))


def _built(version: str, python: Path) -> Built:
    which = f"{architecture()}-{version}"
    folder, runtime = BUILDS / "emulated", BUILDS / "runtime" / which
    build(f"emulated/{which}.built", f"runtime/{which}")
    template = yaml.safe_load((folder / "template.yaml").read_text())
    resources, defaults = template["Resources"], template["Globals"]["Function"]
    functions = []
    for name, resource in resources.items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        properties = defaults | resource["Properties"]
        layers = (
            folder / resources[layer["Ref"]]["Properties"]["ContentUri"] / "python"
            for layer in properties["Layers"]
            if "Ref" in layer  # not AWS's own
        )
        handler = properties["Handler"]
        functions.append(
            Function(
                name=name,
                folder=handler.split(".")[0],
                handler=handler,
                timeout=properties["Timeout"],
                memory=properties["MemorySize"],
                code=folder / properties["CodeUri"],
                layers=tuple(layers),
            )
        )
    return Built(tuple(functions), python, version, runtime)


def _make(*targets: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "-s", *targets], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"make {' '.join(targets)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _show(console: Console, invocation: Invocation) -> int:
    """Print it; the exit code: 0 for a status below 400, 1 above, 2 when the function itself failed."""
    response = invocation.response
    http = isinstance(response, dict) and "statusCode" in response
    if http:
        headers = response["headers"]
        console.print(f"[bold]{response['statusCode']}[/] {headers.get('content-type', '')}")
        if "server-timing" in headers:
            console.print(f"[dim]{headers['server-timing']}[/]")
    text = response["body"] if http else json.dumps(response)
    try:
        console.print(JSON(text))
    except ValueError:
        console.print(text, markup=False)
    init = "" if invocation.init_ms is None else f"init {invocation.init_ms:.0f} ms, "
    console.print(f"[dim]{init}duration {invocation.duration_ms:.1f} ms[/]")
    if invocation.failed or (http and response["statusCode"] >= 500):
        console.print(invocation.log, markup=False, style="dim")
    if invocation.failed:
        return 2
    return int(http and response["statusCode"] >= 400)


def main() -> int:
    console = Console(highlight=False, soft_wrap=True)
    try:
        path = Path(sys.argv[1])
        event = json.loads(path.read_text())
        artifacts = built()
        function = artifacts.function(path.name.split(".")[0])
        if artifacts.version != LAMBDA_PYTHON:
            console.print(
                f"[dim]There is no python{LAMBDA_PYTHON} here: built for python{artifacts.version} instead.[/]"
            )
        with Stack() as stack, Emulator(artifacts, function, stack.environ, stack.processes) as emulator:
            stack.wait()
            job = SampleJob(stack.aws.url) if stack.aws and function.folder == "worker" else None
            code = _show(console, emulator.invoke(event))
            if job:
                console.print("What came of the job:", JSON.from_data(job.outcome))
            return code
    except (OSError, ValueError) as error:
        console.print(f"[red]✗[/] {error}")
    except Failed as failed:
        console.print(f"[red]✗[/] {failed}", soft_wrap=True)
    return 2


if __name__ == "__main__":
    sys.exit(main())
