"""The terminal client: `rowcall ask`, `explain`, `tables` and `chat`.

Rows and replies go to stdout, all else to stderr. Exit codes: 0 answered, 1 refused or failed, 2 used wrongly,
3 not signed in or not allowed, 4 nobody there, 130 interrupted, 141 nobody reads any more.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn, cast

from rich.console import Console
from rich.text import Text

from rowcall_client import show
from rowcall_client.documents import Answer, Column, Event, Message
from rowcall_client.http import VERSION, Problem, Rowcall, RowcallError
from rowcall_client.keys import api_key

URL = "http://127.0.0.1:8000"
REFUSED, MISUSED, NOT_ALLOWED, NOBODY, INTERRUPTED, UNREAD = 1, 2, 3, 4, 130, 141
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


def _code(error: RowcallError) -> int:
    match error:
        case Problem(status=401 | 403):
            return NOT_ALLOWED
        case Problem():
            return REFUSED
        case _:
            return NOBODY


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
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    ask = commands.add_parser("ask", parents=[question, output, common], help="one question, answered with rows")
    ask.add_argument("--fresh", action="store_true", help="plan anew instead of using a remembered plan")
    ask.add_argument("--sql", action="store_true", help="show the SQL and its parameters too")
    ask.set_defaults(command=_ask)
    explain = commands.add_parser("explain", parents=[question, common], help="the SQL for a question; nothing is run")
    explain.set_defaults(command=_explain)
    tables = commands.add_parser("tables", parents=[output, common], help="what questions can be about")
    tables.add_argument("name", nargs="?", help="one table, with its columns")
    tables.set_defaults(command=_tables)
    chat = commands.add_parser(
        "chat", parents=[common], help="talk about the data; one message, or as many as you like"
    )
    chat.add_argument("message", nargs="*", help="one message; read from stdin if absent, at a terminal line by line")
    chat.add_argument("-o", "--output", choices=("table", "json"), default="table")
    chat.add_argument("--sql", action="store_true", help="show the SQL and its parameters too")
    chat.add_argument("--timezone", metavar="ZONE", help="IANA time zone for periods and days")
    chat.set_defaults(command=_chat)
    return parser


def _said(words: list[str]) -> str:
    """What was said on the command line, else on stdin."""
    if words:
        return " ".join(words)
    if sys.stdin.isatty():
        sys.stderr.write("Ask away; end with Ctrl-D.\n")
    return sys.stdin.read().strip()


def _ask(client: Rowcall, given: argparse.Namespace, out: Console, errors: Console) -> int:
    answer = client.ask(_said(given.question), limit=given.limit, timezone=given.timezone, fresh=given.fresh)
    match given.output:
        case "json":
            show.as_json(answer, sys.stdout)
        case "csv":
            show.as_csv([column["name"] for column in answer["columns"]], answer["data"], sys.stdout)
            if given.sql:
                show.sql(errors, answer["sql"], answer["params"])
        case _:
            _rows(out, answer, sql=given.sql)
            errors.print(Text(f"{show.layer(answer)} · {answer['meta']['latency_ms']} ms", "dim"))
    if given.output == "csv" and answer["truncated"]:
        errors.print(Text(f"There are more rows than these {answer['row_count']}: --limit asks for more.", "yellow"))
    return 0


def _rows(out: Console, answer: Answer, *, sql: bool) -> None:
    hidden = show.rows(out, answer["columns"], answer["data"], whole=not out.is_terminal)
    if note := show.left_out(answer, len(answer["data"]), hidden):
        out.print(Text(note, "dim"))
    if not answer["data"]:
        out.print(Text("no rows", "dim"))
    if sql:
        out.print()
        show.sql(out, answer["sql"], answer["params"])


def _explain(client: Rowcall, given: argparse.Namespace, out: Console, _: Console) -> int:
    plan = client.explain(_said(given.question), limit=given.limit, timezone=given.timezone)
    out.print(Text(show.plain(plan["explanation"])))
    show.sql(out, plan["sql"], plan["params"])
    return 0


def _tables(client: Rowcall, given: argparse.Namespace, out: Console, _: Console) -> int:
    if given.name:
        table = client.table(given.name)
        document: object = table
        data = [
            {**column, "values": ", ".join(column["values"]), "key": column["name"] in table["primary_key"] or None}
            for column in table["columns"]
        ]
        names = ["name", "type", "key", "nullable", "comment", "values"]
    else:
        document = listed = client.tables()
        data = [dict(table) for table in listed]
        names = ["name", "kind", "rows", "columns", "comment"]
    if given.output == "json":
        show.as_json(document, sys.stdout)
    elif given.output == "csv":
        show.as_csv(names, data, sys.stdout)
    else:
        types = {"rows": "bigint", "columns": "integer"}
        columns = [Column(name=name, type=types.get(name, "text")) for name in names]
        show.rows(out, columns, data, whole=not out.is_terminal)
    return 0


def _chat(client: Rowcall, given: argparse.Namespace, out: Console, errors: Console) -> int:
    if not given.message and sys.stdin.isatty():
        return _talk(client, given, out, errors)
    messages: list[Message] = [{"role": "user", "content": _said(given.message)}]
    if given.output == "json":
        show.as_json(client.chat(messages, timezone=given.timezone), sys.stdout)
    else:
        _reply(client.stream(messages, timezone=given.timezone), out, errors, sql=given.sql)
    return 0


def _talk(client: Rowcall, given: argparse.Namespace, out: Console, errors: Console) -> int:
    """A conversation at a terminal. Ctrl-C stops a reply, and leaves between two; nothing typed is kept on disk."""
    import readline  # noqa: F401 -- arrow keys and history for `input`

    errors.print(Text("Ask about the data. Ctrl-D ends, Ctrl-C stops a reply.", "dim"))
    messages: list[Message] = []
    conversation: str | None = None
    while True:
        try:
            said = input("› ").strip()
        except EOFError:
            out.print()
            return 0
        if not said:
            continue
        asked: list[Message] = [*messages, {"role": "user", "content": said}]
        try:
            events = client.stream(asked, conversation_id=conversation, timezone=given.timezone)
            done = _reply(events, out, errors, sql=given.sql)
        except KeyboardInterrupt:
            errors.print(Text("\nstopped", "dim"))
            continue
        except RowcallError as error:
            show.failure(errors, error)
            continue
        messages = [*asked, done["message"]]
        conversation = done["conversation_id"]


def _reply(events: Generator[Event, None, None], out: Console, errors: Console, *, sql: bool) -> dict[str, Any]:
    """Shows a reply as it comes: prose, and under it the rows that it rests on."""
    answers: list[Answer] = []
    with closing(events):
        for name, data in events:
            match name:
                case "text":
                    out.file.write(show.plain(data["text"], keep="\n\t"))
                    out.file.flush()
                case "tool":
                    if data["state"] == "started":
                        errors.print(Text(f"· {show.plain(data['name'])} …", "dim"))
                    elif data["state"] == "failed":
                        errors.print(Text(f"· {show.plain(data['problem']['detail'])}", "yellow"))
                case "rows":
                    answers.append(cast(Answer, data))
                case "done":
                    out.print()
                    for answer in answers:
                        out.print()
                        _rows(out, answer, sql=sql)
                    return data
    raise AssertionError("a stream ends with `done` or an error")
