"""TLS to the database is verified before a word of ours is said, and cancellations use it too.

The Postgres of the tests is built without TLS, so an end of the tests' own stands in front of it.
"""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local.postgres import Postgres
from rowcall.database.address import SSL_REQUEST
from rowcall.database.connection import Database
from rowcall.deadline import Deadline
from rowcall.errors import Problem


class Authority:
    """Signs certificates; `file` is its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, folder.name)])
        self.file = folder / "ca.pem"
        self.file.write_bytes(self._sign(self._name, self._key, x509.BasicConstraints(True, 0)))

    def server(self, host: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))])
        except ValueError:
            names = x509.SubjectAlternativeName([x509.DNSName(host)])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "database")])
        certificate = self._sign(subject, key, names)
        file = self._folder / f"{host}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate
        )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file)
        return context

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
        )


class TlsEnd:
    """Ends TLS in front of Postgres. `heard` counts the bytes of clients that were told in confidence."""

    def __init__(self, server: int, context: ssl.SSLContext) -> None:
        self.connections = 0
        self.heard = 0
        self._server = server
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with plain, suppress(OSError):
            assert plain.recv(8) == SSL_REQUEST
            plain.sendall(b"S")
            with (
                self._context.wrap_socket(plain, server_side=True) as client,
                socket.create_connection(("127.0.0.1", self._server)) as server,
            ):
                self.connections += 1
                back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                back.start()
                while data := client.recv(65536):
                    self.heard += len(data)
                    server.sendall(data)
                server.shutdown(socket.SHUT_WR)
                back.join()


def _copy(server: socket.socket, client: ssl.SSLSocket) -> None:
    with suppress(OSError):
        while data := server.recv(65536):
            client.sendall(data)
        client.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def name(make_database: Callable[[str], str]) -> str:
    return make_database("")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def end(postgres: Postgres, authority: Authority) -> Iterator[TlsEnd]:
    with closing(TlsEnd(postgres.port, authority.server("127.0.0.1"))) as running:
        yield running


def url(postgres: Postgres, name: str, port: int, mode: str = "require") -> str:
    return postgres.owner_url(name).replace(f":{postgres.port}/", f":{port}/") + f"?sslmode={mode}"


def soon(seconds: float = 10) -> Deadline:
    return Deadline.after(seconds)


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_an_end_of_our_authority_is_trusted(
    postgres: Postgres, name: str, end: TlsEnd, authority: Authority, mode: str
) -> None:
    with closing(Database(url(postgres, name, end.port, mode), ca_file=str(authority.file))) as database:
        rows = database.query("SELECT repeat('x', 1000) FROM generate_series(1, 1000)", (), soon()).rows
        assert rows == [["x" * 1000]] * 1000
    assert end.connections == 1


def test_a_cancellation_goes_by_tls(postgres: Postgres, name: str, end: TlsEnd, authority: Authority) -> None:
    with closing(Database(url(postgres, name, end.port), ca_file=str(authority.file))) as database:
        database.ping(soon())
        with pytest.raises(Problem, match="deadline_exceeded"):
            database.query("SELECT pg_sleep(100)", (), soon(0.3))
        assert end.connections == 2
        until = soon()
        while postgres.sql("SELECT FROM pg_stat_activity WHERE datname = :name", name=name):
            until.left()
        database.ping(soon())


def test_an_end_of_an_unknown_authority_hears_nothing(
    postgres: Postgres, name: str, end: TlsEnd, tmp_path: Path
) -> None:
    for ca_file in ("", str(Authority(tmp_path).file)):
        with closing(Database(url(postgres, name, end.port), ca_file=ca_file)) as database:
            with pytest.raises(Problem, match="database_unavailable") as refused:
                database.ping(soon())
            assert isinstance(refused.value.__cause__, ssl.SSLCertVerificationError)
    assert end.heard == 0


def test_an_end_of_another_name_hears_nothing(postgres: Postgres, name: str, authority: Authority) -> None:
    with (
        closing(TlsEnd(postgres.port, authority.server("db.example"))) as other,
        closing(Database(url(postgres, name, other.port), ca_file=str(authority.file))) as database,
    ):
        with pytest.raises(Problem, match="database_unavailable") as refused:
            database.ping(soon())
        assert isinstance(refused.value.__cause__, ssl.SSLCertVerificationError)
        assert other.heard == 0


def test_a_server_without_tls_is_refused(postgres: Postgres, name: str) -> None:
    with closing(Database(url(postgres, name, postgres.port))) as database:
        with pytest.raises(Problem, match="database_unavailable") as refused:
            database.ping(soon())
        assert isinstance(refused.value.__cause__, ConnectionError)
    with closing(Database(url(postgres, name, postgres.port, "disable"))) as database:
        database.ping(soon())
