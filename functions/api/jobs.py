"""`/api/jobs`: questions that are answered later, one to a hundred at a time, and exports."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response

from api import problems
from api.dependencies import Asker, AskerDep, IdempotencyKey, call
from api.idempotency import once
from api.problems import ProblemDocument
from api.query import QueryResponse
from api.told import Told
from rowcall import document
from rowcall.admission import job_limits, require
from rowcall.answer import Ask, check
from rowcall.document import Document
from rowcall.errors import Problem
from rowcall.jobs import MOST_QUESTIONS, Format, Message, asking

if TYPE_CHECKING:
    from rowcall.bootstrap import Services
    from rowcall.jobs.records import Item, Job

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

COMMON = (*problems.SIGN_IN, "forbidden", "invalid_request", "not_found", "jobs_unavailable", "deadline_exceeded")
MOST_LISTED = 100

State = Literal["queued", "running", "done", "failed", "cancelled"]
JobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="The job's id.")]


class JobRequest(BaseModel):
    """One question, or several; each counts as a question in the limits of its user."""

    model_config = ConfigDict(extra="forbid", strict=True)

    query: str | None = Field(None, description="One question.", examples=["top 5 products by revenue"])
    queries: list[str] | None = Field(None, description="Several.", min_length=1, max_length=MOST_QUESTIONS)
    limit: int | None = Field(None, description="Most rows of each; of an export, EXPORT_MAX_ROWS by default.", ge=1)
    timezone: str | None = Field(None, description="IANA time zone for periods and days.", examples=["Europe/Zurich"])
    format: Format = Field(
        "json",
        description="`json`: answers as of `POST /api/query`. `jsonl`, `csv`: an export of all rows into a file. "
        "JSON Lines keeps every value as it is. CSV (RFC 4180, UTF-8) is safe to open in a spreadsheet: NULL is an "
        'empty field, an empty text is `""`, and a text that would be a formula begins with an apostrophe.',
    )

    @model_validator(mode="after")
    def _one_way(self) -> JobRequest:
        if (self.query is None) == (self.queries is None):
            raise ValueError("must have either query or queries")
        return self

    @property
    def named(self) -> dict[str, str]:
        """The questions, each by the name of its field."""
        return {f"queries[{number}]": query for number, query in enumerate(self.queries or ())} or {
            "query": self.query or ""
        }


class Progress(Told):
    total: int
    done: int
    failed: int


class JobSummary(Told):
    """`failed` is a job of which nothing came; of one that is `done`, some questions may have failed."""

    id: str
    state: State
    format: Format
    progress: Progress
    created: datetime
    updated: datetime
    expires: datetime


class FileDocument(Told):
    """A file of rows, or of an answer that is too large to be told here. The address works for `LINK_SECONDS`."""

    url: str
    expires: datetime
    format: Format
    bytes: int
    rows: int


class Result(Told):
    """What came of a question: an `answer`, whose rows are in the `file` if there is one, or a `problem`."""

    index: int
    query: str
    state: State
    answer: QueryResponse | None
    file: FileDocument | None
    problem: ProblemDocument | None


class JobDocument(JobSummary):
    results: list[Result]
    cursor: str | None = Field(description="Where the next page of results begins; null on the last.")


class JobList(Told):
    jobs: list[JobSummary]
    cursor: str | None = Field(description="Where older jobs begin; null if there are none.")


class JobPage(BaseModel):
    """Where a list of jobs goes on."""

    cursor: str | None = Field(None, pattern="^[0-9a-f]{32}$")
    limit: int = Field(20, ge=1, le=MOST_LISTED)


class ResultPage(BaseModel):
    """Where a job's results go on. A page may hold fewer than `limit`, when they are large."""

    cursor: int | None = Field(None, ge=0, lt=MOST_QUESTIONS)
    limit: int = Field(20, ge=1, le=MOST_QUESTIONS)


@router.post(
    "",
    status_code=202,
    response_model=JobDocument,
    responses=problems.responses(
        *COMMON, "payload_too_large", "conflict", "idempotency_mismatch", "idempotency_unavailable"
    )
    | {202: {"headers": {"Location": {"description": "The job.", "schema": {"type": "string"}}}}},
)
async def create_job(
    body: JobRequest, request: Request, asker: AskerDep, idempotency_key: IdempotencyKey = None
) -> Response:
    """Queue questions. All are checked first; then `Location` leads to the job."""
    make = partial(_create, body, request.state.request_id, asker)
    settings, deadline = asker.services.settings, asker.deadline
    told = await call(request, once, idempotency_key, "jobs", body, asker.principal, settings, deadline, make)
    # Relative, as API Gateway's own address has the stage before it.
    return Response(document.encode(told), 202, {"location": f"jobs/{told['id']}"}, media_type="application/json")


