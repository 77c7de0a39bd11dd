"""Fixtures of the reference backend's own tests."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.reference.cpo import UID, Cpo
from tests.reference.reference import Reference
from tests.reference.settings import VERSIONS
from tests.reference.small_station import SmallStation
from tests.reference.tokens import token

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """Open a plain HTTP client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with httpx.Client(trust_env=False, timeout=20, verify=context) as opened:
        yield opened


@pytest.fixture
def backend() -> Iterator[Reference]:
    """Run a backend of every version that knows one card."""
    card = token(UID, contract_id="NL-TNM-C00112233")
    with Reference(card) as running:
        yield running


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Run a test in each version."""
    return str(request.param)


@pytest.fixture
def cpo(backend: Reference, client: httpx.Client, version: str) -> Cpo:
    """Speak each version; the card has been listed, so that it may be used."""
    speaking = Cpo(backend, version, client)
    assert speaking.list_tokens().status_code == 200
    return speaking


@pytest.fixture
def new_cpo(backend: Reference, client: httpx.Client) -> Cpo:
    """Speak 2.2.1, where one version is enough to show something."""
    speaking = Cpo(backend, "2.2.1", client)
    assert speaking.list_tokens().status_code == 200
    return speaking


@pytest.fixture
def hosting() -> Iterator[Reference]:
    """Run a backend that gives no token without a handshake."""
    with Reference(token(UID), provisioned_token=None) as running:
        yield running


@pytest.fixture
def station(version: str) -> Iterator[SmallStation]:
    """Run a station of each version."""
    with SmallStation(version) as running:
        yield running


@pytest.fixture
def guest(hosting: Reference, client: httpx.Client, version: str) -> Cpo:
    """Speak with a TOKEN_A."""
    return Cpo(hosting, version, client, token=hosting.invite())
