"""Stems are the same however many threads ask for them at once: a wrong one would be remembered."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest

from rowcall.cache.words import fold
from rowcall.planners.grammar.words import stem

WORDS = ["".join(parts) for parts in product(("cat", "pro", "deliver", "nation"), ("ation", "ness", "ive", ""), ("s",))]


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("reduced", [fold.__wrapped__, stem.__wrapped__], ids=["layer two", "grammar"])
def test_threads_do_not_disturb_each_other(reduced: Callable[[str], str], hurried: None) -> None:
    expected = [reduced(word) for word in WORDS]
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: [reduced(word) for word in WORDS], range(64)):
            assert found == expected
