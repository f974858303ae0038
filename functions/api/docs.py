"""`GET /docs`: a page of our own over `/openapi.json`, as light as it is; nothing comes from another host.

Its addresses are relative, so it works behind a stage's prefix too.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

from rowcall.errors import Problem

router = APIRouter(include_in_schema=False)

STATIC = Path(__file__).parent / "static"
MEDIA_TYPES = {"docs.css": "text/css", "docs.html": "text/html", "docs.js": "text/javascript"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@router.get("/docs")
async def page() -> Response:
    return _file("docs.html")


@router.get("/docs/{name}")
async def asset(name: str) -> Response:
    if name not in MEDIA_TYPES:
        raise Problem("not_found")
    return _file(name)


def _file(name: str) -> Response:
    headers = {"content-security-policy": POLICY, "cache-control": "public, max-age=300"}
    return Response(_text(name), media_type=MEDIA_TYPES[name], headers=headers)


@cache
def _text(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
