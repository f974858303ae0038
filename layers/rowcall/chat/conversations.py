"""Conversations in DynamoDB: turns are only ever added, each with the next number, or a conversation goes as a whole.

A conversation's head stands under the digest of its owner, tenant and user; its turns under the digest of owner and id.
So what belongs to somebody else cannot even be addressed: to everyone but its owner it is not there. Nothing that
REDACT names is kept, no turn for longer than CONVERSATION_DAYS, and of a turn no more than an item can hold.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from random import SystemRandom
from typing import Any

from rowcall import telemetry
from rowcall.auth import Principal
from rowcall.chat import Role
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.redaction import Redaction
from rowcall.usage import digest

ID = re.compile(r"[0-9a-f]{32}")
"""Milliseconds since the epoch (12 digits), then 80 random bits: in the order of their making, as RFC 9562's UUIDv7."""

TITLE_CHARACTERS = 80
"""Of a title made from a question; one that is given may have `MOST_TITLE_CHARACTERS`."""
MOST_TITLE_CHARACTERS = 200

CONTENT_BYTES, EVIDENCE_BYTES = 65_536, 196_608
"""Kept of a turn. An item may have 400 KB (AWS: "Quotas in Amazon DynamoDB"), and writing costs by the kilobyte."""

MOST_TURNS = 10
"""Of one append: all of them are one transaction, which may have 4 MB."""

DELETED_AT_ONCE = 25
"""The most that BatchWriteItem takes."""

PAUSE_SECONDS, MOST_PAUSE_SECONDS = 0.02, 1.0
"""Between attempts, drawn anew from nothing to twice as long each time (AWS: "Exponential backoff and jitter")."""
RANDOM = SystemRandom()

NEW = "attribute_not_exists(entry)"
FAILED = "ConditionalCheckFailed"
LOST = {FAILED, "TransactionConflict"}
"""Why nothing is written when somebody else was first; AWS: TransactWriteItems, "CancellationReasons"."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What is said once. `evidence` are the documents of the answers that it rests on."""

    role: Role
    content: str
    evidence: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """A turn as it is kept, numbered from 1 on.

    `cut` tells that it was too large: rows of its evidence are left out (such an answer is `truncated`), then whole
    answers, and the end of its content.
    """

    sequence: int
    role: Role
    content: str
    evidence: list[dict[str, Any]]
    cut: bool
    created: datetime


@dataclass(frozen=True, slots=True)
class Conversation:
    """`turns` counts all that were ever added."""

    id: str
    title: str
    created: datetime
    updated: datetime
    turns: int


