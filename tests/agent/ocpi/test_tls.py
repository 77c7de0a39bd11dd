"""TLS with real certificates on real sockets, and files that hold something else."""

from __future__ import annotations

import ssl
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from agent.errors import ConfigError, TransientUpstreamError
from agent.ocpi.network import Network
from agent.ocpi.tls import TlsOptions, find_certificate_trouble, make_context
from tests.agent.ocpi.servers import LOCALHOST, Scripted, fetch, http, serving

if TYPE_CHECKING:
    from collections.abc import Callable

TLS_1_2 = ssl.TLSVersion.TLSv1_2
TLS_1_3 = ssl.TLSVersion.TLSv1_3
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FAR_OFF = datetime(2037, 1, 1, tzinfo=UTC)


class Pki(NamedTuple):
    """An authority, and the files an operator may be given."""

    ca: trustme.CA
    ca_file: Path
    certificate: Path
    key: Path
    both: Path
    foreign: Path


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Make them once."""
    home = tmp_path_factory.mktemp("pki")
    files = Pki(
        trustme.CA(),
        home / "ca.pem",
        home / "certificate.pem",
        home / "key.pem",
        home / "both.pem",
        home / "foreign.pem",
    )
    files.ca.cert_pem.write_to_path(files.ca_file)
    ours = files.ca.issue_cert("station@cpo.example")
    ours.cert_chain_pems[0].write_to_path(files.certificate)
    ours.private_key_pem.write_to_path(files.key)
    ours.private_key_and_cert_chain_pem.write_to_path(files.both)
    foreign = trustme.CA().issue_cert("station@cpo.example")
    foreign.private_key_and_cert_chain_pem.write_to_path(files.foreign)
    return files


def server_of(leaf: trustme.LeafCert) -> Scripted:
    """Serve under this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return Scripted(tls=context)


def strict_server(pki: Pki, version: ssl.TLSVersion) -> Scripted:
    """Serve only those who show a certificate of our authority."""
    server = server_of(pki.ca.issue_cert(LOCALHOST))
    assert server.tls is not None
    server.tls.maximum_version = version
    server.tls.verify_mode = ssl.CERT_REQUIRED
    pki.ca.configure_trust(server.tls)
    return server


def refused(
    server: Scripted, tls: TlsOptions, *, is_clock_synchronized: bool = True
) -> str:
    """Ask and return how the failure is explained; nothing must have been sent."""
    with serving(server), pytest.raises(TransientUpstreamError) as caught:
        fetch(
            f"{server.url}/x",
            network=Network(tls=tls),
            clock_is_synchronized=lambda: is_clock_synchronized,
        )
    assert server.heads == []
    return str(caught.value)


# ---- the server's certificate ----------------------------------------------------


def test_a_private_authority(pki: Pki) -> None:
    """A server whose authority is the ca_file is spoken to, by name or address."""
    server = server_of(pki.ca.issue_cert(LOCALHOST))
    with serving(server):
        tls = TlsOptions(ca_file=pki.ca_file)
        assert fetch(f"{server.url}/x", network=Network(tls=tls)).status == 200


def test_an_intermediate_authority_may_be_the_ca_file(pki: Pki, tmp_path: Path) -> None:
    """Whoever is given only the issuing authority's certificate can use it."""
    issuing = pki.ca.create_child_ca()
    path = tmp_path / "issuing.pem"
    issuing.cert_pem.write_to_path(path)
    server = server_of(issuing.issue_cert(LOCALHOST))
    with serving(server):
        tls = TlsOptions(ca_file=path)
        assert fetch(f"{server.url}/x", network=Network(tls=tls)).status == 200


def test_an_unknown_authority(pki: Pki) -> None:
    """The operator reads which setting is missing."""
    message = refused(server_of(pki.ca.issue_cert(LOCALHOST)), TlsOptions())
    assert "GET /x: the server's certificate was not accepted" in message
    assert "set ca_file" in message


def test_another_name(pki: Pki) -> None:
    """A certificate of the right authority for another host is refused."""
    server = server_of(pki.ca.issue_cert("other.example"))
    message = refused(server, TlsOptions(ca_file=pki.ca_file))
    assert "another host name; check the URL" in message


