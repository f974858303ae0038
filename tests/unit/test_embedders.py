"""The lexical embedder is the same everywhere; vectors keep their angle when they are quantised and written as text."""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rowcall.deadline import Deadline
from rowcall.embedders.lexical import LexicalEmbedder
from rowcall.embedders.spoken import spoken
from rowcall.embedders.vectors import Vector
from rowcall.errors import Problem

LEXICAL = LexicalEmbedder()
TEMPLATES = (
    "how many orders are {entity:orders.status}",
    "top {count} customers by revenue",
    "café crème in zürich 注文 {{braces}}",
    "",
)


def embed(*templates: str) -> list[Vector]:
    return LEXICAL.embed(templates, Deadline.after(10)).vectors


def test_every_process_makes_the_same_vectors() -> None:
    """Python's own hash() is salted for each process; a vector in Redis is read by all of them."""
    program = (
        "import hashlib; from rowcall.deadline import Deadline; from rowcall.embedders.lexical import LexicalEmbedder;"
        f"made = LexicalEmbedder().embed({TEMPLATES!r}, Deadline.after(60)).vectors;"
        "print(hashlib.sha256(''.join(one.text() for one in made).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1", "random")
    }
    here = "".join(one.text() for one in embed(*TEMPLATES))
    assert digests == {sha256(here.encode()).hexdigest()}


def test_this_version_of_the_embedder_makes_these_vectors() -> None:
    """Raise the number in the embedder's id when this changes: remembered vectors would no longer fit."""
    made = "".join(one.text() for one in embed("top {count} customers by revenue"))
    assert (LEXICAL.id, sha256(made.encode()).hexdigest()[:16]) == ("lexical-1-512", "36dba9f486b5a31b")


@pytest.mark.parametrize(
    ("one", "near", "far"),
    [
        ("how many orders are pending", "count pending orders", "list products by price"),
        ("top {count} customers by spend", "{count} clients that spent most", "orders in {period}"),
        ("average price per category", "mean price of each kind", "names of customers"),
    ],
)
def test_paraphrases_are_nearer_than_other_questions(one: str, near: str, far: str) -> None:
    asked, paraphrase, other = embed(one, near, far)
    assert asked.similarity(paraphrase) > LEXICAL.threshold + 0.2
    assert asked.similarity(paraphrase) > asked.similarity(other) + 0.3


def test_a_vector_has_the_size_that_is_told() -> None:
    (made,) = embed("orders")
    assert (len(made.values), len(made.code)) == (LEXICAL.dimensions, LEXICAL.dimensions // 8)
    assert made.similarity(made) == pytest.approx(1, abs=1e-6)


def test_nothing_is_embedded_when_no_time_is_left() -> None:
    with pytest.raises(Problem):
        LEXICAL.embed(["orders"], Deadline.after(-1))


@given(st.text(max_size=400))
@example("{count} {entity:a.b|c.d} {{")
def test_any_text_has_a_vector(text: str) -> None:
    (made,) = embed(text)
    assert len(made.values) == LEXICAL.dimensions


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True)) / (math.hypot(*one) * math.hypot(*other))


@given(st.integers(0, 2**32), st.floats(0, 3))
def test_quantising_keeps_the_angle(seed: int, share: float) -> None:
    source = random.Random(seed)  # noqa: S311
    one = [source.gauss(0, 1) for _ in range(256)]
    other = [value + share * source.gauss(0, 1) for value in one]
    exact, coarse = Vector.of(one), Vector.of(other)
    assert exact.similarity(coarse) == pytest.approx(cosine(one, other), abs=0.01)
    assert exact.similarity(coarse.coarse) == pytest.approx(cosine(one, other), abs=0.35), "256 bits tell roughly"
    assert exact.coarse.similarity(coarse.coarse) == exact.similarity(coarse.coarse)


def test_the_code_is_the_signs() -> None:
    assert Vector.of([1, -1, 0, 2, -3, 4, -5, 6]).code == bytes([0b10010101])


@pytest.mark.parametrize("coarse", [False, True])
def test_a_vector_survives_as_text(coarse: bool) -> None:
    (made,) = embed("orders")
    kept = made.coarse if coarse else made
    assert Vector.from_text(kept.text()) == kept
    assert kept.text().isascii()


@pytest.mark.parametrize("text", ["", ".", "AAAA", "AAAA.AA", "%%%%.", "AAAA.AAAA.AAAA", "é.", "QQ==.QUFB"])
def test_what_is_no_vector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a vector"):
        Vector.from_text(text)


@pytest.mark.parametrize("floats", [[], [0.0] * 8, [1.0] * 7, [float("nan")] * 8, [float("inf")] * 8])
def test_floats_that_have_no_direction_are_refused(floats: list[float]) -> None:
    with pytest.raises(ValueError, match="not a vector"):
        Vector.of(floats)


def test_vectors_of_different_size_are_not_compared() -> None:
    with pytest.raises(ValueError, match="size"):
        Vector.of([1.0] * 8).similarity(Vector.of([1.0] * 16))


def test_a_model_of_language_reads_slots_as_words() -> None:
    template = "{entity:orders.status|payments.status} orders over {money:usd} in {period:time} of {{count}}"
    assert spoken(template) == "[status] orders over [money] in [period] of {count}"


def test_no_sdk_is_loaded_by_the_lexical_embedder() -> None:
    program = (
        "import sys; from rowcall.deadline import Deadline; from rowcall.embedders.lexical import LexicalEmbedder;"
        "LexicalEmbedder().embed(['orders'], Deadline.after(60));"
        "assert not {'openai', 'boto3', 'botocore', 'numpy', 'sqlglot', 'httpx2'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
