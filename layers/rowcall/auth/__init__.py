"""Who is asking. Everything that is kept or counted is kept and counted for a principal's tenant.

A caller shows a bearer token (JWT) or an API key, both in `Authorization: Bearer`, as AUTH allows. Nothing in a
body, a query or another header ever says who someone is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from rowcall.deadline import Deadline
from rowcall.errors import Problem

QUERY = "query"
CHAT = "chat"
OPERATOR = "operator"
SCOPES = frozenset({QUERY, CHAT, OPERATOR})

MAX_CREDENTIAL_CHARACTERS = 8192
AUTHORIZATION = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
"""RFC 6750, 2.1; whatever else a header holds, such as a second one joined to it, is no credential."""


@dataclass(frozen=True, slots=True)
class Principal:
    """`role` is what the tenant's database role may see; together with the tenant it is part of every cache key."""

    user: str
    tenant: str
    scopes: frozenset[str] = frozenset({QUERY})
    role: str = "reader"

    def require(self, scope: str) -> None:
        """Raises `forbidden` unless the principal has `scope`."""
        if scope not in self.scopes:
            raise Problem("forbidden", f"This needs the scope `{scope}`.")


LOCAL = Principal(user="local", tenant="local", scopes=SCOPES)
"""The asker on one's own machine, where no sign-in is needed."""


class Method(Protocol):
    """One way to sign in."""

    def recognises(self, credential: str) -> bool: ...

    def principal(self, credential: str, deadline: Deadline) -> Principal:
        """Raises `unauthenticated`."""
        ...


class Authenticator:
    """The ways to sign in that AUTH allows; none of them only on one's own machine."""

    def __init__(self, methods: list[Method]) -> None:
        self._methods = methods

    def principal(self, authorization: str, deadline: Deadline) -> Principal:
        """Who sent the `Authorization` header; raises `unauthenticated`."""
        if not self._methods:
            return LOCAL
        matched = AUTHORIZATION.fullmatch(authorization)
        if matched is None or len(matched[1]) > MAX_CREDENTIAL_CHARACTERS:
            raise Problem("unauthenticated")
        for method in self._methods:
            if method.recognises(matched[1]):
                return method.principal(matched[1], deadline)
        raise Problem("unauthenticated")
