"""A server that can be registered with, and our side before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.extrawest import ExtrawestServer
from tests.interop.reachable_side import ReachableSide
from tests.interop.registered.exchanges import BOTH, CARD
from tests.interop.samples import make_token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="package")
def lasting(extrawest_python: Path) -> Iterator[ExtrawestServer]:
    """Run one server with both versions for all tests here."""
    with ExtrawestServer(extrawest_python, versions=BOTH) as server:
        yield server


@pytest.fixture
def server(lasting: ExtrawestServer) -> ExtrawestServer:
    """Give a server without a past that lists one card."""
    lasting.forget()
    lasting.set_tokens([make_token(CARD)])
    return lasting


@pytest.fixture(params=BOTH)
def invited(
    server: ExtrawestServer, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[ReachableSide]:
    """Be invited in each version, and not registered yet."""
    invitation = server.invite()
    with ReachableSide(
        server, tmp_path, invitation=invitation, version=request.param
    ) as agent:
        yield agent


@pytest.fixture
def agent(invited: ReachableSide) -> ReachableSide:
    """Be registered, with a whitelist in force."""
    invited.register()
    invited.sync()
    return invited
