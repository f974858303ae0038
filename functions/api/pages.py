"""`GET /` and `GET /docs`: two pages of our own, and the files that they are made of.

Nothing comes from another host, no script or style stands in the markup, and every address is relative, so that both
work behind a stage's prefix too. A file's address holds the version of them all: a browser may keep it for good.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import Response

from rowcall.errors import Problem

router = APIRouter(include_in_schema=False)

STATIC = Path(__file__).parent / "static"
MEDIA_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "require-trusted-types-for 'script'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

IfNoneMatch = Annotated[str, Header(alias="If-None-Match")]


@router.get("/")
async def page(known: IfNoneMatch = "") -> Response:
    return _page("page.html", known)


@router.get("/docs")
async def documentation(known: IfNoneMatch = "") -> Response:
    return _page("docs.html", known)


@router.get("/static/{version}/{name}")
async def file(version: str, name: str) -> Response:
    path = _files().get(name)
    if path is None or path.suffix == ".html":
        raise Problem("not_found")
    # While a new version is rolled out, an old one may be asked for what only the new one has.
    keep = "public, max-age=31536000, immutable" if version == _version() else "no-store"
    return _response(path.read_text(encoding="utf-8"), path.suffix, keep)


def _page(name: str, known: str) -> Response:
    tag = f'"{_version()}"'
    if tag in known:
        response = _response("", ".html", "no-cache", 304)  # with its policy, as the browser takes over what this says
    else:
        text = _files()[name].read_text(encoding="utf-8").replace("static/version/", f"static/{_version()}/")
        response = _response(text, ".html", "no-cache")
    response.headers["etag"] = tag
    return response


def _response(text: str, suffix: str, keep: str, status: int = 200) -> Response:
    headers = {"content-security-policy": POLICY, "cache-control": keep}
    return Response(text, status, media_type=MEDIA_TYPES[suffix], headers=headers)


@cache
def _files() -> dict[str, Path]:
    return {path.name: path for path in sorted(STATIC.rglob("*")) if path.suffix in MEDIA_TYPES}


@cache
def _version() -> str:
    digest = sha256()
    for name, path in _files().items():
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