def test_expired(pki: Pki) -> None:
    """The backend must act, unless it is our clock."""
    server = server_of(pki.ca.issue_cert(LOCALHOST, not_after=LONG_AGO))
    message = refused(server, TlsOptions(ca_file=pki.ca_file))
    assert "certificate has expired" in message
    assert "the clock of this machine reads 2" in message
    assert "the backend must renew it" in message


@pytest.mark.parametrize(
    ("synchronized", "words"),
    [
        (True, "unless that is wrong, the backend must change its certificate"),
        (False, "and was not set yet: this ends when a time server has been reached"),
    ],
)
def test_not_yet_valid(pki: Pki, words: str, *, synchronized: bool) -> None:
    """A machine that has not been told the time says so instead of blaming others."""
    server = server_of(pki.ca.issue_cert(LOCALHOST, not_before=FAR_OFF))
    message = refused(
        server,
        TlsOptions(ca_file=pki.ca_file),
        is_clock_synchronized=synchronized,
    )
    assert "not yet valid" in message
    assert "the clock of this machine reads 2" in message
    assert words in message
    assert ("was not set yet" in message) is not synchronized


def test_old_tls(pki: Pki) -> None:
    """TLS 1.1 is not spoken, though the server's authority is known."""
    server = server_of(pki.ca.issue_cert(LOCALHOST))
    assert server.tls is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        server.tls.minimum_version = ssl.TLSVersion.TLSv1_1
        server.tls.maximum_version = ssl.TLSVersion.TLSv1_1
    server.tls.set_ciphers("DEFAULT:@SECLEVEL=0")
    message = refused(server, TlsOptions(ca_file=pki.ca_file))
    assert "expected 1.2 or newer" in message


def test_no_tls_at_all() -> None:
    """A server of plain HTTP behind an https URL is recognised."""
    server = Scripted()
    with serving(server), pytest.raises(TransientUpstreamError) as caught:
        fetch(f"https://{LOCALHOST}:{server.port}/x")
    assert "does not speak TLS on this port" in str(caught.value)


