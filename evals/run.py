"""`make eval SUITE=<folder> PLANNER=grammar`: how many of a suite's questions are answered, and how many rightly.

A suite is a folder with `questions.csv` (question, query, db_name, query_category) and a script for each database;
the format of `query` is told in `gold.py`, and an empty one means that there is no answer and the planner must say so.
What each question came to is kept under `.local/evals`, so that a run that was stopped goes on where it was; a
change of the planner's source starts anew. Every plan passes the guard and runs as the read-only role.
"""

from __future__ import annotations

import csv
import json
import os
import secrets
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

from evals.gold import Row, orders, same, statements
from local.postgres import Postgres
from local.processes import STATE, Processes
from rowcall import bind, guard
from rowcall.catalog import Catalog
from rowcall.database.connection import Database, Rows, StatementFailed
from rowcall.database.introspection import read_catalog
from rowcall.deadline import Deadline
from rowcall.errors import Problem, UnsafePlan
from rowcall.plan import Draft
from rowcall.planners import Asking, Failed, Planner
from rowcall.planners.chain import build, providers
from rowcall.pricing import dollars
from rowcall.question import read
from rowcall.settings import load

ROOT = Path(__file__).resolve().parent.parent
ROW_CAP = 100_000
SECONDS = 60.0
REPAIRS = 2
_MAKERS: dict[str, Callable[[str], object]] = {
    "numeric": Decimal,
    "date": date.fromisoformat,
    "timestamp without time zone": datetime.fromisoformat,
    "timestamp with time zone": datetime.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "timestamptz": datetime.fromisoformat,
}
RIGHT, WRONG, FAILED, SILENT, ABSTAINED = "right", "wrong", "failed", "rightly silent", "abstained"


@dataclass(frozen=True)
class Case:
    question: str
    query: str
    db_name: str
    query_category: str


@dataclass
class Result:
    """What a question came to. `exact_only` says that its plan would serve no other question."""

    question: str
    database: str
    category: str
    outcome: str
    milliseconds: float = 0.0
    cost_usd: float = 0.0
    sql: str = ""
    detail: str = ""
    exact_only: bool = False


class Databases:
    """The databases of a suite, each made and read when first needed."""

    def __init__(self, suite: Path, postgres: Postgres) -> None:
        self._suite = suite
        self._postgres = postgres
        self._opened: dict[str, tuple[Database, Database, Catalog]] = {}

    def open(self, name: str) -> tuple[Database, Database, Catalog]:
        """The database as its reader, as its owner (for the gold), and its catalog."""
        if name not in self._opened:
            script = next(
                path for path in (self._suite / f"{name}.sql", ROOT / "local/sql" / f"{name}.sql") if path.exists()
            )
            database = f"eval_{name}" if script.parent == self._suite else name
            self._postgres.create(database, script)
            schemas = [
                str(row[0])
                for row in self._postgres.sql(
                    "SELECT DISTINCT schemaname FROM pg_tables"
                    " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
                    database,
                )
            ]
            self._grant(database, schemas)
            reader = Database(self._postgres.reader_url(database))
            owner = Database(self._postgres.owner_url(database))
            catalog = read_catalog(reader, Deadline.after(SECONDS), schemas=schemas)
            self._opened[name] = reader, owner, catalog
        return self._opened[name]

    def _grant(self, database: str, schemas: Iterable[str]) -> None:
        for schema in schemas:
            if schema != "public":
                self._postgres.sql(f'GRANT USAGE ON SCHEMA "{schema}" TO rowcall_reader', database)
                self._postgres.sql(f'GRANT SELECT ON ALL TABLES IN SCHEMA "{schema}" TO rowcall_reader', database)


def ask(case: Case, planner: Planner, databases: Databases) -> Result:
    reader, owner, catalog = databases.open(case.db_name)
    result = Result(case.question, case.db_name, case.query_category, FAILED)
    question = read(case.question, catalog, datetime.now(UTC), "UTC")
    failed: list[Failed] = []
    for _ in range(1 if planner.price is None else 1 + REPAIRS):
        deadline = Deadline.after(SECONDS)
        started = time.perf_counter()
        proposal = planner.propose(Asking(question, catalog, failed=tuple(failed)), deadline)
        result.milliseconds += (time.perf_counter() - started) * 1000
        if planner.price is not None:
            result.cost_usd += float(dollars(planner.price.cost(proposal.tokens)))
        draft = proposal.outcome
        if not isinstance(draft, Draft):
            result.detail = getattr(draft, "reason", "") or getattr(draft, "question", "")
            result.outcome = ABSTAINED if case.query.strip() else SILENT
            return result
        result.sql = draft.sql
        try:
            plan = guard.check(draft, question, catalog)
            result.exact_only = plan.exact_only
            values = bind.values(plan, question, catalog, ROW_CAP)
            rows = typed(reader.query(plan.sql, values, deadline))
        except (UnsafePlan, bind.DoesNotFit, StatementFailed, Problem) as error:
            result.detail = str(error)
            failed.append(Failed(draft.sql, str(error)))
            continue
        result.outcome = RIGHT if is_right(rows, case, owner) else WRONG
        return result
    return result


def typed(found: Rows) -> list[Row]:
    """Rows as values that compare, where the database gives text that is safe for JSON."""
    makers = [_MAKERS.get(column.type) for column in found.columns]
    return [
        tuple(
            make(value) if make and isinstance(value, str) else value for make, value in zip(makers, row, strict=True)
        )
        for row in found.rows
    ]


