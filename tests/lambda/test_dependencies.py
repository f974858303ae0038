"""What the layer of dependencies leaves out is not missed: all that our code can ask of the SDKs is there."""

from __future__ import annotations

import os
import pkgutil
import subprocess

import pytest

from local.emulator import Built
from local.processes import ROOT

pytestmark = pytest.mark.timeout(600)

USED = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
import anthropic, openai
client = anthropic.Anthropic(api_key="none")
client.messages.create, client.messages.stream
client = openai.OpenAI(api_key="none")
client.chat.completions.create, client.chat.completions.stream
client.responses.create, client.responses.stream, client.embeddings.create
import openai.lib.streaming.chat, openai.lib.streaming.responses
from aws_lambda_powertools.utilities import batch, idempotency, parameters, parser
from aws_lambda_powertools.utilities.parser import models
"""


def test_every_module_of_ours_and_every_part_of_an_sdk_that_it_uses_is_there(artifacts: Built) -> None:
    modules = [
        *(module.name for module in pkgutil.walk_packages([str(ROOT / "layers" / "rowcall")], "rowcall.")),
        *(module.name for module in pkgutil.walk_packages([str(ROOT / "functions" / "api")], "api.")),
    ]
    assert "rowcall.planning" in modules
    function = artifacts.function("api")
    done = subprocess.run(
        [artifacts.python, "-S", "-c", USED, *modules],
        cwd=function.code,
        env={"PYTHONPATH": os.pathsep.join((str(function.code), artifacts.path(function)))},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
