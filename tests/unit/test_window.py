"""What leaves a chat that is too long for a model's window, and what always stays."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcall.chat import Message
from rowcall.chat.models import Call, Entry, Found, Request, Result, Using
from rowcall.chat.tools import schemas
from rowcall.chat.window import fit, turns
from rowcall.planners.prompt import block

TOOL = Call("call_1", "query", '{"question": "count orders"}')


def turn(number: int, size: int, *, tools: bool = True) -> list[Entry]:
    used: list[Entry] = [
        Using("", (TOOL,), "anthropic"),
        Found((Result("call_1", "row " * size, f"'count orders {number}': 1 rows of (count)"),)),
    ]
    said = Message("user", f"question {number} {'x' * size}")
    return [said, *(used if tools else []), Message("assistant", f"answer {number}")]


def request(entries: list[Entry]) -> Request:
    return Request("You are rowcall.", tuple(entries), schemas())


def exactly(one: Request) -> int:
    return one.most_tokens // 4


def test_what_surely_fits_is_not_counted() -> None:
    short = request([Message("user", "hello " * 500)])
    assert fit(short, 8_000, lambda _: pytest.fail("counted")) is short


@pytest.mark.parametrize("count", [exactly, lambda _: None], ids=["exact", "estimated"])
def test_the_oldest_turns_leave_whole_and_are_summed_up(count: object) -> None:
    entries = [entry for number in range(30) for entry in turn(number, 400)]
    last: list[Entry] = [Message("user", "and now?")]
    fitted = fit(request([*entries, *last]), 8_000, count)  # type: ignore[arg-type]
    summary, *kept = fitted.entries
    assert kept == [*entries, *last][-len(kept) :], "nothing but the oldest leaves"
    assert len(kept) % 4 == 1
    assert isinstance(summary, Message)
    first_kept = (len(entries) + 1 - len(kept)) // 4
    assert f"question {first_kept - 1} " in summary.content
    assert f"'count orders {first_kept - 1}': 1 rows of (count)" in summary.content
    assert "turns before" in summary.content
    assert exactly(fitted) <= 8_000


def test_a_last_turn_that_is_too_long_keeps_its_newest_result() -> None:
    rounds: list[Entry] = [Message("user", "compare them all")]
    for number in range(8):
        rounds += [
            Using("", (TOOL,), "openai"),
            Found((Result("call_1", f"row {number} " * 900, f"shape {number}"),)),
        ]
    fitted = fit(request(rounds), 8_000, exactly)
    found = [entry.results[0].content for entry in fitted.entries if isinstance(entry, Found)]
    assert len(found) == 8, "every call keeps a result"
    assert found[0] == block("left out", "shape 0"), "data still, between marks"
    assert found[-1].startswith("row 7 row 7")


@given(st.lists(st.tuples(st.integers(0, 3_000), st.booleans()), min_size=1, max_size=20), st.integers(4_000, 40_000))
def test_whatever_is_said_pairs_and_the_last_turn_stay(said: list[tuple[int, bool]], limit: int) -> None:
    entries = [entry for number, (size, tools) in enumerate(said) for entry in turn(number, size, tools=tools)]
    fitted = fit(request(entries), limit, exactly).entries
    assert isinstance(fitted[0], Message)
    assert fitted[0].role == "user"
    for before, entry in pairwise(fitted):
        assert isinstance(before, Using) == isinstance(entry, Found)
    assert [type(entry) for entry in turns(fitted)[-1]] == [type(entry) for entry in turns(entries)[-1]]
    assert fitted[-1] == entries[-1]
