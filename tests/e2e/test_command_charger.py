"""The daemon with an installer's program for its charger: the one that we document."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.drivers.chargers.command_example import ExampleCharger
from tests.drivers.processes import is_running
from tests.e2e import cards
from tests.e2e.equipment import station_with
from tests.e2e.reports import the_session
from tests.e2e.station import AgentProcess
from tests.e2e.tables import EVSE, OTHER_EVSE, evse
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.extrawest import ExtrawestServer

pytestmark = pytest.mark.stack


@pytest.fixture
def charger(tmp_path: Path) -> ExampleCharger:
    """Give a charger of files, with a register that has counted before."""
    charger = ExampleCharger(tmp_path)
    charger.put("wh", 1000)
    return charger


@pytest.fixture
def agent(emsp: ExtrawestServer, charger: ExampleCharger) -> Iterator[AgentProcess]:
    """Run the daemon with that program, synchronised."""
    table = {"driver": "command", "command": charger.command, "limit_amps": 16}
    with station_with(emsp, charger=table) as running:
        yield running


def program_of(pid: int) -> int:
    """Find the program that a daemon runs."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = [int(child) for child in children.read_text().split()]
    assert len(found) == 1, found
    return found[0]


def plug(agent: AgentProcess, charger: ExampleCharger) -> None:
    """Plug a car in, and return when the station knows."""
    charger.put("vehicle", "connected")
    until(lambda: agent.evse(EVSE)["vehicle"] != "absent", "the vehicle")


def start(agent: AgentProcess, charger: ExampleCharger) -> str:
    """Plug in, tap, and let some energy flow; return the session."""
    plug(agent, charger)
    assert charger.relay == "0"
    started = agent.tap(cards.ALWAYS)
    assert started["outcome"] == "started"
    until(lambda: charger.relay == "1", "energy")
    charger.put("vehicle", "charging")
    deliver(agent, charger, 1500)
    session_id: str = started["session_id"]
    return session_id


def deliver(agent: AgentProcess, charger: ExampleCharger, register_wh: int) -> None:
    """Have the meter count, and return when the station has heard."""
    charger.put("wh", register_wh)
    until(lambda: agent.evse(EVSE)["energy_wh"] == register_wh - 1000, "the reading")


def stop(agent: AgentProcess, charger: ExampleCharger, session_id: str) -> None:
    """Tap the card that started, and return when energy is off."""
    stopped = agent.tap(cards.ALWAYS)
    assert (stopped["outcome"], stopped["reason"]) == ("stopped", "local")
    assert stopped["session_id"] == session_id
    until(lambda: charger.relay == "0", "the end of energy")


def test_a_card_charges_and_the_session_is_reported(
    agent: AgentProcess, charger: ExampleCharger, emsp: ExtrawestServer
) -> None:
    """Plug, tap, charge, tap: energy flows just then, and the report has it."""
    session_id = start(agent, charger)
    deliver(agent, charger, 5321)
    stop(agent, charger, session_id)
    *_, completed = the_session(emsp)
    assert completed["id"] == session_id
    assert completed["kwh"] == pytest.approx(4.321)
    agent.wait_for_empty_outbox()


def test_the_program_is_killed_in_mid_session(
    agent: AgentProcess, charger: ExampleCharger, emsp: ExtrawestServer
) -> None:
    """It is started anew, switches off, and the same session goes on to its end."""
    session_id = start(agent, charger)
    before = program_of(agent.pid)
    os.kill(before, signal.SIGKILL)
    agent.expect_log("the program was ended by SIGKILL")
    agent.events.expect(event="session.recovered", session_id=session_id)
    until(lambda: charger.relay == "1", "energy again")
    assert program_of(agent.pid) != before
    deliver(agent, charger, 2000)
    stop(agent, charger, session_id)
    *_, completed = the_session(emsp)
    assert completed["kwh"] == pytest.approx(1.0)


