"""Settings: what stops the start, and that it never shows a value."""

from __future__ import annotations

import traceback

import pytest

from rowcall import bootstrap
from rowcall.settings import InvalidSettings, load

GOOD = {
    "DATABASE_URL": "postgresql://reader:hunter2@db.example/shop",
    "UPSTASH_REDIS_REST_URL": "https://redis.example",
    "UPSTASH_REDIS_REST_TOKEN": "token-canary",
    "PLAN_SEAL_KEY": "k" * 32,
}


def test_the_guides_limits_are_the_defaults() -> None:
    settings = load(GOOD)
    assert (settings.max_query_length, settings.default_limit, settings.max_limit) == (300, 50, 500)
    assert settings.query_timeout == 10


def test_lists_are_comma_separated() -> None:
    assert load(GOOD | {"ALLOWED_TABLES": "orders, users,"}).allowed_tables == ("orders", "users")


@pytest.mark.parametrize("name", sorted(GOOD))
@pytest.mark.parametrize("blank", [None, ""])
def test_a_missing_or_blank_required_setting_is_named(name: str, blank: str | None) -> None:
    environ = {key: value for key, value in GOOD.items() if key != name}
    if blank is not None:
        environ[name] = blank
    with pytest.raises(InvalidSettings, match=f"{name}: is required"):
        load(environ)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STAGE", "canary-stage"),
        ("MAX_LIMIT", "canary-many"),
        ("QUERY_TIMEOUT", "-417"),
        ("PLAN_SEAL_KEY", "canary-short"),
        ("LOG_LEVEL", "canary-loud"),
    ],
)
def test_a_malformed_setting_is_named_and_its_value_is_not_shown(name: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=name) as caught:
        load(GOOD | {name: value})
    assert value not in "".join(traceback.format_exception(caught.value)).partition("InvalidSettings")[2]


def test_contradicting_limits_stop_the_start() -> None:
    with pytest.raises(InvalidSettings, match="DEFAULT_LIMIT must not exceed MAX_LIMIT"):
        load(GOOD | {"DEFAULT_LIMIT": "600"})


def test_secrets_complete_the_environment_and_the_environment_wins() -> None:
    environ = {"SECRET_ARN": "arn:aws:secretsmanager:eu-west-1:1:secret:x", "DATABASE_URL": GOOD["DATABASE_URL"]}
    secret = GOOD | {"DATABASE_URL": "postgresql://other/other"}
    settings = load(environ, {environ["SECRET_ARN"]: secret}.__getitem__)
    assert settings.database_url.get_secret_value() == GOOD["DATABASE_URL"]
    assert settings.upstash_redis_rest_token.get_secret_value() == "token-canary"


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    shown = repr(load(GOOD))
    assert "hunter2" not in shown
    assert "token-canary" not in shown


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"STAGE": "prod"}, "AUTH must name a way to sign in"),
        ({"AUTH": "none"}, "AUTH may name"),
        ({"AUTH": "jwt", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"}, "JWT_SECRET or JWT_JWKS_URL"),
        ({"AUTH": "jwt", "JWT_SECRET": "short", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"}, "JWT_SECRET must be random"),
        ({"AUTH": "jwt", "JWT_SECRET": "a" * 40, "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"}, "JWT_SECRET must be random"),
        ({"AUTH": "jwt", "JWT_SECRET": "0123456789abcdef" * 2}, "JWT_ISSUER and JWT_AUDIENCE"),
        ({"AUTH": "api_key"}, "API_KEYS_TABLE"),
        ({"CORS_ORIGIN": "*"}, "CORS_ORIGIN"),
    ],
)
def test_an_open_door_stops_the_start(settings: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidSettings, match=message):
        load(GOOD | settings)


@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_READ_URL"])
def test_an_address_that_cannot_be_understood_stops_the_start(name: str) -> None:
    with pytest.raises(InvalidSettings, match=name) as caught:
        bootstrap.start(GOOD | {name: "mysql://canary@host/db"})
    assert "canary" not in str(caught.value)
