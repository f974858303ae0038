"""`make load`: the local stack under rising concurrency, with a mix of many questions; writes docs/load.* .

Postgres, Redis, the bridge, one process of uvicorn and the askers share this machine. The cache is empty at the begin,
so that the hit rate over time is what a new deployment would see. Any error fails it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple

from rich.console import Console

from benchmarks.machine import Machine
from benchmarks.questions import answerable
from local.api import Api
from local.processes import ROOT, Failed, free_port
from local.stack import Stack
from rowcall import bootstrap

DOCS = ROOT / "docs"
JSON, MARKDOWN, PLOT = DOCS / "load.json", DOCS / "load.md", DOCS / "load.svg"
STAGES = (1, 2, 4, 8, 16, 32, 64)
SECONDS = 12.0
QUESTIONS = 400
SLICE_SECONDS = 2.0
LAYERS = (1, 2, 3)

HEAD = """\
# Load

`make load` measures this anew and writes this page: the local stack under rising concurrency, each asker asking again
as soon as it is answered, for {seconds_a_stage:g} s at each number of them. Which of {distinct} questions, made
from the sample shop's catalog, is asked is drawn by Zipf's law with exponent 1.1. The cache is empty at the begin, and
the grammar plans. Postgres, Redis, the bridge, one process of uvicorn and the askers share the machine, so from a few
askers on it is the machine's cores that are measured: on Lambda each environment has its own.
"""


class Request(NamedTuple):
    """One, as locustfile.py records it: seconds since the begin, milliseconds; layer 0 is no answer."""

    at: float
    users: int
    ms: float
    status: int
    layer: int


def measure(stages: Sequence[int], seconds: float, questions: int) -> dict[str, Any]:
    """The whole run, as docs/load.json keeps it. Raises `Failed` if locust does."""
    machine = Machine()
    with Stack({}, aws=False) as stack:
        services = bootstrap.start(stack.environ)
        asked = answerable(services, questions)
        services.close()
        if stack.bridge:
            stack.bridge.reset()
        port = free_port()
        api = Api(stack, port)
        try:
            requests = _run(asked, stages, seconds, api.url)
        finally:
            api.stop()
    return {
        "machine": machine.document(),
        "questions": {"distinct": len(asked), "asked": len(requests), "seconds_a_stage": seconds},
        "stages": [_stage(users, [one for one in requests if one.users == users], seconds) for users in stages],
        "over_time": _over_time(requests),
        "errors": sum(one.layer == 0 for one in requests),
    }


def _run(questions: Sequence[str], stages: Sequence[int], seconds: float, url: str) -> list[Request]:
    with tempfile.TemporaryDirectory() as directory:
        asked, record = Path(directory) / "questions.json", Path(directory) / "record.json"
        asked.write_text(json.dumps(questions))
        done = subprocess.run(
            [
                *(sys.executable, "-m", "locust", "-f", ROOT / "benchmarks/locustfile.py", "--headless"),
                *("--host", url, "--only-summary", "--exit-code-on-error", "0", "--skip-log-setup"),
            ],
            env=os.environ
            | {
                "LOAD_QUESTIONS": str(asked),
                "LOAD_RECORD": str(record),
                "LOAD_STAGES": ",".join(map(str, stages)),
                "LOAD_SECONDS": str(seconds),
            },
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=len(stages) * seconds + 120,
            check=False,
        )
        if done.returncode or not record.exists():
            raise Failed(f"locust failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return [Request(*one) for one in json.loads(record.read_text())]


def _stage(users: int, requests: Sequence[Request], seconds: float) -> dict[str, Any]:
    """What `users` askers at once met. While askers are added or leave, their number is another, and not counted."""
    if not requests:
        raise Failed(f"nothing was asked by {users} at once: the stage is too short")
    cuts = quantiles([one.ms for one in requests], n=100) if len(requests) > 1 else [requests[0].ms] * 99
    return {
        "askers": users,
        "requests": len(requests),
        "per_second": round(len(requests) / seconds, 1),
        "p50_ms": round(cuts[49], 1),
        "p95_ms": round(cuts[94], 1),
        "p99_ms": round(cuts[98], 1),
        "errors": sum(one.layer == 0 for one in requests),
        "layers": {str(layer): _share(requests, layer) for layer in LAYERS},
    }


def _over_time(requests: Sequence[Request]) -> list[dict[str, float]]:
    """In slices of `SLICE_SECONDS`."""
    slices: dict[int, list[Request]] = {}
    for one in requests:
        slices.setdefault(int(one.at // SLICE_SECONDS), []).append(one)
    return [
        {
            "second": number * SLICE_SECONDS,
            "askers": max(one.users for one in found),
            "p50_ms": round(sorted(one.ms for one in found)[len(found) // 2], 1),
            **{f"layer_{layer}": _share(found, layer) for layer in LAYERS},
        }
        for number, found in sorted(slices.items())
    ]


def _share(requests: Sequence[Request], layer: int) -> float:
    return round(sum(one.layer == layer for one in requests) / len(requests), 4)


def markdown(found: Mapping[str, Any]) -> str:
    """`docs/load.md`."""
    machine, questions = found["machine"], found["questions"]
    rows = [
        "| askers at once | requests | a second | p50 ms | p95 ms | p99 ms | layer 1 | layer 2 | layer 3 | errors |",
        "|" + "---:|" * 10,
    ]
    for one in found["stages"]:
        shares = " | ".join(f"{one['layers'][str(layer)]:.1%}" for layer in LAYERS)
        rows.append(
            f"| {one['askers']} | {one['requests']:,} | {one['per_second']:g} | {one['p50_ms']:g} | {one['p95_ms']:g} "
            f"| {one['p99_ms']:g} | {shares} | {one['errors']} |"
        )
    return "\n".join(
        [
            HEAD.format(**questions),
            *rows,
            "",
            f"{questions['asked']:,} requests in all, {found['errors']} errors.",
            "",
            "![Latency and the layers of answers over time](load.svg)",
            "",
            f"{machine['date']}, {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
            f"Python {machine['python']}. Load average {machine['load'][0]:g} at the begin and {machine['load'][1]:g} "
            "at the end: what else ran is in these figures.",
            "",
        ]
    )


def draw(found: Mapping[str, Any], to: Path) -> None:
    """The plot, as an SVG that says the same for the same figures."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    over = found["over_time"]
    seconds = [one["second"] for one in over]
    with mpl.rc_context({"svg.hashsalt": "load", "svg.fonttype": "none", "font.size": 9}):
        figure, (above, below) = pyplot.subplots(2, 1, figsize=(6.4, 4.6), layout="constrained", sharex=True)
        above.plot(seconds, [one["p50_ms"] for one in over], marker="o", markersize=3, label="p50 ms")
        above.plot(seconds, [one["askers"] for one in over], drawstyle="steps-post", label="askers at once")
        above.set_yscale("log")
        above.legend(frameon=False)
        shares = [[one[f"layer_{layer}"] for one in over] for layer in LAYERS]
        below.stackplot(seconds, *shares, labels=["1 exact", "2 semantic", "3 planned"], alpha=0.8)
        below.set_ylim(0, 1)
        below.set_ylabel("share of answers")
        below.set_xlabel("seconds since the begin, with an empty cache")
        below.legend(loc="lower right")
        for axes in (above, below):
            axes.grid(visible=True, which="major", alpha=0.3)
        figure.savefig(to, format="svg", metadata={"Date": None, "Creator": None})
        pyplot.close(figure)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--askers", default=",".join(map(str, STAGES)), help="askers at once, in turns")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each stage")
    parser.add_argument("--quick", action="store_true", help="only show it")
    arguments = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    try:
        found = measure([int(users) for users in arguments.askers.split(",")], arguments.seconds, QUESTIONS)
    except Failed as failed:
        console.print(f"[red]✗[/] {failed}")
        return 2
    console.print(markdown(found), markup=False)
    if not arguments.quick:
        JSON.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        MARKDOWN.write_text(markdown(found), encoding="utf-8")
        draw(found, PLOT)
    return int(found["errors"] > 0)


if __name__ == "__main__":
    sys.exit(main())
