"""Who may come in: real tokens, a real JWKS address, API keys in DynamoDB, and a table of attacks."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.main import handler
from local import api_key
from local.aws import Aws
from local.bridge import Bridge
from rowcall.auth import OPERATOR, QUERY, Principal
from rowcall.auth.keys import ApiKeys
from rowcall.auth.tokens import JwksKeys, Tokens
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from tests.gateway import Gateway
from tests.integration.test_api import environment, problem, serving

SECRET = "8f2c1d7e6b5a49383726151403f2e1d0"
ISSUER, AUDIENCE = "https://issuer.example", "rowcall"
QUESTION = {"query": "count pending orders"}


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    told = {"sub": "ann", "tenant": "acme", "scope": "query", "iss": ISSUER, "aud": AUDIENCE, "exp": now + 60}
    return {name: value for name, value in (told | changes).items() if value is not None}


def hs256(key: str = SECRET, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, "HS256")


def jwk(name: str) -> dict[str, Any]:
    public = jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key(name).public_key(), as_dict=True)
    return {**public, "kid": name, "alg": "RS256", "use": "sig"}


class Jwks:
    """A JWKS address whose keys can be rotated; `asked` counts."""

    def __init__(self) -> None:
        self.keys = [jwk("one")]
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                body = json.dumps({"keys": outer.keys}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks.json"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def jwks() -> Iterator[Jwks]:
    served = Jwks()
    yield served
    served.server.shutdown()
    served.server.server_close()


def signing() -> dict[str, str]:
    return {"AUTH": "jwt", "JWT_SECRET": SECRET, "JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE}


@contextmanager
def signed_in(bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch, **settings: str) -> Iterator[Gateway]:
    with serving(monkeypatch, environment(bridge, database_url, **(signing() | settings))):
        yield Gateway(handler)


@pytest.fixture
def gateway(bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    with signed_in(bridge, database_url, monkeypatch) as opened:
        yield opened


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_valid_token_comes_in_and_none_does_not(gateway: Gateway) -> None:
    assert gateway.post("/api/query", QUESTION, bearer(hs256())).status == 200
    reply = gateway.post("/api/query", QUESTION)
    problem(reply, 401, "unauthenticated")
    assert reply.headers["www-authenticate"] == "Bearer"


def test_everyone_is_told_who_they_are_and_what_they_may_do(gateway: Gateway) -> None:
    reply = gateway.get("/api/me", **bearer(hs256(scope="query operator")))
    assert reply.json == {"user": "ann", "tenant": "acme", "scopes": ["operator", "query"]}
    problem(gateway.get("/api/me"), 401, "unauthenticated")
    problem(gateway.get("/api/suggestions", **bearer(hs256(scope="chat"))), 403, "forbidden")


def segments(token: str) -> list[str]:
    return token.split(".")


def encoded(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def public_pem() -> bytes:
    return rsa_key("one").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def confused() -> str:
    """The attack of RFC 8725, 2.1: an HMAC keyed with the public key of an RSA pair."""
    import hmac
    from hashlib import sha256

    signing = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': 'one'})}.{encoded(claims())}"
    mac = hmac.digest(public_pem(), signing.encode(), sha256)
    return f"{signing}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


ATTACKS: dict[str, Callable[[], str]] = {
    "alg none": lambda: f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{encoded(claims())}.",
    "alg None": lambda: f"{encoded({'alg': 'nOnE', 'typ': 'JWT'})}.{encoded(claims())}.",
    "wrong key": lambda: hs256("0" * 32),
    "another algorithm of the family": lambda: jwt.encode(claims(), SECRET * 2, "HS512"),
    "wrong audience": lambda: hs256(aud="other"),
    "no audience": lambda: hs256(aud=None),
    "wrong issuer": lambda: hs256(iss="https://evil.example"),
    "no issuer": lambda: hs256(iss=None),
    "expired": lambda: hs256(exp=int(time.time()) - 60),
    "no expiry": lambda: hs256(exp=None),
    "not yet valid": lambda: hs256(nbf=int(time.time()) + 600),
    "no subject": lambda: hs256(sub=None),
    "no tenant": lambda: hs256(tenant=None),
    "empty tenant": lambda: hs256(tenant=""),
    "tenant not text": lambda: hs256(tenant=["acme", "other"]),
    "subject not text": lambda: jwt.encode(claims(sub=7), SECRET, "HS256"),
    "key confusion": confused,
    "truncated": lambda: hs256()[:-8],
    "no signature": lambda: ".".join([*segments(hs256())[:2], ""]),
    "payload swapped": lambda: ".".join([segments(hs256())[0], encoded(claims(tenant="other")), segments(hs256())[2]]),
    "huge": lambda: hs256(padding="x" * 20_000),
    "not base64": lambda: "a.b.c",
    "empty": lambda: "",
    "deep header": lambda: f"{base64.urlsafe_b64encode(b'[' * 5000).decode()}.e30.e30",
    "kid that walks": lambda: jwt.encode(claims(), rsa_key("evil"), "RS256", {"kid": "../../etc/passwd"}),
    "own key in the header": lambda: jwt.encode(
        claims(), rsa_key("evil"), "RS256", {"kid": "evil", "jwk": jwk("evil")}
    ),
    "own address in the header": lambda: jwt.encode(claims(), rsa_key("evil"), "RS256", {"jku": "http://127.0.0.1:9"}),
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("keys", ["secret", "both"])
def test_attacks_on_tokens_are_refused(
    bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch, jwks: Jwks, attack: str, keys: str
) -> None:
    settings = {"JWT_JWKS_URL": jwks.url} if keys == "both" else {}
    with signed_in(bridge, database_url, monkeypatch, **settings) as gateway:
        reply = gateway.post("/api/query", QUESTION, bearer(ATTACKS[attack]()))
        problem(reply, 401, "unauthenticated")


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": SECRET},
        {"Authorization": "Basic YW5uOnB3"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer  "},
        {"X-Api-Key": "rc_x"},
        {"X-User": "ann", "X-Tenant": "acme"},
        {"X-Amzn-Oidc-Identity": "ann"},
        {"Cookie": "session=ann"},
    ],
)
def test_no_other_header_says_who_someone_is(gateway: Gateway, headers: dict[str, str]) -> None:
    problem(gateway.post("/api/query", QUESTION, headers), 401, "unauthenticated")


def test_a_tenant_in_the_body_is_refused(gateway: Gateway) -> None:
    reply = gateway.post("/api/query", QUESTION | {"tenant": "other"}, bearer(hs256()))
    assert problem(reply, 400, "invalid_request")["errors"][0]["field"] == "tenant"


def test_a_token_without_the_scope_is_forbidden(gateway: Gateway) -> None:
    problem(gateway.post("/api/query", QUESTION, bearer(hs256(scope="chat"))), 403, "forbidden")
    problem(gateway.post("/api/query", QUESTION, bearer(hs256(scope=None))), 403, "forbidden")


def test_tables_need_sign_in_and_health_does_not(gateway: Gateway) -> None:
    problem(gateway.get("/api/tables"), 401, "unauthenticated")
    problem(gateway.get("/api/tables/orders"), 401, "unauthenticated")
    assert gateway.get("/health").status == 200


def test_two_tenants_share_no_plan(gateway: Gateway) -> None:
    def layer(tenant: str) -> int:
        reply = gateway.post("/api/query", QUESTION, bearer(hs256(tenant=tenant)))
        return int(reply.json["meta"]["cache_layer"])

    assert [layer("acme"), layer("acme"), layer("other")] == [3, 1, 3]


def deadline() -> Deadline:
    return Deadline.after(5)


def test_keys_of_an_address_are_fetched_once_and_follow_a_rotation(jwks: Jwks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rowcall.auth.tokens.REMEMBERED_SECONDS", 0.0)
    keys = JwksKeys(jwks.url)
    tokens = Tokens(jwks=keys, issuer=ISSUER, audience=AUDIENCE)
    first = jwt.encode(claims(), rsa_key("one"), "RS256", {"kid": "one"})
    assert tokens.principal(first, deadline()) == Principal("ann", "acme", frozenset({QUERY}))
    assert tokens.principal(first, deadline()).user == "ann"
    assert jwks.asked == 1
    jwks.keys = [jwk("two")]
    second = jwt.encode(claims(), rsa_key("two"), "RS256", {"kid": "two"})
    for _ in range(5):
        with pytest.raises(Problem):
            tokens.principal(second, deadline())
    assert jwks.asked == 1, "a flood of unknown keys fetches nothing"
    monkeypatch.setattr("rowcall.auth.tokens.UNKNOWN_KEY_SECONDS", 0.0)
    assert tokens.principal(second, deadline()).user == "ann"
    with pytest.raises(Problem):
        tokens.principal(first, deadline())
    keys.close()


def test_es256_and_a_key_of_the_wrong_kind(jwks: Jwks) -> None:
    public = jwt.algorithms.ECAlgorithm.to_jwk(ec_key().public_key(), as_dict=True)
    jwks.keys.append({**public, "kid": "curve", "alg": "ES256"})
    keys = JwksKeys(jwks.url)
    tokens = Tokens(jwks=keys, issuer=ISSUER, audience=AUDIENCE)
    assert tokens.principal(jwt.encode(claims(), ec_key(), "ES256", {"kid": "curve"}), deadline()).user == "ann"
    with pytest.raises(Problem):
        tokens.principal(jwt.encode(claims(), ec_key(), "ES256", {"kid": "one"}), deadline())
    keys.close()


def test_old_keys_serve_on_while_the_address_is_down(jwks: Jwks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rowcall.auth.tokens.REMEMBERED_SECONDS", 0.0)
    keys = JwksKeys(jwks.url)
    tokens = Tokens(jwks=keys, issuer=ISSUER, audience=AUDIENCE)
    token = jwt.encode(claims(), rsa_key("one"), "RS256", {"kid": "one"})
    tokens.principal(token, deadline())
    monkeypatch.setattr("rowcall.auth.tokens.KEYS_SECONDS", 0.0)
    jwks.keys = []
    assert tokens.principal(token, deadline()).user == "ann"
    assert jwks.asked == 2
    keys.close()


@pytest.fixture
def credentials(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def table(credentials: None) -> Iterator[Any]:
    made = boto3.resource("dynamodb").create_table(
        TableName="api-keys",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield made
    made.delete()
    made.meta.client.close()


def test_an_api_key_comes_in_until_it_is_revoked(
    bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch, table: Any
) -> None:
    keys = ApiKeys(table)
    key = keys.create(user="ann", tenant="acme", scopes=[QUERY])
    stored = json.dumps(table.scan()["Items"], default=str)
    assert key not in stored
    assert key.split("_")[2] not in stored
    environ = environment(bridge, database_url, AUTH="api_key", API_KEYS_TABLE="api-keys")
    with serving(monkeypatch, environ):
        gateway = Gateway(handler)
        assert gateway.post("/api/query", QUESTION, bearer(key)).status == 200
        wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
        for credential in (wrong, key[:-1], key + "x", "rc_0000000000000000_" + "a" * 43, hs256()):
            problem(gateway.post("/api/query", QUESTION, bearer(credential)), 401, "unauthenticated")
        monkeypatch.setattr("rowcall.auth.keys.REMEMBERED_SECONDS", 0.0)
        keys.revoke(key.split("_")[1])
        problem(gateway.post("/api/query", QUESTION, bearer(key)), 401, "unauthenticated")


def test_an_expired_key_is_refused_and_scopes_must_exist(table: Any) -> None:
    keys = ApiKeys(table)
    expired = keys.create(user="ann", tenant="acme", scopes=[OPERATOR], expires=time.time() - 1)
    with pytest.raises(Problem, match="expired"):
        keys.principal(expired, deadline())
    with pytest.raises(ValueError, match="unknown scopes: root"):
        keys.create(user="ann", tenant="acme", scopes=["root"])


def test_without_its_table_signing_in_is_unavailable_and_not_refused(
    bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch, credentials: None
) -> None:
    environ = environment(bridge, database_url, AUTH="api_key", API_KEYS_TABLE="missing")
    with serving(monkeypatch, environ):
        reply = Gateway(handler).post("/api/query", QUESTION, bearer("rc_0000000000000000_" + "a" * 43))
        problem(reply, 503, "sign_in_unavailable")
        assert reply.headers["retry-after"] == "1"


def test_a_key_made_at_the_terminal_comes_in(
    bridge: Bridge,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    dynamodb: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(api_key, "served", lambda: None)
    assert api_key.main({"WHO": "ann"}) == 2
    assert api_key.main(dynamodb | {"WHO": "ann", "SCOPES": "root"}) == 2
    assert capsys.readouterr().out == ""
    assert api_key.main(dynamodb | {"WHO": "ann", "TENANT": "acme", "SCOPES": "query", "DAYS": "1"}) == 0
    told = capsys.readouterr()
    key = told.out.strip()
    assert key not in told.err
    with serving(monkeypatch, environment(bridge, database_url, AUTH="api_key", **dynamodb)) as services:
        assert Gateway(handler).post("/api/query", QUESTION, bearer(key)).status == 200
        principal = services.authenticator.principal(f"Bearer {key}", deadline())
        assert principal == Principal("ann", "acme", frozenset({QUERY}))


SMUGGLED: dict[str, tuple[dict[str, list[str]], dict[str, str] | None]] = {
    "two values": ({"Authorization": ["GOOD", "Bearer x"]}, None),
    "the same twice": ({"Authorization": ["GOOD", "GOOD"]}, None),
    "two cases": ({"Authorization": ["Bearer x"], "authorization": ["GOOD"]}, None),
    "a space after the name": ({"Authorization": ["GOOD"], "Authorization ": ["Bearer x"]}, None),
    "a tab before the name": ({"Authorization": ["GOOD"], "\tauthorization": ["Bearer x"]}, None),
    "two stories": ({"Authorization": ["GOOD"]}, {"authorization": "Bearer x"}),
    "joined": ({"Authorization": ["GOOD, Bearer x"]}, None),
    "a newline after": ({"Authorization": ["GOOD\n"]}, None),
    "a header in the value": ({"Authorization": ["GOOD\r\nX-Tenant: other"]}, None),
    "whitespace within": ({"Authorization": ["GOOD x"]}, None),
    "whitespace before": ({"Authorization": [" GOOD"]}, None),
    "a tab between": ({"Authorization": ["TAB"]}, None),
    "no value": ({"Authorization": []}, None),
    "another name": ({"X-Authorization": ["GOOD"]}, None),
}


@pytest.mark.parametrize("attack", SMUGGLED)
def test_smuggled_headers_are_refused(gateway: Gateway, attack: str) -> None:
    token = hs256()

    def put(values: list[str]) -> list[str]:
        return [value.replace("GOOD", f"Bearer {token}").replace("TAB", f"Bearer\t{token}") for value in values]

    many, single = SMUGGLED[attack]
    several = {name: put(values) for name, values in many.items()}
    reply = gateway.request("POST", "/api/query", json.dumps(QUESTION), several=several, headers=single)
    problem(reply, 401, "unauthenticated")
    assert gateway.post("/api/query", QUESTION, bearer(token)).status == 200


def test_failed_sign_ins_shut_an_address_out_and_good_ones_cost_nothing(
    bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with signed_in(bridge, database_url, monkeypatch, SIGN_IN_QUOTA="3", SIGN_IN_WINDOW="2") as gateway:

        def status(token: str, address: str) -> int:
            body = json.dumps(QUESTION)
            return gateway.request("POST", "/api/query", body, bearer(token), address=address).status

        assert status(hs256(), "192.0.2.1") == 200
        before = bridge.requests
        assert status(hs256(), "192.0.2.1") == 200
        assert bridge.requests == before + 1
        assert [status("x" * 40, "192.0.2.1") for _ in range(3)] == [401, 401, 401]
        refused = gateway.request("POST", "/api/query", json.dumps(QUESTION), bearer("wrong"), address="192.0.2.1")
        assert problem(refused, 429, "rate_limited")["violated_policies"] == ["sign_in"]
        before = bridge.requests
        assert status(hs256(), "192.0.2.1") == 429
        assert status("wrong", "192.0.2.1") == 429
        assert bridge.requests == before
        assert status(hs256(), "192.0.2.2") == 200
        time.sleep(int(refused.headers["retry-after"]))
        assert status(hs256(), "192.0.2.1") == 200


def test_a_token_is_not_remembered_past_its_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rowcall.auth.tokens.LEEWAY_SECONDS", 0)
    tokens = Tokens(secret=SECRET, issuer=ISSUER, audience=AUDIENCE)
    token = hs256(exp=int(time.time()) + 2)
    assert tokens.principal(token, deadline()) == tokens.principal(token, deadline())
    time.sleep(2.1)
    with pytest.raises(Problem):
        tokens.principal(token, deadline())
