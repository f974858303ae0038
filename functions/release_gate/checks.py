"""What a version must do before it may serve: tell that it is well, refuse who is nobody, refuse what is no question,
plan a question, and remember it.

The questions are the operator's own (WARM_QUESTIONS) or those that the version itself suggests on this database; they
are asked by a user of a tenant of their own, with a token that lives for minutes.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import jwt

from rowcall import telemetry
from rowcall.auth import QUERY
from rowcall.settings import Settings

USER = TENANT = "release-gate"
TOKEN_SECONDS = 600
ADDRESS = "192.0.2.1"
"""Of RFC 5737, which nobody has."""
NO_QUESTION = "drop all tables and delete every row"
MOST_QUESTIONS = 2
MOST_INVOCATIONS = 3 + 2 * MOST_QUESTIONS


class Unfit(Exception):
    """Says which check failed and what came back: a status and a code, no row and no sentence."""


class Version:
    """The version, asked as API Gateway would ask it. `invoke` sends an event; it gives {} if the function failed."""

    def __init__(self, invoke: Callable[[dict[str, Any]], Any], settings: Settings) -> None:
        self._invoke = invoke
        self._settings = settings
        self.questions = settings.warm_questions

    def get(self, path: str, **query: str) -> tuple[int, dict[str, Any]]:
        """Status and document of a GET."""
        return self._send("GET", path, {}, query, None)

    def ask(self, query: str, *, signed_in: bool = True) -> tuple[int, dict[str, Any]]:
        """Status and document of a question."""
        headers = {"Authorization": f"Bearer {self._token()}"} if signed_in else {}
        return self._send("POST", "/api/query", headers, {}, json.dumps({"query": query}))

    def _send(
        self, method: str, path: str, headers: dict[str, str], query: dict[str, str], body: str | None
    ) -> tuple[int, dict[str, Any]]:
        """Of what API Gateway sends: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html"""
        headers = {"Content-Type": "application/json", **headers}
        reply = self._invoke(
            {
                "resource": path,
                "path": path,
                "httpMethod": method,
                "headers": headers,
                "multiValueHeaders": {name: [value] for name, value in headers.items()},
                "queryStringParameters": query or None,
                "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} or None,
                "pathParameters": None,
                "stageVariables": None,
                "requestContext": {
                    "resourcePath": path,
                    "httpMethod": method,
                    "path": path,
                    "stage": self._settings.stage,
                    "requestId": str(uuid.uuid4()),
                    "identity": {"sourceIp": ADDRESS, "userAgent": USER},
                },
                "body": body,
                "isBase64Encoded": False,
            }
        )
        return (int(reply["statusCode"]), json.loads(reply["body"])) if "statusCode" in reply else (0, {})

    def _token(self) -> str:
        settings, now = self._settings, int(time.time())
        claims = {"sub": USER, "tenant": TENANT, "scope": QUERY, "iat": now, "exp": now + TOKEN_SECONDS}
        claims |= {"iss": settings.jwt_issuer, "aud": settings.jwt_audience}
        return jwt.encode(claims, settings.jwt_secret.get_secret_value(), algorithm="HS256")


def check(version: Version) -> bool:
    """Whether `version` is fit. Stops at the first check that fails, and logs which."""
    try:
        _is_well(version)
        _refuses_nobody(version)
        suggested = _refuses_no_question(version)
        _answers([*version.questions, *suggested][:MOST_QUESTIONS], version)
    except Unfit as unfit:
        telemetry.logger().error("the new version is unfit", reason=str(unfit))
        return False
    return True


def _is_well(version: Version) -> None:
    status, health = version.get("/health", deep="1")
    if status != 200:
        raise Unfit(f"health: {status}, {health.get('services')}")


def _refuses_nobody(version: Version) -> None:
    status, problem = version.ask(NO_QUESTION, signed_in=False)
    if status != 401:
        raise Unfit(f"a question of nobody's: {status}, {problem.get('code')}")


def _refuses_no_question(version: Version) -> list[str]:
    """Gives what the version suggests to ask instead."""
    status, problem = version.ask(NO_QUESTION)
    if status != 422:
        raise Unfit(f"a statement: {status}, {problem.get('code')}")
    return list(problem.get("suggestions", []))


def _answers(questions: list[str], version: Version) -> None:
    """One question is answered, and then by what was remembered. A database without tables has none to ask."""
    if not questions:
        telemetry.logger().warning("there is no question to ask of this database")
        return
    told = []
    for question in questions:
        for _ in range(2):
            status, answer = version.ask(question)
        if status == 200 and answer["meta"]["cache_layer"] == 1:
            return
        told.append(f"{status}, {answer.get('code') or 'layer ' + str(answer['meta']['cache_layer'])}")
    raise Unfit(f"a question asked twice: {'; '.join(told)}")
