"""docs/http.md: the OpenAPI document for a person to read. `docs.generate` writes it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")
CODE = re.compile(r"`(\w+)`:")

INTRODUCTION = """\
# The HTTP API

Made from [openapi.json](openapi.json), which the deployment serves at `/openapi.json` and shows at `/docs`.

Send JSON, and who you are as `Authorization: Bearer …`: a token (JWT) or an API key, as `AUTH` allows; on one's own
machine nothing is needed. Every answer has an `X-Request-Id`, and one that took work a `Server-Timing` of its steps.
`RateLimit-Policy` and `RateLimit` tell how much more you may ask. Errors are `application/problem+json`:
[errors.md](errors.md) lists them, and `internal` may happen to any request.

A name in the tables below is a path into the JSON: `data[].x` is the member `x` of each entry of the list `data`. A *?*
follows what may be left out of a request.
"""

FEWEST_TO_REFER = 5
"""A document of fewer members is told again wherever it stands in another."""


def document(openapi: dict[str, Any]) -> str:
    """The routes of an OpenAPI document as Markdown, in the order of their addresses."""
    parts = [INTRODUCTION]
    openapi = {**openapi, "answers": _answers(openapi)}
    for path, operations in openapi["paths"].items():
        for method in METHODS:
            if method in operations:
                parts.append("\n".join(_operation(openapi, method, path, operations[method])) + "\n")
    return "\n".join(parts)


def _operation(openapi: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"## `{method.upper()} {path}`"
    yield ""
    yield operation["description"].strip()
    asked = [
        _line(parameter["name"] + ("" if parameter["required"] else "?"), parameter["schema"], parameter)
        for parameter in operation.get("parameters", [])
    ]
    for media in operation.get("requestBody", {}).get("content", {}).values():
        asked += _members(openapi, media["schema"], "", optional="?")
    if asked:
        yield from ("", "| request | type | |", "|---|---|---|", *asked)
    for status, told in operation["responses"].items():
        if not status.startswith("2"):
            continue
        lines: list[str] = []
        streams: list[str] = []
        for kind, media in told.get("content", {}).items():
            if "itemSchema" in media:  # OpenAPI 3.2: of a stream, each item
                streams += ["", f"Or a stream, as `{kind}`. {media['itemSchema']['description']}"]
            else:
                lines += _members(openapi, media["schema"], "", optional="")
        if lines:
            yield from ("", f"| {status} | type | |", "|---|---|---|", *lines)
        elif not streams:
            said = "" if told["description"] == "Successful Response" else f": {told['description'].rstrip('.')}"
            yield from ("", f"Answers {status}{said}.")
        yield from streams
    errors = [
        f"`{code}`"
        for status, told in operation["responses"].items()
        if not status.startswith("2")
        for code in CODE.findall(told["description"])
        if code != "internal"
    ]
    if errors:
        yield from ("", f"Errors: {', '.join(errors)}.")


def _answers(openapi: dict[str, Any]) -> dict[str, frozenset[str]]:
    """The members of what each operation answers, where there are many: others refer to it."""
    found: dict[str, frozenset[str]] = {}
    for path, operations in openapi["paths"].items():
        for method in METHODS:
            media = operations.get(method, {}).get("responses", {}).get("200", {}).get("content", {})
            members = _resolved(openapi, media.get("application/json", {}).get("schema", {})).get("properties", {})
            if len(members) >= FEWEST_TO_REFER:
                found.setdefault(f"{method.upper()} {path}", frozenset(members))
    return found


def _members(openapi: dict[str, Any], schema: dict[str, Any], within: str, optional: str) -> Iterator[str]:
    """A line for every member of an object, and for the members of those."""
    schema = _resolved(openapi, schema)
    if schema.get("type") == "array":
        yield from _members(openapi, schema["items"], f"{within}[]", optional)
        return
    if within and schema.get("title") == "ProblemDocument":  # errors.md tells of it
        return
    members = schema.get("properties", {})
    told = next((route for route, names in openapi["answers"].items() if within and names <= members.keys()), None)
    if told:
        yield f"| `{within}.*` | | What [`{told}`](#{_anchor(told)}) answers. |"
    for name, member in members.items():
        if told and name in openapi["answers"][told]:
            continue
        whole = f"{within}.{name}" if within else name
        mark = "" if name in schema.get("required", ()) else optional
        inner = _resolved(openapi, member)
        yield _line(whole + mark, inner, member)
        yield from _members(openapi, member, whole, optional)


def _anchor(heading: str) -> str:
    """As GitHub makes one."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _resolved(openapi: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """What `schema` refers to, or is when it is not null."""
    nullable = False
    while True:
        one, *others = schema.get("anyOf", [schema])
        if "$ref" in schema:
            schema = openapi["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        elif others == [{"type": "null"}]:
            schema, nullable = one, True
        else:
            return {**schema, "nullable": True} if nullable else schema


def _line(name: str, schema: dict[str, Any], told: dict[str, Any]) -> str:
    description = " ".join(str(told.get("description") or schema.get("description") or "").split())
    return f"| `{name}` | {_type(schema)} | {description} |".replace("|  |", "| |")


def _type(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        kind = ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    elif "$ref" in schema:
        kind = "object"
    elif schema.get("type") == "array":
        kind = f"list of {_type(schema['items'])}s".replace("list of anys", "list")
    else:
        kind = str(schema.get("format") or schema.get("type") or "any")
    lowest, highest = schema.get("minimum"), schema.get("maximum")
    if lowest is not None or highest is not None:
        low, high = ("" if bound is None else f"{bound:g}" for bound in (lowest, highest))
        kind += f", {low} to {high}" if high else f", {low} or more"
    kind += " or null" if schema.get("nullable") else ""
    if "default" in schema and schema["default"] is not None:
        kind += f"; else `{json.dumps(schema['default']).strip(chr(34))}`"
    return kind
