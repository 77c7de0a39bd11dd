"""Questions about a registration that the tests of it ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from agent.errors import HandshakeError
from tests.interop.agent_side import card

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from agent.ocpi.memory import State
    from tests.interop.extrawest import ExtrawestServer
    from tests.interop.reachable_side import ReachableSide
    from tests.interop.registration import Registration

BOTH: Final = ("2.1.1", "2.2.1")
#: The one that is listed, and another one.
CARD, OTHER = card(1), card(2)


def fail(command: Callable[[], object]) -> str:
    """Return what a person reads of a command that fails."""
    with pytest.raises(HandshakeError) as caught:
        command()
    return str(caught.value)


def state_of(agent: ReachableSide) -> State | None:
    """Say how far the registration has come."""
    return agent.registration.state if agent.registration else None


def status_of(
    agent: ReachableSide, call: Callable[[], httpx.Response]
) -> tuple[int, int]:
    """Let the server's side call us; return the HTTP and OCPI status."""
    answer = agent.while_reachable(call)
    return answer.status_code, answer.json()["status_code"]


def the_station(server: ExtrawestServer) -> Registration:
    """Return the only party that has registered with the server."""
    (station,) = server.registrations()
    return station
