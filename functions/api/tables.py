"""`GET /api/tables`, `/api/tables/{name}` and `/api/suggestions`: the visible catalog, and what one may ask of it."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request

from api import problems
from api.dependencies import DeadlineDep, PrincipalDep, ServicesDep, call
from api.told import Told
from rowcall import auth, document
from rowcall.bootstrap import Services
from rowcall.catalog import Catalog
from rowcall.deadline import Deadline
from rowcall.document import Document
from rowcall.errors import Problem

router = APIRouter(tags=["catalog"])

READING = (*problems.SIGN_IN, "database_unavailable", "deadline_exceeded")


class TableSummary(Told):
    name: str
    kind: str
    comment: str
    rows: int
    columns: int


class TableList(Told):
    tables: list[TableSummary]


class ColumnDocument(Told):
    name: str
    type: str
    nullable: bool
    comment: str
    values: list[str]


class ForeignKeyDocument(Told):
    columns: list[str]
    table: str
    references: list[str]


class TableDocument(Told):
    """`rows` is Postgres's estimate. `values` are the enumerated values of a low-cardinality column."""

    name: str
    kind: str
    comment: str
    rows: int
    primary_key: list[str]
    columns: list[ColumnDocument]
    foreign_keys: list[ForeignKeyDocument]


class Suggestions(Told):
    """Questions of different kinds, each of which is answered without a model."""

    suggestions: list[str]


@router.get("/api/tables", responses=problems.responses(*READING))
async def list_tables(request: Request, services: ServicesDep, _: PrincipalDep, deadline: DeadlineDep) -> TableList:
    """The tables that questions can be about."""
    catalog = await call(request, services.catalogs.current, deadline)
    return TableList.model_validate(document.of_tables(catalog))


@router.get("/api/tables/{name}", responses=problems.responses(*READING, "not_found"))
async def show_table(
    name: str, request: Request, services: ServicesDep, _: PrincipalDep, deadline: DeadlineDep
) -> TableDocument:
    """One table: its columns, keys, comments and enumerated values."""
    catalog = await call(request, services.catalogs.current, deadline)
    return TableDocument.model_validate(described(catalog, name))


def described(catalog: Catalog, name: str) -> Document:
    """The `TableDocument` of a table; raises `not_found`."""
    table = catalog.table(name)
    if table is None:
        raise Problem("not_found", "There is no such table, or it is not visible.")
    return document.of_table(table)


@router.get("/api/suggestions", responses=problems.responses(*READING, "forbidden"))
async def suggest_questions(
    request: Request, services: ServicesDep, principal: PrincipalDep, deadline: DeadlineDep
) -> Suggestions:
    """A few questions that work on this database. Each was planned; nothing was run."""
    principal.require(auth.QUERY)
    return Suggestions(suggestions=list(await call(request, _samples, services, deadline)))


def _samples(services: Services, deadline: Deadline) -> tuple[str, ...]:
    from rowcall.planners import grammar

    return grammar.samples(services.catalogs.current(deadline), datetime.now(UTC))
