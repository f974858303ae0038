"""The guard's rules: the name of each and the sentence that a person is told."""

from __future__ import annotations

from typing import Literal

from rowcall.errors import UnsafePlan

Rule = Literal[
    "too_long",
    "unreadable",
    "one_statement",
    "read_only",
    "recursion",
    "construct",
    "function",
    "type",
    "operator",
    "table",
    "column",
    "whole_row",
    "limit",
    "cartesian",
    "work",
    "regex",
    "parameters",
]

RULES: dict[Rule, str] = {
    "too_long": "A statement is at most a few pages long, and not nested beyond reason.",
    "unreadable": "A statement must be plain Postgres SQL that can be read to its end.",
    "one_statement": "There is exactly one statement.",
    "read_only": "The statement is a query: it changes, locks and creates nothing.",
    "recursion": "A query does not call itself.",
    "construct": "A query is made only of the parts that are known to be harmless.",
    "function": "Only functions that compute from their arguments are called.",
    "type": "Values are cast only to plain types and to the types of visible columns.",
    "operator": "Only Postgres's own plain operators are used.",
    "table": "Only the visible tables are read.",
    "column": "Only the visible columns are read, wherever they stand.",
    "whole_row": "Columns are named one by one: a whole row would carry hidden columns along.",
    "limit": "LIMIT and OFFSET are a number or a value of the question.",
    "cartesian": "Tables are joined by a condition, unless one of them is small.",
    "work": "No part of a query makes far more data than it reads.",
    "regex": "A regular expression is a short constant that cannot run away.",
    "parameters": "Every placeholder stands for a value that the question has.",
}


def unsafe(rule: Rule, detail: str = "") -> UnsafePlan:
    """The refusal by a rule, to be raised."""
    return UnsafePlan(rule, f"{RULES[rule]} {detail}".strip())
