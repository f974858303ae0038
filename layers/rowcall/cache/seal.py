"""Seals: what comes out of Redis is used only when we put it there, for this very scope and key.

HMAC-SHA256 (RFC 2104) under a key that Redis never sees. A planted, altered, truncated or moved entry fails.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

_SEAL_LENGTH = 64


def seal(key: bytes, place: str, payload: str) -> str:
    """`payload` with its seal in front. `place` names where it may be used: scope and template."""
    return _mac(key, place, payload) + payload


def unseal(key: bytes, place: str, entry: str) -> str | None:
    """The payload of `entry`, or `None` when its seal does not hold for `place`."""
    mac, payload = entry[:_SEAL_LENGTH], entry[_SEAL_LENGTH:]
    return payload if hmac.compare_digest(mac.encode(), _mac(key, place, payload).encode()) else None


def _mac(key: bytes, place: str, payload: str) -> str:
    message = len(place).to_bytes(4, "big") + place.encode() + payload.encode(errors="surrogatepass")
    return hmac.digest(key, message, sha256).hex()
