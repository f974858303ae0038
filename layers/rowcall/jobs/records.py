"""Jobs and their items in one DynamoDB table, all of one user under one hash of tenant and user.

A job of somebody else is therefore not found, whatever its id. Progress is two sets of item numbers, so that telling it
twice changes nothing; an item is run by who holds its lease, and a lease ends by itself when its worker is gone.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, cast

from rowcall import telemetry, usage
from rowcall.answer import Ask
from rowcall.auth import Principal
from rowcall.document import Document, encode
from rowcall.errors import Problem
from rowcall.jobs import Format, Message, asking

State = Literal["queued", "running", "done", "failed", "cancelled"]

STALE_SECONDS = 1800.0
"""A job begun, in which nothing happened for so long, has lost its workers: longer than the queue's visibility timeout,
after which another worker would have begun. Should one come after all, what it does still counts."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as of `now`. Moments are seconds since the epoch; `done` and `failed` are numbers of items."""

    id: str
    owner: str
    principal: Principal
    format: Format
    total: int
    done: frozenset[int]
    failed: frozenset[int]
    begun: bool
    cancelled: bool
    created: float
    updated: float
    expires: int
    now: float

    @property
    def finished(self) -> bool:
        return len(self.done) + len(self.failed) == self.total

    @property
    def lost(self) -> bool:
        """Whether nobody works on it any more."""
        return self.begun and not (self.finished or self.cancelled) and self.now - self.updated > STALE_SECONDS

    @property
    def state(self) -> State:
        """`failed` when nothing came of it: of a job that is `done`, some items may have failed."""
        if self.cancelled:
            return "cancelled"
        if self.finished or self.lost:
            return "done" if self.done else "failed"
        return "running" if self.begun else "queued"


@dataclass(frozen=True, slots=True)
class File:
    """An object of the bucket, and the rows in it."""

    key: str
    bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class Item:
    """A question of a job, and what came of it: an answer, a file, or a problem."""

    number: int
    ask: Ask
    state: State
    answer: Document | None
    file: File | None
    problem: Document | None


class Gone(Problem):
    """There is nothing to run: the item is finished, cancelled, or not there any more."""

    def __init__(self) -> None:
        super().__init__("not_found")


