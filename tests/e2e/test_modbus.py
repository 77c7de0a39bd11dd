"""The daemon with a Modbus EVSE for its charger: from the card to the report."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Self

import pytest

from tests.drivers.modbus.server import METER_ID, Station, serve
from tests.e2e import cards
from tests.e2e.equipment import station_with
from tests.e2e.reports import the_session
from tests.e2e.tables import EVSE
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from tests.e2e.station import AgentProcess
    from tests.interop.extrawest import ExtrawestServer

pytestmark = pytest.mark.stack


class StationThread:
    """A controller that runs beside tests without a loop; a context manager."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._stack = AsyncExitStack()
        self.station = Station()
        self.evse = self.station.evse

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = self._run(
            self._stack.enter_async_context(serve(self.station, self._kind))
        )
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._run(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def go_away(self) -> None:
        """Cut the line."""
        self._run(self.station.go_away())

    def come_back(self) -> None:
        """Mend it."""
        self._run(self.station.come_back())

    def _run(self, main: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - its result
        return asyncio.run_coroutine_threadsafe(main, self._loop).result(10)


@contextmanager
def agent_with(
    emsp: ExtrawestServer, hardware: StationThread
) -> Iterator[AgentProcess]:
    """Run the daemon on that controller, synchronised."""
    charger = {
        "driver": "modbus",
        "port": hardware.port,
        "limit_amps": 16,
        "pause": "2ms",
        "poll_every": "100ms",
    }
    with station_with(emsp, charger=charger) as agent:
        yield agent


def plug(agent: AgentProcess, hardware: StationThread) -> None:
    """Plug a car in that wants energy, and return when the station knows."""
    hardware.evse.plugged = hardware.evse.wants = True
    until(lambda: agent.evse(EVSE)["vehicle"] != "absent", "the vehicle")


@pytest.mark.parametrize("kind", ["tcp", "rtu"])
def test_a_card_charges_and_the_session_is_reported(
    emsp: ExtrawestServer, kind: str
) -> None:
    """Plug, tap, charge, tap: energy flows just then, and the report says so."""
    with StationThread(kind) as hardware, agent_with(emsp, hardware) as agent:
        evse = hardware.evse
        assert evse.amps == 0
        plug(agent, hardware)
        assert not evse.delivers
        started = agent.tap(cards.ALWAYS)
        assert started["outcome"] == "started"
        until(lambda: evse.delivers, "energy")
        assert evse.amps == 16
        until(lambda: agent.evse(EVSE)["vehicle"] == "charging", "its state")
        stopped = agent.tap(cards.ALWAYS)
        assert (stopped["outcome"], stopped["reason"]) == ("stopped", "local")
        until(lambda: not evse.delivers, "the end of energy")
        *_, completed = the_session(emsp)
        assert completed["id"] == started["session_id"]
        assert completed["kwh"] == 0.0  # It has no meter.
        agent.wait_for_empty_outbox()


@pytest.mark.parametrize("kind", ["tcp", "rtu"])
def test_a_meter_on_the_same_line(emsp: ExtrawestServer, kind: str) -> None:
    """The report has the energy that the meter beside the controller has counted."""
    with StationThread(kind) as hardware, agent_with(emsp, hardware) as agent:
        agent.tables["evse"][0]["meter"] = {
            "driver": "modbus",
            "profile": "sdm72",
            "port": hardware.port,
            "device_id": METER_ID,
            "pause": "2ms",
            "poll_every": "100ms",
        }
        agent.restart()
        evse = hardware.evse
        plug(agent, hardware)
        until(lambda: agent.evse(EVSE)["meter_wh"] == 1000, "the meter's word")
        assert "1.000" in agent.cli("status").stdout
        agent.tap(cards.ALWAYS)
        until(lambda: evse.delivers, "energy")
        evse.kwh = 3.5
        until(lambda: agent.evse(EVSE)["energy_wh"] == 2500, "the reading")
        evse.kwh = 5.25
        assert agent.tap(cards.ALWAYS)["outcome"] == "stopped"
        *_, completed = the_session(emsp)
        assert completed["kwh"] == pytest.approx(4.25)
        agent.wait_for_empty_outbox()


def test_the_same_session_goes_on_after_a_restart(emsp: ExtrawestServer) -> None:
    """An orderly end switches off, a kill does not; the next start goes on."""
    with StationThread("tcp") as hardware, agent_with(emsp, hardware) as agent:
        evse = hardware.evse
        plug(agent, hardware)
        started = agent.tap(cards.ALWAYS)
        until(lambda: evse.delivers, "energy")
        agent.terminate()
        assert evse.amps == 0
        agent.start()
        until(lambda: evse.delivers, "energy again")
        agent.kill()
        assert evse.delivers
        agent.start()
        until(lambda: evse.delivers, "energy once more")
        stopped = agent.tap(cards.ALWAYS)
        assert stopped["outcome"] == "stopped"
        assert stopped["session_id"] == started["session_id"]
        until(lambda: not evse.delivers, "the end of energy")
        the_session(emsp)


@pytest.mark.parametrize("kind", ["tcp", "rtu"])
def test_the_line_is_cut_in_mid_session(emsp: ExtrawestServer, kind: str) -> None:
    """Energy is off when it is back, and goes on for the session; or ends, if stopped.

    A meter that is lost with it is told apart.
    """
    with StationThread(kind) as hardware, agent_with(emsp, hardware) as agent:
        table = agent.tables["evse"][0]
        table["charger"] |= {"comm_timeout": "300ms", "answer_timeout": "200ms"}
        table["meter"] = {
            "driver": "modbus",
            "port": hardware.port,
            "device_id": METER_ID,
            "poll_every": "100ms",
        }
        agent.restart()
        evse = hardware.evse
        plug(agent, hardware)
        started = agent.tap(cards.ALWAYS)
        until(lambda: evse.delivers, "energy")
        hardware.go_away()
        agent.expect_log(f"meter {EVSE}: down: gives no reading")
        agent.expect_log(f"charger {EVSE}: down")
        evse.kwh = 2.5
        hardware.come_back()
        agent.events.expect(event="session.recovered", session_id=started["session_id"])
        until(lambda: agent.evse(EVSE)["vehicle"] == "charging", "energy again")
        agent.wait_until_good(f"meter {EVSE}")
        assert evse.written[-2:] == [0, 16]
        hardware.go_away()
        agent.expect_log(f"charger {EVSE}: down")
        assert agent.tap(cards.ALWAYS)["event"] == "charger.failed"
        hardware.come_back()
        until(lambda: not evse.delivers, "the end of energy")
        *_, completed = the_session(emsp)
        assert completed["id"] == started["session_id"]
        assert completed["kwh"] == pytest.approx(1.5)


def test_leaving_ends_the_session(emsp: ExtrawestServer) -> None:
    """The car is unplugged: the session ends, and the next car gets nothing."""
    with StationThread("tcp") as hardware, agent_with(emsp, hardware) as agent:
        evse = hardware.evse
        plug(agent, hardware)
        assert agent.tap(cards.ALWAYS)["outcome"] == "started"
        until(lambda: evse.delivers, "energy")
        evse.plugged = False
        the_session(emsp)
        until(lambda: evse.amps == 0, "energy off")
        until(lambda: agent.evse(EVSE)["vehicle"] == "absent", "the empty socket")
        plug(agent, hardware)
        assert not evse.delivers
