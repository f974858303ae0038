"""Sign-in by JSON Web Token (RFC 7519): HS256 with a secret, or RS256/ES256 with keys from a JWKS address (RFC 7517).

The algorithm list is ours, never the token's, and a key serves only its own kind of algorithm (RFC 8725, 3.1).
"""

from __future__ import annotations

import threading
import time
from hashlib import sha256
from typing import Any

import httpx
import jwt

from rowcall import telemetry
from rowcall.auth import SCOPES, Principal
from rowcall.cache.transport import DeadlineClient
from rowcall.deadline import Deadline
from rowcall.errors import Problem

LEEWAY_SECONDS = 30
KEYS_SECONDS = 300.0
UNKNOWN_KEY_SECONDS = 30.0
"""How often a token with an unknown key id may make us fetch the keys again: rotation is followed, a flood is not."""
FETCH_SECONDS = 2.0
MAX_NAME_CHARACTERS = 128
REMEMBERED_SECONDS = 60.0
"""How long a token that was verified is not verified again: 0.3 ms, and as long as a withdrawn key may serve on."""
REMEMBERED_TOKENS = 1000


class JwksKeys:
    """The keys of a JWKS address, by key id; fetched again when they are old or a key is unknown."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = DeadlineClient(url)
        self._lock = threading.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = float("-inf")

    def key(self, key_id: str, deadline: Deadline) -> jwt.PyJWK:
        """Raises `unauthenticated` for an unknown key; old keys serve on while the address cannot be reached."""
        with self._lock:
            age = time.monotonic() - self._fetched
            if age > KEYS_SECONDS or (key_id not in self._keys and age > UNKNOWN_KEY_SECONDS):
                self._fetch(deadline)
            if key_id not in self._keys:
                raise Problem("unauthenticated")
            return self._keys[key_id]

    def close(self) -> None:
        self._client.close()

    def _fetch(self, deadline: Deadline) -> None:
        self._fetched = time.monotonic()
        try:
            with self._client.until(deadline.within(FETCH_SECONDS)):
                reply = self._client.get(self._url).raise_for_status()
            found = jwt.PyJWKSet.from_dict(reply.json())
        except (httpx.HTTPError, jwt.PyJWTError, ValueError, AttributeError, Problem) as error:
            telemetry.logger().error("signing keys cannot be fetched", reason=type(error).__name__)
            return
        self._keys = {key.key_id: key for key in found.keys if key.key_id}


class Tokens:
    """Bearer tokens. `claims` that count: sub, tenant, scope (space-separated, RFC 8693 4.2) and, if set, role."""

    def __init__(
        self,
        *,
        secret: str = "",
        jwks: JwksKeys | None = None,
        issuer: str,
        audience: str,
    ) -> None:
        self._secret = secret
        self._jwks = jwks
        self._algorithms = (["HS256"] if secret else []) + (["RS256", "ES256"] if jwks else [])
        self._known: dict[bytes, tuple[Principal, float]] = {}
        self._issuer = issuer
        self._audience = audience

    def recognises(self, credential: str) -> bool:
        return credential.count(".") == 2

    def principal(self, credential: str, deadline: Deadline) -> Principal:
        digest = sha256(credential.encode()).digest()
        known = self._known.get(digest)
        if known and time.monotonic() < known[1]:
            return known[0]
        claims = self._claims(credential, deadline)
        principal = _principal(claims)
        if len(self._known) >= REMEMBERED_TOKENS:
            self._known.clear()
        left = float(claims["exp"]) + LEEWAY_SECONDS - time.time()
        self._known[digest] = (principal, time.monotonic() + min(left, REMEMBERED_SECONDS))
        return principal

    def _claims(self, credential: str, deadline: Deadline) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(credential)
            algorithm = header.get("alg")
            if algorithm not in self._algorithms:
                raise Problem("unauthenticated")
            claims: dict[str, Any] = jwt.decode(
                credential,
                self._key(header, str(algorithm), deadline),
                algorithms=[str(algorithm)],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "sub", "iss", "aud"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise Problem("unauthenticated") from error
        return claims

    def _key(self, header: dict[str, Any], algorithm: str, deadline: Deadline) -> jwt.PyJWK | str:
        if algorithm == "HS256":
            return self._secret
        key_id = header.get("kid")
        if self._jwks is None or not isinstance(key_id, str):
            raise Problem("unauthenticated")
        key = self._jwks.key(key_id, deadline)
        if key.algorithm_name != algorithm:
            raise Problem("unauthenticated")
        return key


def _principal(claims: dict[str, Any]) -> Principal:
    user, tenant, role = claims.get("sub"), claims.get("tenant"), claims.get("role", "reader")
    names = (user, tenant, role)
    if not all(isinstance(name, str) and 0 < len(name) <= MAX_NAME_CHARACTERS and name.isprintable() for name in names):
        raise Problem("unauthenticated")
    scope = claims.get("scope", "")
    granted = frozenset(scope.split()) & SCOPES if isinstance(scope, str) else frozenset[str]()
    return Principal(user=str(user), tenant=str(tenant), scopes=granted, role=str(role))
