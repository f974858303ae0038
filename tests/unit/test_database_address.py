"""A database's URL: understood as libpq does, TLS verified or absent, and never repeated in an error."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from rowcall.database.address import Address
from rowcall.settings import InvalidSettings

UNDERSTOOD = [
    ("postgresql://ann@localhost/shop", ("localhost", 5432, "ann", None, "shop")),
    ("postgres://ann:pw@db.example:6543/shop", ("db.example", 6543, "ann", "pw", "shop")),
    ("postgresql://a%40b:p%2F%3A%40%25+%20x@localhost/my%20shop", ("localhost", 5432, "a@b", "p/:@%+ x", "my shop")),
    ("postgresql://ann:p@ss@localhost/shop", ("localhost", 5432, "ann", "p@ss", "shop")),
    ("postgresql://ann:@localhost/shop", ("localhost", 5432, "ann", "", "shop")),
    ("postgresql://ann:pw@[::1]:6543/shop", ("::1", 6543, "ann", "pw", "shop")),
    ("postgresql://ann:pw@localhost", ("localhost", 5432, "ann", "pw", None)),
    ("postgresql://ann:pw@localhost/", ("localhost", 5432, "ann", "pw", None)),
    ("postgresql://ann@/shop?host=/var/run/postgresql", ("/var/run/postgresql", 5432, "ann", None, "shop")),
    (
        "postgresql://ann@localhost/shop?application_name=x&connect_timeout=5&channel_binding=require",
        ("localhost", 5432, "ann", None, "shop"),
    ),
    (" postgresql://ann@localhost/shop\n", ("localhost", 5432, "ann", None, "shop")),
]
REFUSED = [
    "",
    "s3cret",
    "mysql://ann:s3cret@localhost/shop",
    "postgresql://localhost/shop",
    "postgresql://ann:s3cret@/shop",
    "postgresql://ann:s3cret@localhost:s3cret/shop",
    "postgresql://ann:s3cret@localhost:99999/shop",
    "postgresql://ann:s3cret@[::1/shop",
    "postgresql://ann:s3c/ret@localhost/shop",
    "postgresql://ann:s3c?ret@localhost/shop",
    "postgresql://ann:s3c#ret@localhost/shop",
    "postgresql://ann:s3cret@one,two/shop",
    "postgresql://ann:s3cret@localhost/shop?options=-csearch_path%3Ds3cret",
    "postgresql://ann:s3cret@localhost/shop?sslmode=prefer",
    "postgresql://ann:s3cret@localhost/shop?s3cret",
]


@pytest.mark.parametrize(("url", "parts"), UNDERSTOOD)
def test_understood(url: str, parts: tuple[object, ...]) -> None:
    address = Address.parse(url)
    assert (address.host, address.port, address.user, address.password, address.database) == parts


@pytest.mark.parametrize("url", REFUSED)
def test_refused_with_the_name_of_the_setting_and_never_its_value(url: str) -> None:
    with pytest.raises(InvalidSettings, match=r"^DATABASE_READ_URL: ") as refused:
        Address.parse(url, setting="DATABASE_READ_URL")
    assert "s3c" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(
    ("host", "mode", "verified"),
    [
        ("db.example", "", True),
        ("10.0.0.1", "", True),
        ("[2001:db8::1]", "", True),
        ("db.example", "?sslmode=require", True),
        ("db.example", "?sslmode=verify-ca", True),
        ("db.example", "?sslmode=verify-full", True),
        ("db.example", "?sslmode=disable", False),
        ("localhost", "", False),
        ("127.0.0.5", "", False),
        ("[::1]", "", False),
        ("localhost", "?sslmode=require", True),
        ("localhost.example", "", True),
        ("", "?host=/var/run/postgresql", False),
    ],
)
def test_tls_is_verified_or_absent(host: str, mode: str, verified: bool) -> None:
    tls = Address.parse(f"postgresql://ann@{host}/shop{mode}").tls
    assert (tls is not None) is verified
    if tls:
        assert tls.verify_mode == ssl.CERT_REQUIRED
        assert tls.check_hostname
        assert tls.minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("contents", [None, "not a certificate"])
def test_an_authority_that_cannot_be_read(tmp_path: Path, contents: str | None) -> None:
    file = tmp_path / "ca.pem"
    if contents is not None:
        file.write_text(contents)
    with pytest.raises(InvalidSettings, match="DATABASE_CA_FILE"):
        Address.parse("postgresql://ann@db.example/shop", ca_file=str(file))
