"""Which tables and columns may be seen, and which columns' values may be shown to a planner.

Names are judged word by word: `password_hash` and `resetToken` are secrets, `hashtag` and `token_count` are not.
What a name hides by mistake, VISIBLE_COLUMNS shows; what it misses, HIDDEN_COLUMNS hides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\dA-Za-z_]+")

SECRET_PARTS = ("password", "passwd", "passphrase", "passcode")
"""A word that contains one of these is a secret; no other word does."""

SECRETS = {
    *("apikey", "credential", "credentials", "hash", "otp", "pwd", "salt", "secret", "secrets", "token", "totp"),
    *("accesstoken", "authtoken", "bearertoken", "privatekey", "refreshtoken", "secretkey"),
    *("creditcard", "cvc", "cvv", "ssn"),
}
SECRET_PAIRS = {
    *(("access", "key"), ("api", "key"), ("encryption", "key"), ("private", "key"), ("signing", "key")),
    *(("ssh", "key"), ("recovery", "code"), ("security", "code"), ("social", "security")),
    *(("card", "number"), ("credit", "card"), ("debit", "card")),
}
ABOUT = {
    *("at", "attempts", "balance", "changed", "city", "cost", "count", "country", "created", "date", "enabled"),
    *("expiration", "expired", "expires", "expiry", "issued", "kind", "length", "limit", "price", "rate", "region"),
    *("required", "reset", "size", "state", "status", "time", "total", "type", "updated", "usage", "used"),
    *("verified", "version"),
}
"""A last word that tells of the thing rather than being it: `password_changed_at`, `card_type`, `email_status`."""

HARMLESS_TYPES = ("boolean", "date", "timestamp", "time", "interval")
COUNTABLE_TYPES = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
COUNTED = {"token", "hash", "salt", "secret", "secrets", "credential", "credentials"}
"""Secrets as text; as a number they are something counted."""

PERSONAL = {
    *("address", "birth", "birthday", "birthdate", "dob", "email", "fax", "firstname", "fullname", "lastname"),
    *("login", "mail", "mobile", "nickname", "passport", "phone", "postcode", "street", "surname", "telephone"),
    *("username", "zip", "ip"),
}
PERSONAL_PAIRS = {
    (first, "name")
    for first in ("birth", "contact", "display", "family", "first", "full", "given", "last", "maiden", "middle", "user")
}
PEOPLE = {
    *("applicant", "author", "buyer", "candidate", "client", "contact", "customer", "doctor", "driver", "employee"),
    *("guest", "lead", "manager", "member", "owner", "passenger", "patient", "people", "person", "player", "profile"),
    *("recipient", "seller", "staff", "student", "subscriber", "teacher", "tenant", "user", "visitor", "worker"),
}
"""In a table named after these, a column that is just a `name` is a person's."""

PROSE = {
    *("bio", "body", "comment", "content", "description", "feedback", "message", "note", "remark", "summary", "text"),
}


def words(name: str) -> list[str]:
    """`resetToken2` as `reset`, `token`, `2`."""
    return [word.casefold() for word in _WORD.findall(name)]


def looks_secret(column: str, type_: str) -> bool:
    if type_.startswith(HARMLESS_TYPES):
        return False
    parts = words(column)
    if not parts or parts[-1] in ABOUT:
        return False
    secrets = SECRETS - COUNTED if type_ in COUNTABLE_TYPES else SECRETS
    return (
        any(part in word for word in parts for part in SECRET_PARTS)
        or not secrets.isdisjoint(parts)
        or not SECRET_PAIRS.isdisjoint(pairwise(parts))
    )


def may_be_listed(table: str, column: str) -> bool:
    """Whether the values of a text column may be shown, and are more than prose."""
    parts = [_singular(word) for word in words(column) if not word.isdigit()]
    if not parts or parts[-1] in ABOUT:
        return True
    if parts == ["name"]:
        return not PEOPLE.intersection([_singular(word) for word in words(table) if not word.isdigit()][-1:])
    return parts[-1] not in PROSE and PERSONAL.isdisjoint(parts) and PERSONAL_PAIRS.isdisjoint(pairwise(parts))


@dataclass(frozen=True)
class Visibility:
    """What the settings say. Tables are named as their key, or with their schema; case does not matter."""

    allowed_tables: frozenset[str]
    hidden_columns: frozenset[str]
    visible_columns: frozenset[str]

    @classmethod
    def of(
        cls, allowed_tables: Iterable[str], hidden_columns: Iterable[str], visible_columns: Iterable[str]
    ) -> Visibility:
        return cls(
            *(frozenset(map(str.casefold, names)) for names in (allowed_tables, hidden_columns, visible_columns))
        )

    def table(self, schema: str, name: str) -> bool:
        return not self.allowed_tables or not self.allowed_tables.isdisjoint(_names(schema, name))

    def column(self, schema: str, table: str, column: str, type_: str) -> bool:
        names = {f"{prefix}.{column}".casefold() for prefix in (*_names(schema, table), "*")} | {column.casefold()}
        if not self.hidden_columns.isdisjoint(names):
            return False
        return not looks_secret(column, type_) or not self.visible_columns.isdisjoint(names)


def _names(schema: str, table: str) -> tuple[str, ...]:
    qualified = f"{schema}.{table}".casefold()
    return (qualified, table.casefold()) if schema == "public" else (qualified,)


def _singular(word: str) -> str:
    """`addresses` as `address`; made to be compared, not to be read."""
    if word.endswith("sses"):
        return word[:-2]
    return word if word.endswith(("ss", "us")) else word.removesuffix("s")
