"""What is told to whoever asked, as documents of plain JSON values: the same over every way in.

A document holds what its reader may see and nothing else; keys and their meaning are the HTTP contract, which
`functions/api` declares for OpenAPI.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from rowcall.answer import Answer, Explanation
    from rowcall.catalog import Catalog, Table
    from rowcall.errors import Problem

Document = dict[str, Any]


def of_answer(answered: Answer, seconds: float, request_id: str, *, near_miss: bool = False) -> Document:
    """Rows, and how they were found in `seconds`; with `near_miss` also what was nearly used for it."""
    names = [column.name for column in answered.columns]
    plan = answered.plan
    planned = answered.layer == 3
    return {
        "query": answered.query,
        "data": [dict(zip(names, row, strict=True)) for row in answered.rows],
        "columns": [{"name": column.name, "type": column.type} for column in answered.columns],
        "row_count": len(answered.rows),
        "truncated": answered.truncated,
        "sql": plan.sql,
        "params": [_param(value) for value in answered.params],
        "explanation": plan.explanation,
        "meta": {
            "cache_hit": answered.layer != 3,
            "cache_layer": answered.layer,
            "similarity": answered.match.similarity if answered.match else None,
            "matched_query": answered.match.template if answered.match else None,
            "near_miss": _near_miss(answered) if near_miss else None,
            "planner": plan.planner,
            "model": plan.model or None,
            "attempts": plan.attempts if planned else 0,
            "cost_usd": answered.cost_usd,
            "tokens": {
                "input": plan.input_tokens if planned else 0,
                "output": plan.output_tokens if planned else 0,
            },
            "passed_over": list(plan.passed_over) if planned else [],
            "latency_ms": round(seconds * 1000, 2),
            "degraded": answered.degraded,
            "request_id": request_id,
        },
    }


def again(told: Document, request_id: str) -> Document:
    """An answer's document, told once more: nothing is paid for it."""
    spent = {"cost_usd": 0.0, "tokens": {"input": 0, "output": 0}}
    return {**told, "meta": {**told["meta"], **spent, "request_id": request_id}}


def of_explanation(query: str, told: Explanation) -> Document:
    """The plan for `query`, and Postgres's EXPLAIN of it."""
    return {
        "query": query,
        "sql": told.plan.sql,
        "params": [_param(value) for value in told.params],
        "explanation": told.plan.explanation,
        "tables": list(told.plan.tables),
        "cache_layer": told.layer,
        "plan": told.explained,
    }


def of_tables(catalog: Catalog) -> Document:
    """The visible tables, briefly."""
    return {
        "tables": [
            {
                "name": table.key,
                "kind": table.kind,
                "comment": table.comment,
                "rows": table.rows,
                "columns": len(table.columns),
            }
            for table in catalog.tables.values()
        ]
    }


def of_table(table: Table) -> Document:
    """One table: its columns, keys, comments and enumerated values."""
    return {
        "name": table.key,
        "kind": table.kind,
        "comment": table.comment,
        "rows": table.rows,
        "primary_key": list(table.primary_key),
        "columns": [
            {
                "name": column.name,
                "type": column.type,
                "nullable": column.nullable,
                "comment": column.comment,
                "values": list(column.values),
            }
            for column in table.columns
        ],
        "foreign_keys": [
            {"columns": list(key.columns), "table": key.table, "references": list(key.references)}
            for key in table.foreign_keys
        ],
    }


def of_problem(problem: Problem, request_id: str) -> Document:
    """An error as a problem document (RFC 9457)."""
    document: Document = {
        "type": "about:blank",
        "code": problem.code,
        "title": problem.kind.title,
        "status": problem.kind.status,
        "detail": problem.detail,
        "request_id": request_id,
        **problem.members,
    }
    if problem.suggestions:
        document["suggestions"] = list(problem.suggestions)
    if problem.fields:
        document["errors"] = [{"field": field, "message": message} for field, message in problem.fields]
    return document


def encode(document: Document) -> bytes:
    """A document as it is sent: one line of JSON in UTF-8."""
    try:
        return orjson.dumps(document)
    except TypeError:  # half of a surrogate pair, or an integer of more than 64 bits
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _near_miss(answered: Answer) -> Document | None:
    missed = answered.near_miss
    if missed is None:
        return None
    return {
        "matched_query": missed.template,
        "similarity": missed.similarity,
        "rule": missed.rule,
        "why": missed.why,
    }


def _param(value: object) -> object:
    """A bound value as JSON: numbers as they are written, dates as ISO 8601."""
    match value:
        case None | bool() | int() | str():
            return value
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case date() | datetime():
            return value.isoformat()
        case _:
            return str(value)
