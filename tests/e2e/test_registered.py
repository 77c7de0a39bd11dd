"""The daemon as a registered party, by real handshakes with the strict reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.registered import invite, reachable_station, register
from tests.e2e.tables import UPSTREAM
from tests.e2e.waiting import until
from tests.reference.reference import Reference
from tests.reference.settings import VERSIONS
from tests.reference.tokens import token

if TYPE_CHECKING:
    from tests.e2e.station import AgentProcess

pytestmark = pytest.mark.stack

CARD = "04A1B2C3D4E5F6"
REVOKED = token(
    CARD, whitelist="ALWAYS", valid=False, last_updated="2026-02-02T00:00:00Z"
)


def backend(*versions: str) -> Reference:
    """Make a backend that knows one card and can only be registered with."""
    card = token(CARD, whitelist="ALWAYS")
    return Reference(card, versions=versions or VERSIONS, provisioned_token=None)


def state_of(agent: AgentProcess) -> object:
    """Say how the registration stands, as `status` shows it."""
    (upstream,) = agent.ask("status")["upstreams"]
    return upstream["registration"]


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_in_every_version(version: str) -> None:
    """Register, charge, be told of a revoked card, be fetched from, rotate, leave."""
    with backend(version) as reference, reachable_station(reference) as agent:
        assert state_of(agent) is None
        said = register(agent)
        assert f"OCPI {version}" in said
        agent.wait_for_whitelist(1)

        agent.plug()
        assert agent.tap(CARD)["outcome"] == "started"
        agent.draw(7400)
        agent.meter(5000)
        assert agent.tap(CARD)["outcome"] == "stopped"
        until(lambda: reference.cdrs, "a CDR")
        agent.wait_for_empty_outbox()
        (session,) = reference.sessions.values()
        assert (session["status"], session["kwh"]) == ("COMPLETED", 5.0)
        assert reference.station.get_sessions(date_from="2026-01-01T00:00:00Z") == [
            session
        ]
        assert reference.station.get_cdrs() == reference.cdrs

        assert reference.station.push_token(REVOKED).is_success
        refused = agent.tap(CARD)
        assert (refused["outcome"], refused["reason"]) == ("refused", "invalid")

        before = reference.token
        assert agent.cli("rotate-credentials", UPSTREAM).returncode == 0
        assert reference.token != before
        assert agent.cli("sync", "--full").returncode == 0
        assert reference.station.get_token(REVOKED).is_success
        assert agent.cli("unregister", UPSTREAM).returncode == 0
        assert state_of(agent) is None
        agent.unplug()
        reference.assert_clean()


def test_the_newest_common_version_is_agreed_on() -> None:
    """Of all three it is 2.3.0."""
    with backend() as reference, reachable_station(reference) as agent:
        assert "OCPI 2.3.0" in register(agent)
        reference.assert_clean()


def test_the_backend_may_renew_and_end_it() -> None:
    """After its own PUT everything goes on; after its DELETE a person is told."""
    with backend("2.2.1") as reference, reachable_station(reference) as agent:
        register(agent)
        agent.wait_for_whitelist(1)
        assert reference.station.rotate().is_success
        assert agent.cli("sync", "--full").returncode == 0
        assert reference.station.unregister().is_success
        until(lambda: state_of(agent) == "ended", "the end of the registration")
        assert agent.cli("status").returncode == 1
        invite(agent, reference)
        register(agent)
        assert agent.cli("sync", "--full").returncode == 0
        reference.assert_clean()


def test_a_registration_outlives_a_kill() -> None:
    """The next start uses the tokens of the handshake, and not the invitation."""
    with backend("2.2.1") as reference, reachable_station(reference) as agent:
        register(agent)
        agent.kill()
        agent.start()
        agent.wait_for_whitelist(1)
        assert state_of(agent) == "registered"
        reference.assert_clean()
