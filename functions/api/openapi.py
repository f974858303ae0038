"""The OpenAPI document: FastAPI's, with our errors in the place of its own, and how to sign in."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from api.problems import ProblemDocument

BEARER = {"type": "http", "scheme": "bearer", "description": "A token (JWT) or an API key, as AUTH allows."}


class Documented(FastAPI):
    """A FastAPI app whose OpenAPI document tells the truth about errors."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            _correct(super().openapi())
        assert self.openapi_schema  # noqa: S101 -- narrows the type
        return self.openapi_schema


def _correct(document: dict[str, Any]) -> None:
    components = document["components"]
    for operations in document["paths"].values():
        for operation in operations.values():
            told = operation["responses"]
            if "HTTPValidationError" in str(told.get("422")):  # ours is 400, and a problem document
                del told["422"]
            if "401" in told:
                operation["security"] = [{"bearer": []}]
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    _, problems = models_json_schema([(ProblemDocument, "serialization")], ref_template="#/components/schemas/{model}")
    components["schemas"] |= problems["$defs"]
    components["securitySchemes"] = {"bearer": BEARER}
