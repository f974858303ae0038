"""Whatever a model returns becomes one outcome."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcall.plan import Draft
from rowcall.planners import CannotAnswer, Clarification, Outcome, Unusable
from rowcall.planners.reply import MAX_SENTENCE, from_text, outcome, schema, sentence

GOOD = {
    "outcome": "sql",
    "sql": " SELECT 1 ",
    "constants": ["1"],
    "tables": [],
    "explanation": "One.",
    "reason": "",
    "suggestions": [],
}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
reply = st.dictionaries(st.sampled_from(sorted(GOOD)), anything | st.sampled_from(["sql", "cannot_answer", "clarify"]))


def test_a_statement() -> None:
    assert outcome(GOOD) == Draft("SELECT 1", "One.", ("1",))


def test_a_statement_as_text_or_in_a_code_block() -> None:
    for text in (json.dumps(GOOD), f"Here you are:\n```json\n{json.dumps(GOOD)}\n```\nGood luck!"):
        assert from_text(text) == outcome(GOOD)


def test_no_answer_and_a_question_back() -> None:
    said = GOOD | {"outcome": "cannot_answer", "reason": "No\nmoods. ", "suggestions": ["a", "a", "", 5, "b"]}
    assert outcome(said) == CannotAnswer("No moods.", ("a", "b"))
    asked = GOOD | {"outcome": "clarify", "reason": "Which?", "suggestions": ["a", "b"]}
    assert outcome(asked) == Clarification("Which?", ("a", "b"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"outcome": "shrug"},
        {"sql": ""},
        {"sql": None},
        {"sql": "SELECT " + "1 + " * 5000},
        {"sql": "SELECT '\0'"},
        {"sql": "SELECT '\ud800'"},
        {"constants": "1"},
        {"constants": [1]},
        {"constants": ["1"] * 99},
        {"outcome": "clarify", "reason": "Which?", "suggestions": ["only one"]},
        {"outcome": "clarify", "reason": "", "suggestions": ["a", "b"]},
    ],
)
def test_what_is_not_of_the_agreed_form_is_unusable(wrong: dict[str, object]) -> None:
    assert isinstance(outcome(GOOD | wrong), Unusable)


@given(anything | reply)
def test_anything_becomes_an_outcome(found: object) -> None:
    _check(outcome(found))


@given(st.text() | anything.map(lambda found: json.dumps(found)) | st.just("[" * 100_000))
def test_any_text_becomes_an_outcome(text: str) -> None:
    _check(from_text(text))


@given(st.text())
def test_a_sentence_is_one_printable_line(text: str) -> None:
    line = sentence(text)
    assert line.isprintable()
    assert len(line) <= MAX_SENTENCE


def test_strict_modes_accept_the_schema() -> None:
    """Both providers demand that every field is required and no other is allowed."""
    assert set(schema()["required"]) == set(schema()["properties"]) == set(GOOD)
    assert schema()["additionalProperties"] is False


def _check(found: Outcome) -> None:
    assert isinstance(found, Draft | CannotAnswer | Clarification | Unusable)
    if isinstance(found, Draft):
        found.sql.encode()
