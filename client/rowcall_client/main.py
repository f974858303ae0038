"""The terminal client: `rowcall ask`, `explain`, `tables`, `chat`, `export` and `jobs`.

Rows and replies go to stdout, all else to stderr. Exit codes: 0 answered, 1 refused or failed, 2 used wrongly,
3 not signed in or not allowed, 4 nobody there, 130 interrupted, 141 nobody reads any more.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from rowcall_client import commands, show
from rowcall_client.commands import MISUSED
from rowcall_client.http import VERSION, Problem, Rowcall, RowcallError, Unreachable
from rowcall_client.keys import api_key

URL = "http://127.0.0.1:8000"
REFUSED, NOT_ALLOWED, NOBODY, INTERRUPTED, UNREAD = 1, 3, 4, 130, 141
EPILOG = """environment:
  ROWCALL_URL           where the API is; --url wins
  ROWCALL_API_KEY       an API key or a token
  ROWCALL_API_KEY_FILE  a file that holds it and that only you can read; --key-file wins
  NO_COLOR              no colours

exit codes:
  0 answered   1 refused, or failed   2 used wrongly   3 not signed in, or not allowed   4 nobody there
  130 interrupted   141 nobody reads the output any more"""


class Terminal(Console):
    """A console that leaves it to `run` to end when its reader has gone."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def run() -> NoReturn:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter flushes once more
        code = UNREAD
    sys.exit(code)


def main(arguments: list[str]) -> int:
    parser = _parser()
    given = parser.parse_args(arguments)
    errors = Terminal(stderr=True, highlight=False)
    try:
        key = api_key(os.environ, given.key_file, prompt=given.prompt_key)
        client = Rowcall(given.url, key)
    except ValueError as error:
        show.failure(errors, error)
        return MISUSED
    wide = None if sys.stdout.isatty() else 10_000
    with client:
        try:
            command: Callable[[Rowcall, argparse.Namespace, Console, Console], int] = given.command
            return command(client, given, Terminal(highlight=False, width=wide), errors)
        except RowcallError as error:
            show.failure(errors, error)
            return _code(error)
        except UnicodeError:
            show.failure(errors, ValueError("What was said is no text in the encoding of this terminal."))
            return MISUSED


def _code(error: RowcallError) -> int:
    match error:
        case Problem(status=401 | 403):
            return NOT_ALLOWED
        case Unreachable():
            return NOBODY
        case _:
            return REFUSED


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--url", default=os.environ.get("ROWCALL_URL") or URL, help="where the API is (%(default)s)")
    file = os.environ.get("ROWCALL_API_KEY_FILE")
    key = common.add_mutually_exclusive_group()
    key.add_argument("--key-file", type=Path, default=file and Path(file), metavar="FILE", help="holds the API key")
    key.add_argument("--prompt-key", action="store_true", help="type the API key")
    output = argparse.ArgumentParser(add_help=False)
    output.add_argument("-o", "--output", choices=("table", "json", "csv"), default="table")
    question = argparse.ArgumentParser(add_help=False)
    question.add_argument("question", nargs="*", help="in plain language; read from stdin if absent")
    question.add_argument("--limit", type=int, metavar="ROWS", help="most rows wanted")
    question.add_argument("--timezone", metavar="ZONE", help="IANA time zone for periods and days")

    parser = argparse.ArgumentParser(
        prog="rowcall",
        description="Ask a Postgres database a question in plain language.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"rowcall {VERSION}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)

    ask = subparsers.add_parser("ask", parents=[question, output, common], help="one question, answered with rows")
    ask.add_argument("--fresh", action="store_true", help="plan anew instead of using a remembered plan")
    ask.add_argument("--sql", action="store_true", help="show the SQL and its parameters too")
    ask.set_defaults(command=commands.ask)
    explain = subparsers.add_parser(
        "explain", parents=[question, common], help="the SQL for a question; nothing is run"
    )
    explain.set_defaults(command=commands.explain)
    tables = subparsers.add_parser("tables", parents=[output, common], help="what questions can be about")
    tables.add_argument("name", nargs="?", help="one table, with its columns")
    tables.set_defaults(command=commands.tables)
    chat = subparsers.add_parser(
        "chat", parents=[common], help="talk about the data; one message, or as many as you like"
    )
    chat.add_argument("message", nargs="*", help="one message; read from stdin if absent, at a terminal line by line")
    chat.add_argument("-o", "--output", choices=("table", "json"), default="table")
    chat.add_argument("--sql", action="store_true", help="show the SQL and its parameters too")
    chat.add_argument("--timezone", metavar="ZONE", help="IANA time zone for periods and days")
    chat.add_argument("--conversation", metavar="ID", help="go on with a conversation")
    chat.set_defaults(command=commands.chat)
    conversations = subparsers.add_parser("conversations", parents=[output, common], help="what you talked about")
    conversations.set_defaults(command=commands.conversations)
    export = subparsers.add_parser("export", parents=[question, common], help="every row of a question, as a file")
    export.add_argument("--format", choices=("csv", "jsonl"), default="csv")
    export.add_argument("--to", type=Path, metavar="FILE", help="where to put it; else on stdout")
    export.add_argument("--wait", type=float, default=900, metavar="SECONDS", help="how long to wait (%(default)s)")
    export.set_defaults(command=commands.export)
    jobs = subparsers.add_parser("jobs", parents=[output, common], help="exports and questions that are answered later")
    jobs.add_argument("id", nargs="?", help="one job, and its results")
    jobs.add_argument("--cancel", action="store_true", help="run nothing more of it")
    jobs.set_defaults(command=commands.jobs)
    return parser
