"""Fixtures of the independent OCPI servers.

Loopback needs no opt-in: with `--allow-hosts` pytest-socket leaves sockets usable and
refuses any connect() beyond those hosts. Child processes are not under its guard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.interop.environment import (
    BUILD_TIMEOUT_S,
    SERVERS,
    EnvironmentUnavailableError,
    ServerName,
    ensure_environment,
    is_ready,
)
from tests.interop.extrawest import ExtrawestServer
from tests.interop.process import ServerProcess
from tests.interop.py_ocpi_server import PyOcpiServer
from tests.interop.samples import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave time to install a server when `make test` has not done so before."""
    missing = [f"{name}_python" for name in SERVERS if not is_ready(name)]
    for item in items:
        if set(missing) & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.timeout(2 * BUILD_TIMEOUT_S))


@pytest.fixture(scope="session")
def extrawest_python() -> Path:
    """Return the Python that has the server; skip where it cannot be installed."""
    return _python("extrawest")


@pytest.fixture(scope="session")
def py_ocpi_python() -> Path:
    """Return the Python that has the other server; skip where it cannot be."""
    return _python("py_ocpi")


@pytest.fixture
def extrawest(extrawest_python: Path) -> Iterator[ExtrawestServer]:
    """Run a fresh server without tokens; starting takes about half a second."""
    with ExtrawestServer(extrawest_python) as server:
        yield server


@pytest.fixture
def py_ocpi(py_ocpi_python: Path) -> Iterator[PyOcpiServer]:
    """Run the other server, fresh and without tokens."""
    with PyOcpiServer(py_ocpi_python) as server:
        yield server


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """Talk to either server as a registered CPO of 2.2.1."""
    with httpx.Client(headers=encoded(ServerProcess.token)) as client:
        yield client


def _python(name: ServerName) -> Path:
    try:
        return ensure_environment(name)
    except EnvironmentUnavailableError as err:
        pytest.skip(f"the OCPI server {name} cannot be installed here: {err}")
