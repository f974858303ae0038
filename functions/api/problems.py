"""Errors as `application/problem+json` (RFC 9457), made in this one place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Scope

from api import dependencies
from api.told import Told
from rowcall import document, telemetry
from rowcall.errors import KINDS, Problem, UnsafePlan


class FieldError(Told):
    """One field of a request, and what is wrong with it."""

    field: str
    message: str


class ProblemDocument(Told):
    """An error: `code` is stable, `detail` is a sentence for a person."""

    type: str = Field(examples=["about:blank"])
    code: str = Field(examples=["unanswerable"])
    title: str
    status: int
    detail: str
    request_id: str
    suggestions: list[str] = Field([])
    errors: list[FieldError] = Field([])


SCHEMA = {"$ref": "#/components/schemas/ProblemDocument"}
MEDIA_TYPE = "application/problem+json"
SIGN_IN = ("unauthenticated", "sign_in_unavailable", "rate_limited")
QUESTION = (
    *SIGN_IN,
    "forbidden",
    "invalid_request",
    "payload_too_large",
    "unanswerable",
    "ambiguous",
    "unsafe",
    "budget_exceeded",
    "planner_unavailable",
    "database_unavailable",
    "deadline_exceeded",
)
"""What any question may meet."""

STATUS_CODES = {
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
}

OPENAI_TYPES = {
    **dict.fromkeys((400, 404, 405, 413, 415, 422), "invalid_request_error"),
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    409: "conflict_error",
    429: "rate_limit_error",
}


def responses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The errors of a route for its OpenAPI document, by status: those of `codes` and what may happen to any."""
    documented: dict[int | str, dict[str, Any]] = {}
    for code in (*codes, "internal"):
        kind = KINDS[code]
        told = documented.setdefault(kind.status, {"description": "", "content": {MEDIA_TYPE: {"schema": SCHEMA}}})
        told["description"] = f"{told['description']} `{code}`: {kind.title}".strip()
    if 429 in documented:
        documented[429]["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return documented


def response(problem: Problem, scope: Scope) -> JSONResponse:
    """A problem document; in the shape of OpenAI's errors where OpenAI's API is spoken."""
    headers = {}
    if problem.retry_after is not None:
        headers["retry-after"] = str(math.ceil(problem.retry_after))
    if problem.kind.status == 401:
        headers["www-authenticate"] = "Bearer"
    if scope["path"].startswith("/v1/"):
        return JSONResponse(openai(problem), problem.kind.status, headers)
    told = document.of_problem(problem, scope["state"]["request_id"])
    return JSONResponse(told, problem.kind.status, headers, MEDIA_TYPE)


def openai(problem: Problem) -> dict[str, Any]:
    """The error as OpenAI's clients read it (OpenAI API reference, "Error codes"); `code` is ours."""
    offered = f" You could ask: {'; '.join(problem.suggestions)}" if problem.suggestions else ""
    return {
        "error": {
            "message": problem.detail + offered,
            "type": OPENAI_TYPES.get(problem.kind.status, "server_error"),
            "param": problem.fields[0][0] if problem.fields else None,
            "code": problem.code,
        }
    }


def install(app: FastAPI) -> None:
    """Turn every error that a route can raise into a problem document."""

    @app.exception_handler(Problem)
    async def _(request: Request, problem: Problem) -> JSONResponse:
        request.state.log |= {"error": problem.code, **why(problem)}
        return response(problem, request.scope)

    @app.exception_handler(RequestValidationError)
    async def _(request: Request, error: RequestValidationError) -> JSONResponse:
        request.state.log["error"] = "invalid_request"
        found = fields(item | {"loc": item["loc"][1:]} for item in error.errors())
        return response(Problem("invalid_request", fields=found), request.scope)

    @app.exception_handler(HTTPException)
    async def _(request: Request, error: HTTPException) -> JSONResponse:
        code = STATUS_CODES.get(error.status_code, "internal" if error.status_code >= 500 else "invalid_request")
        request.state.log["error"] = code
        answer = response(Problem(code), request.scope)
        answer.headers.update(error.headers or {})
        return answer


def why(problem: Problem) -> dict[str, object]:
    """What the log may know of an error: names, and no words that could quote a question."""
    known: dict[str, object] = {}
    if isinstance(problem, UnsafePlan):
        known["rule"] = problem.rule
    if problem.__cause__ is not None:
        known["cause"] = type(problem.__cause__).__name__
    return known


def unexpected(error: Exception, scope: Scope) -> Problem:
    """Logs and reports an error that is ours, and is what the asker is told instead."""
    scope["state"]["log"]["error"] = "internal"
    telemetry.logger().exception("unhandled error")
    dependencies.services().reporter.report(error, scope["state"]["request_id"], route(scope), "internal")
    return Problem("internal")


def route(scope: Scope) -> str:
    """The route's pattern, so that a dimension is bounded."""
    return str(getattr(scope.get("route"), "path", "unmatched"))


def fields(errors: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Pydantic's errors as fields, each with what is wrong with it."""
    return [(_field(item["loc"]), _sentence(item)) for item in errors]


def _field(location: tuple[int | str, ...]) -> str:
    """As `queries[3]`; a number alone is where a body stops being JSON."""
    named = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return named.removeprefix(".") if named.startswith(".") else "body"


def _sentence(item: Mapping[str, Any]) -> str:
    match item["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return "is not a field of this request"
        case "json_invalid":
            return "is not valid JSON"
        case _:
            return str(item["msg"])
