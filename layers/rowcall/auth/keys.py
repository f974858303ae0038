"""Sign-in by API key: shown once when made, kept in DynamoDB as a hash only.

A key is `rc_<id>_<secret>`; the secret has 256 random bits, so a plain SHA-256 of it cannot be reversed by guessing.
"""

from __future__ import annotations

import hmac
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from rowcall import telemetry
from rowcall.auth import SCOPES, Principal
from rowcall.deadline import Deadline
from rowcall.errors import Problem

FORMAT = re.compile(r"rc_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
REMEMBERED_SECONDS = 60.0
REMEMBERED_KEYS = 1000


@dataclass(frozen=True, slots=True)
class _Row:
    """What the table holds of a key. `expires` is in seconds since the epoch, 0 for never."""

    digest: str
    principal: Principal
    expires: float


class ApiKeys:
    """API keys of a DynamoDB table. A revoked key works for at most a minute more in an environment that knew it."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, _Row | None]] = OrderedDict()

    def recognises(self, credential: str) -> bool:
        return FORMAT.fullmatch(credential) is not None

    def principal(self, credential: str, deadline: Deadline) -> Principal:
        matched = FORMAT.fullmatch(credential)
        row = self._row(matched[1], deadline) if matched else None
        if row is None or not matched or not hmac.compare_digest(row.digest, _digest(matched[2])):
            raise Problem("unauthenticated")
        if row.expires and row.expires <= time.time():
            raise Problem("unauthenticated", "This API key has expired.")
        return row.principal

    def create(self, *, user: str, tenant: str, scopes: Iterable[str], role: str = "reader", expires: float = 0) -> str:
        """Make a key and return it, this once."""
        granted = sorted(set(scopes))
        if unknown := set(granted) - SCOPES:
            raise ValueError(f"unknown scopes: {', '.join(sorted(unknown))}; there are {', '.join(sorted(SCOPES))}")
        key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        self._table.put_item(
            Item={
                "id": key_id,
                "digest": _digest(secret),
                "user": user,
                "tenant": tenant,
                "scopes": granted,
                "role": role,
                "expires": int(expires),
            },
            ConditionExpression="attribute_not_exists(id)",
        )
        return f"rc_{key_id}_{secret}"

    def revoke(self, key_id: str) -> None:
        self._table.delete_item(Key={"id": key_id})
        with self._lock:
            self._known.pop(key_id, None)

    def _row(self, key_id: str, deadline: Deadline) -> _Row | None:
        deadline.left()
        with self._lock:
            asked, row = self._known.get(key_id, (float("-inf"), None))
        if time.monotonic() - asked < REMEMBERED_SECONDS:
            return row
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            item = self._table.get_item(Key={"id": key_id}).get("Item")
        except (BotoCoreError, ClientError) as error:
            telemetry.logger().error("API keys cannot be read", reason=type(error).__name__)
            raise Problem("sign_in_unavailable", retry_after=1) from error
        row = _parse(item) if item else None
        with self._lock:
            self._known[key_id] = (time.monotonic(), row)
            self._known.move_to_end(key_id)
            if len(self._known) > REMEMBERED_KEYS:
                self._known.popitem(last=False)
        return row


def _parse(item: dict[str, Any]) -> _Row:
    principal = Principal(user=item["user"], tenant=item["tenant"], scopes=frozenset(item["scopes"]), role=item["role"])
    return _Row(item["digest"], principal, float(item["expires"]))


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
