"""What the pages are made of: small, whole, and nothing in it that their policy would have to allow."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest

from api.pages import MEDIA_TYPES, POLICY, STATIC

FILES = {path.name: path for path in STATIC.rglob("*") if path.suffix in MEDIA_TYPES}
OURS = sorted(path for path in FILES.values() if path.parent.name != "vendor")
MOST_BYTES = 150_000
UPLOT = "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"
"""SHA-256 of dist/uPlot.iife.min.js in uPlot 1.6.32."""


def test_all_of_it_is_small() -> None:
    page = [path for path in FILES.values() if path.parent.name != "docs"]
    assert sum(path.stat().st_size for path in page) < MOST_BYTES
    assert len(FILES) == len([path for path in STATIC.rglob("*") if path.suffix in MEDIA_TYPES])


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_a_source_has_no_markup_in_scripts_and_no_script_in_markup(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|\sstyle=|<style|javascript:"
    )
    assert not re.findall(forbidden, text)
    assert not re.findall(r"<[^>]+\son\w+\s*=", text)
    assert not re.findall(r"<script(?![^>]+\bsrc=)", text)
    assert not re.findall(r"""["'(`](?:https?:)?//""", text.replace('"http://www.w3.org/2000/svg"', ""))


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_every_file_that_one_names_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = re.findall(r"static/version/([\w.]+)", text) + re.findall(r"""["'`]\./([\w.]+\.(?:js|css))["'`]""", text)
    assert set(named) <= set(FILES)
    assert path.suffix != ".html" or named


def test_every_file_is_named_by_one() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in OURS)
    opened_as_tabs = {"chat.js", "operate.js"}
    for name, path in FILES.items():
        assert path.suffix == ".html" or name in opened_as_tabs or name in text, name


def test_the_policy_allows_nothing_unsafe_and_no_other_host() -> None:
    assert "default-src 'none'" in POLICY
    assert set(re.findall(r"'[\w-]+'", POLICY)) == {"'none'", "'self'", "'script'"}
    assert "*" not in POLICY
    assert "http" not in POLICY


def test_the_vendored_library_is_the_published_one_and_one_line_that_exports_it() -> None:
    published, _, ours = FILES["uPlot.js"].read_bytes().rpartition(b"export default uPlot;\n")
    assert (sha256(published).hexdigest(), ours) == (UPLOT, b"")
    assert "MIT" in (FILES["uPlot.js"].parent / "uPlot.LICENSE").read_text()
