"""Jobs from the route to the file: the api and the real worker handler over moto's SQS, DynamoDB and S3.

The worker gets what SQS brings in the event that Lambda would send (`local.worker`). A message that is to come again
after seconds comes at once here; for how long it was put off is in `postponed`.
"""

from __future__ import annotations

import csv
import io
import json
import threading
import time
import tracemalloc
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from api import dependencies
from api.main import handler
from local import queues, redrive, tables
from local.aws import REGION, Aws
from local.bridge import Bridge
from local.llm_stub import LlmStub, Says, Usage
from local.postgres import Postgres
from local.stack import Stack
from local.worker import context, event, poll
from rowcall import aws, bootstrap, document
from rowcall.auth import LOCAL, Principal
from rowcall.bootstrap import Services
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.jobs import Message, exports, records, running
from rowcall.jobs.queue import Queue
from tests.gateway import Gateway, Reply
from tests.integration.test_api import environment, problem
from tests.integration.test_identity import AUDIENCE, ISSUER, SECRET, hs256
from worker import main as worker

COUNT = {
    "outcome": "sql",
    "sql": "SELECT count(*) FROM customers",
    "constants": [],
    "tables": [],
    "explanation": "",
    "reason": "",
    "suggestions": [],
}
NOWHERE = "postgresql://reader:x@127.0.0.1:1/nothing"


@pytest.fixture(scope="module")
def jobs_aws(stack: Stack) -> Iterator[Aws]:
    moto = Aws(stack.processes)
    yield moto
    moto.stop()


@dataclass
class Jobs:
    """The api in front of a queue, and the worker behind it."""

    services: Services
    gateway: Gateway
    sqs: Any
    s3: Any
    url: str
    start: Callable[..., Services]
    monkeypatch: pytest.MonkeyPatch
    postponed: list[float] = field(default_factory=list)

    @property
    def failures(self) -> str:
        return f"{self.url}-failures"

    def post(self, headers: dict[str, str] | None = None, **body: Any) -> Reply:
        return self.gateway.post("/api/jobs", body, headers)

    def create(self, *queries: str, **body: Any) -> str:
        reply = self.post(queries=list(queries), **body)
        assert reply.status == 202, reply.body
        assert reply.headers["location"] == f"jobs/{reply.json['id']}"
        return str(reply.json["id"])

    def show(self, job: str, **page: Any) -> Any:
        reply = self.gateway.request("GET", f"/api/jobs/{job}", query={name: str(page[name]) for name in page} or None)
        assert reply.status == 200, reply.body
        return reply.json

    def work(self, most: int = 1) -> int:
        """Run what there is, and comes again; how many messages were handled."""
        handled = 0
        while some := poll(self.sqs, self.url, most=most):
            handled += some
        return handled

    def received(self, most: int = 10) -> Any:
        """The event of messages that are received and not handled yet."""
        found = self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=most, MessageSystemAttributeNames=["All"], VisibilityTimeout=0
        )
        return event(found["Messages"], "arn:aws:sqs:eu-central-1:123456789012:rowcall-local-jobs")

    def waiting(self, url: str) -> int:
        name = "ApproximateNumberOfMessages"
        return int(self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])

    def handled_by(self, services: Services) -> None:
        self.monkeypatch.setattr(worker, "services", lambda: services)

    def fetch(self, url: str) -> bytes:
        with urllib.request.urlopen(url) as reply:  # noqa: S310
            body: bytes = reply.read()
            return body


def die(*_: object, **__: object) -> None:
    """As when Lambda ends an environment: nothing after it runs."""
    raise SystemExit


