"""Speaks to the API. It never retries, follows no redirect, and sends a key over https alone (or to one's own machine).

Each call ends with a document, or with a `RowcallError` whose text is a sentence for a person.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Literal, Self, cast

import httpx2

from rowcall_client.documents import (
    Answer,
    ChatReply,
    ConversationSummary,
    Event,
    Explanation,
    File,
    Job,
    JobSummary,
    Message,
    ProblemDocument,
    Table,
    TableSummary,
)

VERSION = "0.1.0"
CONNECT_SECONDS = 5.0
FIRST_PAUSE, MOST_PAUSE = 0.3, 5.0
"""Seconds between looks at a job: half as long again each time."""


class RowcallError(Exception):
    """Whatever keeps a call from its answer."""


class Unreachable(RowcallError):
    """Nobody answered, or not as rowcall does, or a reply was cut off."""


class Problem(RowcallError):
    """What the API says is wrong. `code` is stable; `suggestions` are questions that would work."""

    def __init__(self, document: ProblemDocument, status: int, retry_after: str | None = None) -> None:
        self.document = document
        self.status = status
        self.code = document["code"]
        self.suggestions = document.get("suggestions", [])
        self.request_id = document.get("request_id", "")
        self.retry_after = retry_after
        super().__init__(document["detail"])


class Rowcall:
    """The API at `url`, which may have a path, such as a stage's. `timeout` is in seconds, for each wait of a call."""

    def __init__(self, url: str, api_key: str = "", *, timeout: float = 60.0) -> None:
        """Raises `ValueError` for an address that is none, and for a key that would travel in the clear."""
        headers = {"User-Agent": f"rowcall-client/{VERSION}", "Accept": "application/json"}
        if api_key:
            if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
                raise ValueError("The API key holds characters that no key has.")
            headers["Authorization"] = f"Bearer {api_key}"
        self.url = url
        self._http = httpx2.Client(
            base_url=_checked(url, secret=bool(api_key)),
            headers=headers,
            timeout=httpx2.Timeout(timeout, connect=CONNECT_SECONDS),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def ask(
        self, question: str, *, limit: int | None = None, timezone: str | None = None, fresh: bool = False
    ) -> Answer:
        """Rows for a question, and how they were found."""
        return cast(Answer, self._told("data", "POST", "/api/query", _question(question, limit, timezone, fresh)))

    def explain(self, question: str, *, limit: int | None = None, timezone: str | None = None) -> Explanation:
        """The plan for a question; nothing is run."""
        return cast(Explanation, self._told("plan", "POST", "/api/explain", _question(question, limit, timezone)))

    def tables(self) -> list[TableSummary]:
        return cast(list[TableSummary], self._told("tables", "GET", "/api/tables")["tables"])

    def table(self, name: str) -> Table:
        return cast(Table, self._told("columns", "GET", f"/api/tables/{_segment(name)}"))

    def chat(
        self, messages: Sequence[Message], *, conversation_id: str | None = None, timezone: str | None = None
    ) -> ChatReply:
        """The reply to the last of `messages`, told whole."""
        body = _talk(messages, conversation_id, timezone)
        return cast(ChatReply, self._told("message", "POST", "/api/chat", body))

    def stream(
        self, messages: Sequence[Message], *, conversation_id: str | None = None, timezone: str | None = None
    ) -> Generator[Event, None, None]:
        """The same reply as it comes; `done` is its last event.

        Raises `Problem` for a reply that fails on its way, and `Unreachable` for one that ends before it is whole.
        """
        body = _talk(messages, conversation_id, timezone) | {"stream": True}
        try:
            with self._http.stream("POST", "/api/chat", json=body, headers={"Accept": "text/event-stream"}) as response:
                if not response.is_success:
                    response.read()
                    raise _problem(response)
                for event in _events(response.iter_bytes()):
                    if event.name == "error":
                        raise _told_of(event.data, 200)
                    yield event
                    if event.name == "done":
                        return
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from error
        except UnicodeEncodeError:  # what was said, and nothing that was told
            raise
        except ValueError as error:  # an event that is no JSON
            raise self._stranger() from error
        raise Unreachable("The reply was cut off before it was whole.")

    def conversations(self) -> list[ConversationSummary]:
        """The latest conversations of whoever asks."""
        return cast(
            list[ConversationSummary], self._told("conversations", "GET", "/api/conversations")["conversations"]
        )

    def submit(
        self,
        questions: Sequence[str],
        *,
        format: Literal["json", "jsonl", "csv"] = "json",  # noqa: A002 -- the API's name
        limit: int | None = None,
        timezone: str | None = None,
    ) -> Job:
        """Questions to be answered later, or with `jsonl` or `csv` exported: every row into a file."""
        fields = {"queries": list(questions), "format": format, "limit": limit, "timezone": timezone}
        body = {name: value for name, value in fields.items() if value is not None}
        return cast(Job, self._told("results", "POST", "/api/jobs", body))

    def jobs(self) -> list[JobSummary]:
        """The latest jobs of whoever asks."""
        return cast(list[JobSummary], self._told("jobs", "GET", "/api/jobs")["jobs"])

    def job(self, job_id: str) -> Job:
        """How far a job is, and its results so far."""
        return cast(Job, self._told("results", "GET", f"/api/jobs/{_segment(job_id)}"))

    def wait(self, job_id: str, seconds: float) -> Job:
        """A job that has ended. Raises `Unreachable` when it has not after so many seconds."""
        until = time.monotonic() + seconds
        pause = FIRST_PAUSE
        while (job := self.job(job_id))["state"] in ("queued", "running"):
            if (left := until - time.monotonic()) <= 0:
                raise Unreachable(f"The job {job_id} is still {job['state']} after {seconds:.0f} s.")
            time.sleep(min(pause, left))
            pause = min(1.5 * pause, MOST_PAUSE)
        return job

    def cancel(self, job_id: str) -> JobSummary:
        """Nothing more of it is run."""
        return cast(JobSummary, self._told("state", "DELETE", f"/api/jobs/{_segment(job_id)}"))

    def download(self, file: File) -> Iterator[bytes]:
        """The content of a job's file, from where it is kept; the API key does not go there."""
        try:
            with httpx2.stream("GET", file["url"], timeout=self._http.timeout) as response:
                if not response.is_success:
                    response.read()
                    raise Unreachable(f"The file cannot be had (HTTP {response.status_code}).")
                yield from response.iter_bytes()
        except httpx2.HTTPError as error:
            raise Unreachable(f"The download broke ({type(error).__name__}).") from error

    def request(self, method: str, path: str, body: object = None) -> httpx2.Response:
        """A response that is no error."""
        try:
            response = self._http.request(method, path, json=body)
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from error
        if not response.is_success:
            raise _problem(response)
        return response

    def _told(self, member: str, method: str, path: str, body: object = None) -> Any:
        """The document that is answered, which has `member`."""
        response = self.request(method, path, body)
        with suppress(ValueError):
            told = response.json()
            if isinstance(told, dict) and member in told:
                return told
        raise self._stranger()

    def _stranger(self) -> Unreachable:
        return Unreachable(f"{self.url} answers, but not as rowcall does.")

    def _unreachable(self, error: httpx2.HTTPError) -> Unreachable:
        match error:
            case httpx2.ConnectError():
                return Unreachable(f"Nobody answers at {self.url}.")
            case httpx2.TimeoutException():
                return Unreachable(f"{self.url} took too long.")
            case _:
                return Unreachable(f"The connection to {self.url} broke ({type(error).__name__}).")


def _checked(url: str, *, secret: bool) -> httpx2.URL:
    try:
        address = httpx2.URL(url)
    except httpx2.InvalidURL:
        raise ValueError("The address is not a URL.") from None
    if address.scheme not in ("http", "https") or not address.host:
        raise ValueError("The address must begin with https:// or http://.")
    if address.userinfo:
        raise ValueError("The address must not hold a user or a password.")
    if secret and address.scheme != "https" and not _is_this_machine(address.host):
        raise ValueError("The address must begin with https://, as the API key would travel in the clear.")
    return address


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _question(question: str, limit: int | None, timezone: str | None, fresh: bool = False) -> dict[str, Any]:
    fields = {"query": question, "limit": limit, "timezone": timezone, "fresh": fresh or None}
    return {name: value for name, value in fields.items() if value is not None}


def _talk(messages: Sequence[Message], conversation_id: str | None, timezone: str | None) -> dict[str, Any]:
    fields = {"messages": list(messages), "conversation_id": conversation_id, "timezone": timezone}
    return {name: value for name, value in fields.items() if value is not None}


def _segment(name: str) -> str:
    """A name as one segment of a path, whatever it holds."""
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"%{byte:02X}" for byte in name.encode())


def _problem(response: httpx2.Response) -> Problem:
    try:
        document = response.json()
    except ValueError:
        document = None
    return _told_of(document, response.status_code, response.headers.get("retry-after"))


def _told_of(document: Any, status: int, retry_after: str | None = None) -> Problem:
    """What `document` tells, whoever wrote it."""
    match document:
        case {"code": str(), "detail": str()}:
            told = cast(ProblemDocument, document)
            return Problem(told, told.get("status", status), retry_after)
        case _:
            told = {"code": "http", "detail": f"The answer was HTTP {status}, and not rowcall's."}
            return Problem(told, status, retry_after)


def _events(chunks: Iterator[bytes]) -> Iterator[Event]:
    """Server-sent events (WHATWG HTML, 9.2). Lines are split at line feeds alone: JSON may hold any other separator."""
    name, data = "message", b""
    for line in _lines(chunks):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line and data:
            yield Event(name, json.loads(data))
            name, data = "message", b""
        elif field == b"event":
            name = value.decode()
        elif field == b"data":
            data += value


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.removesuffix(b"\r") for line in lines)
