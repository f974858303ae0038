"""A plan: guarded SQL with one parameter per value, which any question of the same template can bind.

What a planner returns is a `Draft`; the guard turns it into a `Plan`; only a `Plan` is run or remembered.

Placeholders in a draft's SQL
    `:s0`          the value of slot 0 (count, number, money, percent, text, date, entity; year as an integer)
    `:s0_start`    start of a period or year, inclusive; `:s0_end` its end, exclusive
    `:s0_contains` `:s0_prefix` `:s0_suffix`   a text slot as an escaped LIKE pattern
    `:timezone`    the asker's IANA time zone; `:today` the date there
Each slot is used by at least one placeholder and no placeholder stands twice, or the plan is exact-only:
it serves only the very same question with the very same values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Part = Literal["value", "start", "end", "contains", "prefix", "suffix", "timezone", "today", "row_cap"]


@dataclass(frozen=True, slots=True)
class Draft:
    """What a planner proposes. `constants` are the literals in the SQL that no slot stands for, as text."""

    sql: str
    explanation: str
    constants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """What `$n` takes when a plan is bound.

    `slot` is an index into `Question.slots`, or `None` for a value of the request (time zone, today, row cap).
    `type` is the Postgres type it is cast to in the SQL, or "" where Postgres infers it from the context.
    `column` is the column (`table.column`) that an entity or text is compared with, or "".
    """

    slot: int | None
    part: Part
    type: str = ""
    column: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Guarded SQL in Postgres's dialect with `$1`..`$n`; the last parameter is always the row cap.

    The fields from `planner` on tell how it was made: `attempts` counts the planner's proposals, `passed_over` are
    the planners that were to be asked before, and could not be reached.
    """

    sql: str
    parameters: tuple[Parameter, ...]
    tables: tuple[str, ...]
    explanation: str
    exact_only: bool
    planner: str = ""
    model: str = ""
    cost_usd: float = 0.0
    attempts: int = 1
    input_tokens: int = 0
    output_tokens: int = 0
    passed_over: tuple[str, ...] = ()
