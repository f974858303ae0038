"""A vector as it is kept: a binary code to search by, and int8 values to rescore by.

The code has one bit for each dimension, its sign: 1/8 of the int8 bytes and 1/32 of the floats.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import cast

import simsimd

_BITS = bytes.maketrans(bytes(range(256)), bytes(1 if 0 < value < 128 else 0 for value in range(256)))


@dataclass(frozen=True, slots=True)
class Vector:
    """`code` is the bits of the signs; `values` the int8 values, or empty where only the code is known."""

    code: bytes
    values: bytes = b""

    @classmethod
    def of(cls, floats: Sequence[float]) -> Vector:
        """Quantise; the scale is the vector's own, as a cosine does not see it. Raises `ValueError` for none."""
        largest = max(map(abs, floats), default=0.0)
        if not 0 < largest < math.inf or len(floats) % 8:
            raise ValueError("not a vector")
        scale = 127 / largest
        values = Struct(f"{len(floats)}b").pack(*[round(value * scale) for value in floats])
        bits = int(values.translate(_BITS).hex()[1::2], 2)
        return cls(bits.to_bytes(len(values) // 8, "big"), values)

    @property
    def coarse(self) -> Vector:
        """Without its values."""
        return Vector(self.code)

    def similarity(self, other: Vector) -> float:
        """The cosine, of the values where both have them, else as the codes tell it."""
        if len(self.code) != len(other.code):
            raise ValueError("vectors of different size")
        if self.values and other.values:
            mine, theirs = memoryview(self.values).cast("b"), memoryview(other.values).cast("b")
            return 1.0 - cast("float", simsimd.cosine(mine, theirs))
        differing = (int.from_bytes(self.code, "big") ^ int.from_bytes(other.code, "big")).bit_count()
        return from_differing_bits(differing, len(self.code) * 8)

    def text(self) -> str:
        """As base64, for stores that carry no bytes."""
        return f"{_text(self.code)}.{_text(self.values)}"

    @classmethod
    def from_text(cls, text: str) -> Vector:
        """Raises `ValueError` for what `text` did not make."""
        try:
            code, values = (base64.b64decode(part, validate=True) for part in text.split("."))
        except (ValueError, binascii.Error) as cause:
            raise ValueError("not a vector") from cause
        if not code or len(values) not in (0, len(code) * 8):
            raise ValueError("not a vector")
        return cls(code, values)


def from_differing_bits(differing: float, bits: int) -> float:
    """The cosine that so many differing signs let expect.

    M. Charikar, Similarity Estimation Techniques from Rounding Algorithms, 2002: the share of signs that differ
    is the angle over pi.
    """
    return math.cos(math.pi * differing / bits)


def _text(part: bytes) -> str:
    return base64.b64encode(part).decode()
