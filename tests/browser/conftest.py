"""The pages in a real Chromium, over the API by uvicorn, a real Postgres and a real Redis.

Debian's package `chromium`. Playwright brings only its driver: it drives the browser that is there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from local.api import Api
from local.bridge import Bridge
from local.postgres import Postgres
from local.processes import free_port
from local.stack import Stack
from tests.integration.test_identity import signing

CHROMIUM = shutil.which("chromium")
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NO_ROWS_BUT_ODD_ONES = Path(__file__).with_name("oddities.sql")

REPORT_VIOLATIONS = """
    window.violations = [];
    addEventListener("securitypolicyviolation", (event) => window.violations.push(
        `${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM is None and os.environ.get("CI") != "true":
        missing = pytest.mark.skip(reason="chromium is not installed (apt-get install chromium)")
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(missing)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "chromium is not installed (apt-get install chromium)"
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *sandbox])
        yield running
        running.close()


Served = Callable[..., str]


@pytest.fixture(scope="module")
def served(stack: Stack, shop: str) -> Iterator[Served]:
    """The address of an API with these settings beside the stack's; one for equal settings."""
    running: dict[tuple[tuple[str, str], ...], tuple[Stack, Api]] = {}

    def serve(**settings: str) -> str:
        key = tuple(sorted(settings.items()))
        if key not in running:
            whole = Stack(stack.environ | settings, aws=False).__enter__()
            running[key] = (whole, Api(whole, free_port()))
        return running[key][1].url

    yield serve
    for whole, api in running.values():
        api.stop()
        whole.close()


@pytest.fixture
def url(served: Served, bridge: Bridge) -> str:
    """The shop, for everybody; nothing is remembered yet."""
    return served()


@pytest.fixture
def new_url(stack: Stack, shop: str, bridge: Bridge) -> Iterator[str]:
    """The same by an API that has only just started: layer 2 holds in memory what it read, and nothing empties that."""
    api = Api(stack, free_port())
    yield api.url
    api.stop()


@pytest.fixture
def closed_url(served: Served, bridge: Bridge) -> str:
    """The shop, for who signs in."""
    return served(**signing())


@pytest.fixture
def cut_off_url(stack: Stack, shop: str) -> Iterator[tuple[str, Bridge]]:
    """The shop, by an API with a way to Redis of its own: stop it, and Redis is down."""
    assert stack.redis
    own = Bridge(stack.redis.port, stack.redis.password)
    environ = stack.environ | {"UPSTASH_REDIS_REST_URL": own.url, "UPSTASH_REDIS_REST_TOKEN": own.token}
    with Stack(environ, aws=False) as whole:
        api = Api(whole, free_port())
        yield api.url, own
        api.stop()
    own.stop()


@pytest.fixture
def pending(postgres: Postgres, shop: str) -> str:
    """How many orders are pending: it depends on when the shop was made."""
    return str(postgres.sql("SELECT count(*) FROM orders WHERE status = 'pending'", shop)[0][0])


@pytest.fixture(scope="module")
def oddities(postgres: Postgres, make_database: Callable[[str | Path], str]) -> str:
    """What leads to a database whose values would harm a careless page."""
    return postgres.reader_url(make_database(NO_ROWS_BUT_ODD_ONES))


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page. Afterwards none may have met an error of its own, or asked for what its policy forbids."""
    pages: list[Page] = []
    errors: list[str] = []

    def opened(url: str, width: int = 1280, height: int = 900, **context: object) -> Page:
        made = browser.new_context(
            viewport={"width": width, "height": height},
            locale="en-GB",
            timezone_id="Europe/Zurich",
            **context,  # type: ignore[arg-type]
        )
        made.set_default_timeout(20_000)
        page = made.new_page()
        page.add_init_script(REPORT_VIOLATIONS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda told: errors.append(told.text) if "Content Security" in told.text else None)
        pages.append(page)
        page.goto(url)
        return page

    yield opened
    for page in pages:
        assert page.evaluate("window.violations") == []
        page.context.close()
    assert errors == []
