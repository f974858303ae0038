"""`GET /v1/models` and `POST /v1/chat/completions`: rowcall as a model of OpenAI's API, for any chat that speaks it.

The reply is that of `/api/chat`, as text alone: prose, and behind it the rows and the SQL that it rests on. How a model
is to write (temperature, max_tokens, seed …) and system messages are not rowcall's to take, and are ignored; what
would change what a reply is (tools, several choices, pictures …) is refused by name. Errors have OpenAI's shape.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api import markdown, problems
from api.dependencies import TalkerDep
from api.streaming import Events, replying, streamed, whole
from api.told import Told
from rowcall import document
from rowcall.chat import Beat, Done, Event, Failed, Message, Rows, Text, Tool, Usage
from rowcall.document import Document
from rowcall.errors import Problem

router = APIRouter(prefix="/v1", tags=["openai"])

MODEL = "rowcall"
CREATED = 1764000000
"""When this model was made; OpenAI's clients want to know."""


CHUNK = "chat.completion.chunk"


class StreamOptions(BaseModel):
    model_config = ConfigDict(extra="ignore")

    include_usage: bool | None = None


class Part(BaseModel):
    """A part of a message; only text can be read."""

    model_config = ConfigDict(extra="ignore")

    type: str
    text: str | None = None


class Spoken(BaseModel):
    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None


class CompletionRequest(BaseModel):
    """What OpenAI's API takes; further fields are ignored unless they would change what a reply is."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(examples=[MODEL])
    messages: list[Spoken] = Field(min_length=1, max_length=1000)
    stream: bool | None = None
    stream_options: StreamOptions | None = None


class Model(Told):
    id: str
    object: Literal["model"] = "model"
    created: int = CREATED
    owned_by: str = "rowcall"


class ModelList(Told):
    object: Literal["list"] = "list"
    data: list[Model]


class ErrorDocument(Told):
    """An error in OpenAI's shape; `error.code` is one of ours."""

    error: dict[str, Any]


class Spoke(Told):
    role: Literal["assistant"]
    content: str = Field(description="Prose, and behind it the rows and the SQL that it rests on, as Markdown.")
    refusal: None


class Choice(Told):
    index: int
    message: Spoke
    logprobs: None
    finish_reason: Literal["stop", "length"] = Field(description="`length`: the model stopped at its longest reply.")


class CachedTokens(Told):
    cached_tokens: int


class CompletionUsage(Told):
    """What the models took that spoke; what planning took is not in it."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: CachedTokens


class Completion(Told):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: CompletionUsage


STREAM = {
    "text/event-stream": {
        "itemSchema": {
            "type": "object",
            "description": "Chunks as OpenAI's, then `[DONE]`; or one with `error`, and no `[DONE]`.",
        }
    }
}


def _failures(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The errors of a route for its OpenAPI document, in OpenAI's shape."""
    return {
        status: {name: told[name] for name in ("description", "headers") if name in told} | {"model": ErrorDocument}
        for status, told in problems.responses(*problems.SIGN_IN, "forbidden", *codes).items()
    }


@router.get("/models", responses=_failures())
async def list_models(_: TalkerDep) -> ModelList:
    """The one model there is."""
    return ModelList(data=[Model(id=MODEL)])


@router.get("/models/{model}", responses=_failures("not_found"))
async def show_model(model: str, _: TalkerDep) -> Model:
    """The one model there is."""
    return Model(id=_known(model))


@router.post(
    "/chat/completions",
    response_model=Completion,
    responses={
        200: {"content": STREAM},
        **_failures(*problems.QUESTION, "not_found", "reply_cut", "limits_unavailable"),
    },
)
async def complete(body: CompletionRequest, request: Request, talker: TalkerDep) -> Response:
    """The reply to a chat, whole or as server-sent events."""
    from rowcall.chat.converse import Said

    events = replying(request, talker, Said(messages(body)))
    wants_usage = bool(body.stream_options and body.stream_options.include_usage)
    reply = Reply(request.state.request_id, wants_usage=wants_usage)
    return streamed(request, _words(events), reply.encode) if body.stream else whole(request, events, reply.whole)


def _words(events: Events) -> Events:
    """Events without tools, of which nothing is told here: what fails before the first word still has a status."""
    with closing(events):
        for event in events:
            yield Beat() if isinstance(event, Tool) else event


