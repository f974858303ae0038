"""Which planners there are, in the order they are asked: those of PLANNERS that have credentials and a price.

Settings alone decide; nothing is connected and no SDK is loaded until a planner is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rowcall.errors import Unanswerable
from rowcall.planners import Asking, CannotAnswer, Planner, Proposal
from rowcall.pricing import NoPrice, Price, price
from rowcall.settings import InvalidSettings, Settings

if TYPE_CHECKING:
    from rowcall.planners.provider import Provider

Secret = Callable[[str, bool], str]
"""A secret setting by its field's name; with True it is read anew from where secrets are kept."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A planner to build: its name and, where it asks one, its model."""

    name: str
    model: str = ""


class GrammarPlanner:
    """The planner without a model, as one of the chain."""

    name = "grammar"
    model = ""
    price: Price | None = None

    def worst_cost(self, asking: Asking) -> int:  # noqa: ARG002 - a planner's signature
        return 0

    def propose(self, asking: Asking, deadline: object) -> Proposal:  # noqa: ARG002
        from rowcall.planners import grammar

        try:
            return Proposal(grammar.plan(asking.question, asking.catalog))
        except Unanswerable as abstained:
            return Proposal(CannotAnswer(abstained.detail, abstained.suggestions))


def choose(settings: Settings) -> tuple[list[Chosen], list[str]]:
    """The planners with credentials, and the names of those without. Raises `InvalidSettings`."""
    order = (
        sorted(settings.planners, key=lambda name: name != settings.llm_provider)
        if settings.llm_provider
        else list(settings.planners)
    )
    credentials = {
        "anthropic": bool(settings.anthropic_api_key.get_secret_value()),
        "openai": bool(settings.openai_api_key.get_secret_value() or settings.openai_base_url),
        "bedrock": bool(settings.bedrock_region),
        "grammar": True,
    }
    models = {
        "anthropic": settings.anthropic_model,
        "openai": settings.openai_model,
        "bedrock": settings.bedrock_model,
        "grammar": "",
    }
    if settings.llm_model:
        models[settings.llm_provider] = settings.llm_model
    chosen = [Chosen(name, models[name]) for name in order if credentials[name]]
    if not chosen:
        raise InvalidSettings("PLANNERS: none of them has credentials")
    for planner in chosen:
        if planner.model:
            price_of(planner.model, settings)
    return chosen, [name for name in order if not credentials[name]]


def build(settings: Settings, providers: Sequence[Provider]) -> list[Planner]:
    """The planners of `settings`, by those of `providers` or without one. Raises `InvalidSettings`."""
    by_name = {provider.name: provider for provider in providers}
    return [_build(planner, settings, by_name.get(planner.name)) for planner in choose(settings)[0]]


def _build(planner: Chosen, settings: Settings, provider: Provider | None) -> Planner:
    if provider is None:
        return GrammarPlanner()

    from rowcall.planners.model import Limits

    limits = Limits(settings.catalog_tokens, settings.llm_max_tokens)
    if planner.name == "openai":
        from rowcall.planners.openai import OpenAIPlanner

        return OpenAIPlanner(provider, limits)

    from rowcall.planners.anthropic import AnthropicPlanner

    return AnthropicPlanner(provider, limits)


def providers(settings: Settings, secret: Secret) -> list[Provider]:
    """The models of `settings`, in the order they are asked. Raises `InvalidSettings`."""
    models = [planner for planner in choose(settings)[0] if planner.model]
    return [_provider(planner, settings, secret) for planner in models]


def _provider(chosen: Chosen, settings: Settings, secret: Secret) -> Provider:
    from rowcall.planners.provider import Anthropic, Bedrock, OpenAI
    from rowcall.planners.retrying import Retrying

    model, cost = chosen.model, price_of(chosen.model, settings)
    retrying = Retrying(settings.llm_retries, settings.llm_timeout)
    match chosen.name:
        case "anthropic":
            key = partial(secret, "anthropic_api_key")
            return Anthropic(model, cost, key, retrying, base_url=settings.anthropic_base_url)
        case "openai":
            key = partial(secret, "openai_api_key")
            return OpenAI(model, cost, key, retrying, base_url=settings.openai_base_url)
        case _:
            return Bedrock(model, cost, retrying, region=settings.bedrock_region, base_url=settings.bedrock_base_url)


def price_of(model: str, settings: Settings) -> Price:
    """The price of a model that may be asked; raises `InvalidSettings` for one without."""
    try:
        return price(model, settings.llm_prices)
    except NoPrice as error:
        raise InvalidSettings(f"LLM_PRICES: {error}") from None
