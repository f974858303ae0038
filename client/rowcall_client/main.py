"""The terminal client: `rowcall ask`, `explain`, `tables`, `chat`, `export` and `jobs`.

Rows and replies go to stdout, all else to stderr. Exit codes: 0 answered, 1 refused or failed, 2 used wrongly,
3 not signed in or not allowed, 4 nobody there, 130 interrupted, 141 nobody reads any more.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn, cast

from rich.console import Console
from rich.text import Text

from rowcall_client import show
from rowcall_client.documents import Answer, Column, Event, JobResult, Message
from rowcall_client.http import VERSION, Problem, Rowcall, RowcallError, Unreachable
from rowcall_client.keys import api_key

URL = "http://127.0.0.1:8000"
TYPES = dict.fromkeys(("rows", "columns", "turns", "total", "done", "failed"), "bigint")
"""Of columns of lists; all others are text."""

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
    chat.add_argument("--conversation", metavar="ID", help="go on with a conversation")
    chat.set_defaults(command=_chat)
    conversations = commands.add_parser("conversations", parents=[output, common], help="what you talked about")
    conversations.set_defaults(command=_conversations)
    export = commands.add_parser("export", parents=[question, common], help="every row of a question, as a file")
    export.add_argument("--format", choices=("csv", "jsonl"), default="csv")
    export.add_argument("--to", type=Path, metavar="FILE", help="where to put it; else on stdout")
    export.add_argument("--wait", type=float, default=900, metavar="SECONDS", help="how long to wait (%(default)s)")
    export.set_defaults(command=_export)
    jobs = commands.add_parser("jobs", parents=[output, common], help="exports and questions that are answered later")
    jobs.add_argument("id", nargs="?", help="one job, and its results")
    jobs.add_argument("--cancel", action="store_true", help="run nothing more of it")
    jobs.set_defaults(command=_jobs)
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
    _listed(out, given.output, document, names, data)
    return 0


def _listed(out: Console, output: str, document: object, names: list[str], data: Sequence[Mapping[str, Any]]) -> None:
    """A document as it is, or the columns `names` of it."""
    if output == "json":
        show.as_json(document, sys.stdout)
    elif output == "csv":
        show.as_csv(names, data, sys.stdout)
    else:
        columns = [Column(name=name, type=TYPES.get(name, "text")) for name in names]
        show.rows(out, columns, data, whole=not out.is_terminal)


def _conversations(client: Rowcall, given: argparse.Namespace, out: Console, _: Console) -> int:
    listed = client.conversations()
    _listed(out, given.output, listed, ["id", "updated", "turns", "title"], listed)
    return 0


def _export(client: Rowcall, given: argparse.Namespace, _: Console, errors: Console) -> int:
    if given.to is None and sys.stdout.isatty():
        errors.print("A file is not for a terminal: --to FILE, or > FILE.")
        return MISUSED
    job = client.submit([_said(given.question)], format=given.format, limit=given.limit, timezone=given.timezone)
    try:
        errors.print(Text(f"rowcall jobs {show.plain(job['id'])}  tells how far it is", "dim"))
        with errors.status("exporting …"):
            (result,) = client.wait(job["id"], given.wait)["results"]
    except KeyboardInterrupt:
        client.cancel(job["id"])
        raise
    if result["problem"] is not None:
        raise Problem(result["problem"], result["problem"].get("status", 500))
    if result["file"] is None:
        raise Unreachable(f"The job {job['id']} was {result['state']}.")
    chunks = client.download(result["file"])
    if given.to is None:
        sys.stdout.buffer.writelines(chunks)
        sys.stdout.buffer.flush()
    else:
        _write(given.to, chunks)
    errors.print(Text(f"{result['file']['rows']} rows", "dim"))
    return 0


def _write(to: Path, chunks: Iterable[bytes]) -> None:
    """All of them, or no file."""
    part = to.with_name(f"{to.name}.part")
    try:
        with part.open("wb") as file:
            file.writelines(chunks)
        part.replace(to)
    except OSError as error:
        raise RowcallError(f"{to} cannot be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)


def _jobs(client: Rowcall, given: argparse.Namespace, out: Console, _: Console) -> int:
    if given.id is None:
        listed = client.jobs()
        data: list[dict[str, Any]] = [{**job, **job["progress"]} for job in listed]
        _listed(out, given.output, listed, ["id", "state", "format", "total", "done", "failed", "created"], data)
        return 0
    if given.cancel:
        client.cancel(given.id)
    job = client.job(given.id)
    data = [_row(result) for result in job["results"]]
    _listed(out, given.output, job, ["question", "state", "rows", "problem"], data)
    return 0


def _row(result: JobResult) -> dict[str, Any]:
    file, answer, problem = result["file"], result["answer"], result["problem"]
    return {
        "question": result["query"],
        "state": result["state"],
        "rows": file["rows"] if file else answer["row_count"] if answer else None,
        "problem": problem["detail"] if problem else None,
    }


def _chat(client: Rowcall, given: argparse.Namespace, out: Console, errors: Console) -> int:
    if not given.message and sys.stdin.isatty():
        return _talk(client, given, out, errors)
    messages: list[Message] = [{"role": "user", "content": _said(given.message)}]
    conversation, zone = given.conversation, given.timezone
    if given.output == "json":
        show.as_json(client.chat(messages, conversation_id=conversation, timezone=zone), sys.stdout)
    else:
        events = client.stream(messages, conversation_id=conversation, timezone=zone)
        _go_on(errors, _reply(events, out, errors, sql=given.sql)["conversation_id"])
    return 0


def _go_on(errors: Console, conversation: str | None) -> None:
    if conversation:
        errors.print(Text(f"rowcall chat --conversation {show.plain(conversation)}  goes on from here", "dim"))


def _talk(client: Rowcall, given: argparse.Namespace, out: Console, errors: Console) -> int:
    """A conversation at a terminal. Ctrl-C stops a reply, and leaves between two; nothing typed is kept on disk."""
    import readline  # noqa: F401 -- arrow keys and history for `input`

    errors.print(Text("Ask about the data. Ctrl-D ends, Ctrl-C stops a reply.", "dim"))
    messages: list[Message] = []
    conversation: str | None = given.conversation
    while True:
        try:
            said = input("› ").strip()
        except EOFError:
            out.print()
            _go_on(errors, conversation)
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
        conversation = done["conversation_id"]
        messages = [] if conversation else [*asked, done["message"]]


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
