"""The daemon dies in mid-session, in order or not, and comes back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e import cards
from tests.e2e.reports import statuses, the_session
from tests.e2e.tables import EVSE
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.station import AgentProcess
    from tests.interop.extrawest import ExtrawestServer

pytestmark = pytest.mark.stack


def start_session(agent: AgentProcess, uid: str = cards.ALWAYS) -> str:
    """Plug in and tap; return the session's id."""
    agent.plug()
    session_id = agent.tap(uid)["session_id"]
    assert agent.is_energy_on()
    return str(session_id)


def leave(agent: AgentProcess) -> None:
    """Let the car leave while nobody looks: the charger remembers it."""
    last = agent.charger_log()[-1]
    with agent.charger_file("log").open("a") as log:
        log.write(json.dumps(last | {"vehicle": "absent", "watts": 0}) + "\n")


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_a_session_goes_on_after_the_daemon_was_away(
    agent: AgentProcess, emsp: ExtrawestServer, end: str
) -> None:
    """The same session: its energy is counted on, and its card stops it, once."""
    session_id = start_session(agent)
    agent.meter(1000)
    for energy_wh in (2000, 3000):
        getattr(agent, end)()
        assert agent.is_energy_on()
        agent.start()
        agent.expect_log("session.recovered", session_id)
        assert agent.evse()["session_id"] == session_id
        assert agent.is_energy_on()
        agent.meter(energy_wh)
    stopped = agent.tap(cards.ALWAYS)
    assert (stopped["outcome"], stopped["session_id"]) == ("stopped", session_id)
    assert not agent.is_energy_on()
    *_, completed = the_session(emsp)
    assert (completed["id"], completed["kwh"]) == (session_id, 3.0)
    agent.wait_for_empty_outbox()
    (session,) = agent.sessions()
    assert (session["stop_reason"], session["end_estimated"]) == ("local", False)


def test_energy_that_flowed_meanwhile_is_counted(
    agent: AgentProcess, emsp: ExtrawestServer
) -> None:
    """The register is the truth, whoever looked at it when."""
    start_session(agent)
    agent.meter(1000)
    agent.kill()
    last = agent.charger_log()[-1]
    with agent.charger_file("log").open("a") as log:
        log.write(json.dumps(last | {"wh": 2500}) + "\n")
    agent.start()
    agent.tap(cards.ALWAYS)
    *_, completed = the_session(emsp)
    assert completed["kwh"] == 2.5


def test_unplugging_while_the_daemon_was_killed_ends_the_session(
    agent: AgentProcess, emsp: ExtrawestServer
) -> None:
    """It ends at the start, estimated, and the next driver finds a free EVSE."""
    agent.tables["reporting"]["meter_every"] = "1ms"
    agent.restart()
    session_id = start_session(agent)
    agent.meter(1200)
    agent.kill()
    leave(agent)
    agent.start()
    assert agent.evse()["session_id"] is None
    until(lambda: not agent.is_energy_on(), "energy off")
    *_, completed = the_session(emsp)
    assert (completed["id"], completed["kwh"]) == (session_id, 1.2)
    (session,) = agent.sessions()
    assert (session["stop_reason"], session["end_estimated"]) == ("power_loss", True)
    assert agent.tap(cards.ALWAYS)["outcome"] == "granted"


def test_reports_that_were_not_delivered_survive_a_kill(
    agent: AgentProcess, emsp: ExtrawestServer
) -> None:
    """What was recorded is told after the next start."""
    emsp.stop()
    start_session(agent)
    assert agent.tap(cards.ALWAYS)["outcome"] == "stopped"
    agent.kill()
    emsp.start()
    agent.start()
    agent.wait_for_empty_outbox()
    assert statuses(emsp) == [["ACTIVE", "COMPLETED"]]


def test_energy_without_a_session_is_switched_off(agent: AgentProcess) -> None:
    """A charger found delivering on nobody's account is told to stop."""
    agent.kill()
    line = {
        "at": "2026-01-01T00:00:00Z",
        "enabled": True,
        "vehicle": "connected",
        "wh": 5,
        "fault": None,
        "watts": 0,
    }
    agent.charger_file("log").write_text(json.dumps(line) + "\n")
    agent.start()
    until(lambda: not agent.is_energy_on(), "energy off")
    assert agent.evse(EVSE)["session_id"] is None


def test_a_grant_does_not_survive_a_kill(agent: AgentProcess) -> None:
    """Plugging in after the restart starts nothing; tapping again does."""
    assert agent.tap(cards.ALWAYS)["outcome"] == "granted"
    agent.kill()
    agent.start()
    agent.plug()
    assert not agent.is_energy_on()
    assert agent.tap(cards.ALWAYS)["outcome"] == "started"


def test_killed_at_any_moment_of_a_session_its_end_is_told_once(
    agent: AgentProcess, emsp: ExtrawestServer
) -> None:
    """Right after the tap, the start, the stop: one session, one ACTIVE first."""
    moments: tuple[Callable[[], object], ...] = (
        lambda: agent.events.expect(event="tap.received"),
        lambda: agent.events.expect(event="session.started"),
        lambda: until(agent.is_energy_on, "energy"),
    )
    agent.plug()
    for moment in moments:
        agent.lay_on(cards.ALWAYS)
        moment()
        agent.kill()
        agent.start()
        if agent.evse()["session_id"] is None:
            assert not agent.is_energy_on()
            continue
        assert agent.tap(cards.ALWAYS)["outcome"] == "stopped"
    agent.wait_for_empty_outbox()
    for told in statuses(emsp):
        # A kill between the answer and the note of it makes one report twice.
        assert sorted(set(told)) == ["ACTIVE", "COMPLETED"]
        assert told == sorted(told)
