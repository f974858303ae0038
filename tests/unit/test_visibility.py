"""Names that look like secrets or persons, judged word by word."""

from __future__ import annotations

import pytest

from rowcall.database.visibility import Visibility, looks_secret, may_be_listed

SECRET = """password passwd pwd password_hash passwordHash hashed_password encryptedPassword password2 user_password
    userpassword password_reset_token secret client_secret secrets token access_token accessToken refresh_tokens_token
    api_key apiKey APIKey apikey private_key ssh_key hash hash256 salt ssn SSN social_security_number credit_card
    creditcard credit_card_number card_number cvv cvv2 CVC otp otp_code totp_secret passphrase credentials token_value
    user-token security_code recovery_code"""
PLAIN = """token_count tokens_used hashtag hashtags password_changed_at passwords_reset token_expires_at otp_enabled
    secretary salted_count key keyboard monkey author authority pin status session_id user_id name credit card_type
    credit_card_type discard number account_number tokenizer_version hash_rate security"""

LISTED = """orders.status orders.channel categories.name products.name user_roles.name customer_segments.name
    customers.segment customers.city people.country users.role users.email_status contacts.phone_type
    customers.address_country reviews.rating_text_type text.kind"""
NOT_LISTED = """users.name customers.name people.name Employees.Name staff.name users_2024.name users.email users.e_mail
    users.full_name users.firstName users.last_name users.username users.phone users.phone_number users.address
    users.addresses users.address_line_1 users.street users.birth_place users.ip users.ip_address orders.contact_name
    reviews.comment products.description tickets.body tickets.internal_notes posts.text"""


@pytest.mark.parametrize("name", SECRET.split())
def test_secret(name: str) -> None:
    assert looks_secret(name, "text")


@pytest.mark.parametrize("name", PLAIN.split())
def test_not_secret(name: str) -> None:
    assert not looks_secret(name, "text")


def test_the_type_tells_a_secret_from_what_is_counted() -> None:
    assert looks_secret("token", "text")
    assert not looks_secret("token", "integer")
    assert looks_secret("ssn", "integer")
    assert looks_secret("card_number", "bigint")
    assert not looks_secret("has_password", "boolean")
    assert not looks_secret("last_token", "timestamp with time zone")


@pytest.mark.parametrize("column", LISTED.split())
def test_values_that_may_be_listed(column: str) -> None:
    assert may_be_listed(*column.split("."))


@pytest.mark.parametrize("column", NOT_LISTED.split())
def test_values_that_may_not_be_listed(column: str) -> None:
    assert not may_be_listed(*column.split("."))


def test_settings_win_over_names() -> None:
    visibility = Visibility.of((), ["users.email", "*.notes", "Margin"], ["users.token", "api_key", "users.notes"])
    names = ["users.email", "orders.email", "users.notes", "orders.margin", "users.token", "orders.token"]
    seen = [name for name in names if visibility.column("public", name.split(".")[0], name.split(".")[1], "text")]
    assert seen == ["orders.email", "users.token"]
    assert visibility.column("public", "any", "api_key", "text")
    assert not visibility.column("sales", "users", "token", "text")


def test_tables_are_named_by_key_or_with_their_schema() -> None:
    visibility = Visibility.of(["orders", "public.Users", "sales.visits"], (), ())
    assert visibility.table("public", "orders")
    assert visibility.table("public", "users")
    assert visibility.table("sales", "visits")
    assert not visibility.table("sales", "orders")
    assert not visibility.table("public", "visits")
    assert Visibility.of((), (), ()).table("sales", "orders")
