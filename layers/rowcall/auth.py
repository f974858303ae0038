"""Who is asking. Everything that is kept or counted is kept and counted for a principal's tenant."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """`role` is what the tenant's database role may see; together with the tenant it is part of every cache key."""

    user: str
    tenant: str
    role: str = "reader"


LOCAL = Principal(user="local", tenant="local")
"""The asker on one's own machine, where no sign-in is needed."""
