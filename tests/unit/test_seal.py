"""Seals: only what we wrote, for the very place it is found at, opens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rowcall.cache.seal import seal, unseal

KEY = b"k" * 32


@given(place=st.text(), payload=st.text())
def test_what_was_sealed_opens_in_its_place(place: str, payload: str) -> None:
    assert unseal(KEY, place, seal(KEY, place, payload)) == payload


@given(place=st.text(), other=st.text(), payload=st.text())
def test_a_moved_entry_does_not_open(place: str, other: str, payload: str) -> None:
    if place != other:
        assert unseal(KEY, other, seal(KEY, place, payload)) is None


@given(place=st.text(), payload=st.text(min_size=1), data=st.data())
def test_an_altered_or_truncated_entry_does_not_open(place: str, payload: str, data: st.DataObject) -> None:
    entry = seal(KEY, place, payload)
    cut = data.draw(st.integers(0, len(entry) - 1))
    assert unseal(KEY, place, entry[:cut]) is None
    swapped = "y" if entry[cut] == "x" else "x"
    assert unseal(KEY, place, entry[:cut] + swapped + entry[cut + 1 :]) is None


@given(payload=st.text())
def test_a_planted_entry_does_not_open(payload: str) -> None:
    assert unseal(KEY, "place", payload) is None
    assert unseal(KEY, "place", seal(b"x" * 32, "place", payload)) is None


@given(left=st.text(max_size=4), right=st.text(max_size=4))
def test_a_place_and_a_payload_cannot_borrow_from_each_other(left: str, right: str) -> None:
    if left:
        assert seal(KEY, left, right)[:64] != seal(KEY, "", left + right)[:64]