def messages(body: CompletionRequest) -> list[Message]:
    """What was said, as a chat; raises `invalid_request` naming what it cannot be told."""
    _refuse(body.model_extra or {})
    _known(body.model)
    said: list[Message] = []
    for number, spoken in enumerate(body.messages):
        text = _text(spoken, f"messages[{number}]")
        match spoken.role:
            case "user":
                said.append(Message("user", text))
            case "assistant" if kept := markdown.prose(text):
                said.append(Message("assistant", kept))
    return said


def _known(model: str) -> str:
    if model != MODEL:
        raise Problem("not_found", f"There is no such model; the one there is has the name {MODEL}.")
    return model


def _text(spoken: Spoken, where: str) -> str:
    if spoken.role in ("tool", "function"):
        raise Problem("invalid_request", fields=[(f"{where}.role", "is not supported")])
    if isinstance(spoken.content, list):
        if any(part.type != "text" for part in spoken.content):
            raise Problem("invalid_request", fields=[(f"{where}.content", "must be text alone")])
        return "\n".join(part.text or "" for part in spoken.content)
    return spoken.content or ""


HARMLESS: dict[str, Sequence[Any]] = {
    "n": (1,),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "stop": ([], ""),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "web_search_options": (),
    "store": (False,),
}
"""Parameters that change what a reply is, and the values with which they do not."""


def _refuse(extra: dict[str, Any]) -> None:
    for name, harmless in HARMLESS.items():
        if extra.get(name) is not None and extra[name] not in harmless:
            raise Problem("invalid_request", fields=[(name, "is not supported with this value")])


class Reply:
    """A reply as OpenAI tells it: event by event, or whole."""

    def __init__(self, number: str, *, wants_usage: bool) -> None:
        self._head = {"id": f"chatcmpl-{number}", "created": int(time.time()), "model": MODEL}
        self._wants_usage = wants_usage
        self._answers: list[Document] = []
        self._usage = Usage()
        self._before = ""
        self._begun = False

    def whole(self, events: Iterable[Event]) -> bytes:
        """Raises the `Problem` of a reply that failed."""
        text, finish_reason = "", None
        for event in events:
            if isinstance(event, Failed):
                raise event.problem
            text += self._text(event)
            finish_reason = _finish_reason(event)
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
        told = {**self._head, "object": "chat.completion", "choices": [choice], "usage": _usage(self._usage)}
        return document.encode(told)

    def encode(self, event: Event) -> bytes:
        """The server-sent events of `event`; `[DONE]` only behind a whole reply."""
        if isinstance(event, Failed):
            return _event(problems.openai(event.problem))
        text = self._text(event)
        told = [] if self._begun else [self._chunk({"role": "assistant", "content": ""})]
        told += [self._chunk({"content": text})] if text else []
        self._begun = True
        if finish_reason := _finish_reason(event):
            told.append(self._chunk({}, finish_reason))
            if self._wants_usage:
                told.append(_event({**self._head, "object": CHUNK, "choices": [], "usage": _usage(self._usage)}))
            told.append(b"data: [DONE]\n\n")
        return b"".join(told)

    def _text(self, event: Event) -> str:
        """What `event` adds to the text."""
        match event:
            case Text(text):
                before, self._before = self._before, text
                return _unfetched(before, text)
            case Rows(answer=answer):
                self._answers.append(answer)
            case Usage():
                self._usage = event
            case Done():
                return markdown.evidence(self._answers)
        return ""

    def _chunk(self, delta: dict[str, str], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        usage = {"usage": None} if self._wants_usage else {}
        return _event({**self._head, "object": CHUNK, "choices": [choice], **usage})


FETCHED = re.compile(r"(?<=!)(?=\[)|(?<=<)(?=[A-Za-z])")
"""Inside the beginning of a picture or of a tag (CommonMark 6.4, 6.6); a backslash there leaves it text."""


def _finish_reason(event: Event) -> str | None:
    if isinstance(event, Done):
        return "length" if event.truncated else "stop"
    return None


def _unfetched(before: str, text: str) -> str:
    """The next piece of prose, in which neither a picture nor an HTML tag begins.

    What they name would be fetched from wherever a model says, with what it says of the rows.
    """
    return FETCHED.sub(r"\\", f"{before[-1:]}{text}")[len(before[-1:]) :]


def _event(told: Document) -> bytes:
    return b"data: " + document.encode(told) + b"\n\n"


def _usage(spent: Usage) -> dict[str, Any]:
    tokens = spent.tokens
    return {
        "prompt_tokens": tokens.total_input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.total_input + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cached},
    }
