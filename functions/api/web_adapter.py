"""What the AWS Lambda Web Adapter tells of a request, where the app runs behind it.

It sets two headers anew on every request, whatever a client sent by their names (src/lib.rs, `fetch_response`): so they
can be believed there, and nowhere else. The socket's peer is the adapter itself.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.types import Scope

REQUEST, LAMBDA = b"x-amzn-request-context", b"x-amzn-lambda-context"


def understand(scope: Scope) -> None:
    """Puts the client's address, API Gateway's request context and the moment when Lambda ends into `scope`."""
    request, context = _told(scope, REQUEST), _told(scope, LAMBDA)
    scope["aws.requestContext"] = request
    address = (request.get("identity") or {}).get("sourceIp")
    scope["client"] = (str(address), 0) if address else None
    if isinstance(context.get("deadline"), int):
        scope["aws.ends"] = context["deadline"] / 1000


def _told(scope: Scope, name: bytes) -> dict[str, Any]:
    given = [value for header, value in scope["headers"] if header == name]
    try:
        found = json.loads(given[0]) if len(given) == 1 else {}
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {}
