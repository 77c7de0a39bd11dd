"""HTTPS, with and without a certificate of the client."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.reference.cpo import UID, Cpo
from tests.reference.reference import Reference
from tests.reference.server import Tls
from tests.reference.tokens import token

if TYPE_CHECKING:
    from pathlib import Path


def _make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a certificate of 127.0.0.1 that signs itself; return it and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = (
        *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
        *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", f"/CN={name}"),
        *("-addext", "subjectAltName=IP:127.0.0.1"),
        *("-keyout", str(key), "-out", str(certificate)),
    )
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@pytest.fixture(scope="module")
def server_pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make the certificate of the backend."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return _make_certificate(tmp_path_factory.mktemp("tls"), "server")


@pytest.fixture(scope="module")
def client_pair(
    server_pair: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Make the certificate of the station."""
    assert server_pair
    return _make_certificate(tmp_path_factory.mktemp("tls"), "client")


def _ask(backend: Reference, context: ssl.SSLContext) -> int:
    with httpx.Client(verify=context, trust_env=False) as client:
        return Cpo(backend, "2.2.1", client).list_tokens().status_code


def test_https(server_pair: tuple[Path, Path]) -> None:
    """Every URL is an https one, for who trusts the certificate."""
    with Reference(token(UID), tls=Tls(*server_pair)) as backend:
        assert backend.versions_url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=server_pair[0])
        assert _ask(backend, context) == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            _ask(backend, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        assert _ask(backend, context) == 200
        backend.assert_clean()


def test_mutual_tls(
    server_pair: tuple[Path, Path], client_pair: tuple[Path, Path]
) -> None:
    """Where a client's certificate is demanded, nobody else comes in."""
    tls = Tls(*server_pair, client_ca=client_pair[0])
    with Reference(token(UID), tls=tls) as backend:
        context = ssl.create_default_context(cafile=server_pair[0])
        with pytest.raises(httpx.TransportError):
            _ask(backend, context)
        assert backend.requests == []
        context.load_cert_chain(*client_pair)
        assert _ask(backend, context) == 200
        backend.assert_clean()


def test_handshake_over_tls(
    server_pair: tuple[Path, Path], client_pair: tuple[Path, Path]
) -> None:
    """The backend calls a station that serves https and wants its certificate."""
    station_tls = Tls(*server_pair, client_ca=client_pair[0])
    # Another backend stands in for a station: it serves versions and details.
    with (
        Reference(tls=station_tls) as station,
        Reference(
            station_ca=server_pair[0],
            client_certificate=client_pair,
            required=(),
        ) as backend,
    ):
        backend.station.meet(station.versions_url, station.token, "2.2.1")
        assert backend.registered is not None
        assert len(station.requests) == 2
