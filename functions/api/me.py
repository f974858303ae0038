"""`GET /api/me`: who is signed in, and what they may do."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from api import problems
from api.dependencies import PrincipalDep
from api.told import Told

router = APIRouter(tags=["sign-in"])


class Me(Told):
    user: str
    tenant: str
    scopes: list[str] = Field(examples=[["chat", "query"]])


@router.get("/api/me", responses=problems.responses(*problems.SIGN_IN, "deadline_exceeded"))
async def show_me(principal: PrincipalDep) -> Me:
    """Who is signed in, and with which scopes."""
    return Me(user=principal.user, tenant=principal.tenant, scopes=sorted(principal.scopes))
