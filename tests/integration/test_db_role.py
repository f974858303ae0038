"""`make db-role`: the read-only role, on a real Postgres, and by the Data API as far as the SDK sends it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from local import db_role
from local.postgres import Postgres
from rowcall.database.connection import Database, StatementFailed
from rowcall.deadline import Deadline


@pytest.fixture
def name(make_database: Callable[[str], str]) -> str:
    return make_database("CREATE TABLE before (id int); CREATE SCHEMA hidden; CREATE TABLE hidden.away (id int)")


@pytest.fixture
def iam(postgres: Postgres) -> None:
    """The role by which RDS knows who signs in by IAM."""
    postgres.sql("DROP ROLE IF EXISTS rds_iam")
    postgres.sql("CREATE ROLE rds_iam")


def test_the_role_reads_and_nothing_else(postgres: Postgres, name: str, iam: None) -> None:
    url = postgres.owner_url(name)
    for _ in range(2):
        assert db_role.main({"OWNER_URL": url}, "dev") == 0
    postgres.sql("CREATE TABLE after (id int)", name)
    with closing(Database(postgres.reader_url(name))) as database:

        def query(sql: str) -> list[list[object]]:
            return database.query(sql, (), Deadline.after(10)).rows

        assert query("SELECT count(*) FROM before UNION ALL SELECT count(*) FROM after") == [[0], [0]]
        for sql in ("SELECT * FROM hidden.away", "INSERT INTO before VALUES (1)", "CREATE TABLE mine (id int)"):
            with pytest.raises(StatementFailed):
                query(sql)
        limits = ("statement_timeout", "idle_in_transaction_session_timeout", "default_transaction_read_only")
        assert [query(f"SELECT current_setting('{limit}')") for limit in limits] == [[["10s"]], [["15s"]], [["on"]]]
    (held,) = postgres.sql("SELECT pg_has_role('rowcall_reader', 'rds_iam', 'member')", name)
    assert held == [True]


def test_a_password_signs_in_where_there_is_no_iam(postgres: Postgres, name: str) -> None:
    given = postgres.reader_url(name).split(":")[2].split("@")[0]
    assert db_role.main({"OWNER_URL": postgres.owner_url(name), "READER_PASSWORD": given}, "dev") == 0
    with closing(Database(postgres.reader_url(name))) as database:
        database.ping(Deadline.after(10))


def test_what_is_not_there_is_told(postgres: Postgres, capsys: pytest.CaptureFixture[str]) -> None:
    assert db_role.main({"OWNER_URL": postgres.owner_url("none_such")}, "dev") == 1
    assert "none_such" in capsys.readouterr().out


def test_the_data_api_is_sent_each_statement_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    class DataApi(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), DataApi)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    for variable, value in {
        "AWS_ENDPOINT_URL_RDS_DATA": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(variable, value)
    try:
        db_role.make(db_role.data_api("arn:cluster", "arn:secret-of-owner"))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert [one["sql"] for one in sent] == db_role.statements()
    assert {(one["resourceArn"], one["secretArn"], one["database"]) for one in sent} == {
        ("arn:cluster", "arn:secret-of-owner", "rowcall")
    }
    assert sent[-1]["sql"].startswith("GRANT rds_iam TO rowcall_reader")
