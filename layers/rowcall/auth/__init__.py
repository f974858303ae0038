"""Who is asking. Everything that is kept or counted is kept and counted for a principal's tenant.

A caller shows a bearer token (JWT) or an API key, both in `Authorization: Bearer`, as AUTH allows. Nothing in a
body, a query or another header ever says who someone is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rowcall.deadline import Deadline
from rowcall.errors import Problem

QUERY = "query"
CHAT = "chat"
OPERATOR = "operator"
SCOPES = frozenset({QUERY, CHAT, OPERATOR})

MAX_CREDENTIAL_CHARACTERS = 8192


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
        kind, _, credential = authorization.partition(" ")
        credential = credential.strip()
        if kind.lower() != "bearer" or not credential or len(credential) > MAX_CREDENTIAL_CHARACTERS:
            raise Problem("unauthenticated")
        for method in self._methods:
            if method.recognises(credential):
                return method.principal(credential, deadline)
        raise Problem("unauthenticated")
