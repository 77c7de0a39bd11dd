"""A station that backends can reach, invited by an independent OCPI server."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.e2e.registered import LOCATION, TARIFF
from tests.e2e.station import AgentProcess
from tests.e2e.tables import TOKEN_FILE, UPSTREAM
from tests.fakes.ports import ReservedPort

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.station import Completed
    from tests.interop.extrawest import ExtrawestServer


@contextmanager
def invited_station(
    emsp: ExtrawestServer,
    **upstream: Any,  # noqa: ANN401 - keys of [[upstream]]
) -> Iterator[AgentProcess]:
    """Run a station that has an invitation and has not registered yet.

    It tells of every change of the register at once.
    """
    with ReservedPort() as port, AgentProcess(emsp, start=False) as agent:
        agent.tables["station"] |= LOCATION
        agent.tables["tariff"] = TARIFF
        agent.tables["reporting"] = {"meter_every": "1ms", "update_every": "1ms"}
        agent.tables["server"] = {
            "public_url": f"http://127.0.0.1:{port.number}/station/ocpi",
            "listen": f"127.0.0.1:{port.number}",
        }
        agent.tables["evse"][0]["evse_id"] = "SE*ABC*E1*1"
        agent.tables["upstream"][0] |= {"handshake": True, "cdrs": True, **upstream}
        invite(agent, emsp)
        agent.start()
        yield agent


def invite(agent: AgentProcess, emsp: ExtrawestServer) -> None:
    """Put a new token for registering where the configuration says."""
    (agent.directory / TOKEN_FILE).write_text(emsp.invite())


def register(agent: AgentProcess, *options: str) -> Completed:
    """Register by the command line, and return how that went."""
    return agent.cli("register", *options, UPSTREAM)
