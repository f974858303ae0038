"""Every setting of rowcall, declared once: name, type, default and help. Nothing else reads the environment.

The environment's names are the field names in upper case. A missing or malformed setting stops the start with
its name, never its value. `docs/configuration.md` is generated from these declarations.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from rowcall.redaction import KINDS

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class InvalidSettings(Exception):
    """Names each setting that is missing or malformed, and why; never a value."""


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _split_questions(value: object) -> object:
    return tuple(part.strip() for part in value.split(";") if part.strip()) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Questions = Annotated[tuple[str, ...], BeforeValidator(_split_questions)]
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
    database_auth: Literal["password", "iam"] = Field(
        "password",
        description="`iam` signs in to RDS, Aurora or RDS Proxy with tokens of the AWS role that this runs as; "
        "URLs then hold no password, and TLS is a must.",
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
    tenant_setting: str = Field(
        "",
        pattern=r"^([a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})+)?$",
        # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-pinning.html: set_config pins, so it is off.
        description="A parameter such as `app.tenant_id` that holds the asker's tenant in each question's transaction, "
        "for policies of row-level security: `USING (tenant = current_setting('app.tenant_id', true))`. Behind "
        "RDS Proxy it pins connections. Values of columns are then known from enum types and CHECK constraints only.",
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

    embedder: Literal["lexical", "openai", "bedrock", "none"] = Field(
        "lexical",
        description="What finds remembered questions that are alike: `lexical` is built in and asks nobody; "
        "`none` turns the semantic layer off.",
    )
    embedding_model: str = Field("text-embedding-3-small", description="Model of the `openai` embedder.")
    embedding_dimensions: int = Field(512, ge=256, le=3072, description="Size of a vector, for `openai` and `bedrock`.")
    embedding_threshold: float = Field(
        0.6, gt=0, lt=1, description="Least similarity of two questions that are alike, for `openai` and `bedrock`."
    )
    l2_index: Literal["memory", "pgvector"] = Field(
        "memory", description="Where vectors are searched: in each environment's memory, or in Postgres."
    )
    l2_entries: int = Field(20_000, gt=0, description="Most vectors in an environment's memory.")
    l2_database_url: SecretStr = Field(
        SecretStr(""),
        description="Postgres with pgvector, for L2_INDEX=pgvector: a role that may write its own schema.",
    )
    shadow_rate: float = Field(
        0.01, ge=0, le=1, description="Share of semantic hits that are planned anew by the warmer and compared."
    )

    warm_questions: Questions = Field(
        (), description="Questions that the warmer keeps planned for every tenant, separated by semicolons."
    )
    warm_tenant: str = Field("", description="A tenant to warm before it has asked anything.")
    warm_top: int = Field(
        20, ge=0, le=1000, description="Of the questions that had to be planned, how many a tenant's run repeats."
    )
    warm_parallel: int = Field(4, ge=1, le=32, description="Questions that the warmer asks at the same time.")
    warm_seconds: Seconds = Field(240.0, description="How long a run of the warmer may take.")
    warm_budget_usd: Decimal = Field(
        Decimal(5), ge=0, description="Most dollars that warming one tenant may cost in models a month; 0 is no limit."
    )

    watch_url: str = Field(
        "", description="Address of `/health`, which the warmer visits from outside each minute; none if empty."
    )

    max_query_length: int = Field(300, ge=1, le=4000, description="Longest question, in characters.")
    default_limit: int = Field(50, ge=1, description="Rows of an answer when the caller sets no limit.")
    max_limit: int = Field(500, ge=1, le=10000, description="Most rows of an answer.")
    query_timeout: Seconds = Field(10.0, description="How long a statement may run in Postgres.")
    request_timeout: Seconds = Field(25.0, description="The deadline of a whole request.")
    max_body_bytes: int = Field(65536, gt=0, description="Largest request body.")
    default_timezone: str = Field("UTC", description="IANA time zone of askers who name none.")

    planners: Names = Field(
        ("anthropic", "openai", "bedrock", "grammar"),
        description="Who may plan, in the order they are asked; those without credentials are left out. "
        "`grammar` needs no model.",
    )
    llm_provider: Literal["", "anthropic", "openai", "bedrock"] = Field(
        "", description="The provider to ask before the others of PLANNERS."
    )
    llm_model: str = Field("", description="Model of LLM_PROVIDER, in place of that provider's own setting.")
    anthropic_api_key: SecretStr = Field(SecretStr(""), description="Key of the Claude API.")
    anthropic_base_url: str = Field("https://api.anthropic.com", description="Where the Claude API is.")
    anthropic_model: str = Field("claude-sonnet-5-5", description="Model of the `anthropic` planner.")
    openai_api_key: SecretStr = Field(SecretStr(""), description="Key of the OpenAI API or of a compatible one.")
    openai_base_url: str = Field(
        "",
        description="A compatible endpoint, such as a local model's, which may need no key; OpenAI's own if empty.",
    )
    openai_model: str = Field("gpt-6.2-sol", description="Model of the `openai` planner.")
    bedrock_region: str = Field(
        "", description="Region of Amazon Bedrock; the `bedrock` planner is left out if empty. Credentials are IAM's."
    )
    bedrock_base_url: str = Field("", description="Where Amazon Bedrock is, if not at its region's public endpoint.")
    bedrock_model: str = Field("global.anthropic.claude-sonnet-5-5", description="Model of the `bedrock` planner.")
    llm_prices: str = Field(
        "",
        description="Prices of models that `prices.json` does not list, as JSON in dollars per million tokens: "
        '`{"model": {"input": "1", "output": "5"}}`, and `cached`, `cache_write` where they differ from `input`.',
    )
    llm_timeout: Seconds = Field(12.0, description="How long one call of a model may take.")
    llm_retries: int = Field(3, ge=0, le=10, description="Retries of a call on 408, 409, 429, 5xx and lost replies.")
    llm_max_tokens: int = Field(4096, ge=256, le=32000, description="Most tokens of a model's reply.")
    catalog_tokens: int = Field(
        12000, ge=500, le=60000, description="Most tokens of the catalog a model sees; less relevant tables go first."
    )
    plan_repairs: int = Field(2, ge=0, le=2, description="How often a model may repair a plan that was refused.")
    plan_cost_ceiling: float = Field(
        10_000_000.0, gt=0, description="Plans that Postgres estimates to cost more, in EXPLAIN's units, are not run."
    )
    user_budget_usd: Decimal = Field(
        Decimal(0), ge=0, description="Most dollars a user's questions may cost in models a month; 0 is no limit."
    )
    tenant_budget_usd: Decimal = Field(
        Decimal(0), ge=0, description="Most dollars a tenant's questions may cost in models a month; 0 is no limit."
    )
    budget_without_redis: Literal["refuse", "allow"] = Field(
        "refuse", description="Whether models are called when a budget is set and Redis, which counts it, is down."
    )

    auth: Names = Field(
        (), description="Ways to sign in: `jwt`, `api_key` or both. Empty lets everyone in, on stage `local` only."
    )
    jwt_secret: SecretStr = Field(SecretStr(""), description="Secret of HS256 tokens; 32 characters or more.")
    jwt_jwks_url: str = Field("", description="JWKS address with the keys of RS256 and ES256 tokens.")
    jwt_issuer: str = Field("", description="Issuer that tokens must name. Required with `jwt`.")
    jwt_audience: str = Field("", description="Audience that tokens must name. Required with `jwt`.")
    api_keys_table: str = Field("", description="DynamoDB table of API keys. Required with `api_key`.")

    idempotency_table: str = Field("", description="DynamoDB table behind the `Idempotency-Key` header.")

    conversations_table: str = Field("", description="DynamoDB table of conversations; none are kept if empty.")
    conversation_days: int = Field(90, ge=1, le=3650, description="How long a turn of a conversation is kept.")

    jobs_table: str = Field("", description="DynamoDB table of jobs, their questions and answers. No jobs if empty.")
    jobs_queue_url: str = Field("", description="SQS queue from which the worker takes questions. Required with it.")
    job_days: int = Field(7, ge=1, le=365, description="How long a job and its answers are kept.")
    exports_bucket: str = Field(
        "", description="S3 bucket of exports and of answers too large for the table. Required with JOBS_TABLE."
    )
    export_max_rows: int = Field(100_000, ge=1, description="Most rows of an export.")
    export_timeout: Seconds = Field(150.0, description="How long an export may take.")
    link_seconds: int = Field(300, ge=10, le=3600, description="How long a link to an export works.")

    address_quota: int = Field(100, ge=0, description="Questions per client address and window; 0 is no limit.")
    address_window: int = Field(900, gt=0, description="That window, in seconds.")
    user_quota: int = Field(500, ge=0, description="Questions per user and window; 0 is no limit.")
    user_window: int = Field(3600, gt=0, description="That window, in seconds.")
    chat_quota: int = Field(10, ge=0, description="Chat messages per user and window; 0 is no limit.")
    chat_window: int = Field(10, gt=0, description="That window, in seconds.")
    chat_message_length: int = Field(4000, ge=1, le=32000, description="Longest message of a chat, in characters.")
    chat_timeout: Seconds = Field(
        120.0,
        description="The deadline of a chat's reply, where it is streamed; a REST API without streaming has 29 s.",
    )
    chat_rounds: int = Field(
        8, ge=1, le=30, description="How often a model may speak in one reply; between, it asks the database."
    )
    chat_max_tokens: int = Field(2048, ge=256, le=32000, description="Most tokens that a model says at once in a chat.")
    chat_window_tokens: int = Field(
        32000,
        ge=4000,
        le=1_000_000,
        description="Most tokens of a chat that a model is sent; the oldest turns go first.",
    )
    chat_without_redis: Literal["limit", "refuse"] = Field(
        "limit",
        description="Whether chat goes on while Redis is down, limited by each environment alone. "
        "Operators' routes are refused then in any case.",
    )
    sign_in_quota: int = Field(30, ge=0, description="Failed sign-ins per client address and window; 0 is no limit.")
    sign_in_window: int = Field(60, gt=0, description="That window, in seconds.")
    trusted_proxies: int = Field(
        0,
        ge=0,
        description="Proxies of yours before API Gateway, such as CloudFront: so many entries of X-Forwarded-For, "
        "from the right, are believed. The client's address is otherwise the one that API Gateway saw.",
    )

    release_target: str = Field("", description="ARN of the function version that the release gate tries.")

    cors_origin: Names = Field((), description="Origins that may call from a browser; none if empty.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level logged.")
    log_query_text: bool = Field(False, description="Log the text of questions, which may hold personal data.")
    redact: Names = Field(
        ("card", "key"),
        description="What is replaced in log lines and in conversations as they are kept: `card` numbers, `email` "
        "addresses, `key` for keys and tokens. Answers themselves are never changed.",
    )
    sentry_dsn: SecretStr = Field(SecretStr(""), description="Where errors are reported, scrubbed; nowhere if empty.")
    tracing: bool = Field(False, description="Send X-Ray traces (Powertools Tracer).")

    @model_validator(mode="after")
    def _agree(self) -> Settings:
        if len(self.plan_seal_key.get_secret_value()) < 32:
            raise ValueError("PLAN_SEAL_KEY must have 32 characters or more")
        if self.default_limit > self.max_limit:
            raise ValueError("DEFAULT_LIMIT must not exceed MAX_LIMIT")
        unknown = set(self.planners) - {"anthropic", "openai", "bedrock", "grammar"}
        if unknown or not self.planners:
            raise ValueError("PLANNERS must name some of anthropic, openai, bedrock, grammar")
        if set(self.auth) - {"jwt", "api_key"}:
            raise ValueError("AUTH may name jwt and api_key")
        if not self.auth and self.stage != "local":
            raise ValueError("AUTH must name a way to sign in on every stage but local")
        if "jwt" in self.auth:
            self._check_jwt()
        if "api_key" in self.auth and not self.api_keys_table:
            raise ValueError("API_KEYS_TABLE is required with AUTH=api_key")
        if self.l2_index == "pgvector" and not self.l2_database_url.get_secret_value():
            raise ValueError("L2_DATABASE_URL is required with L2_INDEX=pgvector")
        if self.jobs_table and not (self.jobs_queue_url and self.exports_bucket):
            raise ValueError("JOBS_QUEUE_URL and EXPORTS_BUCKET are required with JOBS_TABLE")
        if self.embedder == "bedrock" and not self.bedrock_region:
            raise ValueError("BEDROCK_REGION is required with EMBEDDER=bedrock")
        if set(self.redact) - set(KINDS):
            raise ValueError(f"REDACT may name {', '.join(KINDS)}")
        if "*" in self.cors_origin:
            raise ValueError("CORS_ORIGIN must list origins, not *")
        if self.llm_model and not self.llm_provider:
            raise ValueError("LLM_MODEL needs LLM_PROVIDER")
        return self

    def _check_jwt(self) -> None:
        secret = self.jwt_secret.get_secret_value()
        if not secret and not self.jwt_jwks_url:
            raise ValueError("JWT_SECRET or JWT_JWKS_URL is required with AUTH=jwt")
        if secret and (len(secret) < 32 or len(set(secret)) < 8):
            raise ValueError("JWT_SECRET must be random and have 32 characters or more (openssl rand -hex 32)")
        if self.jwt_jwks_url and not self.jwt_jwks_url.startswith("https://") and self.stage != "local":
            raise ValueError("JWT_JWKS_URL must begin with https://")
        if not self.jwt_issuer or not self.jwt_audience:
            raise ValueError("JWT_ISSUER and JWT_AUDIENCE are required with AUTH=jwt")

    @property
    def asks_models(self) -> bool:
        """Whether any planner by model has credentials, or none could plan at all."""
        secrets = (self.anthropic_api_key, self.openai_api_key)
        given = any(secret.get_secret_value() for secret in secrets) or self.openai_base_url or self.bedrock_region
        return bool(given) or "grammar" not in self.planners


SECRETS = tuple(name for name, field in Settings.model_fields.items() if field.annotation is SecretStr)
ENVIRONMENT: Mapping[str, str] = os.environ
REQUIRED = ("database_url", "upstash_redis_rest_url", "upstash_redis_rest_token", "plan_seal_key")


def load(environ: Mapping[str, str] = ENVIRONMENT, fetch: Callable[[str], Mapping[str, str]] | None = None) -> Settings:
    """The settings of `environ`, completed by the secret that SECRET_ARN names, which `fetch` reads.

    Raises `InvalidSettings`.
    """
    arn = environ.get("SECRET_ARN", "")
    secrets = fetch(arn) if arn and fetch else {}
    values = {name: environ.get(name.upper()) or secrets.get(name.upper()) for name in Settings.model_fields}
    given = {name: value for name, value in values.items() if value}
    missing = [name.upper() for name in REQUIRED if name not in given]
    if missing:
        raise InvalidSettings("; ".join(f"{name}: is required and not set" for name in missing))
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        raise InvalidSettings("; ".join(_sentence(item) for item in error.errors(include_input=False))) from None


def _sentence(item: ErrorDetails) -> str:
    message = item["msg"].removeprefix("Value error, ")
    return f"{str(item['loc'][0]).upper()}: {message}" if item["loc"] else message


def snapshot_is_being_made(environ: Mapping[str, str] = ENVIRONMENT) -> bool:
    """Whether Lambda runs this initialisation once, for SnapStart: whatever is loaded now costs no start later."""
    return environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start"


def is_behind_web_adapter(environ: Mapping[str, str] = ENVIRONMENT) -> bool:
    """Whether requests come from the AWS Lambda Web Adapter of this environment, and from nobody else."""
    return is_in_lambda(environ) and "AWS_LWA_INVOKE_MODE" in environ


def is_in_lambda(environ: Mapping[str, str] = ENVIRONMENT) -> bool:
    """Whether this is a Lambda environment, which is to fail at its start and not with its first request."""
    return "AWS_LAMBDA_FUNCTION_NAME" in environ


def running(environ: Mapping[str, str] = ENVIRONMENT) -> dict[str, str]:
    """Which function this is, and which version of it, as Lambda tells them."""
    return {
        "function": environ.get("AWS_LAMBDA_FUNCTION_NAME", "local"),
        "version": environ.get("AWS_LAMBDA_FUNCTION_VERSION", "local"),
    }
