"""The operators' tab: what is remembered, what it saved, and what may be done to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from local.bridge import Bridge
from tests.browser.conftest import Served
from tests.browser.test_access import flaws
from tests.browser.test_page import ask
from tests.integration.test_identity import bearer, hs256

Visit = Callable[..., Page]


def operate(page: Page) -> None:
    page.get_by_role("tab", name="Operate").click()
    expect(page.locator(".operate")).not_to_have_attribute("aria-busy", "true")
    page.locator(".figures").wait_for()


def test_figures_plans_and_near_misses(new_url: str, visit: Visit) -> None:
    page = visit(new_url)
    for question in ("count pending orders", "count shipped orders", "show users created in 2023"):
        ask(page, question)
    ask(page, "show users created before 2023")
    operate(page)
    expect(page.locator(".figures")).to_contain_text("1 hit of 4 questions")
    expect(page.locator(".plan").first).to_contain_text("count entity:orders.status orders")
    expect(page.locator(".plan")).to_have_count(3)
    near = page.get_by_role("region", name="Near, and not the same")
    expect(near).to_contain_text("show users created before year is not show users created in year")
    page.get_by_text("As a table").click()
    assert page.locator(".operate tbody td").all_inner_texts()[1:] == ["4", "1", "0", "3", "25%"]


def test_a_plan_is_inspected_pinned_and_deleted(url: str, visit: Visit, bridge: Bridge) -> None:
    page = visit(url)
    ask(page, "count pending orders")
    operate(page)
    plan = page.locator(".plan")
    plan.get_by_role("button", name="Inspect").click()
    expect(plan.get_by_role("group", name="Statement")).to_contain_text("FROM public.orders")
    plan.get_by_role("button", name="Pin", exact=True).click()
    expect(plan.locator(".badge")).to_have_text("pinned")
    plan.get_by_role("button", name="Unpin").click()
    expect(plan.locator(".badge")).to_have_count(0)
    dialog = page.get_by_role("dialog", name="Delete this plan?")
    plan.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Cancel").click()
    expect(plan).to_have_count(1)
    plan.get_by_role("button", name="Delete").click()
    page.keyboard.press("Escape")
    expect(plan).to_have_count(1)
    plan.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(plan).to_have_count(0)
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_role("region", name="Top questions")).to_contain_text("Nothing is remembered yet")


def test_spend_stands_against_the_budget(served: Served, bridge: Bridge, visit: Visit) -> None:
    page = visit(served(TENANT_BUDGET_USD="5"))
    operate(page)
    meter = page.get_by_role("meter", name="The tenant's budget")
    assert (meter.get_attribute("max"), meter.get_attribute("value")) == ("5", "0")
    expect(page.locator(".budgets")).to_contain_text("$0 of $5.00")


def test_an_operator_signs_in_and_sees_the_tab(closed_url: str, visit: Visit) -> None:
    page = visit(closed_url)
    page.get_by_label("Token or API key").fill(hs256(scope="query operator"))
    page.keyboard.press("Enter")
    operate(page)
    assert page.request.get(f"{closed_url}/api/cache/stats", headers=bearer(hs256())).status == 403


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(url: str, visit: Visit, scheme: str, width: int) -> None:
    page = visit(url, width=width, color_scheme=scheme, reduced_motion="reduce")
    ask(page, "count pending orders")
    operate(page)
    page.get_by_role("button", name="Inspect").click()
    page.get_by_text("As a table").click()
    assert flaws(page) == ""
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.get_by_role("button", name="Delete").click()
    assert flaws(page) == ""