def is_right(rows: Sequence[Row], case: Case, owner: Database) -> bool:
    for statement in statements(case.query):
        gold = owner.query(statement, (), Deadline.after(SECONDS))
        if same(rows, typed(gold), orders(statement)):
            return True
    return False


def cases_of(suite: Path) -> list[Case]:
    with (suite / "questions.csv").open(newline="", encoding="utf-8") as file:
        return [
            Case(row["question"], row["query"], row["db_name"], row["query_category"]) for row in csv.DictReader(file)
        ]


def version(name: str) -> str:
    """A digest of all that decides what a planner answers."""
    parts = ["planners/grammar", "question", "guard"] if name == "grammar" else ["planners", "question", "guard"]
    files = sorted(
        path
        for part in parts
        for path in (ROOT / "layers/rowcall" / part).rglob("*")
        if path.suffix in {".py", ".json"}
    )
    return sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


class Kept:
    """The results so far, one line each, in a file that belongs to one suite, planner and version of it."""

    def __init__(self, path: Path, version: str) -> None:
        self._path = path
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        if not lines or json.loads(lines[0]) != version:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(version) + "\n", "utf-8")
            lines = []
        self.results = {key: Result(**value) for key, value in map(json.loads, lines[1:])}

    def add(self, key: str, result: Result) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([key, asdict(result)]) + "\n")


def table(results: Sequence[Result]) -> list[str]:
    """Accuracy of what was answered and the share that was, by category, as Markdown."""
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        groups[result.category].append(result)
    lines = [
        "| category | questions | answered | share | right | accuracy |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, group in [*sorted(groups.items()), ("**all**", list(results))]:
        answerable = [one for one in group if one.outcome != SILENT]
        answered = [one for one in group if one.outcome in {RIGHT, WRONG, FAILED}]
        right = sum(one.outcome == RIGHT for one in group)
        share = f"{len(answered) / len(answerable):.1%}" if answerable else "–"
        accuracy = f"{right / len(answered):.1%}" if answered else "–"
        lines.append(f"| {name} | {len(group)} | {len(answered)} | {share} | {right} | {accuracy} |")
    return lines


def report(results: Sequence[Result], suite: Path, planner: str, path: Path) -> str:
    times = sorted(one.milliseconds for one in results)
    p95 = times[min(len(times) - 1, int(len(times) * 0.95))]
    silent = sum(one.outcome == SILENT for one in results)
    lines = [
        f"# {suite.name} by {planner}",
        "",
        *table(results),
        "",
        f"Rightly silent on {silent} questions that have no answer. Planning took {statistics.median(times):.1f} ms"
        f" (p50), {p95:.1f} ms (p95). Cost {sum(one.cost_usd for one in results):.4f} USD."
        f" {sum(one.exact_only for one in results)} plans serve their own question only.",
    ]
    wrong = [one for one in results if one.outcome in {WRONG, FAILED}]
    if wrong:
        lines += ["", "## Not right", ""]
        for one in wrong:
            lines += [f"- {one.question} ({one.database}, {one.outcome})", f"  `{one.sql}` {one.detail}".rstrip()]
    path.with_suffix(".json").write_text(json.dumps([asdict(one) for one in results], indent=1) + "\n", "utf-8")
    path.with_suffix(".md").write_text("\n".join(lines) + "\n", "utf-8")
    return "\n".join(lines)


def planner_named(name: str) -> Planner:
    """One planner alone, with the credentials and the model that the settings give it."""
    needless = {"DATABASE_URL": "postgresql://none@127.0.0.1/none", "UPSTASH_REDIS_REST_URL": "http://127.0.0.1"}
    needless |= {"UPSTASH_REDIS_REST_TOKEN": "none", "PLAN_SEAL_KEY": secrets.token_hex(32)}
    settings = load(needless | os.environ | {"PLANNERS": name})
    return build(settings, providers(settings, lambda field, _: str(getattr(settings, field).get_secret_value())))[0]


def run(suite: Path, planner: Planner, tell: Callable[[str], None]) -> list[Result]:
    cases = cases_of(suite)
    path = STATE / "evals" / f"{suite.name}-{planner.name}"
    kept = Kept(path.with_suffix(".jsonl"), f"{version(planner.name)} {planner.model} {datetime.now(UTC).date()}")
    processes = Processes()
    try:
        postgres = Postgres(processes)
        databases = Databases(suite, postgres)
        results = []
        for number, case in enumerate(cases, start=1):
            key = sha256(repr(case).encode()).hexdigest()
            result = kept.results.get(key)
            if result is None:
                result = ask(case, planner, databases)
                kept.add(key, result)
            results.append(result)
            tell(f"\r{number}/{len(cases)} {result.outcome:<16}")
    finally:
        processes.close()
    tell("\r")
    print(report(results, suite, planner.name, path))
    print(f"\n{path}.md, {path}.json")
    return results


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 2:
        print("make eval SUITE=<folder> PLANNER=grammar", file=sys.stderr)
        return 2
    suite, name = Path(arguments[0]), arguments[1]
    if not (suite / "questions.csv").exists():
        print(f"there is no suite in {suite}", file=sys.stderr)
        return 2

    def tell(text: str) -> None:
        if sys.stderr.isatty():
            print(text, end="", file=sys.stderr, flush=True)

    run(suite, planner_named(name), tell)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
