"""A model's HTTP server that does as it is told: for tests, and for trying rowcall without a key.

Speaks Anthropic's /v1/messages (tools, SSE) and /v1/messages/count_tokens, Bedrock's /model/…/invoke (streamed too),
and OpenAI's /v1/chat/completions (structured outputs, tools, SSE) and /v1/embeddings, over a real socket. Each request
is recorded and takes the next of the scripted replies, or else `default`; so every fault of a provider can be had at
will, and calls can be counted.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from zlib import crc32

DIMENSIONS = 1536


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request as it arrived. `body` is its JSON, or an empty object."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The credential it came with."""
        return self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def text(self) -> str:
        """All that the model is told, as one text."""
        return json.dumps([self.body.get("system"), self.body.get("messages")], ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counts them; `input` are those beside its cache."""

    input: int = 1000
    output: int = 100
    cached: int = 0
    cache_write: int = 0


@dataclass(frozen=True, slots=True)
class Says:
    """A model's reply. `tool` are the arguments of the first tool, or the fields of the structured output.

    `tools` are calls by name; arguments that are a text are sent as they are. Events of a stream come `pause` seconds
    after each other.
    """

    tool: Any = None
    tools: Sequence[tuple[str, Any]] = ()
    text: str = ""
    stop: str = ""
    refusal: str = ""
    usage: Usage | None = Usage()
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Status:
    """A status, as a provider sends it."""

    code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"type": "error", "error": {"type": "scripted", "message": "scripted"}}'


@dataclass(frozen=True, slots=True)
class Raw:
    """These very bytes as the body of a reply with status 200."""

    body: bytes
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Cut:
    """The reply breaks off after so many bytes of its body; with None before its status line."""

    after: int | None = None
    says: Says = Says(text="…")


@dataclass(frozen=True, slots=True)
class Ends:
    """A stream ends properly, as far as HTTP goes, after so many of its events; or with an `error` event then."""

    after: int
    says: Says = Says(text="…")
    error: bool = False


@dataclass(frozen=True, slots=True)
class Drip:
    """The reply comes byte by byte with this many seconds between."""

    pause: float
    says: Says = Says(text="…")


@dataclass(frozen=True, slots=True)
class Hang:
    """Nothing comes until the client gives up, or so many seconds have passed."""

    seconds: float = 60.0


Reply = Says | Status | Raw | Cut | Ends | Drip | Hang
Script = Reply | Callable[[Recorded], Reply]


class LlmStub:
    """A running server at `url`, on 127.0.0.1. Use it as a context."""

    def __init__(self, default: Script = Status(500)) -> None:
        self.default = default
        self.requests: list[Recorded] = []
        self._scripts: deque[Script] = deque()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        stub = self

        class Handler(_Handler):
            owner = stub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def script(self, *replies: Script) -> None:
        """The replies to the next requests, in order, in place of those that are still waiting."""
        with self._lock:
            self._scripts = deque(replies)

    def reset(self) -> None:
        """Forget every request and every scripted reply."""
        with self._lock:
            self.requests.clear()
            self._scripts.clear()

    @property
    def calls(self) -> int:
        return len(self.requests)

    def _next(self, request: Recorded) -> Reply:
        with self._lock:
            self.requests.append(request)
            script = self._scripts.popleft() if self._scripts else self.default
        return script(request) if callable(script) else script


class _Handler(BaseHTTPRequestHandler):
    owner: LlmStub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            body = json.loads(content)
        except ValueError:
            body = {}
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Recorded(self.path.partition("?")[0], headers, body if isinstance(body, dict) else {})
        with suppress(BrokenPipeError, ConnectionResetError):
            self._answer(request, self.owner._next(request))

    def _answer(self, request: Recorded, reply: Reply) -> None:
        match reply:
            case Says(pause=pause) if pause and request.body.get("stream"):
                events = _events(request, reply)
                self._head(200, sum(map(len, events)), "text/event-stream", {})
                for event in events:
                    self.wfile.write(event)
                    if self.owner._stopping.wait(pause):
                        return
            case Says():
                self._send(200, *_body(request, reply))
            case Ends(after, says, error):
                events = _events(request, says)[:after]
                if error:
                    fault = {"type": "error", "error": {"type": "overloaded_error", "message": "scripted"}}
                    events.append(f"event: error\ndata: {json.dumps(fault)}\n\n".encode())
                self._send(200, b"".join(events), "text/event-stream")
            case Status(code, headers, body):
                self._send(code, body, "application/json", headers)
            case Raw(body, content_type):
                self._send(200, body, content_type)
            case Cut(None):
                self.close_connection = True
            case Cut(after, says):
                body, content_type = _body(request, says)
                self._head(200, len(body), content_type, {})
                self.wfile.write(body[:after])
                self.close_connection = True
            case Drip(pause, says):
                body, content_type = _body(request, says)
                self._head(200, len(body), content_type, {})
                for byte in body:
                    if self.owner._stopping.wait(pause):
                        return
                    self.wfile.write(bytes([byte]))
            case Hang(seconds):
                self.close_connection = True
                until = time.monotonic() + seconds
                self.connection.settimeout(0.05)
                while time.monotonic() < until and not self.owner._stopping.is_set():
                    with suppress(TimeoutError):
                        if not self.connection.recv(1):
                            return

    def _send(self, status: int, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        self._head(status, len(body), content_type, headers or {})
        self.wfile.write(body)

    def _head(self, status: int, length: int, content_type: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def _body(request: Recorded, says: Says) -> tuple[bytes, str]:
    if request.path.endswith("/count_tokens"):
        return _json({"input_tokens": len(request.text) // 4 + 1})
    if request.path.endswith("/embeddings"):
        return _json(_embeddings(request))
    if request.path.endswith("/invoke-with-response-stream"):
        return b"".join(map(_frame, _message_events(request, says))), "application/vnd.amazon.eventstream"
    if request.body.get("stream"):
        return b"".join(_events(request, says)), "text/event-stream"
    if request.path.endswith("/chat/completions"):
        return _json(_completion(request, says))
    if request.path.endswith(("/messages", "/invoke")):
        return _json(_message(request, says))
    return _json({})


def _events(request: Recorded, says: Says) -> list[bytes]:
    """Server-sent events. Anthropic names its events; OpenAI does not, and ends with `[DONE]`."""
    if request.path.endswith("/chat/completions"):
        chunks = [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in _completion_chunks(request, says)]
        return [*chunks, b"data: [DONE]\n\n"]
    return [
        f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in _message_events(request, says)
    ]


def _frame(event: dict[str, Any]) -> bytes:
    """A message of Bedrock's stream (AWS: "Event stream encoding"): lengths and CRC-32, headers, payload, CRC-32."""
    payload = json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode()}).encode()
    named = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in named.items()
    )
    lengths = struct.pack("!II", len(headers) + len(payload) + 16, len(headers))
    message = lengths + struct.pack("!I", crc32(lengths)) + headers + payload
    return message + struct.pack("!I", crc32(message))