class Conversations:
    """Those of a DynamoDB table, whose key is `place` and `entry` and whose items expire by `expires`.

    Every method raises `conversations_unavailable` when DynamoDB cannot be reached or refuses, and
    `deadline_exceeded`; those that take an id raise `not_found` where the principal has no such conversation.
    """

    def __init__(self, table: Any, days: int, redaction: Redaction) -> None:
        self._table = table
        self._client = table.meta.client
        self._seconds = days * 86400
        self._redaction = redaction

    def append(
        self, principal: Principal, conversation_id: str | None, turns: Sequence[Turn], deadline: Deadline
    ) -> str:
        """Add `turns`, all or none, to a conversation or, without an id, to a new one; its id.

        However large they are, they are kept: see `Kept.cut`.
        """
        if not 1 <= len(turns) <= MOST_TURNS:
            raise ValueError(f"{len(turns)} turns: one append takes 1 to {MOST_TURNS}")
        items = [self._item(turn) for turn in turns]
        if conversation_id is None:
            begun = f"{int(time.time() * 1000):012x}{secrets.token_hex(10)}"
            self._write(principal, begun, 0, items, deadline)
            return begun
        pauses = _pauses(deadline)
        while not self._write(
            principal, conversation_id, int(self._head(principal, conversation_id, deadline)["turns"]), items, deadline
        ):
            next(pauses)
        return conversation_id

    def page(
        self, principal: Principal, before: str | None, limit: int, deadline: Deadline
    ) -> tuple[list[Conversation], str | None]:
        """The newest first, at most `limit` that were begun before the one with the id `before`; then the id for more.

        Their order is that of their beginning, so no page changes while they go on.
        """
        found: list[dict[str, Any]] = []
        values = {":place": _place(principal), ":before": before or "g", ":now": int(time.time())}
        for items in self._pages(
            deadline,
            KeyConditionExpression="place = :place AND entry < :before",
            FilterExpression="expires > :now AND attribute_not_exists(deleted)",
            ExpressionAttributeValues=values,
            ScanIndexForward=False,
            Limit=limit + 1,
        ):
            found += items
            if len(found) > limit:
                break
        shown = [_conversation(item) for item in found[:limit]]
        return shown, shown[-1].id if len(found) > limit else None

    def show(
        self, principal: Principal, conversation_id: str, after: int, limit: int, deadline: Deadline
    ) -> tuple[Conversation, list[Kept], int | None]:
        """A conversation, at most `limit` of its turns after the number `after`, and the number for more.

        There may be fewer: a page has a megabyte at most.
        """
        head = self._head(principal, conversation_id, deadline)
        values = {":place": _place(principal, conversation_id), ":after": _entry(after), ":now": int(time.time())}
        found: list[dict[str, Any]] = []
        for items in self._pages(
            deadline,
            KeyConditionExpression="place = :place AND entry > :after",
            FilterExpression="expires > :now",
            ExpressionAttributeValues=values,
            Limit=limit,
        ):
            found = items
            if found:
                break
        kept = [_kept(item) for item in found]
        return _conversation(head), kept, kept[-1].sequence if kept and kept[-1].sequence < head["turns"] else None

    def latest(self, principal: Principal, conversation_id: str, limit: int, deadline: Deadline) -> list[Kept]:
        """The last `limit` turns, or as many as a page of a megabyte holds, in their order."""
        self._head(principal, conversation_id, deadline)
        values = {":place": _place(principal, conversation_id), ":now": int(time.time())}
        pages = self._pages(
            deadline,
            KeyConditionExpression="place = :place",
            FilterExpression="expires > :now",
            ExpressionAttributeValues=values,
            ScanIndexForward=False,
            Limit=limit,
        )
        return [_kept(item) for item in reversed(next(pages, []))]

    def rename(self, principal: Principal, conversation_id: str, title: str, deadline: Deadline) -> Conversation:
        """Give it another title, which is no turn: it does not keep it for longer. Raises `invalid_request`."""
        title = " ".join(title.split())
        if not title or len(title) > MOST_TITLE_CHARACTERS or not title.isprintable():
            raise Problem(
                "invalid_request",
                fields=[("title", f"must have 1 to {MOST_TITLE_CHARACTERS} printable characters")],
            )
        return _conversation(
            self._change(
                principal,
                conversation_id,
                deadline,
                UpdateExpression="SET title = :title",
                ConditionExpression="expires > :now AND attribute_not_exists(deleted)",
                ExpressionAttributeValues={":title": self._redaction.text(title), ":now": int(time.time())},
            )
        )

    def delete(self, principal: Principal, conversation_id: str, deadline: Deadline) -> None:
        """Delete it with all its turns. From the first moment it is not found; cut short, it can be asked for again."""
        self._change(
            principal,
            conversation_id,
            deadline,
            UpdateExpression="SET deleted = :yes REMOVE title",
            ConditionExpression="expires > :now",
            ExpressionAttributeValues={":yes": True, ":now": int(time.time())},
        )
        for keys in self._pages(
            deadline,
            KeyConditionExpression="place = :place",
            ExpressionAttributeValues={":place": _place(principal, conversation_id)},
            ProjectionExpression="place, entry",
            Limit=DELETED_AT_ONCE,
        ):
            self._delete(keys, deadline)
        self._delete([{"place": _place(principal), "entry": conversation_id}], deadline)

    def _item(self, turn: Turn) -> dict[str, Any]:
        """The attributes of a turn, redacted and fitted."""
        content, content_cut = _shortened(self._redaction.text(turn.content))
        evidence, evidence_cut = _fitted(turn.evidence, self._redaction)
        return {"role": turn.role, "content": content, "evidence": evidence, "cut": content_cut or evidence_cut}

    def _write(
        self, principal: Principal, conversation_id: str, seen: int, items: Sequence[dict[str, Any]], deadline: Deadline
    ) -> bool:
        """Put `items` behind the `seen` turns that there are, unless there are others by now or it was deleted."""
        now = time.time()
        stamps = {"updated": int(now * 1000), "expires": int(now) + self._seconds}
        key = {"place": _place(principal), "entry": conversation_id}
        if seen:
            head: dict[str, dict[str, Any]] = {
                "Update": {
                    "Key": key,
                    "UpdateExpression": "SET turns = :turns, updated = :updated, expires = :expires",
                    "ConditionExpression": "turns = :seen AND attribute_not_exists(deleted)",
                    "ExpressionAttributeValues": {
                        ":turns": seen + len(items),
                        ":updated": stamps["updated"],
                        ":expires": stamps["expires"],
                        ":seen": seen,
                    },
                }
            }
        else:
            begun = {"title": title_of(items), "created": stamps["updated"], "turns": len(items)}
            head = {"Put": {"Item": key | begun | stamps, "ConditionExpression": NEW}}
        own = {
            "place": _place(principal, conversation_id),
            "created": stamps["updated"],
            "expires": stamps["expires"],
        }
        turns = [
            {"Put": {"Item": own | {"entry": _entry(number)} | item, "ConditionExpression": NEW}}
            for number, item in enumerate(items, seen + 1)
        ]
        for written in (head, *turns):
            for operation in written.values():
                operation["TableName"] = self._table.name
        with _calling(deadline) as lost:
            self._client.transact_write_items(TransactItems=[head, *turns])
        return not lost

    def _head(self, principal: Principal, conversation_id: str, deadline: Deadline) -> dict[str, Any]:
        """Raises `not_found`."""
        if not ID.fullmatch(conversation_id):
            raise _none()
        key = {"place": _place(principal), "entry": conversation_id}
        with _calling(deadline):
            item: dict[str, Any] = self._table.get_item(Key=key, ConsistentRead=True).get("Item") or {}
        if not item or "deleted" in item or item["expires"] <= time.time():
            raise _none()
        return item

    def _change(
        self, principal: Principal, conversation_id: str, deadline: Deadline, **change: object
    ) -> dict[str, Any]:
        """The head after `change`. Raises `not_found` where its condition does not hold."""
        if not ID.fullmatch(conversation_id):
            raise _none()
        key = {"place": _place(principal), "entry": conversation_id}
        pauses = _pauses(deadline)
        while True:
            with _calling(deadline) as lost:
                changed: dict[str, Any] = self._table.update_item(Key=key, ReturnValues="ALL_NEW", **change)[
                    "Attributes"
                ]
                return changed
            if FAILED in lost:
                raise _none()
            next(pauses)

    def _pages(self, deadline: Deadline, **query: object) -> Iterator[list[dict[str, Any]]]:
        """What a query finds, in the pages that DynamoDB makes of it; also empty ones."""
        start: dict[str, object] = {}
        while True:
            with _calling(deadline):
                page = self._table.query(ConsistentRead=True, **query, **start)
            yield page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _delete(self, keys: Sequence[dict[str, Any]], deadline: Deadline) -> None:
        left = {self._table.name: [{"DeleteRequest": {"Key": key}} for key in keys]} if keys else {}
        pauses = _pauses(deadline)
        while left:
            with _calling(deadline):
                left = self._client.batch_write_item(RequestItems=left)["UnprocessedItems"]
            if left:
                next(pauses)