@pytest.fixture
def jobs(bridge: Bridge, database_url: str, jobs_aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    urllib.request.urlopen(f"{jobs_aws.url}/moto-api/reset", b"").close()  # noqa: S310
    tables.create(jobs_aws.url, REGION)
    queues.create(jobs_aws.url, REGION)
    for name, value in {
        "AWS_ENDPOINT_URL": jobs_aws.url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)
    made: list[Services] = []

    def start(**settings: str) -> Services:
        leading = tables.ENVIRON | queues.environ(jobs_aws.url)
        made.append(bootstrap.start(environment(bridge, database_url, **leading) | settings))
        monkeypatch.setattr(dependencies, "services", lambda: made[-1])
        monkeypatch.setattr(worker, "services", lambda: made[-1])
        return made[-1]

    services = start()
    sqs, s3 = boto3.client("sqs"), boto3.client("s3")
    url = services.settings.jobs_queue_url
    found = Jobs(services, Gateway(handler), sqs, s3, url, start, monkeypatch)
    postpone = Queue.postpone

    def at_once(self: Queue, receipt: str, seconds: float) -> None:
        found.postponed.append(seconds)
        postpone(self, receipt, 0)

    monkeypatch.setattr(Queue, "postpone", at_once)
    yield found
    for one in made:
        one.close()
    sqs.close()
    s3.close()


def test_a_question_is_answered_later_as_it_would_be_now(jobs: Jobs) -> None:
    job = jobs.create("top 5 products by revenue")
    waiting = jobs.show(job)
    assert (waiting["state"], waiting["progress"]) == ("queued", {"total": 1, "done": 0, "failed": 0})
    assert jobs.work() == 1
    done = jobs.show(job)
    assert (done["state"], done["progress"]) == ("done", {"total": 1, "done": 1, "failed": 0})
    (result,) = done["results"]
    now = jobs.gateway.ask("top 5 products by revenue").json
    assert result["answer"].keys() == now.keys()
    for name in ("data", "columns", "row_count", "truncated", "sql", "params"):
        assert result["answer"][name] == now[name]
    assert result["answer"]["meta"]["planner"] == "grammar"
    assert (result["file"], result["problem"], done["cursor"]) == (None, None, None)


def test_a_hundred_questions_run_once_each_and_are_told_by_pages(jobs: Jobs) -> None:
    job = jobs.create(*(f"top {number} products by revenue" for number in range(1, 101)))
    assert jobs.work(most=10) == 100
    assert jobs.waiting(jobs.url) == jobs.waiting(jobs.failures) == 0
    told: list[Any] = []
    page: dict[str, Any] = {"limit": 30}
    while page:
        shown = jobs.show(job, **page)
        told += shown["results"]
        page = {"limit": 30, "cursor": shown["cursor"]} if shown["cursor"] else {}
    assert shown["progress"] == {"total": 100, "done": 100, "failed": 0}
    assert [result["index"] for result in told] == list(range(100))
    assert all(result["answer"]["row_count"] == min(result["index"] + 1, 50) for result in told)


def test_an_item_costs_four_requests_to_the_table_and_a_remembered_answer(jobs: Jobs) -> None:
    jobs.gateway.ask("count pending orders")
    job = jobs.create("count pending orders")
    asked: list[str] = []
    events = jobs.services.jobs._table.meta.client.meta.events
    events.register("before-send.dynamodb", lambda request, event_name, **_: asked.append(event_name))
    transactions = jobs.services.database.transactions
    jobs.work()
    assert asked == ["before-send.dynamodb.UpdateItem"] * 4, "begin, say so, end, count"
    assert jobs.services.database.transactions - transactions == 1
    assert jobs.show(job)["results"][0]["answer"]["meta"]["cache_layer"] == 1


def test_what_no_time_is_left_for_is_not_begun(jobs: Jobs) -> None:
    job = jobs.create("count pending orders")
    batch = jobs.received()
    late = context()
    late.get_remaining_time_in_millis = lambda: int((worker.MARGIN_SECONDS + worker.LEAST_SECONDS) * 1000) - 1
    assert len(worker.handler(batch, late)["batchItemFailures"]) == 1
    assert jobs.postponed == [0]
    assert jobs.show(job)["state"] == "queued"
    assert worker.handler(batch, context()) == {"batchItemFailures": []}


def test_what_cannot_be_answered_is_a_result_and_hinders_nobody(jobs: Jobs) -> None:
    job = jobs.create("count pending orders", "what is the meaning of life", "top 5 products by revenue")
    batch = jobs.received()
    assert worker.handler(batch, context()) == {"batchItemFailures": []}
    shown = jobs.show(job)
    assert (shown["state"], shown["progress"]) == ("done", {"total": 3, "done": 2, "failed": 1})
    assert [result["state"] for result in shown["results"]] == ["done", "failed", "done"]
    assert shown["results"][1]["problem"]["code"] == "unanswerable"


def test_a_failure_that_may_pass_is_tried_three_times_and_can_be_redriven(jobs: Jobs) -> None:
    job = jobs.create("count pending orders", "what is the meaning of life")
    good = jobs.services
    bad = jobs.start(DATABASE_URL=NOWHERE)
    jobs.handled_by(bad)
    assert jobs.work() == 6
    assert sorted(jobs.postponed) == [2, 2, 4, 4, 8, 8]
    shown = jobs.show(job)
    assert (shown["state"], shown["progress"]) == ("failed", {"total": 2, "done": 0, "failed": 2})
    assert [result["problem"]["code"] for result in shown["results"]] == ["database_unavailable"] * 2
    assert (jobs.waiting(jobs.url), jobs.waiting(jobs.failures)) == (0, 2)

    jobs.handled_by(good)
    assert redrive.redrive(jobs.sqs, "local") == 2
    assert jobs.work() == 2
    shown = jobs.show(job)
    assert (shown["state"], shown["progress"]) == ("done", {"total": 2, "done": 1, "failed": 1})
    assert shown["results"][0]["problem"] is None
    assert shown["results"][0]["answer"]["row_count"] == 1
    assert shown["results"][1]["problem"]["code"] == "unanswerable"
    assert (jobs.waiting(jobs.url), jobs.waiting(jobs.failures)) == (0, 0)


def test_a_poisoned_message_is_named_and_leaves_the_others_alone(
    jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    owner, unknown = "a" * 32, "b" * 32
    bodies = [
        "not JSON, secret-text",
        json.dumps({"owner": owner, "job": unknown, "item": "secret-text"}),
        json.dumps({"owner": owner, "job": unknown, "item": 0, "query": "secret-text"}),
        json.dumps({"owner": "../x", "job": unknown, "item": 0}),
        json.dumps({"owner": owner, "job": unknown, "item": 0}),  # of a job that is not there any more
    ]
    for body in bodies:
        jobs.sqs.send_message(QueueUrl=jobs.url, MessageBody=body)
    job = jobs.create("count pending orders")
    batch = jobs.received()
    failed = worker.handler(batch, context())["batchItemFailures"]
    assert [one["itemIdentifier"] for one in failed] == [one["messageId"] for one in batch["Records"][:4]]
    assert jobs.show(job)["state"] == "done"
    said = capsys.readouterr().out
    lines = [json.loads(line) for line in said.splitlines() if "poisoned message" in line]
    assert [line["message_id"] for line in lines] == [one["messageId"] for one in batch["Records"][:4]]
    assert lines[2]["wrong"] == ["body.query: extra_forbidden"]
    assert "secret-text" not in said
    jobs.work()
    assert (jobs.waiting(jobs.url), jobs.waiting(jobs.failures)) == (0, 4)
    assert set(jobs.postponed) == {0}


@pytest.fixture
def stub() -> Iterator[LlmStub]:
    with LlmStub() as running:
        yield running


def with_model(jobs: Jobs, stub: LlmStub) -> Services:
    services = jobs.start(ANTHROPIC_API_KEY="key", ANTHROPIC_BASE_URL=stub.url, USER_BUDGET_USD="2")
    services.providers[0].load()
    return services


def spent(services: Services) -> int:
    return services.ledger.spent(LOCAL, Deadline.after(5))["user"][0]


def test_delivered_twice_it_is_run_once_and_charged_once(jobs: Jobs, stub: LlmStub) -> None:
    """Both at the same time, and once more afterwards."""
    services, arrived, go = with_model(jobs, stub), threading.Event(), threading.Event()

    def slowly(_: object) -> Says:
        arrived.set()
        assert go.wait(20)
        return Says(tool=COUNT, usage=Usage(input=1_000, output=100))

    stub.script(slowly)
    job = jobs.create("how do customers feel")
    batch = jobs.received()
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(worker.handler, batch, context())
        assert arrived.wait(20)
        second = worker.handler(batch, context())
        go.set()
        assert first.result() == {"batchItemFailures": []}
    assert len(second["batchItemFailures"]) == 1, "its message is needed until the other worker is done"
    assert jobs.postponed[0] > running.LEASE_MARGIN_SECONDS
    cost = spent(services)
    assert cost > 0
    assert worker.handler(batch, context()) == {"batchItemFailures": []}
    assert (stub.calls, spent(services)) == (1, cost)
    shown = jobs.show(job)
    assert (shown["state"], shown["progress"]["done"]) == ("done", 1)
    assert shown["results"][0]["answer"]["meta"]["cost_usd"] > 0


def test_what_a_lost_worker_held_is_run_again_when_its_lease_has_ended(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = jobs.create("count pending orders", "top 5 products by revenue")
    batch = jobs.received()
    with monkeypatch.context() as patched:
        patched.setattr(running, "answer", die)
        with pytest.raises(SystemExit):
            worker.handler(batch, context())
    again = worker.handler(batch, context())["batchItemFailures"]
    assert len(again) == 1, "the lease of the lost worker still holds"
    assert jobs.show(job)["state"] == "running"
    table, owner = jobs.services.jobs._table, records._owner(LOCAL)
    number = next(one["index"] for one in jobs.show(job)["results"] if one["state"] == "running")

    table.update_item(
        Key={"owner": owner, "key": f"job#{job}"},
        UpdateExpression="SET updated = :then",
        ExpressionAttributeValues={":then": int((time.time() - records.STALE_SECONDS) * 1000) - 1000},
    )
    lost = jobs.show(job)
    assert (lost["state"], lost["progress"]["failed"]) == ("done", 1)
    assert lost["results"][number]["problem"]["code"] == "internal"

    table.update_item(
        Key={"owner": owner, "key": f"item#{job}#{number:03}"},
        UpdateExpression="SET leased_until = :now",
        ExpressionAttributeValues={":now": int(time.time() * 1000) - 1},
    )
    assert worker.handler(batch, context()) == {"batchItemFailures": []}
    shown = jobs.show(job)
    assert (shown["state"], shown["progress"]) == ("done", {"total": 2, "done": 2, "failed": 0})
    assert all(result["answer"] for result in shown["results"])


def test_who_lost_its_lease_changes_nothing(jobs: Jobs) -> None:
    job = jobs.create("count pending orders")
    message = Message(records._owner(LOCAL), job, 0)
    _, _, late = jobs.services.jobs.begin(message, -1)
    told, _, lease = jobs.services.jobs.begin(message, 60)
    assert (told.state, told.total) == ("running", 1)
    told_problem = document.of_problem(Problem("internal"), "x")
    assert jobs.services.jobs.fail(message, late, told_problem, passing=False) is None
    assert jobs.services.jobs.finish(message, late, answer={}) is None
    finished = jobs.services.jobs.finish(message, lease, answer={"query": "x"})
    assert finished
    assert finished.state == "done"


def test_an_item_that_was_not_counted_is_counted_by_who_comes_next(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    job = jobs.create("count pending orders")
    batch = jobs.received()
    with monkeypatch.context() as patched:
        patched.setattr(records.Records, "_count", die)
        with pytest.raises(SystemExit):
            worker.handler(batch, context())
    assert jobs.show(job)["state"] == "running"
    assert worker.handler(batch, context()) == {"batchItemFailures": []}
    assert jobs.show(job)["state"] == "done"


def test_a_cancelled_job_runs_nothing_more(jobs: Jobs) -> None:
    job = jobs.create("count pending orders", "top 5 products by revenue")
    poll(jobs.sqs, jobs.url)
    cancelled = jobs.gateway.request("DELETE", f"/api/jobs/{job}")
    assert (cancelled.status, cancelled.json["state"]) == (200, "cancelled")
    transactions = jobs.services.database.transactions
    assert jobs.work() == 1
    assert jobs.services.database.transactions == transactions
    shown = jobs.show(job)
    assert (shown["state"], shown["progress"]) == ("cancelled", {"total": 2, "done": 1, "failed": 0})
    assert sorted(result["state"] for result in shown["results"]) == ["cancelled", "done"]
    finished = jobs.create("count pending orders")
    jobs.work()
    assert jobs.gateway.request("DELETE", f"/api/jobs/{finished}").json["state"] == "done"


def test_an_export_is_every_row_beyond_the_limit_of_an_answer(jobs: Jobs, postgres: Postgres, shop: str) -> None:
    (count,) = postgres.sql("SELECT count(*) FROM orders", shop)[0]
    assert count > jobs.services.settings.max_limit
    for form in ("jsonl", "csv"):
        job = jobs.create("show orders", format=form)
        jobs.work()
        (result,) = jobs.show(job)["results"]
        told, file = result["answer"], result["file"]
        assert (told["row_count"], told["truncated"], told["data"]) == (count, False, [])
        rows = jobs.services.database.query(told["sql"], told["params"], Deadline.after(20)).rows
        names = [column["name"] for column in told["columns"]]
        body = jobs.fetch(file["url"])
        assert (file["rows"], file["bytes"], file["format"]) == (count, len(body), form)
        if form == "jsonl":
            assert [json.loads(line) for line in body.splitlines()] == [
                dict(zip(names, row, strict=True)) for row in rows
            ]
        else:
            read = list(csv.reader(io.StringIO(body.decode(), newline="")))
            assert read[0] == names
            assert len(read) == count + 1
            assert [line[0] for line in read[1:]] == [str(row[0]) for row in rows]
        assert "orders" not in file["url"]
    few = jobs.create("show orders", format="jsonl", limit=501)
    jobs.work()
    (result,) = jobs.show(few)["results"]
    assert (result["file"]["rows"], result["answer"]["row_count"], result["answer"]["truncated"]) == (501, 501, True)


NASTY = [
    None,
    "",
    " ",
    "plain",
    'says "so", twice',
    "two\r\nlines",
    "naïve ☃ 𝄞",
    "NULL",
    "\\N",
    "-5",
    "+41 79 000 00 00",
    "-0043-03-15",
    "a=1",
]
FORMULAS = ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3=", "\t=1", "\r=1", '=HYPERLINK("x")', "\n=1"]


def test_a_csv_is_what_postgres_reads_back_and_no_formula(
    jobs: Jobs, postgres: Postgres, make_database: Callable[[str], str]
) -> None:
    name = make_database(
        "CREATE TABLE notes (id integer PRIMARY KEY, body text, tags text[], sure boolean, n numeric);"
    )
    values = [*NASTY, *FORMULAS]
    for number, text in enumerate(values):
        postgres.sql(
            "INSERT INTO notes VALUES (:id, :body, ARRAY[:body, NULL], true, -12345678901234567890.5)",
            name,
            id=number,
            body=text,
        )
    postgres.sql("CREATE TABLE copies (id integer, body text, tags text, sure boolean, n numeric)", name)
    jobs.start(DATABASE_URL=postgres.reader_url(name))
    job = jobs.create("show notes", format="csv")
    jobs.work()
    (result,) = jobs.show(job)["results"]
    body = jobs.fetch(result["file"]["url"])
    postgres.sql("COPY copies FROM STDIN WITH (FORMAT csv, HEADER)", name, stream=io.BytesIO(body))
    copied = postgres.sql("SELECT body, tags::jsonb ->> 0, sure, n::text FROM copies ORDER BY id", name)
    safe = [*NASTY, *(f"'{text}" for text in FORMULAS)]
    assert [row[0] for row in copied] == safe
    assert [row[1] for row in copied] == values, "JSON begins with a bracket, so what is in it is no formula"
    assert {tuple(row[2:]) for row in copied} == {(True, "-12345678901234567890.5")}


@pytest.fixture(scope="module")
def papers(make_database: Callable[[str], str]) -> str:
    """4500 rows of ten kilobytes: an export of several parts."""
    return make_database(
        "CREATE TABLE papers AS SELECT i AS id, repeat(chr(97 + i % 26), 10000) AS body FROM generate_series(1, 4500) i"
    )


def test_the_memory_of_an_export_does_not_grow_with_its_rows(jobs: Jobs, postgres: Postgres, papers: str) -> None:
    jobs.start(DATABASE_URL=postgres.reader_url(papers))

    def peak(rows: int) -> int:
        job = jobs.create("show papers", format="jsonl", limit=rows)
        tracemalloc.start()
        jobs.work()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        (result,) = jobs.show(job)["results"]
        assert result["file"]["rows"] == rows
        assert result["file"]["bytes"] > 10_000 * rows
        return most

    peak(10)
    assert peak(4500) < 1.3 * peak(1500) < 60 * 2**20


def test_what_ends_an_export_leaves_neither_parts_nor_statements(
    jobs: Jobs, postgres: Postgres, papers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = jobs.start(DATABASE_URL=postgres.reader_url(papers))
    job = jobs.create("show papers", format="jsonl")
    looks: list[bool] = []

    def cancel_at_the_fourth_look(self: records.Records, asked: records.Job) -> bool:
        if len(looks) == 3:
            assert self.cancel(asked).cancelled
        looks.append(is_cancelled(self, asked))
        return looks[-1]

    def parts() -> int:
        return len(jobs.s3.list_multipart_uploads(Bucket=queues.BUCKET).get("Uploads", []))

    def send(self: exports._Upload, part: bytes) -> None:
        sent(self, part)
        begun.append(parts())

    begun: list[int] = []
    sent, is_cancelled = exports._Upload._send, records.Records.is_cancelled
    with monkeypatch.context() as patched:
        patched.setattr(running, "LOOK_SECONDS", 0)
        patched.setattr(records.Records, "is_cancelled", cancel_at_the_fourth_look)
        patched.setattr(exports._Upload, "_send", send)
        assert jobs.work() == 1
    assert begun[0] == 1
    assert looks == [False, False, False, True]
    assert jobs.show(job)["state"] == jobs.show(job)["results"][0]["state"] == "cancelled"

    client = services.exports._bucket.meta.client
    client.meta.events.register("before-send.s3.CompleteMultipartUpload", unplugged)
    job = jobs.create("show papers", format="csv")
    assert jobs.work() == 3
    assert jobs.show(job)["results"][0]["problem"]["code"] == "jobs_unavailable"
    assert parts() == 0
    assert jobs.s3.list_objects_v2(Bucket=queues.BUCKET)["KeyCount"] == 0
    deadline = Deadline.after(10)
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    while postgres.sql(f"SELECT FROM pg_stat_activity WHERE {others} AND state <> 'idle'", papers):
        deadline.left()


def unplugged(request: Any, **_: Any) -> None:
    raise EndpointConnectionError(endpoint_url=request.url)


def test_an_answer_too_large_for_a_record_is_a_file(
    jobs: Jobs, postgres: Postgres, make_database: Callable[[str], str]
) -> None:
    """Of characters of three bytes each, so that a record is as full as can be."""
    name = make_database(
        "CREATE TABLE signs AS SELECT i AS id, repeat('漢', 2400) AS body FROM generate_series(1, 99) i"
    )
    jobs.start(DATABASE_URL=postgres.reader_url(name))
    job = jobs.create("show signs", limit=40)
    jobs.work()
    (result,) = jobs.show(job)["results"]
    assert (result["state"], result["file"]) == ("done", None)
    assert 280_000 < len(json.dumps(result["answer"], ensure_ascii=False).encode()) < running.LARGE_BYTES
    job = jobs.create("show signs", limit=90)
    jobs.work()
    (result,) = jobs.show(job)["results"]
    whole = json.loads(jobs.fetch(result["file"]["url"]))
    assert (whole["row_count"], len(whole["data"])) == (90, 90)
    assert result["answer"] == whole | {"data": []}


def test_a_job_of_somebody_else_is_not_there(jobs: Jobs) -> None:
    jobs.start(AUTH="jwt", JWT_SECRET=SECRET, JWT_ISSUER=ISSUER, JWT_AUDIENCE=AUDIENCE)
    who = {
        name: {"Authorization": f"Bearer {hs256(**claims)}"}
        for name, claims in {
            "ann": {},
            "bob": {"sub": "bob"},
            "ann of another tenant": {"tenant": "other"},
            "chatting": {"scope": "chat"},
        }.items()
    }
    reply = jobs.post(who["ann"], query="count pending orders")
    job = reply.json["id"]
    jobs.work()
    for path in (f"/api/jobs/{job}", f"/api/jobs/{'0' * 32}"):
        for name in ("bob", "ann of another tenant"):
            for method in ("GET", "DELETE"):
                problem(jobs.gateway.request(method, path, headers=who[name]), 404, "not_found")
    problem(jobs.gateway.request("GET", f"/api/jobs/{job}", headers=who["chatting"]), 403, "forbidden")
    problem(jobs.gateway.request("GET", f"/api/jobs/{job}"), 401, "unauthenticated")
    assert jobs.gateway.request("GET", f"/api/jobs/{job}", headers=who["ann"]).json["state"] == "done"
    assert jobs.gateway.request("GET", "/api/jobs", headers=who["bob"]).json == {"jobs": [], "cursor": None}
    table = jobs.services.jobs._table
    (kept,) = [item for item in table.scan()["Items"] if item["key"].startswith("job#")]
    assert kept["owner"] == records._owner(Principal("ann", "acme"))
    table.update_item(
        Key={"owner": kept["owner"], "key": kept["key"]},
        UpdateExpression="SET expires = :then",
        ExpressionAttributeValues={":then": int(time.time()) - 1},
    )
    problem(jobs.gateway.request("GET", f"/api/jobs/{job}", headers=who["ann"]), 404, "not_found")


def test_a_link_leads_to_the_buckets_own_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where S3 would redirect a link, its signature would no longer hold."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    link = exports.Bucket(aws.bucket("files"), link_seconds=60).link(records.File("a/b.csv", 1, 1))
    assert link.startswith("https://s3.eu-west-3.amazonaws.com/files/a/b.csv?X-Amz-Algorithm=AWS4-HMAC-SHA256&")
    assert "X-Amz-Expires=60" in link


def test_jobs_are_listed_newest_first_by_pages(jobs: Jobs) -> None:
    made = [jobs.create("count pending orders") for _ in range(5)]
    listed: list[str] = []
    page: dict[str, str] | None = {"limit": "2"}
    while page:
        reply = jobs.gateway.request("GET", "/api/jobs", query=page).json
        listed += [job["id"] for job in reply["jobs"]]
        page = {"limit": "2", "cursor": reply["cursor"]} if reply["cursor"] else None
    assert listed == made[::-1]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"body"}),
        ({"query": "count users", "queries": ["count users"]}, {"body"}),
        ({"queries": []}, {"queries"}),
        ({"queries": ["count users"] * 101}, {"queries"}),
        ({"queries": ["count users", 7]}, {"queries[1]"}),
        ({"queries": ["count users", " ", "x" * 301, "count \x00 users"]}, {"queries[1]", "queries[2]", "queries[3]"}),
        ({"query": "", "timezone": "Mars/Olympus"}, {"query"}),
        ({"query": "count users", "timezone": "Mars/Olympus"}, {"timezone"}),
        ({"query": "count users", "limit": 501}, {"limit"}),
        ({"query": "count users", "limit": 100_001, "format": "csv"}, {"limit"}),
        ({"query": "count users", "format": "xlsx"}, {"format"}),
        ({"query": "count users", "callback": "http://169.254.169.254/"}, {"callback"}),
    ],
)
def test_a_job_with_anything_wrong_is_refused_whole(jobs: Jobs, body: dict[str, Any], fields: set[str]) -> None:
    found = problem(jobs.post(**body), 400, "invalid_request")
    assert {error["field"] for error in found["errors"]} == fields
    assert jobs.waiting(jobs.url) == 0
    assert jobs.services.jobs._table.scan()["Items"] == []


@pytest.mark.parametrize("with_redis", [True, False])
def test_each_question_of_a_job_counts(jobs: Jobs, with_redis: bool) -> None:
    elsewhere = {} if with_redis else {"UPSTASH_REDIS_REST_URL": "http://127.0.0.1:1"}
    jobs.start(USER_QUOTA="10", USER_WINDOW="60", ADDRESS_QUOTA="3", ADDRESS_WINDOW="60", **elsewhere)
    questions = ["count pending orders"] * 11
    assert problem(jobs.post(queries=questions), 400, "invalid_request")["errors"][0]["field"] == "queries"
    first = jobs.post(queries=questions[:6])
    assert first.status == 202
    assert first.headers["ratelimit"].startswith('"address";r=2;t=60, "user";r=4;')
    refused = jobs.post(queries=questions[:5])
    assert problem(refused, 429, "rate_limited")["violated_policies"] == ["user"]
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert jobs.post(queries=questions[:4]).status == 202
    assert problem(jobs.gateway.ask("count pending orders"), 429, "rate_limited")["violated_policies"] == ["user"]
    assert jobs.waiting(jobs.url) == 10


def test_the_same_key_is_the_same_job(jobs: Jobs) -> None:
    key = {"Idempotency-Key": "mine"}
    first, second = (jobs.post(key, query="count pending orders") for _ in range(2))
    assert first.status == second.status == 202
    assert first.json["id"] == second.json["id"]
    assert second.headers["location"] == f"jobs/{first.json['id']}"
    problem(jobs.post(key, query="count users"), 422, "idempotency_mismatch")
    assert jobs.waiting(jobs.url) == 1


def test_what_could_not_be_queued_is_told_and_what_was_goes_on(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def unplug(request: Any, **_: Any) -> None:
        if b'"10"' in request.body:
            unplugged(request)

    events = jobs.services.queue._client.meta.events
    events.register("before-send.sqs.SendMessageBatch", unplug)
    job = jobs.create(*["count pending orders"] * 25)
    assert jobs.show(job)["progress"] == {"total": 25, "done": 0, "failed": 10}
    assert jobs.work(most=10) == 15
    shown = jobs.show(job, limit=25)
    assert (shown["state"], shown["progress"]) == ("done", {"total": 25, "done": 15, "failed": 10})
    assert [one["problem"]["code"] for one in shown["results"] if one["problem"]] == ["jobs_unavailable"] * 10
    events.unregister("before-send.sqs.SendMessageBatch", unplug)

    before = len(jobs.services.jobs._table.scan()["Items"])
    jobs.start(JOBS_QUEUE_URL=f"{jobs.url}-none")
    reply = jobs.post(queries=["count pending orders"] * 3)
    problem(reply, 503, "jobs_unavailable")
    assert reply.headers["retry-after"] == "1"
    assert len(jobs.services.jobs._table.scan()["Items"]) == before


def test_without_a_table_there_are_no_jobs(jobs: Jobs) -> None:
    jobs.start(JOBS_TABLE="")
    problem(jobs.post(query="count pending orders"), 404, "not_found")
    jobs.start(JOBS_TABLE="missing")
    for reply in (jobs.post(query="count pending orders"), jobs.gateway.get("/api/jobs")):
        problem(reply, 503, "jobs_unavailable")
