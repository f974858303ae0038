"""Every command in the documentation works: it is run here, or by a test that is named here, or stands in a short list
of those that nothing here can run, with the reason."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from local.api import SERVED, Api
from local.bridge import Bridge
from local.postgres import binaries
from local.processes import ROOT, free_port
from local.stack import Stack
from tests.docs import console, documents

DEMO, CLIENT = "tests/integration/test_demo.py", "tests/integration/test_client.py"
GUIDE = "tests/integration/test_tools_guide.py"
DRILL, JOBS = "tests/integration/test_restore_drill.py", "tests/integration/test_jobs.py"

RUN_BY = {
    "make demo": f"{DEMO}::test_the_demo_shows_every_answer_and_ends_well",
    "make ask": f"{DEMO}::test_ask_answers_or_says_why_not",
    "make serve": "tests/integration/test_docs_commands.py::test_what_is_served_answers_until_it_is_interrupted",
    "make api-key": "tests/integration/test_identity.py::test_a_key_made_at_the_terminal_comes_in",
    "make lambda": "tests/lambda/test_api_function.py::test_every_event_file_is_answered",
    "make deploy-local": "tests/lambda/test_deploy_local.py::test_every_event_is_taken_by_the_deployed_function",
    "make build": "tests/lambda/test_api_function.py::test_health",
    "make docs": "tests/unit/test_docs.py::test_generated_documents_are_current",
    "make eval": "tests/integration/test_grammar_suites.py::test_is_right_or_silent",
    "make eval SUITE=paraphrases": "tests/unit/test_sameness.py::test_a_flipped_word_is_always_refused",
    "make restore-drill": f"{DRILL}::test_everything_is_there_again_and_answers_the_same",
    "make redrive": f"{JOBS}::test_a_failure_that_may_pass_is_tried_three_times_and_can_be_redriven",
    "make db-role": "tests/integration/test_db_role.py::test_the_role_reads_and_nothing_else",
    "make rollback": "tests/integration/test_rollback.py::test_every_function_goes_back_to_the_version_before",
    "pip install ./client": f"{CLIENT}::test_what_is_installed_is_typed_and_small",
    "rowcall": f"{GUIDE}::test_every_command_works",
}
"""How a command begins, the longest beginning counts, and the test that runs what it runs."""

NOT_HERE = {
    "aws": "asks AWS, for which an account is needed",
    "make deploy": "deploys to AWS; make deploy-local is what is tested",
    ".venv-sam/bin/sam deploy": "deploys to AWS",
    "make sam-local": "needs Docker",
    "make test": "is what runs this",
    "make check": "is what runs this, after the linters",
    "make bench": "measures for minutes, and a figure is no test",
    "make lock": "asks the package index for its newest",
    "make": "lists the targets, each of which is looked at here",
}

COMMANDS = [
    pytest.param(part, id=f"{path.name}: {part[:60]}")
    for path in documents()
    if path.name != "tools.md"  # test_tools_guide.py runs all of it
    for command in console(path)
    for part in command.split(" && ")
]
ASSIGNMENT = re.compile(r"""^[A-Z_]+=("[^"]*"|\S+) """)


def bare(command: str) -> str:
    """`command` without the environment that is given to it."""
    while found := ASSIGNMENT.match(command):
        command = command[found.end() :]
    return command


def beginning(command: str, among: dict[str, str]) -> str | None:
    """The longest of `among` with which `command` begins, word by word."""
    return max((start for start in among if f"{command} ".startswith(f"{start} ")), key=len, default=None)


def known(command: str) -> bool:
    run_by, not_here = beginning(bare(command), RUN_BY), beginning(bare(command), NOT_HERE)
    return bool(run_by or not_here)


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 10


@pytest.mark.parametrize("command", [found for found in COMMANDS if known(str(found.values[0]))])
def test_a_command_that_is_run_elsewhere_exists(command: str) -> None:
    program, *arguments = shlex.split(bare(command))
    if program == "make":
        makefile = (ROOT / "Makefile").read_text()
        targets = [argument for argument in arguments if re.fullmatch("[a-z-]+", argument)]
        assert all(f"\n{target}:" in makefile for target in targets)
        for name in re.findall(r"\b([A-Z_]+)=", command):
            assert re.search(rf"\b{name}\b", makefile + (ROOT / "docs/configuration.md").read_text()), name
    for path in re.findall(r"(?<![\w:/.])((?:evals|events|local|tests|client|docs)/[\w./-]+)", command):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("test", sorted(set(RUN_BY.values())))
def test_the_test_that_runs_it_exists(test: str) -> None:
    path, name = test.split("::")
    assert f"def {name}(" in (ROOT / path).read_text()


@pytest.fixture(scope="module")
def environ(stack: Stack, shop: str) -> Iterator[dict[str, str]]:
    """What a command is run with: the API of README's address elsewhere, and what the pages' variables stand for."""
    assert stack.postgres
    api = Api(stack, free_port())
    owner, reader = stack.postgres.owner_url(shop), stack.postgres.reader_url(shop)
    yield os.environ | {
        "API": api.url,
        "OWNER_URL": owner,
        "READER_URL": reader,
        "READER_PASSWORD": str(urlsplit(reader).password),
        "PATH": os.pathsep.join([str(binaries()), os.environ["PATH"]]),
    }
    api.stop()


@pytest.mark.parametrize("command", [found for found in COMMANDS if not known(str(found.values[0]))])
def test_a_command_works(command: str, environ: dict[str, str], bridge: Bridge) -> None:
    if command.startswith("curl ") and not shutil.which("curl") and os.environ.get("CI") != "true":
        pytest.skip("curl is not installed (apt-get install curl)")
    here = command.replace("http://127.0.0.1:8000", environ["API"]).replace("curl ", "curl --fail-with-body ")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", here],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def served() -> Iterator[None]:
    """What a `make serve` of somebody's noted is there again afterwards."""
    before = SERVED.read_text() if SERVED.exists() else None
    yield
    if before is not None:
        SERVED.write_text(before)


def test_what_is_served_answers_until_it_is_interrupted(stack: Stack, bridge: Bridge, shop: str, served: None) -> None:
    port = free_port()
    assert stack.postgres
    environment = os.environ | stack.environ | {"DATABASE_URL": stack.postgres.reader_url(shop), "PORT": str(port)}
    path = os.pathsep.join(("layers", "functions", "client", "."))
    process = subprocess.Popen(
        [sys.executable, "-m", "local.serve"],
        cwd=ROOT,
        env=environment | {"PYTHONPATH": path, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout
        told = ""
        for line in process.stdout:
            told += line
            if "Ctrl-C" in line:
                break
        url = f"http://127.0.0.1:{port}"
        assert url in told
        answer = httpx.post(f"{url}/api/query", json={"query": "count pending orders"}, timeout=30)
        assert answer.json()["row_count"] == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()
