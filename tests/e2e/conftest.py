"""Fixtures of the daemon and of the real components around it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.e2e import cards
from tests.e2e.station import AgentProcess
from tests.interop.conftest import extrawest_python, pytest_collection_modifyitems
from tests.interop.extrawest import ExtrawestServer, HarnessError
from tests.stack.conftest import pcscd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["extrawest_python", "pcscd", "pytest_collection_modifyitems"]


@pytest.fixture(scope="session")
def lasting_emsp(extrawest_python: Path) -> Iterator[ExtrawestServer]:
    """Run one eMSP for all tests; starting it takes long."""
    with ExtrawestServer(extrawest_python) as server:
        yield server


@pytest.fixture
def emsp(lasting_emsp: ExtrawestServer) -> ExtrawestServer:
    """Give an eMSP without a past that lists some cards; tests may stop it."""
    with suppress(HarnessError):
        lasting_emsp.start()  # When the test before has stopped it.
    lasting_emsp.forget()
    lasting_emsp.set_tokens(
        cards.listed(),
        authorize={
            cards.NEVER: {"allowed": "ALLOWED", "authorization_reference": "ref-n"},
            cards.OFFLINE: {"allowed": "ALLOWED", "authorization_reference": "ref-o"},
            cards.INVALID: "ALLOWED",
            cards.UNKNOWN: {
                "allowed": "ALLOWED",
                "authorization_reference": "ref-u",
                "token": cards.token(cards.UNKNOWN, "NEVER"),
            },
        },
    )
    return lasting_emsp


@pytest.fixture
def agent(emsp: ExtrawestServer) -> Iterator[AgentProcess]:
    """Run the daemon with a pipe for a reader and a synchronised whitelist."""
    with AgentProcess(emsp) as running:
        running.wait_for_whitelist(len(cards.listed()))
        yield running