def _calls(request: Recorded, says: Says) -> list[tuple[str, Any]]:
    """The tools that are called; where only arguments are given, it is the first one there is."""
    if says.tool is None:
        return list(says.tools)
    first = (request.body.get("tools") or [{"name": "tool"}])[0]
    return [(first.get("name") or first["function"]["name"], says.tool)]


def _arguments(given: Any) -> str:
    return given if isinstance(given, str) else json.dumps(given)


def _json(document: object) -> tuple[bytes, str]:
    return json.dumps(document).encode(), "application/json"


def _message(request: Recorded, says: Says) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if says.text:
        content.append({"type": "text", "text": says.text})
    calls = _calls(request, says)
    for number, (name, given) in enumerate(calls):
        content.append({"type": "tool_use", "id": f"toolu_stub{number or ''}", "name": name, "input": given})
    stop = says.stop or ("refusal" if says.refusal else "tool_use" if calls else "end_turn")
    message = {
        "id": "msg_stub",
        "type": "message",
        "role": "assistant",
        "model": request.body.get("model", "stub"),
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
    }
    if says.usage:
        message["usage"] = {
            "input_tokens": says.usage.input,
            "output_tokens": says.usage.output,
            "cache_read_input_tokens": says.usage.cached,
            "cache_creation_input_tokens": says.usage.cache_write,
        }
    return message


