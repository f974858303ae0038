"""Every setting of rowcall, declared once: name, type, default and help. Nothing else reads the environment.

The environment's names are the field names in upper case. A missing or malformed setting stops the start with
its name, never its value. `docs/configuration.md` is generated from these declarations.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)


class InvalidSettings(Exception):
    """Names each setting that is missing or malformed, and why; never a value."""


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Seconds = Annotated[float, Field(gt=0, le=900)]


class Settings(BaseModel):
    """All settings, frozen. Lists are comma-separated, durations are seconds."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    stage: Literal["local", "dev", "staging", "prod"] = Field(
        "local", description="Where this runs. Only `local` may go without sign-in and without TLS."
    )
    secret_arn: str = Field(
        "",
        description="A Secrets Manager secret: a JSON object whose keys are the names of the secret settings below. "
        "A setting in the environment wins over it.",
    )

    database_url: SecretStr = Field(
        SecretStr(""), description="postgresql://role:password@host:port/name of a read-only role. Required."
    )
    database_read_url: SecretStr = Field(
        SecretStr(""), description="A reader endpoint or replica; questions run there when it is set."
    )
    database_ca_file: str = Field(
        "",
        description="PEM file of the authority that signs the database's certificate; system trust if empty.",
    )
    database_connect_timeout: Seconds = Field(2.0, description="How long connecting to Postgres may take.")
    schemas: Names = Field(("public",), description="Schemas whose tables are visible.")
    allowed_tables: Names = Field((), description="The only visible tables; all that the role may read if empty.")
    hidden_columns: Names = Field((), description="Columns nobody may see, as `table.column`, `*.column` or `column`.")
    visible_columns: Names = Field(
        (), description="Columns to show although their name looks like a secret, as `table.column`."
    )
    catalog_check_seconds: Seconds = Field(
        60.0, description="How often an environment asks the database whether its structure changed."
    )

    upstash_redis_rest_url: str = Field("", description="Upstash Redis REST endpoint. Required.")
    upstash_redis_rest_token: SecretStr = Field(SecretStr(""), description="Its token. Required.")
    redis_timeout: Seconds = Field(1.0, description="How long one Redis request may take.")
    plan_seal_key: SecretStr = Field(
        SecretStr(""),
        description="Key of the HMAC that seals cached plans; 32 characters or more, unknown to Redis. Required.",
    )
    plan_ttl_seconds: int = Field(7 * 86400, gt=0, description="How long an unused plan is remembered.")
    plan_cap_seconds: int = Field(30 * 86400, gt=0, description="How long a plan is used before it is planned anew.")

    max_query_length: int = Field(300, ge=1, le=4000, description="Longest question, in characters.")
    default_limit: int = Field(50, ge=1, description="Rows of an answer when the caller sets no limit.")
    max_limit: int = Field(500, ge=1, le=10000, description="Most rows of an answer.")
    query_timeout: Seconds = Field(10.0, description="How long a statement may run in Postgres.")
    request_timeout: Seconds = Field(25.0, description="The deadline of a whole request.")
    max_body_bytes: int = Field(65536, gt=0, description="Largest request body.")
    default_timezone: str = Field("UTC", description="IANA time zone of askers who name none.")

    cors_origin: Names = Field((), description="Origins that may call from a browser; none if empty.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level logged.")
    log_query_text: bool = Field(False, description="Log the text of questions, which may hold personal data.")
    tracing: bool = Field(False, description="Send X-Ray traces (Powertools Tracer).")

    @model_validator(mode="after")
    def _agree(self) -> Settings:
        if self.default_limit > self.max_limit:
            raise ValueError("DEFAULT_LIMIT must not exceed MAX_LIMIT")
        return self


SECRETS = tuple(name for name, field in Settings.model_fields.items() if field.annotation is SecretStr)
REQUIRED = ("database_url", "upstash_redis_rest_url", "upstash_redis_rest_token", "plan_seal_key")


def load(environ: Mapping[str, str] = os.environ, secrets: Mapping[str, str] | None = None) -> Settings:
    """The settings of `environ`, completed by `secrets` (names in upper case); raises `InvalidSettings`."""
    given = {name.upper(): name for name in Settings.model_fields}
    values = {
        name: environ.get(key) or (secrets or {}).get(key)
        for key, name in given.items()
        if environ.get(key) or (secrets or {}).get(key)
    }
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        wrong = [
            f"{str(item['loc'][0]).upper()}: {item['msg']}" if item["loc"] else item["msg"]
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise InvalidSettings("; ".join(wrong)) from None
    if settings.secret_arn and secrets is None:
        return settings
    missing = [name.upper() for name in REQUIRED if name not in values]
    if missing:
        raise InvalidSettings("; ".join(f"{name}: is required and not set" for name in missing))
    if len(settings.plan_seal_key.get_secret_value()) < 32:
        raise InvalidSettings("PLAN_SEAL_KEY: must have 32 characters or more")
    return settings