def test_the_program_is_killed_and_the_vehicle_leaves(
    agent: AgentProcess, charger: ExampleCharger, emsp: ExtrawestServer
) -> None:
    """Nobody saw it go: the session ends with what is known, and energy is off."""
    start(agent, charger)
    charger.put("vehicle", "absent")
    os.kill(program_of(agent.pid), signal.SIGKILL)
    *_, completed = the_session(emsp)
    assert completed["kwh"] == pytest.approx(0.5)
    until(lambda: charger.relay == "0", "the end of energy")
    plug(agent, charger)
    assert charger.relay == "0"


def test_the_daemon_is_killed_in_mid_session(
    agent: AgentProcess, charger: ExampleCharger, emsp: ExtrawestServer
) -> None:
    """The program switches off and ends by itself; the next start goes on."""
    session_id = start(agent, charger)
    program = program_of(agent.pid)
    agent.kill()
    until(lambda: charger.relay == "0", "energy off")
    until(lambda: not is_running(program), "the end of the program")
    agent.start()
    until(lambda: charger.relay == "1", "energy again")
    stop(agent, charger, session_id)
    the_session(emsp)


def test_the_daemon_ends_and_is_reloaded_in_mid_session(
    agent: AgentProcess, charger: ExampleCharger, emsp: ExtrawestServer
) -> None:
    """No program is left behind, energy is off between, and the session goes on."""
    session_id = start(agent, charger)
    program = program_of(agent.pid)
    agent.reload()
    agent.wait_until_ready()
    until(lambda: not is_running(program), "the end of the first program")
    until(lambda: charger.relay == "1", "energy after the reload")
    program = program_of(agent.pid)
    agent.terminate()
    assert charger.relay == "0"
    assert not is_running(program)
    agent.start()
    until(lambda: charger.relay == "1", "energy after the start")
    stop(agent, charger, session_id)
    the_session(emsp)


def test_a_program_that_is_not_there(
    emsp: ExtrawestServer, charger: ExampleCharger, tmp_path: Path
) -> None:
    """The station runs without it, says why, and finds it once it is there."""
    process = AgentProcess(emsp, start=False)
    path = tmp_path / "program"
    process.tables["evse"][0]["charger"] = {
        "driver": "command",
        "command": [str(path)],
    }
    with process as agent:
        agent.start()
        agent.expect_log(f"cannot run {path}: it, or what its first line names")
        words = " ".join(charger.command)
        path.write_text(f"#!/bin/sh\nexec {words}\n")
        path.chmod(0o755)
        plug(agent, charger)
        agent.wait_until_good(f"charger {EVSE}")


#: Switches off in the end only when another one is told to at the same time.
TWIN = """
import json, pathlib, sys, time
mine, other, done = map(pathlib.Path, sys.argv[1:])
state = {"ok": True, "vehicle": "absent", "enabled": False}
is_first = True
for line in sys.stdin:
    asked = json.loads(line)
    if asked["do"] == "disable":
        if not is_first:
            mine.touch()
            while not other.exists():
                time.sleep(0.01)
            done.touch()
        is_first = False
    print(json.dumps(state | {"id": asked["id"]}), flush=True)
"""


def test_all_chargers_are_switched_off_at_once(
    emsp: ExtrawestServer, tmp_path: Path
) -> None:
    """One that takes long to end does not keep the next from hearing of the end."""
    (tmp_path / "twin").write_text(TWIN)
    agent = AgentProcess(emsp, start=False)
    agent.tables["evse"].append(evse(OTHER_EVSE, "e2"))
    for table, names in zip(agent.tables["evse"], ("ab", "ba"), strict=True):
        files = [str(tmp_path / name) for name in (*names, f"{names[0]}.done")]
        program = [sys.executable, str(tmp_path / "twin"), *files]
        table["charger"] = {"driver": "command", "command": program}
    with agent:
        agent.start()
        agent.terminate()
    assert (tmp_path / "a.done").exists()
    assert (tmp_path / "b.done").exists()
