"""The daemon with an OpenEVSE for its charger: from the card to the report."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.drivers.chargers.rapi_emulator import Build
from tests.drivers.chargers.rapi_emulator_lines import (
    EmulatorThread,
    make_line,
)
from tests.e2e import cards
from tests.e2e.equipment import station_with
from tests.e2e.reports import the_session
from tests.e2e.tables import EVSE
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.station import AgentProcess
    from tests.interop.extrawest import ExtrawestServer

pytestmark = pytest.mark.stack

WATTS = 7200


@contextmanager
def controller(kind: str, folder: Path, build: Build) -> Iterator[EmulatorThread]:
    """Run a controller on a pty or behind a serial server."""
    build.settle_s = 0.05
    with EmulatorThread(lambda: make_line(kind, folder, build)) as thread:
        yield thread


@contextmanager
def station(emsp: ExtrawestServer, evse: EmulatorThread) -> Iterator[AgentProcess]:
    """Run the daemon on that controller, synchronised."""
    charger = {"driver": "openevse", "port": evse.url, "limit_amps": 16}
    with station_with(emsp, charger=charger) as agent:
        yield agent


def plug(agent: AgentProcess, evse: EmulatorThread) -> None:
    """Plug a car in that wants energy, and return when the station knows."""
    evse.do(lambda emulator: emulator.plug(WATTS))
    until(lambda: agent.evse(EVSE)["vehicle"] != "absent", "the vehicle")


def is_relay_closed(evse: EmulatorThread) -> bool:
    """Whether energy can flow."""
    return evse.do(lambda emulator: emulator.relay)


def deliver(agent: AgentProcess, evse: EmulatorThread, wh: int) -> None:
    """Let so much flow at once, and return when the station has metered it."""
    evse.do(lambda emulator: setattr(emulator, "session_ws", wh * 3600.0))
    until(lambda: agent.evse(EVSE)["energy_wh"] >= wh, "the reading")


@pytest.mark.parametrize("kind", ["pty", "tcp"])
@pytest.mark.parametrize("auth_lock", [True, False])
def test_a_card_charges_and_the_session_is_reported(
    emsp: ExtrawestServer,
    tmp_path: Path,
    kind: str,
    auth_lock: bool,  # noqa: FBT001 - a table
) -> None:
    """Plug, tap, charge, tap: energy flows just then, and the report has it."""
    with (
        controller(kind, tmp_path, Build(auth_lock=auth_lock)) as evse,
        station(emsp, evse) as agent,
    ):
        plug(agent, evse)
        assert not is_relay_closed(evse)
        started = agent.tap(cards.ALWAYS)
        assert started["outcome"] == "started"
        until(lambda: is_relay_closed(evse), "energy")
        assert evse.do(lambda emulator: emulator.amps) == 16
        deliver(agent, evse, 4321)
        stopped = agent.tap(cards.ALWAYS)
        assert (stopped["outcome"], stopped["reason"]) == ("stopped", "local")
        until(lambda: not is_relay_closed(evse), "the end of energy")
        *_, completed = the_session(emsp)
        assert completed["id"] == started["session_id"]
        register_wh = evse.do(lambda emulator: emulator.register_wh())
        assert completed["kwh"] == pytest.approx((register_wh - 1000) / 1000)
        assert completed["kwh"] >= 4.321
        agent.wait_for_empty_outbox()


def test_leaving_ends_the_session(emsp: ExtrawestServer, tmp_path: Path) -> None:
    """The car is unplugged: the session ends, and the next car gets nothing."""
    with (
        controller("pty", tmp_path, Build(auth_lock=False)) as evse,
        station(emsp, evse) as agent,
    ):
        plug(agent, evse)
        assert agent.tap(cards.ALWAYS)["outcome"] == "started"
        until(lambda: is_relay_closed(evse), "energy")
        deliver(agent, evse, 100)
        evse.do(lambda emulator: emulator.unplug())
        *_, completed = the_session(emsp)
        assert completed["kwh"] >= 0.1
        until(lambda: agent.evse(EVSE)["vehicle"] == "absent", "the empty socket")
        plug(agent, evse)
        assert not is_relay_closed(evse)


@pytest.mark.parametrize("auth_lock", [True, False])
def test_the_same_session_goes_on_after_a_restart(
    emsp: ExtrawestServer,
    tmp_path: Path,
    auth_lock: bool,  # noqa: FBT001 - a table
) -> None:
    """An orderly end switches off; the next start goes on with car and session.

    After a kill the charge runs all the time.
    """
    with (
        controller("tcp", tmp_path, Build(auth_lock=auth_lock)) as evse,
        station(emsp, evse) as agent,
    ):
        plug(agent, evse)
        started = agent.tap(cards.ALWAYS)
        until(lambda: is_relay_closed(evse), "energy")
        agent.terminate()
        until(lambda: not is_relay_closed(evse), "energy off at the end")
        agent.start()
        until(lambda: is_relay_closed(evse), "energy again")
        agent.kill()
        assert is_relay_closed(evse)
        agent.start()
        stopped = agent.tap(cards.ALWAYS)
        assert stopped["outcome"] == "stopped"
        assert stopped["session_id"] == started["session_id"]
        until(lambda: not is_relay_closed(evse), "the end of energy")
        the_session(emsp)


def test_the_line_is_unplugged_in_mid_session(
    emsp: ExtrawestServer, tmp_path: Path
) -> None:
    """The charge goes on; a stop meanwhile happens as soon as the line is back."""
    with (
        controller("pty", tmp_path, Build(auth_lock=False)) as evse,
        station(emsp, evse) as agent,
    ):
        plug(agent, evse)
        started = agent.tap(cards.ALWAYS)
        deliver(agent, evse, 100)
        evse.unplug()
        agent.expect_log(f"charger {EVSE}: down", "was unplugged")
        evse.plug_in()
        agent.events.expect(event="session.recovered", session_id=started["session_id"])
        assert is_relay_closed(evse)
        deliver(agent, evse, 1000)
        evse.unplug()
        agent.expect_log(f"charger {EVSE}: down", "was unplugged")
        assert agent.tap(cards.ALWAYS)["event"] == "charger.failed"
        assert is_relay_closed(evse)
        evse.plug_in()
        until(lambda: not is_relay_closed(evse), "the end of energy")
        *_, completed = the_session(emsp)
        assert completed["id"] == started["session_id"]
        assert completed["kwh"] >= 1.0


def test_the_controller_boots_without_a_session(
    emsp: ExtrawestServer, tmp_path: Path
) -> None:
    """A car at the socket gets nothing, and a card works afterwards."""
    with (
        controller("pty", tmp_path, Build(auth_lock=False, boot_s=0.3)) as evse,
        station(emsp, evse) as agent,
    ):
        plug(agent, evse)
        evse.do(lambda emulator: emulator.reboot())
        agent.expect_log("the controller has booted")
        assert agent.tap(cards.ALWAYS)["outcome"] == "started"
        until(lambda: is_relay_closed(evse), "energy")
        assert agent.tap(cards.ALWAYS)["outcome"] == "stopped"
