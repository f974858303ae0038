"""`Idempotency-Key`: the same request of the same principal is answered once and told again.

Powertools' idempotency on DynamoDB, loaded only when the header is there. The same key with another body is refused,
a request still in flight is a conflict, and failures are not kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

from pydantic import BaseModel

from rowcall.auth import Principal
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.settings import Settings

KEPT_SECONDS = 24 * 3600
MAX_KEY_CHARACTERS = 255

Document = dict[str, Any]


def once(
    key: str | None,
    route: str,
    body: BaseModel,
    principal: Principal,
    settings: Settings,
    deadline: Deadline,
    make: Callable[[], Document],
) -> Document:
    """What `make` returns, or returned before for this key. Raises `conflict`, `idempotency_mismatch`."""
    if key is None:
        return make()
    if not 0 < len(key) <= MAX_KEY_CHARACTERS or not key.isprintable():
        raise Problem(
            "invalid_request", fields=[("Idempotency-Key", f"must have 1 to {MAX_KEY_CHARACTERS} printable characters")]
        )
    if not settings.idempotency_table:
        raise Problem("invalid_request", fields=[("Idempotency-Key", "is not supported here")])
    return _once(key, route, body, principal, settings.idempotency_table, deadline, make)


def _once(
    key: str,
    route: str,
    body: BaseModel,
    principal: Principal,
    table: str,
    deadline: Deadline,
    make: Callable[[], Document],
) -> Document:
    from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, exceptions, idempotent_function

    config = IdempotencyConfig(
        event_key_jmespath="[tenant, user, route, key]",
        payload_validation_jmespath="body",
        raise_on_no_idempotency_key=True,
        expires_after_seconds=KEPT_SECONDS,
        hash_function="sha256",
    )
    config.register_lambda_context(cast(Any, _Remaining(deadline)))
    made: list[Document] = []

    def make_once(*, asked: Document) -> Document:  # noqa: ARG001 -- it is what makes two calls the same
        made.append(make())
        return made[0]

    call_once = idempotent_function(
        make_once, data_keyword_argument="asked", persistence_store=_store(table), config=config, key_prefix="rowcall"
    )
    try:
        document: Document = call_once(
            asked={
                "tenant": principal.tenant,
                "user": principal.user,
                "route": route,
                "key": key,
                "body": body.model_dump(mode="json"),
            }
        )
    except exceptions.IdempotencyAlreadyInProgressError as error:
        raise Problem("conflict", retry_after=1) from error
    except exceptions.IdempotencyValidationError as error:
        raise Problem("idempotency_mismatch") from error
    except exceptions.IdempotencyPersistenceLayerError as error:
        if made:  # it could not be kept, for its size perhaps; the answer itself is whole
            return made[0]
        raise Problem("idempotency_unavailable", retry_after=1) from error
    return document


class _Remaining:
    """Our deadline, in the place where Powertools looks for Lambda's: a crashed request frees its key after it."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def get_remaining_time_in_millis(self) -> int:
        return int(self._deadline.left() * 1000)


@cache
def _store(table: str) -> Any:
    from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer

    from rowcall.aws import patience

    return DynamoDBPersistenceLayer(table_name=table, boto_config=patience())
