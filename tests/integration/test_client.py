"""The client as people have it: installed from this repository, run in a process of its own, against the real app."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest

from local.bridge import Bridge
from local.postgres import Postgres
from local.processes import ROOT, free_port
from rowcall_client import Problem, Rowcall, Unreachable
from rowcall_client.http import _events
from tests.integration.test_api import environment, serving
from tests.integration.test_identity import hs256, signing
from tests.integration.test_jobs import Jobs, jobs, jobs_aws
from tests.served import served

__all__ = ["jobs", "jobs_aws"]
"""Fixtures of another module."""

QUESTION = "top 5 products by revenue"
ESCAPE = "\x1b"
HOSTILE = """
CREATE TABLE notes (id int PRIMARY KEY, title text, meta jsonb);
COMMENT ON TABLE notes IS E'notes \\x1b]0;owned\\x07';
INSERT INTO notes VALUES
    (1, E'\\x1b[31mred\\x1b]0;owned\\x07', '{"a": [1, "\\u001b[2J"]}'), (2, E'line\\nbreak\\ttab', NULL),
    (3, U&'\\009b31m \\202e txt', 'null'), (4, 'grüße, "quoted"', '[]'), (5, E'\\r overwritten', '7');
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `pip install ./client` put it."""
    folder = tmp_path_factory.mktemp("client")
    source, target = folder / "source", folder / "site"
    shutil.copytree(ROOT / "client", source, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--no-index", "--no-deps", "--no-build-isolation", "--target", target, source),
        ],
        check=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    return target


@pytest.fixture
def url(bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serving(monkeypatch, environment(bridge, database_url)), served() as url:
        yield url


@pytest.fixture
def hostile(
    bridge: Bridge, postgres: Postgres, make_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    reader = postgres.reader_url(make_database(HOSTILE))
    with serving(monkeypatch, environment(bridge, reader)), served() as url:
        yield url


def environ(installed: Path, **more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {"PYTHONPATH": str(installed), "LANG": "C.UTF-8", "TERM": "xterm-256color"} | more


def rowcall(installed: Path, *arguments: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """`rowcall …` with its output in pipes; as text, line ends as they were."""
    done = subprocess.run(
        [installed / "bin" / "rowcall", *arguments],
        env=environ(installed, **more),
        input=stdin.encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


class Terminal:
    """`rowcall …` at a terminal."""

    def __init__(self, installed: Path, *arguments: str, **more: str) -> None:
        self._reader, writer = pty.openpty()
        self.process = subprocess.Popen(
            [installed / "bin" / "rowcall", *arguments],
            env=environ(installed, COLUMNS="100", **more),
            stdin=writer,
            stdout=writer,
            stderr=writer,
            start_new_session=True,
        )
        os.close(writer)
        self.seen = ""
        self._at = 0

    def read_until(self, text: str | None) -> str:
        """What is shown until `text` is, after what was waited for before, or until the end."""
        until = time.monotonic() + 30
        while text is None or text not in self.seen[self._at :]:
            ready, _, _ = select.select([self._reader], [], [], max(0, until - time.monotonic()))
            if not ready:
                self.process.kill()
                self.process.wait()
            assert ready, f"{text!r} was never shown: {self.seen!r}"
            try:
                chunk = os.read(self._reader, 65536)
            except OSError:  # Linux tells so that nobody is at the other end any more
                chunk = b""
            if not chunk:
                assert text is None, f"{text!r} was never shown: {self.seen!r}"
                break
            self.seen += chunk.decode(errors="replace")
        self._at = self.seen.index(text, self._at) + len(text) if text else len(self.seen)
        return self.seen

    def type(self, text: str) -> None:
        os.write(self._reader, text.encode())

    def end(self) -> int:
        self.read_until(None)
        os.close(self._reader)
        return self.process.wait(30)


def plain(shown: str) -> str:
    """What a terminal shows, without the colours that we set."""
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)


@contextmanager
def answering(*parts: bytes, wait: bool = False) -> Iterator[str]:
    """A server that answers its one caller with these bytes, then waits or goes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        over = threading.Event()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                for part in parts:
                    connection.sendall(part)
                if wait:
                    over.wait(60)
                with suppress(OSError):  # closed with something unread, a connection loses what was sent
                    connection.shutdown(socket.SHUT_WR)
                    connection.settimeout(30)
                    while connection.recv(65536):
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            thread.join(60)


