"""The chat tab: a reply comes piece by piece with the rows it rests on, can be stopped, and never looks whole when cut.

The API is real; the model behind it is the stub that does as it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from local import tables
from local.bridge import Bridge
from local.llm_stub import Ends, LlmStub, Says
from tests.browser.conftest import Served
from tests.browser.test_access import flaws
from tests.integration.test_identity import hs256

Visit = Callable[..., Page]

ASKS = Says(text="Let me look.", tools=[("query", {"question": "top 5 products by revenue"})])
TELLS = Says(text="The **best** is first:\n\n- <b>one</b>\n- `two`\n\nThat is all.")


@pytest.fixture(scope="module")
def model() -> Iterator[LlmStub]:
    with LlmStub() as stub:
        yield stub


@pytest.fixture
def spoken_url(served: Served, model: LlmStub, bridge: Bridge) -> str:
    """The shop, with a model to chat with; the grammar plans."""
    model.reset()
    return served(ANTHROPIC_API_KEY="key", ANTHROPIC_BASE_URL=model.url, PLANNERS="grammar,anthropic", CHAT_QUOTA="0")


def chat(page: Page) -> None:
    page.get_by_role("tab", name="Chat").click()
    expect(page.get_by_label("Message", exact=True)).to_be_focused()


def say(page: Page, text: str, *, waits: bool = True) -> Locator:
    """Says it; gives the reply."""
    field = page.get_by_label("Message", exact=True)
    field.fill(text)
    field.press("Enter")
    reply = page.locator(".message.assistant").last
    if waits:
        expect(reply).not_to_have_attribute("aria-busy", "true", timeout=15_000)
    return reply


def test_a_reply_shows_its_steps_its_rows_and_what_it_took(spoken_url: str, model: LlmStub, visit: Visit) -> None:
    page = visit(spoken_url)
    chat(page)
    model.script(ASKS, TELLS)
    reply = say(page, "which products sell best?")
    expect(reply.locator(".prose").first).to_have_text("Let me look.")
    expect(reply.locator(".step")).to_have_text("Asking the database top 5 products by revenue done")
    assert reply.locator("tbody tr").count() == 5
    reply.locator("details details summary").click()
    expect(reply.get_by_role("group", name="Statement")).to_contain_text("SELECT p.name")
    expect(reply.locator("strong")).to_have_text("best")
    assert reply.locator(".prose li").all_inner_texts() == ["<b>one</b>", "two"]
    expect(reply.locator("p").last).to_contain_text("claude-sonnet-5-5, 2,200 tokens")

    model.script(Says(text="You are welcome."))
    expect(say(page, "thank you")).to_contain_text("You are welcome.")
    sent = [message["content"] for message in model.requests[-1].body["messages"]]
    assert "which products sell best?" in str(sent[0])
    assert len(sent) == 3


def test_it_comes_piece_by_piece_and_can_be_stopped(spoken_url: str, model: LlmStub, visit: Visit) -> None:
    page = visit(spoken_url)
    chat(page)
    model.script(Says(text="word " * 200, pause=0.2))
    reply = say(page, "tell me a story", waits=False)
    expect(reply.locator(".prose")).to_contain_text("word")
    assert reply.get_attribute("aria-busy") == "true"
    page.get_by_role("button", name="Stop").click()
    expect(reply).to_contain_text("Stopped. What stands here is not whole.")
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    model.script(TELLS)
    say(page, "again")
    assert "tell me a story" not in model.requests[-1].text, "what was not replied to is no part of the chat"


def test_a_reply_that_broke_off_says_so_and_can_be_tried_again(spoken_url: str, model: LlmStub, visit: Visit) -> None:
    page = visit(spoken_url)
    chat(page)
    model.script(Ends(4, TELLS), TELLS)
    reply = say(page, "which products sell best?")
    expect(reply.get_by_role("alert")).to_be_visible()
    reply.get_by_role("button", name="Try again").click()
    expect(page.locator(".message.assistant")).to_contain_text("That is all.")
    expect(page.locator(".message")).to_have_count(2)


def test_a_stream_that_ends_before_its_end_is_shown_as_cut(spoken_url: str, model: LlmStub, visit: Visit) -> None:
    page = visit(spoken_url)
    chat(page)
    stream = 'event: text\ndata: {"text":"Half a"}\n\n: \n\nevent: te'
    page.route("**/api/chat", lambda route: route.fulfill(content_type="text/event-stream", body=stream))
    reply = say(page, "hello")
    expect(reply).to_contain_text("Half a")
    expect(reply).to_contain_text("This reply was cut off. What stands here is not whole.")


def test_without_a_model_the_grammar_replies(url: str, visit: Visit, pending: str) -> None:
    page = visit(url, width=320)
    chat(page)
    expect(page.get_by_role("group", name="Questions to begin with").get_by_role("button")).to_have_count(3)
    reply = say(page, "count pending orders")
    expect(reply.locator(".single dd")).to_have_text(pending)
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    refused = say(page, "how tall is the eiffel tower")
    expect(refused).to_contain_text("I cannot tell what")


def test_conversations_are_listed_opened_and_deleted(
    served: Served, leads_to_aws: dict[str, str], bridge: Bridge, visit: Visit, pending: str
) -> None:
    page = visit(served(**leads_to_aws, CONVERSATIONS_TABLE=tables.TABLES["CONVERSATIONS_TABLE"].name))
    chat(page)
    say(page, "count pending orders")
    page.get_by_role("button", name="New chat").click()
    expect(page.locator(".message")).to_have_count(0)
    earlier = page.locator(".conversations")
    earlier.locator("summary").click()
    earlier.get_by_role("button", name="count pending orders", exact=True).click()
    expect(page.locator(".message")).to_have_count(2)
    expect(page.locator(".message .single dd")).to_have_text(pending)
    say(page, "count shipped orders")
    expect(page.locator(".message")).to_have_count(4)
    earlier.get_by_role("button", name="Delete count pending orders").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".message")).to_have_count(0)
    expect(earlier).to_be_hidden()


def test_who_may_not_chat_sees_no_chat(closed_url: str, visit: Visit) -> None:
    page = visit(closed_url)
    page.get_by_label("Token or API key").fill(hs256(scope="query operator"))
    page.keyboard.press("Enter")
    page.get_by_role("tab", name="Operate").wait_for()
    expect(page.get_by_role("tab", name="Chat")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(
    spoken_url: str, model: LlmStub, visit: Visit, scheme: str, width: int
) -> None:
    page = visit(spoken_url, width=width, color_scheme=scheme, reduced_motion="reduce")
    chat(page)
    assert flaws(page) == ""
    model.script(ASKS, TELLS)
    say(page, "which products sell best?").locator("canvas").wait_for()
    assert flaws(page) == ""
    assert page.evaluate("document.documentElement.scrollWidth") == width
