"""The one place where clients are built, each when first needed."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from functools import cache, cached_property, partial
from hashlib import sha256
from importlib import import_module
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from rowcall import aws, telemetry
from rowcall import settings as settings_module
from rowcall.admission import Policy, SignIns
from rowcall.auth import Authenticator, Method
from rowcall.cache.catalogs import Catalogs
from rowcall.cache.plans import Plans
from rowcall.cache.store import Store
from rowcall.catalog import Catalog
from rowcall.database import iam, introspection
from rowcall.database.connection import Database
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.redaction import Redaction
from rowcall.reporting import Reporter
from rowcall.rotation import Rotating
from rowcall.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

    from rowcall.auth import Principal
    from rowcall.budget import Ledger
    from rowcall.cache.examples import Examples
    from rowcall.cache.inventory import Inventory
    from rowcall.cache.semantic import Semantic
    from rowcall.chat.conversations import Conversations
    from rowcall.chat.models import ChatModel
    from rowcall.chat.replies import Replies
    from rowcall.embedders import Embedder
    from rowcall.jobs.exports import Bucket
    from rowcall.jobs.queue import Queue
    from rowcall.jobs.records import Records
    from rowcall.planners.provider import Provider
    from rowcall.planning import Planning


class Services:
    """What the steps of `answer` need, of one environment."""

    def __init__(self, settings: Settings, reload: Callable[[], Settings] | None = None) -> None:
        """`reload` reads the settings anew, from where the secrets are kept: a provider has just refused a key."""
        self.settings = settings
        self._reload = reload or (lambda: settings)
        self._redaction = Redaction(settings.redact)
        telemetry.begin(settings.stage, settings.log_level, self._redaction)

    @cached_property
    def database(self) -> Database:
        settings = self.settings
        return Database(
            Rotating(_database_url(settings), lambda: _database_url(self._reload())),
            ca_file=settings.database_ca_file,
            connect_timeout=settings.database_connect_timeout,
            setting="DATABASE_READ_URL" if settings.database_read_url.get_secret_value() else "DATABASE_URL",
            tenant_setting=settings.tenant_setting,
            sign=iam.password if settings.database_auth == "iam" else None,
        )

    @cached_property
    def store(self) -> Store:
        settings = self.settings
        return Store(
            settings.upstash_redis_rest_url,
            Rotating(
                settings.upstash_redis_rest_token.get_secret_value(),
                lambda: self._secret("upstash_redis_rest_token", True),
            ),
            timeout=settings.redis_timeout,
        )

    @cached_property
    def authenticator(self) -> Authenticator:
        settings = self.settings
        methods: list[Method] = []
        if "jwt" in settings.auth:
            from rowcall.auth.tokens import JwksKeys, Tokens

            methods.append(
                Tokens(
                    secret=settings.jwt_secret.get_secret_value(),
                    jwks=JwksKeys(settings.jwt_jwks_url) if settings.jwt_jwks_url else None,
                    issuer=settings.jwt_issuer,
                    audience=settings.jwt_audience,
                )
            )
        if "api_key" in settings.auth:
            from rowcall.auth.keys import ApiKeys

            methods.append(ApiKeys(aws.table(settings.api_keys_table)))
        return Authenticator(methods)

    @cached_property
    def sign_ins(self) -> SignIns:
        policy = Policy("sign_in", self.settings.sign_in_quota, self.settings.sign_in_window)
        return SignIns(policy, lambda limits, deadline: self.plans.admit(limits, deadline))

    @cached_property
    def reporter(self) -> Reporter:
        return Reporter(self.settings.sentry_dsn.get_secret_value(), self.settings.stage)

    @cached_property
    def plans(self) -> Plans:
        return Plans(
            self.store,
            self._seal_key,
            ttl_seconds=self.settings.plan_ttl_seconds,
            cap_seconds=self.settings.plan_cap_seconds,
            semantic=lambda: self.semantic,
            shadow_rate=self.settings.shadow_rate,
        )

    @cached_property
    def inventory(self) -> Inventory:
        from rowcall.cache.inventory import Inventory

        return Inventory(self.store, self._seal_key, self.plans, ttl_seconds=self.settings.plan_ttl_seconds)

    @cached_property
    def examples(self) -> Examples:
        from rowcall.cache.examples import Examples

        return Examples(self.store, self._seal_key)

    @cached_property
    def catalogs(self) -> Catalogs:
        return Catalogs(
            store=self.store,
            seal_key=self._seal_key,
            name=self._catalog_name,
            check_seconds=self.settings.catalog_check_seconds,
            read=self._read_catalog,
            probe=lambda deadline: introspection.probe(self.database, deadline),
        )

    @cached_property
    def conversations(self) -> Conversations | None:
        """`None` where none are kept."""
        settings = self.settings
        if not settings.conversations_table:
            return None
        from rowcall.chat.conversations import Conversations

        return Conversations(aws.table(settings.conversations_table), settings.conversation_days, self._redaction)

    @cached_property
    def ledger(self) -> Ledger:
        from rowcall.budget import Ledger, nano

        settings = self.settings
        return Ledger(
            self.store,
            user_limit=nano(settings.user_budget_usd),
            tenant_limit=nano(settings.tenant_budget_usd),
            refuse_without_redis=settings.budget_without_redis == "refuse",
        )

    @cached_property
    def providers(self) -> list[Provider]:
        """The models that planning and chat ask, each over one connection for both."""
        from rowcall.planners import chain

        return chain.providers(self.settings, self._secret)

    @cached_property
    def jobs(self) -> Records:
        """Raises `not_found` where there are no jobs."""
        from rowcall.jobs.records import Records

        if not self.settings.jobs_table:
            raise Problem("not_found", "Jobs are not set up here.")
        return Records(aws.table(self.settings.jobs_table), days=self.settings.job_days)

    @cached_property
    def queue(self) -> Queue:
        from rowcall.jobs.queue import Queue

        return Queue(aws.queues(), self.settings.jobs_queue_url)

    @cached_property
    def exports(self) -> Bucket:
        from rowcall.jobs.exports import Bucket

        return Bucket(aws.bucket(self.settings.exports_bucket), link_seconds=self.settings.link_seconds)

    @cached_property
    def planning(self) -> Planning:
        """Built on a miss only: it brings the SQL parser."""
        from rowcall.planners import chain
        from rowcall.planning import Planning

        settings = self.settings
        return Planning(
            chain.build(settings, self.providers),
            self.database,
            self.ledger,
            cost_ceiling=settings.plan_cost_ceiling,
            repairs=settings.plan_repairs,
        )

    @cached_property
    def chat_models(self) -> list[ChatModel]:
        """The models of PLANNERS, in their order; empty where none has credentials."""
        from rowcall.chat.anthropic import AnthropicChat
        from rowcall.chat.openai import OpenAIChat

        most = self.settings.chat_max_tokens
        return [
            OpenAIChat(provider, most) if provider.name == "openai" else AnthropicChat(provider, most)
            for provider in self.providers
        ]

    @cached_property
    def replies(self) -> Replies:
        from rowcall.chat.replies import Replies

        return Replies(self.store, self._seal_key)

    def for_warmer(self) -> Services:
        """Services of its own for the warmer, which is a user with a budget of its own."""
        own = {"user_budget_usd": self.settings.warm_budget_usd}
        return Services(self.settings.model_copy(update=own), self._reload)

    def _secret(self, name: str, fresh: bool) -> str:
        value: SecretStr = getattr(self._reload() if fresh else self.settings, name)
        return value.get_secret_value()

    def close(self) -> None:
        """Close what was opened."""
        for provider in self.__dict__.get("providers", ()):
            provider.close()
        for name in ("semantic", "database", "store"):
            if self.__dict__.get(name):
                self.__dict__[name].close()

    def _read_catalog(self, deadline: Deadline) -> Catalog:
        settings = self.settings
        return introspection.read_catalog(
            self.database,
            deadline,
            schemas=settings.schemas,
            allowed_tables=settings.allowed_tables,
            hidden_columns=settings.hidden_columns,
            visible_columns=settings.visible_columns,
            values_of_rows=not settings.tenant_setting,
        )

    @cached_property
    def semantic(self) -> Semantic | None:
        """Layer 2, made when the first question misses layer 1."""
        settings = self.settings
        if settings.embedder == "none":
            return None
        from rowcall.cache.semantic import Semantic

        embedder = self._embedder()
        if settings.l2_index == "pgvector":
            from rowcall.cache.pgvector import PgVectorIndex

            url = settings.l2_database_url.get_secret_value()
            index = PgVectorIndex(url, embedder.dimensions, ca_file=settings.database_ca_file)
            return Semantic(embedder, index, shared=True)
        from rowcall.cache.index import MemoryIndex

        return Semantic(embedder, MemoryIndex(settings.l2_entries))

    def charge_embeddings(self, principal: Principal, deadline: Deadline) -> float:
        """What layer 2 embedded in this thread since it was last charged, in dollars; told to the ledger."""
        semantic = self.__dict__.get("semantic")
        if semantic is None or not semantic.tokens.count:
            return 0.0
        from rowcall.budget import Admitted, Call
        from rowcall.pricing import Tokens, dollars, price

        model, tokens = semantic.embedder.model, Tokens(input=semantic.tokens.count)
        semantic.tokens.count = 0
        nano = price(model, self.settings.llm_prices).cost(tokens)
        call = Call(f"{self.settings.embedder} embeddings", model, True, tokens, nano)
        self.ledger.settle(principal, Admitted(0, token_hex(8)), call, deadline)
        return dollars(nano)

    def _embedder(self) -> Embedder:
        settings = self.settings
        match settings.embedder:
            case "openai":
                from rowcall.embedders.openai import OpenAIEmbedder

                return OpenAIEmbedder(
                    settings.embedding_model,
                    settings.embedding_dimensions,
                    settings.embedding_threshold,
                    partial(self._secret, "openai_api_key"),
                    base_url=settings.openai_base_url,
                )
            case "bedrock":
                from rowcall.embedders.bedrock import BedrockEmbedder

                return BedrockEmbedder(
                    settings.bedrock_region,
                    settings.embedding_dimensions,
                    settings.embedding_threshold,
                    base_url=settings.bedrock_base_url,
                )
            case _:
                from rowcall.embedders.lexical import LexicalEmbedder

                return LexicalEmbedder()

    @property
    def _seal_key(self) -> bytes:
        return self.settings.plan_seal_key.get_secret_value().encode()

    @property
    def _catalog_name(self) -> str:
        """One name for one database as one role sees it through these settings."""
        settings = self.settings
        parts = (
            _database_url(settings),
            *(",".join(names) for names in (settings.schemas, settings.allowed_tables)),
            *(",".join(names) for names in (settings.hidden_columns, settings.visible_columns)),
            settings.tenant_setting,
        )
        return hmac.digest(self._seal_key, "\0".join(parts).encode(), sha256).hex()[:32]


def preload() -> None:
    """Import all that a miss may need. For a snapshot only: it connects to nothing and reads no secret."""
    for name in ("rowcall.planning", "rowcall.planners.grammar", "rowcall.planners.transport", "anthropic", "openai"):
        import_module(name)


def _database_url(settings: Settings) -> str:
    return settings.database_read_url.get_secret_value() or settings.database_url.get_secret_value()


def start(environ: Mapping[str, str] = settings_module.ENVIRONMENT) -> Services:
    """The services of this environment; raises `InvalidSettings`. Opens nothing but the secret of SECRET_ARN."""
    settings = settings_here(environ)
    if settings.embedder == "openai":
        from rowcall.planners import chain

        chain.price_of(settings.embedding_model, settings)
    if settings.asks_models:
        from rowcall.planners import chain

        chosen, left_out = chain.choose(settings)
        telemetry.logger().info(
            "planners",
            asked=[f"{planner.name} {planner.model}".strip() for planner in chosen],
            without_credentials=left_out,
        )
    services = Services(settings, lambda: settings_module.load(environ, partial(_secret, fresh=True)))
    _ = services.database  # connects to nothing, but an address that cannot be understood stops the start
    return services


def settings_here(environ: Mapping[str, str] = settings_module.ENVIRONMENT) -> Settings:
    """The settings of this environment, its secret read; raises `InvalidSettings`."""
    return settings_module.load(environ, _secret)


def _secret(arn: str, *, fresh: bool = False) -> dict[str, str]:
    found: Any = _secrets().get(arn, transform="json", max_age=300, force_fetch=fresh)
    return {str(name): str(value) for name, value in dict(found).items()}


@cache
def _secrets() -> SecretsProvider:
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

    return SecretsProvider(boto_config=aws.patience())