class Busy(Exception):
    """Another worker has the item, for `seconds` at most."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"for {seconds:.0f} s")
        self.seconds = seconds


class _Refused(Exception):
    """A condition does not hold."""


class Records:
    """The table. Raises `jobs_unavailable` when DynamoDB cannot be reached."""

    def __init__(self, table: Any, *, days: int) -> None:
        self._table = table
        self._days = days

    def create(self, principal: Principal, asks: Sequence[Ask], form: Format, job_id: str = "") -> Job:
        """A new job, nothing of which is queued yet. Its id, a new one unless given, sorts by time."""
        now = time.time()
        owner, job_id = _owner(principal), job_id or f"{int(now * 1000):012x}{secrets.token_hex(10)}"
        expires = int(now) + self._days * 86400
        with _reaching(), self._table.batch_writer() as batch:
            for number, ask in enumerate(asks):
                asked = {"query": ask.query, "limit": ask.limit, "timezone": ask.timezone}
                batch.put_item(
                    {"owner": owner, "key": _item_key(job_id, number), "ask": asked, "state": "queued"}
                    | {"expires": expires}
                )
            record = {
                "owner": owner,
                "key": _job_key(job_id),
                "tenant": principal.tenant,
                "user": principal.user,
                "role": principal.role,
                "scopes": sorted(principal.scopes),
                "format": form,
                "total": len(asks),
                "created": int(now * 1000),
                "updated": int(now * 1000),
                "expires": expires,
            }
            batch.put_item(record)
        return _job(record)

    def get(self, principal: Principal, job_id: str) -> Job:
        """Raises `not_found`."""
        with _reaching():
            key = {"owner": _owner(principal), "key": _job_key(job_id)}
            record = self._table.get_item(Key=key, ConsistentRead=True).get("Item")
        if record is None or record["expires"] <= time.time():  # DynamoDB may take days to remove what has expired
            raise Problem("not_found")
        return _job(record)

    def page(self, principal: Principal, before: str | None, limit: int) -> tuple[list[Job], str | None]:
        """The newest jobs, or those before the job `before`; and where to go on."""
        records, last = self._query(_owner(principal), _job_key(""), _job_key(before) if before else None, limit, False)
        jobs = [_job(record) for record in records if record["expires"] > time.time()]
        return jobs, last.removeprefix(_job_key("")) if last else None

    def items(self, job: Job, after: int | None, limit: int) -> tuple[list[Item], int | None]:
        """The first items, or those after number `after`, as many as a page of DynamoDB's holds; where to go on."""
        start = None if after is None else _item_key(job.id, after)
        records, last = self._query(job.owner, f"item#{job.id}#", start, limit, True)
        return [_item(record, job) for record in records], int(last.rpartition("#")[2]) if last else None

    def cancel(self, job: Job) -> Job:
        """Items that do not run yet will not. A job that is finished stays as it is."""
        return job if job.finished else self._tell(job.owner, job.id, {"cancelled": True})

    def remove(self, job: Job) -> None:
        """A job of which nothing was queued."""
        with _reaching(), self._table.batch_writer() as batch:
            for key in (_job_key(job.id), *(_item_key(job.id, number) for number in range(job.total))):
                batch.delete_item({"owner": job.owner, "key": key})

    def begin(self, message: Message, seconds: float) -> tuple[Job, Item, str]:
        """Take the item for `seconds`: its job, itself, and the lease. Raises `Gone` and `Busy`."""
        from boto3.dynamodb.conditions import Attr

        lease, now = secrets.token_hex(8), int(time.time() * 1000)
        free = Attr("state").eq("queued") | (Attr("state").eq("running") & Attr("leased_until").lt(now))
        try:
            record = self._update(
                _key(message),
                free | (Attr("state").eq("failed") & Attr("passing").eq(True)),
                {"state": "running", "lease": lease, "leased_until": now + int(seconds * 1000)},
                "REMOVE problem",
            )
        except _Refused:
            raise self._taken(message, now) from None
        try:
            job = self._tell(message.owner, message.job, {"begun": True}, "DELETE failed :numbers", {message.item})
        except Problem:
            with suppress(Problem):
                self.release(message, lease)
            raise
        if job.cancelled:
            self.release(message, lease)
            raise Gone
        return job, _item(record, job), lease

    def release(self, message: Message, lease: str) -> None:
        """Give the item back as it was."""
        self._end(message, lease, "queued", {})

    def finish(self, message: Message, lease: str, **came: Document) -> Job | None:
        """The item is done, and `answer` or `file` came of it; `None` for who does not hold it any more."""
        if not self._end(message, lease, "done", {name: encode(value).decode() for name, value in came.items()}):
            return None
        return self._count(message, "done")

    def fail(self, message: Message, lease: str, problem: Document, *, passing: bool) -> Job | None:
        """The item failed; when that may pass, its message is worth bringing once more."""
        if not self._end(message, lease, "failed", {"problem": encode(problem).decode(), "passing": passing}):
            return None
        return self._count(message, "failed")

    def unsent(self, job: Job, numbers: Sequence[int], problem: Document) -> Job:
        """Items that could not be queued."""
        from boto3.dynamodb.conditions import Attr

        for number in numbers:
            key = {"owner": job.owner, "key": _item_key(job.id, number)}
            self._update(key, Attr("state").exists(), {"state": "failed", "problem": encode(problem).decode()})
        return self._tell(job.owner, job.id, {}, "ADD failed :numbers", set(numbers))

    def is_cancelled(self, job: Job) -> bool:
        with _reaching():
            key = {"owner": job.owner, "key": _job_key(job.id)}
            record = self._table.get_item(Key=key, ProjectionExpression="cancelled", ConsistentRead=True).get("Item")
        return record is None or "cancelled" in record

    def _taken(self, message: Message, now: int) -> Exception:
        """Why an item cannot be begun. The worker that finished it may not have come to count it."""
        with _reaching():
            record = self._table.get_item(Key=_key(message), ConsistentRead=True).get("Item") or {"state": "gone"}
        if record["state"] == "running":
            return Busy(max((int(record["leased_until"]) - now) / 1000, 1.0))
        if record["state"] in ("done", "failed"):
            self._count(message, record["state"])
        return Gone()

    def _end(self, message: Message, lease: str, state: State, came: Mapping[str, object]) -> bool:
        """Whether the item was still held under `lease`; then it is no more."""
        from boto3.dynamodb.conditions import Attr

        try:
            self._update(_key(message), Attr("lease").eq(lease), {"state": state, **came}, "REMOVE lease, leased_until")
        except _Refused:
            telemetry.logger().warning("an item was taken over", job=message.job, item=message.item)
            return False
        return True

    def _count(self, message: Message, state: Literal["done", "failed"]) -> Job:
        return self._tell(message.owner, message.job, {}, f"ADD {state} :numbers", {message.item})

    def _tell(
        self, owner: str, job_id: str, sets: Mapping[str, object], more: str = "", numbers: Set[int] | None = None
    ) -> Job:
        """Change the job. Raises `Gone` where there is none."""
        from boto3.dynamodb.conditions import Attr

        key, sets = {"owner": owner, "key": _job_key(job_id)}, {**sets, "updated": int(time.time() * 1000)}
        try:
            return _job(self._update(key, Attr("total").exists(), sets, more, numbers))
        except _Refused:
            raise Gone from None

    def _update(
        self,
        key: Mapping[str, str],
        condition: Any,
        sets: Mapping[str, object],
        more: str = "",
        numbers: Set[int] | None = None,
    ) -> Any:
        """The record as it is after the change. Raises `_Refused` where `condition` does not hold."""
        with _reaching():
            return self._table.update_item(
                Key=key,
                UpdateExpression=f"SET {', '.join(f'#{name} = :{name}' for name in sets)} {more}",
                ConditionExpression=condition,
                ExpressionAttributeNames={f"#{name}": name for name in sets},
                ExpressionAttributeValues={f":{name}": value for name, value in sets.items()}
                | ({":numbers": numbers} if numbers else {}),
                ReturnValues="ALL_NEW",
            )["Attributes"]

    def _query(
        self, owner: str, prefix: str, start: str | None, limit: int, forward: bool
    ) -> tuple[list[Any], str | None]:
        from boto3.dynamodb.conditions import Key

        given = {"ExclusiveStartKey": {"owner": owner, "key": start}} if start else {}
        with _reaching():
            found = self._table.query(
                KeyConditionExpression=Key("owner").eq(owner) & Key("key").begins_with(prefix),
                ScanIndexForward=forward,
                ConsistentRead=True,
                Limit=limit,
                **given,
            )
        last = found.get("LastEvaluatedKey")
        return found["Items"], last["key"] if last else None