def test_what_is_installed_is_typed_and_small(installed: Path) -> None:
    distribution = Distribution.at(next(installed.glob("rowcall_client-*.dist-info")))
    assert {name.partition(">")[0] for name in distribution.requires or ()} == {"httpx2", "rich"}
    assert (installed / "rowcall_client" / "py.typed").exists()
    assert rowcall(installed, "--version").stdout == f"rowcall {distribution.version}\n"


def test_rows_come_as_a_table_as_json_and_as_csv(installed: Path, url: str) -> None:
    told = json.loads(rowcall(installed, "ask", QUESTION, "--output", "json", ROWCALL_URL=url).stdout)
    assert told["query"] == QUESTION
    names = [row["name"] for row in told["data"]]
    assert len(names) == 5
    done = rowcall(installed, "ask", *QUESTION.split(), "--url", url, "-o", "csv")
    assert (done.returncode, done.stderr) == (0, "")
    read = list(csv.DictReader(io.StringIO(done.stdout, newline="")))
    assert [(row["name"], float(row["revenue"])) for row in read] == [
        (row["name"], row["revenue"]) for row in told["data"]
    ]
    done = rowcall(installed, "ask", QUESTION, "--url", url)
    assert done.returncode == 0
    assert [line.split("│")[0].strip() for line in done.stdout.splitlines()[2:7]] == names
    assert "layer 1: remembered plan, made by grammar" in done.stderr
    assert ESCAPE not in done.stdout + done.stderr


def test_the_sql_and_its_parameters_are_shown_when_asked_for(installed: Path, url: str) -> None:
    assert "SELECT" not in rowcall(installed, "ask", QUESTION, "--url", url).stdout
    assert "SELECT" in (table := rowcall(installed, "ask", QUESTION, "--url", url, "--sql")).stdout
    assert "$1 = 5" in table.stdout
    assert all(len(line) < 1000 for line in table.stdout.splitlines())
    as_csv = rowcall(installed, "ask", QUESTION, "--url", url, "--sql", "-o", "csv")
    assert "SELECT" in as_csv.stderr
    assert as_csv.stdout.count("\r\n") == 6
    explained = rowcall(installed, "explain", QUESTION, "--url", url)
    assert "SELECT" in explained.stdout
    assert "$1 = 5" in explained.stdout


def test_a_question_can_come_from_a_pipe_and_rows_that_are_cut_are_told_of(installed: Path, url: str) -> None:
    done = rowcall(installed, "ask", "--limit", "2", "-o", "csv", "--url", url, stdin="show active users\n")
    assert len(done.stdout.splitlines()) == 3
    assert "There are more rows than these 2" in done.stderr
    assert (
        "others beyond the limit of 2"
        in rowcall(installed, "ask", "show active users", "--limit", "2", "--url", url).stdout
    )


def test_tables_and_a_table(installed: Path, url: str) -> None:
    listed = rowcall(installed, "tables", "--url", url).stdout
    assert {"users", "orders"} <= {line.split("│")[0].strip() for line in listed.splitlines()}
    described = json.loads(rowcall(installed, "tables", "orders", "-o", "json", "--url", url).stdout)
    assert described["primary_key"] == ["id"]
    columns = list(
        csv.DictReader(io.StringIO(rowcall(installed, "tables", "orders", "-o", "csv", "--url", url).stdout))
    )
    assert [column["name"] for column in columns] == [column["name"] for column in described["columns"]]
    for name, said in ("pg_class", "There is no such table"), ("../health", "There is nothing here"):
        missing = rowcall(installed, "tables", name, "--url", url)
        assert (missing.returncode, missing.stdout) == (1, "")
        assert said in missing.stderr


