"""`make restore-drill`: dump a database, restore it into an empty one, and prove that both hold and answer the same.

Of the sample shop as it stands, or of DATABASE_URL into TARGET_URL (an empty database of the same Postgres or newer).
The source is only read, all of it as of one moment, so the drill may run while it is written to. TARGET_URL must be
empty: nothing is ever dropped or overwritten. Passwords go to pg_dump by its environment, never by its arguments.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pg8000.native
from rich.console import Console

from local.postgres import SQL, binaries
from local.processes import Failed
from local.stack import SHOP, Stack
from rowcall import bootstrap
from rowcall.answer import Ask, answer
from rowcall.auth import LOCAL
from rowcall.database.address import Address
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.settings import InvalidSettings

RESTORED = "rowcall_restored"
QUESTION_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Content:
    """What a table holds. `digest` depends on every value of every row and not on the rows' order."""

    rows: int
    digest: str


Contents = Mapping[str, Content]


class Moment:
    """A database as of one moment, seen through one READ ONLY transaction; `snapshot` is its name for pg_dump."""

    def __init__(self, connection: pg8000.native.Connection) -> None:
        self._connection = connection
        connection.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self.snapshot = str(connection.run("SELECT pg_export_snapshot()")[0][0])

    def contents(self) -> Contents:
        tables = [str(row[0]) for row in self._connection.run((SQL / "contents.sql").read_text())]
        return {table: self._content(table) for table in tables}

    def _content(self, table: str) -> Content:
        digest = "SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM ONLY"
        rows, total = self._connection.run(f"{digest} {table} t")[0]  # quoted by contents.sql
        return Content(int(rows), str(total))


@contextmanager
def moment(url: str, setting: str) -> Iterator[Moment]:
    """The database at `url` now. Raises `Failed` if it cannot be reached."""
    address = _address(url, setting)
    try:
        connection = pg8000.native.Connection(
            address.user,
            host=address.host,
            port=address.port,
            database=address.database,
            password=address.password,
            ssl_context=address.tls or False,
            timeout=60,
        )
    except (pg8000.native.InterfaceError, pg8000.native.DatabaseError, OSError) as error:
        raise Failed(f"{setting}: the database cannot be reached ({type(error).__name__})") from None
    try:
        # Else a float, a date or an interval could be written in two ways.
        connection.run(
            "SET extra_float_digits = 1; SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; SET timezone = 'UTC'"
        )
        yield Moment(connection)
    finally:
        connection.close()


def dump(url: str, snapshot: str, file: Path) -> None:
    """Write the database at `url`, as of `snapshot`, to `file` in pg_dump's own format."""
    _run("pg_dump", url, "DATABASE_URL", "--format=custom", f"--snapshot={snapshot}", f"--file={file}")


def restore(file: Path, url: str) -> None:
    """Restore `file` into the empty database at `url`, whole or not at all; raises `Failed` if it is not empty."""
    with moment(url, "TARGET_URL") as target:
        if target.contents():
            raise Failed("TARGET_URL: the database is not empty, and a drill overwrites nothing")
    what = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
    _run("pg_restore", url, "TARGET_URL", *what, str(file), database="--dbname=")


def differences(source: Contents, target: Contents) -> list[str]:
    """In which tables `target` does not hold what `source` holds, in words."""
    told = []
    for table in sorted({*source, *target}):
        ours, theirs = source.get(table), target.get(table)
        if ours is None or theirs is None:
            told.append(f"{table} is only in the {'source' if theirs is None else 'target'}")
        elif ours.rows != theirs.rows:
            told.append(f"{table} has {ours.rows} rows and was restored with {theirs.rows}")
        elif ours != theirs:
            told.append(f"{table} has the same number of rows and not the same values")
    return told