@contextmanager
def _reaching() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        reason = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        if reason == "ConditionalCheckFailedException":
            raise _Refused from None
        telemetry.logger().error("jobs cannot be reached", reason=reason)
        raise Problem("jobs_unavailable", retry_after=1) from error


def _owner(principal: Principal) -> str:
    return usage.digest("jobs", principal.tenant, principal.user)


def _job_key(job_id: str) -> str:
    return f"job#{job_id}"


def _item_key(job_id: str, number: int) -> str:
    return f"item#{job_id}#{number:03}"


def _key(message: Message) -> dict[str, str]:
    return {"owner": message.owner, "key": _item_key(message.job, message.item)}


def _job(record: Mapping[str, Any]) -> Job:
    return Job(
        id=record["key"].partition("#")[2],
        owner=record["owner"],
        principal=Principal(record["user"], record["tenant"], frozenset(record["scopes"]), record["role"]),
        format=cast(Format, record["format"]),
        total=int(record["total"]),
        done=frozenset(map(int, record.get("done", ()))),
        failed=frozenset(map(int, record.get("failed", ()))),
        begun="begun" in record,
        cancelled="cancelled" in record,
        created=int(record["created"]) / 1000,
        updated=int(record["updated"]) / 1000,
        expires=int(record["expires"]),
        now=time.time(),
    )


def _item(record: Mapping[str, Any], job: Job) -> Item:
    asked = record["ask"]
    limit = asked["limit"]
    state: State = record["state"]
    if state in ("queued", "running") and (job.cancelled or job.lost):
        state = "cancelled" if job.cancelled else "failed"
    came = {name: json.loads(record[name]) if name in record else None for name in ("answer", "file", "problem")}
    return Item(
        number=int(record["key"].rpartition("#")[2]),
        ask=asking(asked["query"], None if limit is None else int(limit), asked["timezone"], job.format),
        state=state,
        answer=came["answer"],
        file=File(**came["file"]) if came["file"] else None,
        problem=came["problem"],
    )
