"""SIGHUP: a good file is applied, a bad one changes nothing, no session is lost."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.e2e import cards
from tests.e2e.reports import the_session
from tests.e2e.tables import EVSE, OTHER_EVSE, evse, pipe_reader

if TYPE_CHECKING:
    from tests.e2e.station import AgentProcess
    from tests.interop.extrawest import ExtrawestServer

pytestmark = pytest.mark.stack


def test_a_bad_file_changes_nothing(agent: AgentProcess) -> None:
    """The log says why, and the station goes on as it was."""
    agent.tables["authorization"] |= {"offline": "deny", "deadline": "2 parsecs"}
    agent.reload()
    agent.expect_log("reload refused")
    agent.expect_log("deadline", "parsecs")
    agent.config.write_text("[station\n")
    os.kill(agent.pid, signal.SIGHUP)
    agent.expect_log("reload refused")
    agent.config.unlink()
    os.kill(agent.pid, signal.SIGHUP)
    agent.expect_log("reload refused")
    assert agent.ask("status")["offline"] == "whitelist"
    # Heard on the same connection: nothing was built anew.
    assert agent.tap(cards.ALWAYS)["outcome"] == "granted"


def test_a_good_file_is_applied(agent: AgentProcess, emsp: ExtrawestServer) -> None:
    """New modes, a new deadline and a new reader work; systemd hears of it."""
    emsp.set_fault("delay", path="authorize", seconds=2, times=None)
    agent.tables["authorization"] |= {"offline": "deny", "deadline": "200ms"}
    agent.tables["reader"].append(pipe_reader("side"))
    agent.reload()
    agent.wait_until_ready()
    assert any("RELOADING=1" in message for message in agent.manager.messages)
    assert agent.ask("status")["offline"] == "deny"
    assert agent.tap(cards.ALWAYS, "side")["outcome"] == "granted"
    assert agent.tap(cards.ALWAYS, "front")["outcome"] == "withdrawn"
    refused = agent.tap(cards.NEVER)
    assert refused["reason"] == "offline_not_permitted"
    assert refused["latency_ms"] < 1500


def test_what_was_taken_out_of_the_file_is_spoken_of_no_more(
    agent: AgentProcess,
) -> None:
    """A reader that was down and is gone for good alarms nobody."""
    device = {"driver": "serial", "port": "/dev/nowhere", "format": "rdm6300"}
    agent.tables["reader"].append({"name": "gone"} | device)
    agent.reload()
    agent.expect_log("reader gone: down")
    agent.tables["reader"].pop()
    agent.reload()
    agent.expect_log("reloading")
    agent.expect_log("ready:")
    parts = [one["part"] for one in agent.ask("status")["parts"]]
    assert "reader front" in parts
    assert "reader gone" not in parts


def test_a_session_and_its_energy_survive(
    agent: AgentProcess, emsp: ExtrawestServer
) -> None:
    """Energy flows all the time, and the card that started stops."""
    agent.plug()
    session_id = agent.tap(cards.ALWAYS)["session_id"]
    agent.meter(700)
    agent.tables["authorization"]["offline"] = "deny"
    agent.reload()
    agent.wait_until_ready()
    assert agent.evse()["session_id"] == session_id
    # With another set of EVSEs, it is the journal that remembers the session.
    agent.tables["evse"].append(evse(OTHER_EVSE, "e2"))
    agent.reload()
    agent.wait_until_ready()
    assert agent.evse()["session_id"] == session_id
    states = [line["enabled"] for line in agent.charger_log()]
    assert states == sorted(states)
    agent.meter(900)
    assert agent.tap(cards.ALWAYS)["session_id"] == session_id
    assert not agent.is_energy_on()
    *_, completed = the_session(emsp)
    assert completed["kwh"] == 0.9


def test_a_grant_survives(agent: AgentProcess) -> None:
    """The driver who is walking to the plug notices nothing."""
    grant = agent.tap(cards.ALWAYS)
    agent.reload()
    agent.wait_until_ready()
    agent.plug()
    agent.events.expect(outcome="started", grant_id=grant["tap_id"], evse_uid=EVSE)
    assert agent.is_energy_on()


def test_the_socket_hangs_up_when_the_parts_it_asked_are_gone(
    agent: AgentProcess,
) -> None:
    """Whoever watches learns that it must ask again, instead of hearing nothing."""
    watcher = agent.events
    agent.reload()
    agent.manager.expect("READY=1", agent.is_alive)
    watcher.wait_for_end()
    agent.watch()


def test_reloading_does_not_swallow_the_order_to_stop(agent: AgentProcess) -> None:
    """SIGTERM right after SIGHUP ends the daemon, and so it does right before."""
    agent.reload()
    agent.terminate()
    agent.start()
    os.kill(agent.pid, signal.SIGTERM)
    os.kill(agent.pid, signal.SIGHUP)
    assert agent.exit_status() == 0


def test_many_reloads_in_a_row_leave_one_station(agent: AgentProcess) -> None:
    """However quickly they come, it is ready in the end and reads one tap once."""
    for _ in range(5):
        agent.reload()
    agent.manager.expect("READY=1", agent.is_alive)
    agent.terminate()
    agent.start()
    assert agent.tap(cards.ALWAYS)["outcome"] == "granted"
    taps = [event for event in agent.events.all() if event["event"] == "tap.received"]
    assert len(taps) == 1