def title_of(turns: Sequence[Mapping[str, Any]]) -> str:
    """The first thing that the user says, on one line and not too long."""
    said = next((turn["content"] for turn in turns if turn["role"] == "user"), "")
    line = " ".join("".join(character if character.isprintable() else " " for character in said).split())
    return line if len(line) <= TITLE_CHARACTERS else f"{line[: TITLE_CHARACTERS - 1].rstrip()}…"


def _place(principal: Principal, *conversation: str) -> str:
    return digest("conversations", principal.tenant, principal.user, *conversation)


def _entry(sequence: int) -> str:
    """A turn's number as DynamoDB sorts it."""
    return f"{sequence:010}"


def _conversation(head: Mapping[str, Any]) -> Conversation:
    return Conversation(
        head["entry"], head["title"], _moment(head["created"]), _moment(head["updated"]), int(head["turns"])
    )


def _kept(item: Mapping[str, Any]) -> Kept:
    return Kept(
        sequence=int(item["entry"]),
        role=item["role"],
        content=item["content"],
        evidence=json.loads(item["evidence"]),
        cut=item["cut"],
        created=_moment(item["created"]),
    )


def _moment(milliseconds: Any) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def _shortened(content: str) -> tuple[str, bool]:
    """`content` as far as there is room for it, and whether that is not all."""
    encoded = content.encode(errors="replace")
    cut = len(encoded) > CONTENT_BYTES
    return encoded[:CONTENT_BYTES].decode(errors="ignore") + ("…" if cut else ""), cut