def test_a_refused_question_says_what_would_work(installed: Path, url: str) -> None:
    done = rowcall(installed, "ask", "count the unicorns", "--url", url, "-o", "json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("✗ ")
    assert "unicorns" in done.stderr
    suggestion = next(line for line in done.stderr.splitlines() if line.startswith("  try: "))
    assert rowcall(installed, "ask", suggestion.removeprefix("  try: "), "--url", url).returncode == 0
    assert rowcall(installed, "ask", "--url", url, stdin=" \n").returncode == 1


def test_nobody_there(installed: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = rowcall(installed, "ask", QUESTION, "--url", url)
    assert (done.returncode, done.stdout, done.stderr) == (4, "", f"✗ Nobody answers at {url}.\n")


@pytest.mark.parametrize(
    ("said", "code", "sentence"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi", 4, "not as rowcall does"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\n\x1b[", 1, "HTTP 502"),
        (b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{"', 4, "not as rowcall does"),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"ok": true}', 4, "not as rowcall does"),
        (b'HTTP/1.1 400 Bad Request\r\nContent-Length: 13\r\n\r\n{"detail": 7}', 1, "HTTP 400"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", 1, "HTTP 302"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{", 4, "broke"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 4, "broke"),
        (b"", 4, "broke"),
    ],
)
def test_somebody_else_there(installed: Path, said: bytes, code: int, sentence: str) -> None:
    with answering(said) as url:
        done = rowcall(installed, "ask", QUESTION, "--url", url)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert ESCAPE not in done.stderr


@pytest.mark.parametrize("url", ["nonsense", "ftp://host", "http://", "https://me:secret@host", "http://[::1"])
def test_an_address_that_is_none(installed: Path, url: str) -> None:
    done = rowcall(installed, "ask", QUESTION, "--url", url)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("✗ The address ")
    assert "secret" not in done.stderr


def test_signing_in(
    installed: Path, bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = hs256()
    file = tmp_path / "key"
    file.write_text(f"{key}\n")
    with serving(monkeypatch, environment(bridge, database_url, **signing())), served() as url:
        ask = ("ask", QUESTION, "--url", url)
        without = rowcall(installed, *ask)
        assert (without.returncode, without.stdout) == (3, "")
        assert "Sign in" in without.stderr
        assert rowcall(installed, *ask, ROWCALL_API_KEY=f"{key[:-4]}AAAA").returncode == 3
        assert rowcall(installed, *ask, ROWCALL_API_KEY=key).returncode == 0
        file.chmod(0o640)
        open_file = rowcall(installed, *ask, "--key-file", str(file))
        assert open_file.returncode == 2
        assert "chmod 600" in open_file.stderr
        file.chmod(0o600)
        assert rowcall(installed, *ask, "--key-file", str(file)).returncode == 0
        assert rowcall(installed, *ask, ROWCALL_API_KEY_FILE=str(file)).returncode == 0
        terminal = Terminal(installed, *ask, "--prompt-key")
        terminal.read_until("API key: ")
        terminal.type(f"{key}\n")
        assert terminal.end() == 0, terminal.seen
        assert key not in terminal.seen


def test_a_key_never_travels_in_the_clear(installed: Path) -> None:
    done = rowcall(installed, "ask", QUESTION, "--url", "http://rowcall.example", ROWCALL_API_KEY="secret-key")
    assert (done.returncode, done.stdout) == (2, "")
    assert "in the clear" in done.stderr
    assert "secret-key" not in done.stderr
    assert "--api-key" not in rowcall(installed, "ask", "--help").stdout


def test_colours_are_for_terminals_that_want_them(installed: Path, url: str) -> None:
    colour = re.compile(r"\x1b\[[0-9;]*(?:3[0-8]|9[0-7])[;m]")
    for more, coloured in ({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False):
        terminal = Terminal(installed, "ask", QUESTION, "--sql", "--url", url, **more)
        assert terminal.end() == 0
        assert bool(colour.search(terminal.seen)) is coloured


def test_what_a_row_holds_never_reaches_a_terminal_as_a_command(installed: Path, hostile: str) -> None:
    for output in ("table", "csv", "json"):
        terminal = Terminal(installed, "ask", "show notes", "--url", hostile, "-o", output)
        assert terminal.end() == 0, terminal.seen
        shown = plain(terminal.seen).replace("\r\n", "\n")
        assert "red" in shown
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown), repr(shown)
    listed = Terminal(installed, "tables", "--url", hostile)
    assert listed.end() == 0
    assert ESCAPE + "]0;" not in listed.seen
    assert "\\x1b]0;owned" in listed.seen
    piped = rowcall(installed, "ask", "show notes", "--url", hostile)
    assert ESCAPE not in piped.stdout
    assert "\\x1b[31mred" in piped.stdout


def test_what_a_row_holds_reaches_a_program_as_it_is(installed: Path, hostile: str, postgres: Postgres) -> None:
    with Rowcall(hostile) as client:
        data = client.ask("show notes")["data"]
    assert {row["title"] for row in data} >= {f"{ESCAPE}[31mred{ESCAPE}]0;owned\x07", "line\nbreak\ttab"}
    as_json = rowcall(installed, "ask", "show notes", "--url", hostile, "-o", "json")
    assert json.loads(as_json.stdout)["data"] == data
    as_csv = rowcall(installed, "ask", "show notes", "--url", hostile, "-o", "csv")
    read = list(csv.DictReader(io.StringIO(as_csv.stdout, newline="")))
    assert [row["title"] for row in read] == [row["title"] for row in data]
    assert [row["meta"] for row in read] == ["" if row["meta"] is None else json.dumps(row["meta"]) for row in data]


def test_chat_once(installed: Path, url: str) -> None:
    done = rowcall(installed, "chat", "count pending orders", "--sql", "--url", url)
    assert done.returncode == 0
    prose, _, evidence = done.stdout.partition("\n\n")
    assert "orders_count" in evidence
    assert "SELECT" in evidence
    assert "· query …" in done.stderr
    assert ESCAPE not in done.stdout
    told = json.loads(rowcall(installed, "chat", "-o", "json", "--url", url, stdin="count pending orders").stdout)
    assert told["message"]["content"] == prose
    assert told["evidence"][0]["params"][0] == "pending"
    assert str(told["evidence"][0]["data"][0]["orders_count"]) in prose
    refused = rowcall(installed, "chat", "x" * 4001, "--url", url)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "more than 4000 characters" in refused.stderr


def test_a_conversation_at_a_terminal(installed: Path, url: str) -> None:
    terminal = Terminal(installed, "chat", "--url", url)
    terminal.read_until("› ")
    terminal.type("count pending orders\n")
    terminal.read_until("orders_count")
    terminal.read_until("› ")
    terminal.type("count the unicorns\n")
    terminal.read_until("You could ask")
    terminal.read_until("› ")
    terminal.type("\n")
    terminal.read_until("› ")
    terminal.type("\x04")
    assert terminal.end() == 0, terminal.seen
    terminal = Terminal(installed, "chat", "--url", url)
    terminal.read_until("› ")
    for _ in range(20):  # one that comes just before it waits for a key is noticed with the next
        terminal.process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            terminal.process.wait(1)
            break
    assert terminal.end() == 130, terminal.seen
    assert "Traceback" not in terminal.seen


def test_ctrl_c_stops_a_reply_and_not_the_conversation(installed: Path) -> None:
    with answering(STREAM, b'event: text\ndata: {"text": "Once upon"}\n\n', wait=True) as url:
        terminal = Terminal(installed, "chat", "--url", url)
        terminal.read_until("› ")
        terminal.type("tell me\n")
        terminal.read_until("Once upon")
        terminal.process.send_signal(signal.SIGINT)
        terminal.read_until("stopped")
        terminal.read_until("› ")
        terminal.type("\x04")
        assert terminal.end() == 0, terminal.seen
        assert "Traceback" not in terminal.seen


def test_what_a_model_says_is_no_command_either(installed: Path) -> None:
    said = b'event: text\ndata: {"text": "a\\u001b]0;owned\\u0007\\u202eb\\n\\tc"}\n\n'
    done = b'event: done\ndata: {"conversation_id": null, "message": {"role": "assistant", "content": ""}}\n\n'
    with answering(STREAM, said, done) as url:
        shown = rowcall(installed, "chat", "hello", "--url", url)
    assert shown.stdout == "a\\x1b]0;owned\\x07\\u202eb\n\tc\n"


def test_a_reader_that_has_gone_ends_it_quietly(installed: Path, url: str) -> None:
    for output in ("table", "json", "csv"):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [installed / "bin" / "rowcall", "ask", QUESTION, "--url", url, "-o", output],
            env=environ(installed),
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
        os.close(writer)
        assert done.returncode == 141, output
        assert b"Traceback" not in done.stderr
        assert b"Exception" not in done.stderr


def test_ctrl_c_ends_it_quietly(installed: Path) -> None:
    with answering(wait=True) as url:
        process = subprocess.Popen(
            [installed / "bin" / "rowcall", "ask", QUESTION, "--url", url],
            env=environ(installed),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (130, b"", b"")


@pytest.mark.parametrize("arguments", [[], ["dance"], ["ask", "x", "--output", "xml"], ["ask", "x", "--limit", "many"]])
def test_wrong_use(installed: Path, arguments: list[str]) -> None:
    done = rowcall(installed, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: rowcall")


@pytest.mark.parametrize("command", ["ask", "chat", "tables"])
def test_what_is_no_text_is_told_of(installed: Path, url: str, command: str) -> None:
    written: list[str | bytes | Path] = [installed / "bin" / "rowcall", command, "--url", url]
    for given, piped in (([b"caf\xe9"], b""), ([], b"caf\xe9")):
        if piped and command == "tables":
            continue
        done = subprocess.run(
            [*written, *given], input=piped, env=environ(installed), capture_output=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout) == (2, b"")
        assert "What was said is no text" in done.stderr.decode()


@pytest.fixture
def busy(jobs: Jobs) -> Iterator[str]:
    """The app with a worker behind it, which takes what comes."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.05):
            jobs.work()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    with served() as url:
        yield url
    over.set()
    thread.join()


def test_an_export_is_every_row_in_a_file(installed: Path, busy: str, tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    done = rowcall(installed, "export", "show users", "--url", busy, "--to", str(file))
    assert (done.returncode, done.stdout) == (0, "")
    (rows,) = re.findall(r"(\d+) rows", done.stderr)
    assert len(list(csv.DictReader(io.StringIO(file.read_text(), newline="")))) == int(rows) > 50
    assert list(tmp_path.iterdir()) == [file]
    lines = rowcall(installed, "export", "show users", "--url", busy, "--format", "jsonl", "--limit", "60").stdout
    assert len([json.loads(line) for line in lines.splitlines()]) == 60
    refused = rowcall(installed, "export", "count the unicorns", "--url", busy)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "  try: " in refused.stderr
    nowhere = rowcall(installed, "export", "count orders", "--url", busy, "--to", "/nowhere/x.csv")
    assert nowhere.returncode == 1
    assert "cannot be written" in nowhere.stderr
    terminal = Terminal(installed, "export", "count orders", "--url", busy)
    assert terminal.end() == 2
    listed = json.loads(rowcall(installed, "jobs", "--url", busy, "-o", "json").stdout)
    assert [job["state"] for job in listed] == ["done", "failed", "done", "done"]
    assert "unicorns" in rowcall(installed, "jobs", listed[1]["id"], "--url", busy).stdout


def test_an_export_that_is_not_waited_for_is_cancelled(installed: Path, jobs: Jobs) -> None:
    with served() as url:
        late = rowcall(installed, "export", "show users", "--url", url, "--wait", "0")
        assert late.returncode == 4
        assert "still queued" in late.stderr
        process = subprocess.Popen(
            [installed / "bin" / "rowcall", "export", "show users", "--url", url],
            env=environ(installed),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stderr
        assert b"tells how far it is" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[0] == b""
        assert process.returncode == 130
        with Rowcall(url) as client:
            assert [job["state"] for job in client.jobs()] == ["cancelled", "queued"]
            job = client.submit(["count orders", "count users"])
            assert client.cancel(job["id"])["state"] == "cancelled"
        assert "cancelled" in rowcall(installed, "jobs", "--url", url).stdout


def test_a_conversation_goes_on_where_it_stopped(installed: Path, jobs: Jobs) -> None:
    with served() as url:
        first = rowcall(installed, "chat", "count pending orders", "--url", url)
        (conversation,) = re.findall(r"rowcall chat --conversation (\S+)", first.stderr)
        again = rowcall(installed, "chat", "count users", "--conversation", conversation, "--url", url)
        assert conversation in again.stderr
        (kept,) = json.loads(rowcall(installed, "conversations", "-o", "json", "--url", url).stdout)
        assert (kept["id"], kept["turns"]) == (conversation, 4)
        missing = rowcall(installed, "chat", "count users", "--conversation", "0" * 32, "--url", url)
        assert missing.returncode == 1


def test_the_library(url: str) -> None:
    with Rowcall(url) as client:
        answer = client.ask(QUESTION, limit=3)
        assert (answer["row_count"], answer["truncated"]) == (3, True)
        assert client.explain(QUESTION)["tables"] == ["order_items", "products"]
        assert "orders" in [table["name"] for table in client.tables()]
        assert client.table("orders")["primary_key"] == ["id"]
        with pytest.raises(Problem) as refused:
            client.ask("count the unicorns")
        assert (refused.value.status, refused.value.code) == (422, "unanswerable")
        assert refused.value.suggestions
        assert refused.value.request_id
        with pytest.raises(Problem) as wrong:
            client.ask("count orders", limit=0)
        assert wrong.value.code == "invalid_request"
    with pytest.raises(Unreachable, match="Nobody answers"), Rowcall(f"http://127.0.0.1:{free_port()}") as client:
        client.tables()


def test_the_address_may_have_a_path() -> None:
    for url in "https://host/dev", "https://host/dev/":
        with Rowcall(url) as client:
            assert client._http.build_request("POST", "/api/query").url == "https://host/dev/api/query"


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
SAID: list[Any] = [{"role": "user", "content": "count orders"}]


def test_a_reply_that_is_cut_off_is_not_taken_for_a_whole_one() -> None:
    with answering(STREAM, b'event: text\ndata: {"text": "There are"}\n\n') as url, Rowcall(url) as client:
        events = client.stream(SAID)
        assert next(events) == ("text", {"text": "There are"})
        with pytest.raises(Unreachable, match="cut off"):
            next(events)


def test_a_reply_that_fails_on_its_way_is_a_problem() -> None:
    told = b'event: error\ndata: {"code": "deadline_exceeded", "detail": "Too slow.", "status": 504}\n\n'
    with answering(STREAM, told) as url, Rowcall(url) as client, pytest.raises(Problem, match="Too slow") as failed:
        list(client.stream(SAID))
    assert failed.value.status == 504


@pytest.mark.parametrize("told", [b"data: {\n\n", b"event: text\ndata: \xff\n\n"])
def test_events_that_are_none_are_told_of(told: bytes) -> None:
    with (
        answering(STREAM, told) as url,
        Rowcall(url) as client,
        pytest.raises(Unreachable, match="not as rowcall does"),
    ):
        list(client.stream(SAID))
    with answering(STREAM, b"event: error\ndata: {}\n\n") as url, Rowcall(url) as client, pytest.raises(Problem):
        list(client.stream(SAID))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_events_are_read_however_they_are_cut(size: int, end: bytes) -> None:
    text = "a\u2028b\u0085c\x0bd\r"
    sent = end.join(
        [
            *(
                b": keep-alive",
                b"",
                b"event: text",
                b"data: " + json.dumps({"text": text}, ensure_ascii=False).encode(),
            ),
            *(b"", b"event:done", b'data:{"a":', b"data: 1}", b"", b""),
        ]
    )
    chunks = (sent[at : at + size] for at in range(0, len(sent), size))
    assert list(_events(chunks)) == [("text", {"text": text}), ("done", {"a": 1})]