@router.get("", responses=problems.responses(*COMMON))
async def list_jobs(request: Request, asker: AskerDep, page: Annotated[JobPage, Query()]) -> JobList:
    """The newest jobs of the user first."""
    jobs, cursor = await call(request, asker.services.jobs.page, asker.principal, page.cursor, page.limit)
    return JobList(jobs=[JobSummary(**_summary(job)) for job in jobs], cursor=cursor)


@router.get("/{job_id}", response_model=JobDocument, responses=problems.responses(*COMMON))
async def show_job(request: Request, asker: AskerDep, job_id: JobId, page: Annotated[ResultPage, Query()]) -> Response:
    """How far a job is, and what has come of its questions so far."""
    return _json(await call(request, _show, job_id, page, request.state.request_id, asker))


@router.delete("/{job_id}", responses=problems.responses(*COMMON))
async def cancel_job(request: Request, asker: AskerDep, job_id: JobId) -> JobSummary:
    """Cancel a job: questions that do not run yet will not, and a running export stops soon."""
    return JobSummary(**await call(request, _cancel, job_id, asker))


def _create(body: JobRequest, request_id: str, asker: Asker) -> Document:
    services = asker.services
    asks = _checked(body, services)
    asker.deadline.left()
    asker.trace.verdicts = services.plans.admit(job_limits(asker.limits, len(asks)), asker.deadline)
    require(asker.trace.verdicts)
    job = services.jobs.create(asker.principal, asks, body.format)
    messages = [Message(job.owner, job.id, number) for number in range(job.total)]
    if unsent := services.queue.send(messages, asker.deadline):
        problem = Problem("jobs_unavailable", "This question could not be queued.", retry_after=1)
        if len(unsent) == job.total:
            services.jobs.remove(job)
            raise problem
        job = services.jobs.unsent(job, unsent, document.of_problem(problem, request_id))
    return _page(job, ResultPage(), request_id, services)


def _checked(body: JobRequest, services: Services) -> list[Ask]:
    """Raises `invalid_request`, which names each question that cannot be asked."""
    settings, asks = services.settings, []
    wrong: dict[str, str] = {}
    for name, query in body.named.items():
        asks.append(asking(query, body.limit, body.timezone, body.format))
        try:
            check(asks[-1], settings)
        except Problem as problem:
            wrong |= {name if field == "query" else field: message for field, message in problem.fields}
    if settings.user_quota and len(asks) > settings.user_quota:
        wrong["queries"] = f"has more than the {settings.user_quota} questions that a user may ask"
    if wrong:
        raise Problem("invalid_request", fields=list(wrong.items()))
    return asks


def _show(job_id: str, page: ResultPage, request_id: str, asker: Asker) -> Document:
    asker.deadline.left()
    return _page(asker.services.jobs.get(asker.principal, job_id), page, request_id, asker.services)


def _cancel(job_id: str, asker: Asker) -> Document:
    asker.deadline.left()
    jobs = asker.services.jobs
    return _summary(jobs.cancel(jobs.get(asker.principal, job_id)))


def _page(job: Job, page: ResultPage, request_id: str, services: Services) -> Document:
    items, cursor = services.jobs.items(job, page.cursor, page.limit)
    return _summary(job) | {
        "results": [_result(item, job, request_id, services) for item in items],
        "cursor": None if cursor is None else str(cursor),
    }


def _summary(job: Job) -> Document:
    failed = job.total - len(job.done) if job.lost else len(job.failed)
    return {
        "id": job.id,
        "state": job.state,
        "format": job.format,
        "progress": {"total": job.total, "done": len(job.done), "failed": failed},
        "created": _moment(job.created),
        "updated": _moment(job.updated),
        "expires": _moment(job.expires),
    }


def _result(item: Item, job: Job, request_id: str, services: Services) -> Document:
    problem = item.problem
    if item.state == "failed" and problem is None:
        problem = document.of_problem(Problem("internal", "Who worked on this question was lost."), request_id)
    return {
        "index": item.number,
        "query": item.ask.query,
        "state": item.state,
        "answer": item.answer,
        "file": _file(item, job, services),
        "problem": problem,
    }


def _file(item: Item, job: Job, services: Services) -> dict[str, Any] | None:
    if item.file is None:
        return None
    return {
        "url": services.exports.link(item.file),
        "expires": _moment(datetime.now(UTC).timestamp() + services.settings.link_seconds),
        "format": job.format,
        "bytes": item.file.bytes,
        "rows": item.file.rows,
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _json(told: Document) -> Response:
    return Response(document.encode(told), media_type="application/json")