def answered(environ: Mapping[str, str], url: str, question: str) -> str:
    """The columns and rows of `question` to the database at `url`, or the code of the problem."""
    services = bootstrap.start({**environ, "DATABASE_URL": url, "DATABASE_READ_URL": ""})
    try:
        found = answer(Ask(question), LOCAL, services, Deadline.after(QUESTION_SECONDS))
    except Problem as problem:
        raise Failed(f"{question!r} is not answered: {problem.code}. Another: make restore-drill Q=…") from None
    finally:
        services.close()
    return repr((found.columns, found.rows))


def _run(program: str, url: str, setting: str, *arguments: str, database: str = "") -> None:
    address = _address(url, setting)
    environ = {
        "PATH": os.environ.get("PATH", os.defpath),
        "PGHOST": address.host,
        "PGPORT": str(address.port),
        "PGUSER": address.user,
        "PGPASSWORD": address.password or "",
        "PGDATABASE": address.database or "",
    }
    if address.tls:
        environ |= {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": os.environ.get("DATABASE_CA_FILE") or "system"}
    given = [f"{database}{address.database}"] if database else []
    done = subprocess.run(
        [_program(program, tls=bool(address.tls)), "--no-password", *arguments, *given],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{program} failed:\n{done.stderr.strip()}")


def _program(name: str, *, tls: bool) -> Path:
    """The wheel's, which speaks no TLS; where that is needed, the one on PATH."""
    if not tls:
        return binaries() / name
    if found := shutil.which(name):
        return Path(found)
    raise Failed(f"There is no {name} on PATH: install the Postgres client of the server's version or a newer one")


def _address(url: str, setting: str) -> Address:
    try:
        return Address.parse(url, ca_file=os.environ.get("DATABASE_CA_FILE", ""), setting=setting)
    except InvalidSettings as error:
        raise Failed(str(error)) from None


def drill(console: Console, environ: Mapping[str, str], source: str, target: str, question: str) -> int:
    """The whole drill, told step by step; 0 if everything is equal. `environ` leads to Redis for the question."""

    def tell(what: str, since: float) -> None:
        console.print(f"  [green]✓[/] {what} [dim]{time.monotonic() - since:.1f} s[/]")

    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "database.dump"
        begin = time.monotonic()
        with moment(source, "DATABASE_URL") as now:
            before = now.contents()
            tell(f"counted {sum(one.rows for one in before.values()):,} rows in {len(before)} tables", begin)
            begin = time.monotonic()
            dump(source, now.snapshot, file)
            tell(f"dumped to {file.stat().st_size / 1e6:.1f} MB", begin)
        begin = time.monotonic()
        restore(file, target)
        tell("restored", begin)
    begin = time.monotonic()
    with moment(target, "TARGET_URL") as restored:
        wrong = differences(before, restored.contents())
    if answered(environ, source, question) != answered(environ, target, question):
        wrong.append(f"{question!r} is answered differently")
    for one in wrong:
        console.print(f"  [red]✗[/] {one}", soft_wrap=True)
    if not wrong:
        tell(f"every table holds the same rows, and {question!r} has the same answer", begin)
    return int(bool(wrong))


def main(environ: Mapping[str, str]) -> int:
    console = Console(highlight=False)
    source, target = environ.get("DATABASE_URL"), environ.get("TARGET_URL")
    question = environ.get("QUESTION") or "top 5 products by revenue"
    try:
        if bool(source) != bool(target):
            raise Failed(
                "DATABASE_URL and TARGET_URL go together: what is to be restored, and into which empty database"
            )
        with Stack({} if source is None else {"DATABASE_URL": source}, aws=False) as stack:
            if source and target:
                return drill(console, stack.environ, source, target, question)
            postgres = stack.postgres
            assert postgres  # noqa: S101 -- narrows the type
            postgres.drop(RESTORED)
            postgres.sql(f"CREATE DATABASE {RESTORED}")
            try:
                urls = postgres.owner_url(SHOP), postgres.owner_url(RESTORED)
                return drill(console, stack.environ, *urls, question)
            finally:
                postgres.drop(RESTORED)
    except Failed as failed:
        console.print(f"[red]✗[/] {failed}", soft_wrap=True)
        return 2


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(os.environ))
