"""The documents of the HTTP API, as types. What each field means is told by `/docs` of the API."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, NotRequired, TypedDict


class Column(TypedDict):
    name: str
    type: str


class Tokens(TypedDict):
    input: int
    output: int


class Meta(TypedDict):
    """How rows were found. `cache_layer`: 1 exact template, 2 semantic, 3 planned now."""

    cache_hit: bool
    cache_layer: Literal[1, 2, 3]
    similarity: float | None
    matched_query: str | None
    planner: str
    model: str | None
    attempts: int
    cost_usd: float
    tokens: Tokens
    passed_over: list[str]
    latency_ms: float
    degraded: bool
    request_id: str


class Answer(TypedDict):
    """Rows, and the SQL with its parameters that found them."""

    query: str
    data: list[dict[str, Any]]
    columns: list[Column]
    row_count: int
    truncated: bool
    sql: str
    params: list[Any]
    explanation: str
    meta: Meta


class Explanation(TypedDict):
    """A plan, and Postgres's EXPLAIN of it."""

    query: str
    sql: str
    params: list[Any]
    explanation: str
    tables: list[str]
    cache_layer: Literal[1, 2, 3]
    plan: dict[str, Any]


class TableSummary(TypedDict):
    """`rows` is an estimate, `columns` how many there are."""

    name: str
    kind: str
    comment: str
    rows: int
    columns: int


class TableColumn(TypedDict):
    name: str
    type: str
    nullable: bool
    comment: str
    values: list[str]


class ForeignKey(TypedDict):
    columns: list[str]
    table: str
    references: list[str]


class Table(TypedDict):
    name: str
    kind: str
    comment: str
    rows: int
    primary_key: list[str]
    columns: list[TableColumn]
    foreign_keys: list[ForeignKey]


class Message(TypedDict):
    role: Literal["user", "assistant"]
    content: str


class ChatReply(TypedDict):
    """Prose, and every answer that it rests on."""

    conversation_id: str | None
    message: Message
    evidence: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    usage: dict[str, Any]
    meta: dict[str, Any]


class Event(NamedTuple):
    """One event of a streamed reply: `text`, `tool`, `rows`, `usage` or `done`, and what it holds."""

    name: str
    data: dict[str, Any]


class Progress(TypedDict):
    total: int
    done: int
    failed: int


class JobSummary(TypedDict):
    """Questions that are answered later. Times are ISO 8601."""

    id: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    format: Literal["json", "jsonl", "csv"]
    progress: Progress
    created: str
    updated: str
    expires: str


class File(TypedDict):
    """A file of rows; its address works for a while."""

    url: str
    expires: str
    format: str
    bytes: int
    rows: int


class JobResult(TypedDict):
    """What came of a question: an `answer`, whose rows are in the `file` if there is one, or a `problem`."""

    index: int
    query: str
    state: str
    answer: Answer | None
    file: File | None
    problem: ProblemDocument | None


class Job(JobSummary):
    """`cursor` leads to further results."""

    results: list[JobResult]
    cursor: str | None


class ConversationSummary(TypedDict):
    id: str
    title: str
    created: str
    updated: str
    turns: int


class ProblemDocument(TypedDict):
    """An error as the API tells it (RFC 9457)."""

    code: str
    detail: str
    status: NotRequired[int]
    request_id: NotRequired[str]
    suggestions: NotRequired[list[str]]
