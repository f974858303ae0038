"""Calls the api function as API Gateway does: an event in, a proxy response out."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any, cast

from mangum import Mangum


@dataclass
class Context:
    """What Lambda passes beside the event."""

    remaining_ms: int = 29_000
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    function_name: str = "api"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:api"

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Gateway:
    """A REST API in front of `handler`."""

    handler: Mangum
    remaining_ms: int = 29_000

    def request(
        self,
        method: str,
        path: str,
        body: str | None = None,
        headers: dict[str, str] | None = None,
        address: str = "192.0.2.7",
        query: dict[str, str] | None = None,
        several: dict[str, list[str]] | None = None,
    ) -> Reply:
        """`several` are values of headers for `multiValueHeaders` alone."""
        sent = {"Content-Type": "application/json"} | (headers or {})
        event = {
            "resource": "/{proxy+}",
            "path": path,
            "httpMethod": method,
            "headers": sent,
            "multiValueHeaders": {name: [value] for name, value in sent.items()} | (several or {}),
            "queryStringParameters": query,
            "multiValueQueryStringParameters": {name: [value] for name, value in (query or {}).items()} or None,
            "pathParameters": {"proxy": path.lstrip("/")},
            "stageVariables": None,
            "requestContext": {
                "resourcePath": "/{proxy+}",
                "httpMethod": method,
                "path": path,
                "stage": "v1",
                "requestId": str(uuid.uuid4()),
                "identity": {"sourceIp": address, "userAgent": "test"},
            },
            "body": body,
            "isBase64Encoded": False,
        }
        reply = self.handler(event, cast("Any", Context(self.remaining_ms)))
        assert not reply["isBase64Encoded"], "a text body must not be base64"
        many = {name: values[-1] for name, values in reply["multiValueHeaders"].items()}
        return Reply(reply["statusCode"], reply["headers"] | many, reply["body"])

    def get(self, path: str, **headers: str) -> Reply:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, document: Any, headers: dict[str, str] | None = None) -> Reply:
        return self.request("POST", path, json.dumps(document), headers)

    def ask(self, query: str, **fields: Any) -> Reply:
        return self.post("/api/query", {"query": query, **fields})