def test_the_environment_changes_nothing(
    pki: Pki, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No variable makes us write down the keys of a connection."""
    keys = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    server = server_of(pki.ca.issue_cert(LOCALHOST))
    with serving(server):
        fetch(f"{server.url}/x", network=Network(tls=TlsOptions(ca_file=pki.ca_file)))
    assert not keys.exists()


# ---- our certificate -------------------------------------------------------------


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_our_certificate_is_accepted(pki: Pki, version: ssl.TLSVersion) -> None:
    """In two files or in one."""
    apart = TlsOptions(ca_file=pki.ca_file, certificate=pki.certificate, key=pki.key)
    together = TlsOptions(ca_file=pki.ca_file, certificate=pki.both)
    server = strict_server(pki, version)
    with serving(server):
        for tls in (apart, together):
            assert fetch(f"{server.url}/x", network=Network(tls=tls)).status == 200


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_our_certificate_is_missing(pki: Pki, version: ssl.TLSVersion) -> None:
    """A server that asks who we are is recognised, and the setting is named."""
    message = refused(strict_server(pki, version), TlsOptions(ca_file=pki.ca_file))
    assert "demands a client certificate" in message
    assert "set client_certificate" in message


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_our_certificate_is_refused(pki: Pki, version: ssl.TLSVersion) -> None:
    """A certificate of another authority is not a missing one."""
    tls = TlsOptions(ca_file=pki.ca_file, certificate=pki.foreign)
    message = refused(strict_server(pki, version), tls)
    assert "did not accept our client_certificate (unknown ca)" in message


NGINX = b"<html><head><title>400 %b</title></head><body></body></html>"


@pytest.mark.parametrize(
    ("title", "words"),
    [
        (b"No required SSL certificate was sent", "set client_certificate"),
        (b"The SSL certificate error", "did not accept our client_certificate"),
    ],
)
def test_a_page_about_our_certificate(title: bytes, words: str) -> None:
    """Some servers finish the handshake and complain in HTML."""
    server = Scripted(lambda _: http(NGINX % title, "400 Bad Request"))
    with serving(server), pytest.raises(TransientUpstreamError, match=words):
        fetch(f"{server.url}/x")
    assert find_certificate_trouble(200, NGINX % title) is None
    assert find_certificate_trouble(400, NGINX % b"Bad Request") is None


# ---- files -----------------------------------------------------------------------


def complaint(**files: Path) -> str:
    """Configure these and return what is wrong with them."""
    with pytest.raises(ConfigError) as caught:
        make_context(TlsOptions(**files))
    return str(caught.value)


FIELDS = [("ca_file", "ca_file"), ("certificate", "client_certificate")]


@pytest.mark.parametrize(("field", "setting"), FIELDS)
def test_files_that_hold_no_certificate(
    tmp_path: Path, field: str, setting: str
) -> None:
    """The message names the setting, the file and the cause."""
    path = tmp_path / "file.pem"
    assert complaint(**{field: path}) == (
        f"{setting}: cannot read {path}: No such file or directory"
    )
    assert f"{setting}: cannot read {tmp_path}: Is a dir" in complaint(
        **{field: tmp_path}
    )
    path.write_bytes(b"\x30\x82\x01\x00")
    assert complaint(**{field: path}) == (
        f"{setting}: {path}: expected a certificate in PEM, found none"
    )
    path.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert f"{setting}: {path}: expected certificates in PEM, got a damaged one" in (
        complaint(**{field: path})
    )


def test_a_file_we_may_not_read(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong permissions are told apart from a missing file."""

    def deny(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", deny)
    assert complaint(ca_file=pki.ca_file) == (
        f"ca_file: cannot read {pki.ca_file}: Permission denied"
    )


def test_a_certificate_without_a_key(pki: Pki) -> None:
    """The key must be in the certificate's file when it has none of its own."""
    assert complaint(certificate=pki.certificate) == (
        f"client_certificate: {pki.certificate}: "
        "expected a private key in PEM, found none"
    )


def test_a_key_without_a_certificate(pki: Pki) -> None:
    """Half of a pair is a mistake, not no pair."""
    assert "expected a client_certificate" in complaint(key=pki.key)


def test_a_key_of_another_certificate(pki: Pki) -> None:
    """A key that does not belong to the certificate is named, with both files."""
    message = complaint(certificate=pki.certificate, key=pki.foreign)
    assert message == (
        f"client_key: the private key in {pki.foreign} does not belong to the "
        f"certificate in {pki.certificate}"
    )


def test_a_damaged_key(pki: Pki, tmp_path: Path) -> None:
    """What looks like a key and is none is named."""
    path = tmp_path / "key.pem"
    path.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    message = complaint(certificate=pki.certificate, key=path)
    assert f"client_key: {path}: expected a private key in PEM, got a dam" in message


def pkcs8(pem: bytes) -> bytes:
    """Encrypt a key as it is done today."""
    return rewrite(pem, serialization.PrivateFormat.PKCS8)


def traditional(pem: bytes) -> bytes:
    """Encrypt a key as it was done once, with a header inside."""
    return rewrite(pem, serialization.PrivateFormat.TraditionalOpenSSL)


def rewrite(pem: bytes, how: serialization.PrivateFormat) -> bytes:
    """Write a key with a passphrase."""
    return load_pem_private_key(pem, None).private_bytes(
        serialization.Encoding.PEM,
        how,
        serialization.BestAvailableEncryption(b"passphrase"),
    )


@pytest.mark.parametrize("encrypt", [pkcs8, traditional])
def test_an_encrypted_key(
    pki: Pki, tmp_path: Path, encrypt: Callable[[bytes], bytes]
) -> None:
    """Nobody is asked for a passphrase: the daemon has no terminal."""
    path = tmp_path / "key.pem"
    path.write_bytes(encrypt(pki.key.read_bytes()))
    message = complaint(certificate=pki.certificate, key=path)
    assert f"client_key: {path}: the private key is encrypted" in message


def test_no_files_no_reading() -> None:
    """The system's authorities are loaded once for all backends."""
    assert make_context(TlsOptions()) is make_context(TlsOptions())
    assert make_context(TlsOptions()).minimum_version >= TLS_1_2
    assert make_context(TlsOptions()).check_hostname
