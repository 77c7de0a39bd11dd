"""Fixtures of the independent OCPI server.

Loopback needs no opt-in: with `--allow-hosts` pytest-socket leaves sockets usable and
refuses any connect() beyond those hosts. Child processes are not under its guard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.environment import (
    BUILD_TIMEOUT_S,
    EnvironmentUnavailableError,
    ensure_environment,
    is_ready,
)
from tests.interop.extrawest import ExtrawestServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave time to install the server when `make test` has not done so before."""
    if is_ready():
        return
    for item in items:
        if "extrawest_python" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(2 * BUILD_TIMEOUT_S))


@pytest.fixture(scope="session")
def extrawest_python() -> Path:
    """Return the Python that has the server; skip where it cannot be installed."""
    try:
        return ensure_environment()
    except EnvironmentUnavailableError as err:
        pytest.skip(f"extrawest_ocpi cannot be installed here: {err}")


@pytest.fixture
def extrawest(extrawest_python: Path) -> Iterator[ExtrawestServer]:
    """Run a fresh server without tokens; starting takes about half a second."""
    with ExtrawestServer(extrawest_python) as server:
        yield server
