"""What each command of `rowcall` does: asks the API, shows what it told, and tells the exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.text import Text

from rowcall_client import show
from rowcall_client.documents import Answer, Column, Event, JobResult, Message
from rowcall_client.http import Problem, Rowcall, RowcallError, Unreachable

MISUSED = 2
TYPES = dict.fromkeys(("rows", "columns", "turns", "total", "done", "failed"), "bigint")
"""Of columns of lists; all others are text."""


def _said(words: list[str]) -> str:
    """What was said on the command line, else on stdin."""
    if words:
        return " ".join(words)
    if sys.stdin.isatty():
        sys.stderr.write("Ask away; end with Ctrl-D.\n")
    return sys.stdin.read().strip()


def ask(client: Rowcall, given: argparse.Namespace, out: Console, errors: Console) -> int:
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


def explain(client: Rowcall, given: argparse.Namespace, out: Console, _: Console) -> int:
    plan = client.explain(_said(given.question), limit=given.limit, timezone=given.timezone)
    out.print(Text(show.plain(plan["explanation"])))
    show.sql(out, plan["sql"], plan["params"])
    return 0


def tables(client: Rowcall, given: argparse.Namespace, out: Console, _: Console) -> int:
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


def conversations(client: Rowcall, given: argparse.Namespace, out: Console, _: Console) -> int:
    listed = client.conversations()
    _listed(out, given.output, listed, ["id", "updated", "turns", "title"], listed)
    return 0


def export(client: Rowcall, given: argparse.Namespace, _: Console, errors: Console) -> int:
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


def jobs(client: Rowcall, given: argparse.Namespace, out: Console, _: Console) -> int:
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


def chat(client: Rowcall, given: argparse.Namespace, out: Console, errors: Console) -> int:
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
    with suppress(ImportError):  # not everywhere
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
