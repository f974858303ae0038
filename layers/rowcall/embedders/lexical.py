"""The built-in embedder: no network, no model, the same vector in every process and on every machine.

Features of a template are its words' stems, with a small table of general synonyms folded, pairs of neighbours, the
trigrams of each word and the types of its slots. Each feature points in a direction of its own that its name's hash
gives, and a vector is their weighted sum: random indexing, so that a cosine tells how many features two templates share
(P. Kanerva et al., Random Indexing of Text Samples for Latent Semantic Analysis, 2000).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from struct import Struct

from rowcall.cache import words
from rowcall.cache.tokens import raw_words
from rowcall.deadline import Deadline
from rowcall.embedders import Embedded
from rowcall.embedders.vectors import Vector

DIMENSIONS = 512
_WEIGHTS = {"word": 8, "mark": 6, "slot": 6, "pair": 2, "trigram": 1}
_LANES = [b"".join((byte >> bit & 1).to_bytes(2, "little") for bit in range(8)) for byte in range(256)]
"""Each bit of a byte in two bytes of its own, so that one addition of large integers adds all dimensions at once."""


class LexicalEmbedder:
    """Raise the number in `id` when features, weights or words change: old vectors then never meet new ones."""

    id = "lexical-1-512"
    model = ""
    dimensions = DIMENSIONS
    threshold = 0.3

    def embed(self, texts: Sequence[str], deadline: Deadline) -> Embedded:
        deadline.left()
        return Embedded([_vector(text) for text in texts])

    def close(self) -> None:
        """Nothing is open."""


def _vector(template: str) -> Vector:
    counted = Counter(_features(template)) or Counter({("word", ""): 1})
    ones = sum(times * _direction(*feature) for feature, times in counted.items())
    weight = sum(times * _WEIGHTS[feature] for (feature, _), times in counted.items())
    sums = Struct(f"<{DIMENSIONS}H").unpack(ones.to_bytes(2 * DIMENSIONS, "little"))
    return Vector.of([2 * one - weight or 0.5 for one in sums])


def _features(template: str) -> Iterator[tuple[str, str]]:
    """Only words that say something make trigrams and pairs; marks such as "more than" count for themselves."""
    terms: list[str] = []
    raw = [word for word in raw_words(template) if word not in words.word_set("articles")]
    at = 0
    while at < len(raw):
        word = raw[at]
        at += 1
        if word.startswith("{"):
            terms.append(word)
            yield "slot", word
            continue
        phrase, sense = next(
            (
                known
                for known in words.lexicon().get(word, ())
                if tuple(raw[at - 1 : at - 1 + len(known[0])]) == known[0]
            ),
            ((), None),
        )
        if sense and sense.kind != "phrases":
            at += len(phrase) - 1
            yield "mark", sense.value
        elif word.isalnum() and not words.is_silent(word):
            terms.append(words.general(words.fold(sense.value if sense else word)))
            at += len(phrase) - 1 if sense else 0
    for term in terms:
        if not term.startswith("{"):
            yield "word", term
            padded = f"^{term}$"
            yield from (("trigram", padded[n : n + 3]) for n in range(len(padded) - 2))
    yield from (("pair", f"{one} {other}") for one, other in pairwise(terms))


@lru_cache(maxsize=4096)
def _direction(feature: str, name: str) -> int:
    """A bit for each dimension from the hash of the feature's name, times its weight, in lanes of 16 bits.

    A set bit is a step forth, and one that is not a step back; no text is so long that a lane would overflow.
    """
    digest = blake2b(f"{feature}:{name}".encode(errors="surrogatepass"), digest_size=DIMENSIONS // 8).digest()
    return _WEIGHTS[feature] * int.from_bytes(b"".join([_LANES[byte] for byte in digest]), "little")