def _fitted(evidence: Sequence[Mapping[str, Any]], redaction: Redaction) -> tuple[str, bool]:
    """The documents of answers as JSON, redacted, as far as there is room for them, and whether that is not all."""
    room, fitted, whole = EVIDENCE_BYTES, [], True
    for document in evidence:
        text, all_rows = _with_rows(document, room, redaction)
        fits = _size(text) <= room
        if fits:
            fitted.append(text)
            room -= _size(text) + 1
        whole = whole and fits and all_rows
    return f"[{','.join(fitted)}]", not whole


def _with_rows(document: Mapping[str, Any], room: int, redaction: Redaction) -> tuple[str, bool]:
    """An answer's document with the first of its rows, as many as there is room for, and whether these are all."""
    rows = document.get("data", [])
    told = redaction.value({**document, "data": []})
    room -= _size(_json(told)) + len("false") + len(str(len(rows)))
    kept: list[object] = []
    for row in map(redaction.value, rows):
        room -= _size(_json(row)) + 1
        if room < 0:
            return _json({**told, "data": kept, "row_count": len(kept), "truncated": True}), False
        kept.append(row)
    return _json({**told, "data": kept}), True


def _json(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="replace").decode()


def _size(text: str) -> int:
    return len(text.encode())


@contextmanager
def _calling(deadline: Deadline) -> Iterator[list[str]]:
    """Around one call of DynamoDB, which is not begun after the deadline and bounded by `aws.patience`.

    What it yields then holds why nothing was written: a condition did not hold, or somebody else wrote meanwhile.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    deadline.left()
    why: list[str] = []
    try:
        yield why
    except ClientError as error:
        code = error.response["Error"]["Code"].removesuffix("Exception")
        codes = {code}
        if code == "TransactionCanceled":
            codes = {reason["Code"] for reason in error.response.get("CancellationReasons", [])} - {"None"}
        if not codes or codes - LOST:
            raise _unavailable(" ".join(sorted(codes)) or code) from error
        why += codes
    except BotoCoreError as error:
        raise _unavailable(type(error).__name__) from error


def _pauses(deadline: Deadline) -> Iterator[None]:
    """Each step sleeps, probably longer than the one before."""
    pause = PAUSE_SECONDS
    while True:
        time.sleep(deadline.left(RANDOM.uniform(0, pause)))
        yield
        pause = min(2 * pause, MOST_PAUSE_SECONDS)


def _unavailable(reason: str) -> Problem:
    telemetry.logger().error("conversations cannot be reached", reason=reason)
    return Problem("conversations_unavailable", retry_after=1)


def _none() -> Problem:
    return Problem("not_found", "There is no such conversation.")