def _message_events(request: Recorded, says: Says) -> Iterator[dict[str, Any]]:
    message = _message(request, says)
    yield {"type": "message_start", "message": message | {"content": [], "stop_reason": None}}
    for index, block in enumerate(message["content"]):
        if block["type"] == "text":
            start, deltas = block | {"text": ""}, _pieces(block["text"])
            kind, member = "text_delta", "text"
        else:
            start, deltas = block | {"input": {}}, _pieces(_arguments(block["input"]))
            kind, member = "input_json_delta", "partial_json"
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for piece in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": {"type": kind, member: piece}}
        yield {"type": "content_block_stop", "index": index}
    usage = {"output_tokens": says.usage.output if says.usage else 0}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None},
        "usage": usage,
    }
    yield {"type": "message_stop"}


def _completion(request: Recorded, says: Says) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": says.text or None, "refusal": says.refusal or None}
    finish = says.stop or "stop"
    if says.tool is not None and not request.body.get("tools"):
        message["content"] = json.dumps(says.tool)
    elif calls := _calls(request, says):
        finish = says.stop or "tool_calls"
        message["tool_calls"] = [
            {
                "id": f"call_stub{number or ''}",
                "type": "function",
                "function": {"name": name, "arguments": _arguments(given)},
            }
            for number, (name, given) in enumerate(calls)
        ]
    completion = {
        "id": "chatcmpl-stub",
        "object": "chat.completion",
        "created": 0,
        "model": request.body.get("model", "stub"),
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
    }
    if says.usage:
        completion["usage"] = _openai_usage(says.usage)
    return completion


def _completion_chunks(request: Recorded, says: Says) -> Iterator[dict[str, Any]]:
    completion = _completion(request, says)
    choice = completion["choices"][0]
    message = choice["message"]

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]
        return completion | {"object": "chat.completion.chunk", "choices": choices, "usage": None}

    yield chunk({"role": "assistant", "content": ""})
    for piece in _pieces(message["content"] or ""):
        yield chunk({"content": piece})
    for index, call in enumerate(message.get("tool_calls", [])):
        head = {"index": index, "id": call["id"], "type": "function"}
        yield chunk({"tool_calls": [head | {"function": {"name": call["function"]["name"], "arguments": ""}}]})
        for piece in _pieces(call["function"]["arguments"]):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, choice["finish_reason"])
    if (request.body.get("stream_options") or {}).get("include_usage"):
        yield completion | {"object": "chat.completion.chunk", "choices": []}


def _openai_usage(usage: Usage) -> dict[str, Any]:
    prompt = usage.input + usage.cached + usage.cache_write
    return {
        "prompt_tokens": prompt,
        "completion_tokens": usage.output,
        "total_tokens": prompt + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
    }


def _embeddings(request: Recorded) -> dict[str, Any]:
    given = request.body.get("input", "")
    texts: Sequence[str] = [given] if isinstance(given, str) else given
    size = int(request.body.get("dimensions") or DIMENSIONS)
    vectors: list[Any] = [_vector(text, size) for text in texts]
    if request.body.get("encoding_format") == "base64":
        vectors = [base64.b64encode(struct.pack(f"<{size}f", *vector)).decode() for vector in vectors]
    tokens = sum(len(text) // 4 + 1 for text in texts)
    return {
        "object": "list",
        "model": request.body.get("model", "stub"),
        "data": [{"object": "embedding", "index": index, "embedding": item} for index, item in enumerate(vectors)],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _vector(text: str, size: int) -> list[float]:
    """A unit vector made of the text's words: texts that share words are near."""
    vector = [0.0] * size
    for word in text.lower().split():
        vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") % size] += 1.0
    length = sum(value * value for value in vector) ** 0.5 or 1.0
    return [value / length for value in vector]


def _pieces(text: str, size: int = 7) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))
