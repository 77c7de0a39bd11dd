"""A station that backends can reach, in front of the reference backend."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tests.e2e.station import AgentProcess
from tests.e2e.tables import TOKEN_FILE, UPSTREAM
from tests.fakes.ports import ReservedPort

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.reference.reference import Reference

LOCATION: Final = {
    "operator": "Example Charging",
    "address": "Storgatan 1",
    "city": "Stockholm",
    "country": "SWE",
    "latitude": "59.329323",
    "longitude": "18.068581",
    "postal_code": "11122",
    "time_zone": "Europe/Stockholm",
}
TARIFF: Final = {"per_kwh": "40", "per_session": "100", "vat_percent": "25"}


@contextmanager
def reachable_station(reference: Reference, **upstream: Any) -> Iterator[AgentProcess]:  # noqa: ANN401 - keys of [[upstream]]
    """Run a station that has been invited and has not registered yet."""
    with ReservedPort() as port, AgentProcess(reference, start=False) as agent:
        agent.tables["station"] |= LOCATION
        agent.tables["tariff"] = TARIFF
        agent.tables["server"] = {
            "public_url": f"http://127.0.0.1:{port.number}/station/ocpi",
            "listen": f"127.0.0.1:{port.number}",
        }
        agent.tables["evse"][0]["evse_id"] = "SE*ABC*E1*1"
        agent.tables["upstream"][0] |= {"handshake": True, "cdrs": True, **upstream}
        agent.start()
        yield agent


def invite(agent: AgentProcess, reference: Reference) -> None:
    """Put a new token for registering where the configuration says."""
    (agent.directory / TOKEN_FILE).write_text(reference.invite())


def register(agent: AgentProcess, *options: str) -> str:
    """Register, and return what the command says."""
    done = agent.cli("register", *options, UPSTREAM)
    assert done.returncode == 0, done.stderr
    return done.stdout
