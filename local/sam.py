"""`sam local` on the laptop stack, where Docker is: make sam-local ARGS="invoke ApiFunction -e events/api.query.json"

What SAM runs is what was built, with the stack's environment instead of the deployed one. The stack listens on this
machine's loopback only; while SAM runs, what its containers need of it is forwarded from the address they see.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, Self
from urllib.parse import urlsplit

import yaml
from rich.console import Console

from local.emulator import BUILDS, LAMBDA_PYTHON, architecture, build, function_environ
from local.processes import ROOT, Failed
from local.sample import SampleJob
from local.stack import Stack

SAM = ROOT / ".venv-sam/bin/sam"
LEAD_TO_THE_STACK = (
    *("DATABASE_URL", "UPSTASH_REDIS_REST_URL"),
    *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL_CODEDEPLOY"),
)
DOCKER_DESKTOP = "host.docker.internal"


class Forwarder:
    """Forwards from the address at which containers see this machine to its loopback, until it is closed."""

    def __init__(self) -> None:
        self._host = _bridge()
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def reachable(self, url: str) -> str:
        """`url` as a container must say it."""
        parts = urlsplit(url)
        if parts.hostname not in ("127.0.0.1", "localhost") or parts.port is None:
            return url
        port = parts.port
        if self._host != DOCKER_DESKTOP:
            port = asyncio.run_coroutine_threadsafe(self._listen(parts.port), self._loop).result()
        account, at, _ = parts.netloc.rpartition("@")
        # Verified TLS is the rule off this machine, and Postgres here has no certificate.
        query = "sslmode=disable" if parts.scheme.startswith("postgres") else parts.query
        return parts._replace(netloc=f"{account}{at}{self._host}:{port}", query=query).geturl()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        connections = asyncio.all_tasks() - {task for task in [asyncio.current_task()] if task}
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _listen(self, port: int) -> int:
        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            answers, questions = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_pump(reader, questions), _pump(answers, writer))

        server = await asyncio.start_server(forward, self._host)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
    finally:
        sink.close()


def _bridge() -> str:
    """The address of Docker's default bridge if it is on this machine; under Docker Desktop, its name for the host."""
    if not shutil.which("docker"):
        raise Failed("There is no docker here. make lambda needs none.")
    gateway = "{{(index .IPAM.Config 0).Gateway}}"
    asked = ["docker", "network", "inspect", "bridge", "--format", gateway]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"Docker does not answer: {done.stderr.strip()}")
    address = done.stdout.strip()
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return DOCKER_DESKTOP
    return address


class Sam:
    """`sam local` on `stack`, as a context: what it runs has the stack's environment, and `settings` beside."""

    def __init__(self, stack: Stack, settings: Mapping[str, str] | None = None) -> None:
        self._forwarder = Forwarder()
        environ = function_environ(stack.environ) | dict(settings or {})
        leads = {name: self._forwarder.reachable(url) for name, url in environ.items() if name in LEAD_TO_THE_STACK}
        self._template = _template(environ | leads)
        # Real or not, credentials of this shell are no business of the containers; false ones cost SAM ten seconds.
        self._environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._environ |= {"AWS_DEFAULT_REGION": environ["AWS_REGION"], "SAM_CLI_TELEMETRY": "0"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._forwarder.close()

    @contextmanager
    def running(self, command: str, *arguments: str | Path, **options: Any) -> Iterator[subprocess.Popen[Any]]:
        """`sam local <command>`; it is ended with its containers if it still runs at the end."""
        sam = [SAM, "local", command, *arguments, "--template", self._template]
        with subprocess.Popen(sam, env=self._environ, **options) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                process.wait()


def _template(environ: Mapping[str, str]) -> Path:
    """The built template, for this machine's architecture, its functions with `environ`."""
    folder = BUILDS / "local"
    build(f"local/{architecture()}-{LAMBDA_PYTHON}.built")
    template = yaml.safe_load((folder / "template.yaml").read_text())
    template["Parameters"]["Architecture"]["Default"] = architecture()
    template["Globals"]["Function"]["Environment"] = {"Variables": dict(environ)}
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"].pop("Environment", None)
    path = folder / "on-the-stack.yaml"
    path.write_text(yaml.safe_dump(template, sort_keys=False))
    return path


def main() -> int:
    console = Console(highlight=False, soft_wrap=True)
    command, *arguments = sys.argv[1:] or ["start-api"]
    try:
        with Stack() as stack:
            stack.wait()
            if stack.aws:
                SampleJob(stack.aws.url)
            with Sam(stack) as sam, sam.running(command, *arguments) as process:
                return process.wait()
    except Failed as failed:
        console.print(f"[red]✗[/] {failed}")
        return 1


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
