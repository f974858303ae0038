"""Card numbers, e-mail addresses and keys go; what only looks like them stays; and no text takes long or grows."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcall import telemetry
from rowcall.redaction import FEWEST_DIGITS, FIRST_DIGITS, KEYS, KINDS, MOST_DIGITS, MOST_IN_GROUP, Redaction, luhn

ALL = Redaction(KINDS)
WORD = re.compile(r"\[(?:card|email|key)\]")

# https://docs.stripe.com/testing#cards, and one of 19 digits
CARDS = (
    "4242424242424242",
    "4000 0566 5566 5556",
    "5555-5555-5555-4444",
    "2223003122003222",
    "3782 822463 10005",
    "6011 1111 1111 1117",
    "3056 9300 0902 0004",
    "4222222222222",
    "6205500000000000004",
    "4242\u00a04242\u00a04242\u00a04242",
    "4242–4242–4242–4242",
)
ADDRESSES = ("ann@example.com", "a.b+c@mail.example.co.uk", "o_k-1@x-y.io", "jörg@bücher.example", "a@b.xn--p1ai")
SECRETS = (
    "AKIAIOSFODNN7EXAMPLE",
    'aws_secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"',
    "sk-" + "proj-" + "a1B2c3D4e5F6g7H8i9J0",
    "sk-ant-api03-" + "x" * 40,
    "sk_" + "live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "ghp_" + "0123456789abcdefghij0123456789abcdef",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "Bearer mF_9.B5f-4.1JqM-and-more",
    "rc_0123456789abcdef_" + "A" * 43,
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg",
)
HONEST = (
    "top 10 products by revenue in 2024",
    "orders from 2024-01-05 to 2024-02-05",
    "4242424242424241",
    "order 1234567812345670",
    "id 42424242424242424242",
    "0.4242424242424242 and 4242424242424242.5",
    "f4242424242424242 and 4242424242424242f",
    "call +41 44 668 18 00 or 0041 44 668 18 00",
    "1700000000000",
    "package@2.0 is @home and a@b",
    "the task-force-of-the-twenty-first-century",
    "bearer of good news, and Bearer shares",
    "AKIA is how they begin",
    "SELECT COUNT(*) AS orders_count FROM public.orders AS o WHERE o.status = $1 LIMIT CAST($2 AS BIGINT)",
)


@pytest.mark.parametrize(
    ("kind", "text"),
    [("card", text) for text in CARDS] + [("email", text) for text in ADDRESSES] + [("key", text) for text in SECRETS],
)
@pytest.mark.parametrize("around", ["{}", "it is {}, I think", "({})", "'{}';", "first\n{}\nlast", "x={} y"])
def test_each_goes_wherever_it_stands(kind: str, text: str, around: str) -> None:
    before, after = around.split("{}")
    redacted = ALL.text(before + text + after)
    assert redacted.startswith(before)
    assert f"[{kind}]" in redacted
    if not text.startswith("-----BEGIN PRIVATE"):
        assert redacted.endswith(after)
    assert Redaction([other for other in KINDS if other != kind]).text(text) == text


@pytest.mark.parametrize("text", HONEST)
def test_what_only_looks_like_one_stays(text: str) -> None:
    assert ALL.text(text) == text


def test_more_digits_beside_a_card_do_not_hide_it() -> None:
    assert ALL.text("4242 4242 4242 4242 12/27") == "[card] 12/27"
    assert ALL.text("99 4242 4242 4242 4242") == "99 [card]"
    assert ALL.text("4242 4242 4242 4242 5555 5555 5555 4444") == "[card] [card]"


def test_nothing_is_replaced_unless_asked_for() -> None:
    for text in (*CARDS, *ADDRESSES, *SECRETS):
        assert Redaction().text(text) == text
        assert Redaction().value({"said": [text]}) == {"said": [text]}


def checked(digits: str) -> str:
    """`digits` and the digit that checks them."""
    return next(digits + last for last in "0123456789" if luhn(digits + last))


numbers = st.builds(
    lambda first, rest: checked(first + rest),
    st.sampled_from(FIRST_DIGITS),
    st.text("0123456789", min_size=FEWEST_DIGITS - 2, max_size=MOST_DIGITS - 2),
)


@given(numbers, st.data())
def test_every_number_that_checks_goes_however_it_is_grouped(number: str, data: st.DataObject) -> None:
    groups = []
    rest = number
    while rest:
        size = data.draw(st.integers(1, MOST_IN_GROUP))
        groups.append(rest[:size])
        rest = rest[size:]
    written = data.draw(st.sampled_from([" ", "-", "\u00a0"])).join(groups)
    assert ALL.text(f"paid with {written}.") == "paid with [card]."
    assert ALL.text(f"paid with {number}.") == "paid with [card]."


@given(numbers, st.integers(1, 9))
def test_a_number_that_does_not_check_stays(number: str, more: int) -> None:
    wrong = number[:-1] + str((int(number[-1]) + more) % 10)
    assert not luhn(wrong)
    assert ALL.text(f"paid with {wrong}.") == f"paid with {wrong}."


@given(st.uuids())
def test_no_uuid_is_taken_for_a_card(made: uuid.UUID) -> None:
    assert ALL.text(str(made)) == str(made)


def test_not_even_one_of_digits() -> None:
    for last in range(10):
        text = f"42424242-4242-4242-8242-42424242424{last}"
        assert ALL.text(text) == text


pieces = st.one_of(
    st.sampled_from([*CARDS, *ADDRESSES, *SECRETS, "[card]", "eyJ", "sk-", "@", ".", "-", " ", "bearer ", "AKIA"]),
    st.text(max_size=20),
    st.text("0123456789 -.@aeyJ_", max_size=70),
)


@given(st.lists(pieces, max_size=12).map("".join))
def test_twice_is_once_and_nothing_grows(text: str) -> None:
    redacted = ALL.text(text)
    assert ALL.text(redacted) == redacted
    assert len(redacted) <= len(text) + len(WORD.findall(redacted))


@pytest.mark.parametrize(
    "piece",
    [
        "4",
        "4 ",
        "4-4 ",
        "42424242",
        "a",
        "@",
        "a@",
        "a.",
        "a@a.",
        "eyJ",
        "eyJaaaaa.",
        "-eyJaaaaaa",
        "bearer ",
        "bearer  a",
        "sk-",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN ",
        "secret_access_key =  ",
        "AKIA",
        "rc_0123456789abcdef_",
    ],
)
def test_a_megabyte_of_anything_is_read_in_the_time_that_a_test_has(piece: str) -> None:
    """A pattern that takes time by the square would take hours."""
    assert ALL.text((piece * (1_000_000 // len(piece) + 1))[:1_000_000] + "!")


def test_every_pattern_has_its_example() -> None:
    for pattern in KEYS:
        assert any(pattern.search(text) for text in SECRETS), pattern.pattern


def test_a_document_keeps_its_form() -> None:
    document = {"ann@example.com": 1, "rows": [{"mail": "ann@example.com", "total": 4242424242424242}], "none": None}
    assert ALL.value(document) == {
        "ann@example.com": 1,
        "rows": [{"mail": "[email]", "total": 4242424242424242}],
        "none": None,
    }


def test_no_log_line_holds_what_is_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.begin("local", "INFO", ALL)
    try:
        nested: dict[str, Any] = {"told": ["4242 4242 4242 4242"]}
        telemetry.logger().info("mail to ann@example.com", query="who is bob@example.com", nested=nested)
        secret = "sk-" + "a" * 40
        try:
            raise ValueError(secret)
        except ValueError:
            telemetry.logger().exception("it failed")
    finally:
        telemetry.begin("local", "INFO", Redaction())
    out = capsys.readouterr().out
    assert "mail to [email]" in out
    assert "who is [email]" in out
    assert "ValueError: [key]" in out
    for redacted in ("example.com", "4242", "aaaa"):
        assert redacted not in out
