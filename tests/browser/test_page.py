"""The page at `/`: each thing that a person does there, over the real API."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from local.bridge import Bridge
from local.postgres import Postgres
from tests.browser.conftest import Served
from tests.integration.test_identity import hs256

Visit = Callable[..., Page]


def ask(page: Page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).not_to_have_attribute("aria-busy", "true")


def column(page: Page, number: int) -> list[str]:
    return page.locator(f".scroll tbody td:nth-child({number})").all_inner_texts()


def test_a_question_gets_its_rows_and_how_they_were_found(
    url: str, visit: Visit, shop: str, postgres: Postgres
) -> None:
    page = visit(url)
    expect(page.get_by_label("Your question")).to_be_focused()
    ask(page, "top 5 products by revenue")
    expect(page.get_by_role("heading", name="top 5 products by revenue")).to_be_visible()
    names = [
        name
        for (name,) in postgres.sql(
            "SELECT name FROM products JOIN order_items ON product_id = products.id"
            " GROUP BY products.id ORDER BY sum(quantity * unit_price) DESC LIMIT 5",
            shop,
        )
    ]
    assert column(page, 1) == names
    assert page.locator(".badge").inner_text() == "Planned now"
    found = page.get_by_role("region", name="How it was found")
    expect(found).to_contain_text("the grammar, without a model")
    expect(page.get_by_role("region", name="Where the time went")).to_contain_text("Running in Postgres")
    sql = page.get_by_role("group", name="Statement")
    assert sql.inner_text().splitlines()[0].startswith("SELECT p.name, SUM(")
    assert "$1" in sql.inner_text()
    assert page.locator(".params").inner_text().split() == ["$1", "5", "$2", "51"]

    ask(page, "top 3 products by revenue")
    assert page.locator(".badge").inner_text() == "Remembered"
    assert column(page, 1) == names[:3]


def test_a_hit_by_meaning_tells_what_it_matched(new_url: str, visit: Visit, pending: str) -> None:
    page = visit(new_url)
    ask(page, "count pending orders")
    expect(page.locator(".single dd")).to_have_text(pending)
    ask(page, "how many orders are pending")
    assert page.locator(".badge").inner_text() == "Remembered by meaning"
    found = page.locator(".found")
    expect(found).to_contain_text("Matched")
    expect(found).to_contain_text("Similarity")


def test_every_suggestion_is_answered(url: str, visit: Visit) -> None:
    page = visit(url)
    page.locator("#suggestions .chip").first.wait_for()
    offered = page.locator("#suggestions .chip").all_inner_texts()
    assert len(offered) == len(set(offered)) > 3
    for question in offered:
        ask(page, question)
        expect(page.locator(".answer h2")).to_have_text(question)


def test_an_error_is_a_sentence_with_questions_that_work(url: str, visit: Visit) -> None:
    page = visit(url)
    ask(page, "how tall is the eiffel tower")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("I cannot tell what")
    expect(alert.locator("code")).to_have_text(page.locator("#answer code").inner_text())
    question = alert.locator(".chip").first.inner_text()
    alert.locator(".chip").first.click()
    expect(page.locator(".answer h2")).to_have_text(question)


def test_columns_sort_and_nulls_come_last(url: str, visit: Visit) -> None:
    page = visit(url)
    ask(page, "list all orders")
    head = page.locator("th", has_text="shipped_at")
    given = column(page, 1)
    for state in ("ascending", "descending"):
        head.get_by_role("button").click()
        expect(head).to_have_attribute("aria-sort", state)
        shown = page.locator("tbody td:nth-child(8)").all()
        moments = [one.get_attribute("title") for one in shown]
        known = [moment for moment in moments if moment]
        assert moments[: len(known)] == sorted(known, reverse=state == "descending")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "none")
    assert column(page, 1) == given


def test_five_hundred_rows_and_no_more(url: str, visit: Visit) -> None:
    page = visit(url)
    page.get_by_label("Most rows").select_option("500")
    ask(page, "list all orders")
    assert page.locator("tbody tr").count() == 500
    expect(page.locator("#answer")).to_contain_text("There are more: these are the first 500 rows")


@pytest.mark.parametrize(
    ("question", "shape"),
    [
        ("revenue per country", "Bar chart of revenue by country"),
        ("number of orders per month", "Line chart of orders"),
    ],
)
def test_rows_that_suit_a_chart_get_one_with_its_words(url: str, visit: Visit, question: str, shape: str) -> None:
    page = visit(url)
    ask(page, question)
    plot = page.locator(".plot")
    plot.locator("canvas").wait_for()
    label = plot.get_attribute("aria-label") or ""
    assert label.startswith(shape)
    assert "Highest: " in label
    assert page.locator("tbody tr").count() > 2


def test_rows_that_suit_no_chart_get_none(url: str, visit: Visit) -> None:
    page = visit(url)
    ask(page, "show active users")
    assert page.locator(".chart").count() == 0


def test_hostile_values_are_text(served: Served, bridge: Bridge, oddities: str, visit: Visit) -> None:
    page = visit(served(DATABASE_URL=oddities), width=320)
    ask(page, "list all oddities")
    assert page.locator("tbody tr").count() == 9
    labels = column(page, 2)
    assert labels[0] == "<img src=x onerror=\"document.title = 'harmed'\">"
    assert labels[2].startswith("[U+202E]gnp.exe ")
    assert "\u2407" in labels[3]
    assert "\u241b" in labels[3]
    assert labels[5] == "empty"
    assert labels[6] == "NULL"
    assert page.locator("tbody img, tbody script").count() == 0
    assert page.title() == "rowcall"
    assert page.evaluate("({}).polluted") is None
    assert column(page, 4)[1:3] == ["12345678901234567890.5", "NaN"]
    more = page.locator("tbody tr:nth-child(2)").get_by_role("button", name="more")
    more.click()
    assert len(column(page, 2)[1]) > 30_000
    assert page.evaluate("document.documentElement.scrollWidth") == 320


def saved(page: Page, name: str) -> str:
    with page.expect_download() as started:
        page.get_by_role("button", name=name).click()
    return Path(started.value.path()).read_bytes().decode()


def test_what_is_shown_can_be_saved(served: Served, bridge: Bridge, oddities: str, visit: Visit) -> None:
    page = visit(served(DATABASE_URL=oddities))
    ask(page, "list all oddities")
    text = saved(page, "Download CSV")
    assert text.count("\r\n") == text.count("\n") == 11
    records = list(csv.reader(io.StringIO(text, newline="")))
    assert records[0] == ["id", "label", "payload", "counted"]
    assert len(records) == 10
    assert records[8][1] == '\'=HYPERLINK("http://example.com")'
    assert records[9][1] == 'comma, "quote" and\r\nline'
    lines = text.split("\r\n")
    assert lines[6] == '6,"",,'
    assert lines[7].startswith("7,,")
    document = json.loads(saved(page, "Download JSON"))
    assert document[5] == {"id": 6, "label": "", "payload": None, "counted": None}
    assert document[7]["label"] == '=HYPERLINK("http://example.com")'


def test_feedback_says_what_it_changed(new_url: str, visit: Visit) -> None:
    page = visit(new_url)
    ask(page, "count active users")
    page.get_by_role("button", name="This is right").click()
    expect(page.locator(".feedback")).to_contain_text("kept as an example")
    ask(page, "how many users are active")
    page.get_by_role("button", name="This is wrong").click()
    expect(page.locator(".feedback")).to_contain_text("no longer taken for the same")
    page.get_by_role("button", name="Ask again").click()
    expect(page.locator(".badge")).to_have_text("Planned now")


def test_a_plan_is_made_anew_on_demand(url: str, visit: Visit) -> None:
    page = visit(url)
    ask(page, "count pending orders")
    ask(page, "count pending orders")
    expect(page.locator(".badge")).to_have_text("Remembered")
    page.get_by_role("button", name="Plan anew").click()
    expect(page.locator(".badge")).to_have_text("Planned now")


def test_questions_are_kept_on_the_device_only_on_demand(url: str, visit: Visit) -> None:
    page = visit(url)
    ask(page, "count pending orders")
    history = page.get_by_role("region", name="Asked before")
    expect(history.get_by_role("button", name="count pending orders")).to_be_visible()
    assert page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0
    page.reload()
    expect(history).to_be_hidden()
    ask(page, "count pending orders")
    history.get_by_label("Remember these questions on this device").check()
    page.reload()
    expect(history.get_by_role("button", name="count pending orders")).to_be_visible()
    history.get_by_label("Remember these questions on this device").uncheck()
    assert page.evaluate("localStorage.length") == 0


def test_signing_in_keeps_the_credential_in_memory_only(closed_url: str, visit: Visit, pending: str) -> None:
    page = visit(closed_url)
    dialog = page.get_by_role("dialog", name="Sign in")
    field = dialog.get_by_label("Token or API key")
    expect(field).to_be_focused()
    field.fill("nonsense")
    field.press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("Sign in: send a valid token or API key.")
    token = hs256(scope="query")
    field.fill(token)
    field.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.locator("#who")).to_have_text("ann")
    expect(page.get_by_role("tab")).to_have_count(1)
    ask(page, "count pending orders")
    expect(page.locator(".single dd")).to_have_text(pending)
    assert token not in page.content()
    assert token not in page.url
    assert page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("dialog", name="Sign in")).to_be_visible()


def test_a_question_asked_before_signing_in_is_asked_afterwards(closed_url: str, visit: Visit, pending: str) -> None:
    page = visit(closed_url)
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_label("Your question").fill("count pending orders")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_label("Token or API key").fill(hs256())
    page.keyboard.press("Enter")
    expect(page.locator(".single dd")).to_have_text(pending)


def test_a_slow_question_can_be_cancelled(url: str, visit: Visit) -> None:
    page = visit(url)
    page.route("**/api/query", lambda _: None)  # never answered
    page.get_by_label("Your question").fill("count pending orders")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#answer")).to_have_text("Cancelled.")


def test_a_lost_connection_is_said(url: str, visit: Visit) -> None:
    page = visit(url)
    page.locator("#suggestions .chip").first.wait_for()
    page.context.set_offline(True)
    ask(page, "count pending orders")
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")


def test_degraded_is_said(cut_off_url: tuple[str, Bridge], visit: Visit, pending: str) -> None:
    url, redis = cut_off_url
    page = visit(url)
    ask(page, "count pending orders")
    expect(page.locator(".notice")).to_have_count(0)
    redis.stop()
    ask(page, "show active users")
    expect(page.locator(".notice")).to_contain_text("Degraded")
    page.get_by_role("tab", name="Operate").click()
    expect(page.get_by_role("alert")).to_be_visible()


def test_links_and_sql_are_copied(url: str, visit: Visit) -> None:
    page = visit(url, permissions=["clipboard-read", "clipboard-write"])
    ask(page, "top 5 products by revenue")
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#said")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == f"{url}/#q=top%205%20products%20by%20revenue"
    page.get_by_role("button", name="Copy", exact=True).click()
    page.wait_for_function("async () => (await navigator.clipboard.readText()).startsWith('SELECT')")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.get_by_role("group", name="Statement").inner_text()


def test_sql_is_broken_into_lines_and_nothing_else_of_it_changes(url: str, visit: Visit) -> None:
    statement, lines = (Path(__file__).with_name(name).read_text() for name in ("statement.sql", "statement.shown.sql"))
    shown = visit(url).evaluate(
        """async (sql) => {
            const { sqlView } = await import(document.querySelector("script").src.replace("page.js", "sql.js"));
            return sqlView(sql).querySelector("pre").textContent;
        }""",
        statement,
    )
    assert shown == lines.strip()
    assert re.sub(r"\s", "", shown) == re.sub(r"\s", "", statement)


def test_a_question_in_the_fragment_is_offered_and_not_asked(url: str, visit: Visit, pending: str) -> None:
    page = visit(f"{url}/#q=count%20pending%20orders")
    expect(page.get_by_label("Your question")).to_have_value("count pending orders")
    expect(page.locator("#answer")).to_be_empty()
    page.get_by_label("Your question").press("Enter")
    expect(page.locator(".single dd")).to_have_text(pending)


def test_it_works_below_a_prefix(url: str, visit: Visit, pending: str) -> None:
    page = visit("about:blank")
    page.route("**/dev/**", lambda route: route.continue_(url=route.request.url.replace("/dev/", "/")))
    page.goto(f"{url}/dev/")
    ask(page, "count pending orders")
    expect(page.locator(".single dd")).to_have_text(pending)
