"""For everybody: by keyboard alone, on a narrow phone, in the dark, without motion, and by axe's rules."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.test_page import ask

Visit = Callable[..., Page]
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}

SHOWS_FOCUS = """
    [document.activeElement, document.activeElement.closest("form")].some((element) => {
        if (!element || element === document.body) return element === document.body;
        const { outlineStyle, boxShadow } = getComputedStyle(element);
        return outlineStyle !== "none" || boxShadow !== "none";
    })
"""


def flaws(page: Page) -> str:
    found = Axe().run(page, options=RULES)
    return str(found.generate_report()) if found.violations_count else ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(url: str, visit: Visit, scheme: str, width: int) -> None:
    page = visit(url, width=width, height=700, color_scheme=scheme, reduced_motion="reduce")
    page.locator("#suggestions .chip").first.wait_for()
    assert flaws(page) == ""
    for question in (
        "top 5 products by revenue",
        "number of orders per month",
        "count pending orders",
        "show active users",
        "how tall is the eiffel tower",
    ):
        ask(page, question)
        page.wait_for_load_state("networkidle")
        assert flaws(page) == "", question
        assert page.evaluate("document.documentElement.scrollWidth") == width, question


@pytest.mark.parametrize("path", ["/docs"])
def test_axe_finds_nothing_in_the_documentation(url: str, visit: Visit, path: str) -> None:
    page = visit(url + path, width=320)
    page.locator("details[open]").wait_for()
    assert flaws(page) == ""
    assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_axe_finds_nothing_in_the_dialog(closed_url: str, visit: Visit) -> None:
    page = visit(closed_url, width=320)
    expect(page.get_by_role("dialog")).to_be_visible()
    assert flaws(page) == ""


def test_the_keyboard_alone_reaches_everything(url: str, visit: Visit) -> None:
    page = visit(url)
    page.keyboard.type("revenue per country")
    page.keyboard.press("Enter")
    page.locator(".answer").wait_for()
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.ariaLabel || document.activeElement.textContent.trim().slice(0, 40)")
        )
        assert page.evaluate(SHOWS_FOCUS), reached[-1]
    for control in (
        "Ask",
        "rows, scrollable",
        "country",
        "This is right",
        "Download CSV",
        "Copy link",
        "Plan anew",
        "Copy",
    ):
        assert any(control in one for one in reached), (control, reached)


def test_tabs_move_by_arrow_keys(url: str, visit: Visit) -> None:
    page = visit(url)
    page.get_by_role("tab", name="Operate").wait_for()
    page.get_by_role("tab", name="Ask").focus()
    page.keyboard.press("End")
    expect(page.get_by_role("tab", name="Operate")).to_be_focused()
    expect(page.get_by_role("tabpanel", name="Operate")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Ask")).to_be_focused()
    expect(page.get_by_role("tabpanel", name="Ask")).to_be_visible()


def test_what_happens_is_told_to_a_screen_reader(url: str, visit: Visit) -> None:
    page = visit(url)
    ask(page, "count pending orders")
    expect(page.locator("#said")).to_contain_text("1 row.")
    ask(page, "show active users")
    page.locator("th", has_text="email").get_by_role("button").press("Enter")
    expect(page.locator("#said")).to_have_text("Sorted by email, ascending")


def test_the_dark_is_dark_and_nothing_moves_for_who_wants_it_still(url: str, visit: Visit) -> None:
    page = visit(url, color_scheme="dark", reduced_motion="reduce")
    red, green, blue = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert max(red, green, blue) < 40
    ask(page, "number of orders per month")
    page.locator("canvas").wait_for()
    assert page.evaluate("document.getAnimations().length") == 0
