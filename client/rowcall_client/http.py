"""Speaks to the API. It never retries, follows no redirect, and sends a key over https alone (or to one's own machine).

Each call ends with a document, or with a `RowcallError` whose text is a sentence for a person.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Generator, Iterator, Sequence
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
        return cast(Answer, self.request("POST", "/api/query", _question(question, limit, timezone, fresh)).json())

    def explain(self, question: str, *, limit: int | None = None, timezone: str | None = None) -> Explanation:
        """The plan for a question; nothing is run."""
        return cast(Explanation, self.request("POST", "/api/explain", _question(question, limit, timezone)).json())

    def tables(self) -> list[TableSummary]:
        return cast(list[TableSummary], self.request("GET", "/api/tables").json()["tables"])

    def table(self, name: str) -> Table:
        return cast(Table, self.request("GET", f"/api/tables/{_segment(name)}").json())

    def chat(
        self, messages: Sequence[Message], *, conversation_id: str | None = None, timezone: str | None = None
    ) -> ChatReply:
        """The reply to the last of `messages`, told whole."""
        body = _talk(messages, conversation_id, timezone)
        return cast(ChatReply, self.request("POST", "/api/chat", body).json())

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
                        raise Problem(cast(ProblemDocument, event.data), event.data.get("status", 500))
                    yield event
                    if event.name == "done":
                        return
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from error
        raise Unreachable("The reply was cut off before it was whole.")

    def conversations(self) -> list[ConversationSummary]:
        """The latest conversations of whoever asks."""
        return cast(list[ConversationSummary], self.request("GET", "/api/conversations").json()["conversations"])

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
        return cast(Job, self.request("POST", "/api/jobs", body).json())

    def jobs(self) -> list[JobSummary]:
        """The latest jobs of whoever asks."""
        return cast(list[JobSummary], self.request("GET", "/api/jobs").json()["jobs"])

    def job(self, job_id: str) -> Job:
        """How far a job is, and its results so far."""
        return cast(Job, self.request("GET", f"/api/jobs/{_segment(job_id)}").json())

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
        return cast(JobSummary, self.request("DELETE", f"/api/jobs/{_segment(job_id)}").json())

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
        """A response whose body is a JSON document."""
        try:
            response = self._http.request(method, path, json=body)
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from error
        if not response.is_success:
            raise _problem(response)
        if not response.headers.get("content-type", "").startswith("application/json"):
            raise Unreachable(f"{self.url} answers, but not as rowcall does.")
        return response

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


def _problem(response: httpx2.Response) -> RowcallError:
    try:
        document = response.json()
        if not isinstance(document["detail"], str) or not isinstance(document["code"], str):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        document = {"code": "http", "detail": f"The answer was HTTP {response.status_code}, and not rowcall's."}
    return Problem(document, response.status_code, response.headers.get("retry-after"))


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
