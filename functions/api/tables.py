"""`GET /api/tables` and `GET /api/tables/{name}`: the visible catalog."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from api import problems
from api.dependencies import DeadlineDep, PrincipalDep, ServicesDep, call
from rowcall import document
from rowcall.catalog import Catalog
from rowcall.document import Document
from rowcall.errors import Problem

router = APIRouter(tags=["catalog"])

READING = (*problems.SIGN_IN, "database_unavailable", "deadline_exceeded")


class TableSummary(BaseModel):
    name: str
    kind: str
    comment: str
    rows: int
    columns: int


class TableList(BaseModel):
    tables: list[TableSummary]


class ColumnDocument(BaseModel):
    name: str
    type: str
    nullable: bool
    comment: str
    values: list[str]


class ForeignKeyDocument(BaseModel):
    columns: list[str]
    table: str
    references: list[str]


class TableDocument(BaseModel):
    """`rows` is Postgres's estimate. `values` are the enumerated values of a low-cardinality column."""

    name: str
    kind: str
    comment: str
    rows: int
    primary_key: list[str]
    columns: list[ColumnDocument]
    foreign_keys: list[ForeignKeyDocument]


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
