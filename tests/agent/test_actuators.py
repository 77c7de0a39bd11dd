"""Chargers: told in order, and never believed without confirmation."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agent.actuators import CHARGER_TIMEOUT, ChargerPort
from agent.domain.messages import (
    ChargerCleared,
    ChargerFaulted,
    ChargerFound,
    ChargerLost,
    DisableEnergy,
    DisableFailed,
    EnableEnergy,
    EnableFailed,
    EnergyDisabled,
    EnergyEnabled,
    Input,
    MeterRead,
    VehicleConnected,
    VehicleDisconnected,
)
from agent.health import Health
from drivers.chargers import base
from drivers.errors import DriverError, TransientDeviceError, UnsupportedDeviceError
from tests.fakes.clock import FakeClock
from tests.fakes.hardware import FakeCharger
from tests.fakes.loop_clock import running
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ENABLE, DISABLE = EnableEnergy("E1", "S1"), DisableEnergy("E1", "S1")
FOUND = ChargerFound(evse_uid="E1", connected=False, enabled=False, wh=1000, fault=None)


class Bench:
    """One EVSE's port and its charger."""

    def __init__(self) -> None:
        self.charger = FakeCharger()
        self.inputs: list[Input] = []
        self.health = Health(FakeClock())
        self.port = ChargerPort("E1", self.charger, self.inputs.append, self.health)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the port, its charger found."""
        async with running(self.port.run()):
            await self.port.found.wait()
            self.inputs.clear()
            yield


def play(bench: Bench, story: Callable[[], Awaitable[Any]]) -> None:
    """Run the port beside a story."""

    async def main() -> None:
        async with bench.running():
            await story()

    run_virtual(main())


@pytest.fixture
def bench() -> Bench:
    """Set up an EVSE."""
    return Bench()


@pytest.mark.parametrize(
    ("state", "found"),
    [
        (
            base.ChargerState(base.Vehicle.ABSENT, enabled=False, wh=1000, fault=None),
            FOUND,
        ),
        (
            base.ChargerState(
                base.Vehicle.CONNECTED, enabled=True, wh=None, fault="GFCI"
            ),
            ChargerFound(
                evse_uid="E1", connected=True, enabled=True, wh=None, fault="GFCI"
            ),
        ),
        (
            base.ChargerState(base.Vehicle.CHARGING, enabled=True, wh=5, fault=None),
            ChargerFound(
                evse_uid="E1",
                connected=True,
                enabled=True,
                wh=5,
                fault=None,
                drawing=True,
            ),
        ),
    ],
)
def test_the_charger_says_what_state_it_is_in(
    bench: Bench, state: base.ChargerState, found: ChargerFound
) -> None:
    """The first thing the station hears of an EVSE is its real state."""
    bench.charger.state = state

    async def main() -> None:
        async with running(bench.port.run()):
            await bench.port.found.wait()

    run_virtual(main())

    assert bench.inputs == [found]
    assert bench.health.is_good("charger E1") is (state.fault is None)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (base.Connected(), VehicleConnected("E1")),
        (base.Charging(), VehicleConnected("E1", drawing=True)),
        (base.Disconnected(), VehicleDisconnected("E1")),
        (base.Meter(1234), MeterRead("E1", 1234)),
        (base.Fault("GFCI"), ChargerFaulted("E1", "GFCI")),
        (base.FaultCleared(), ChargerCleared("E1")),
        (base.ChargerDown("silent"), ChargerLost("E1")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_events_become_inputs(
    bench: Bench, event: base.ChargerEvent, message: Input
) -> None:
    """Each event of a driver is one message to the station."""

    async def story() -> None:
        bench.charger.tell(event)
        await asyncio.sleep(1)

    play(bench, story)

    assert bench.inputs == [message]


def test_a_meter_has_a_health_of_its_own(bench: Bench) -> None:
    """The charger works without it; what it delivers then is missing in the reports."""

    async def story() -> None:
        bench.charger.tell(base.MeterDown("device 2 does not answer"))
        await asyncio.sleep(1)
        meter = bench.health.conditions()[-1]
        assert (meter.part, meter.ok) == ("meter E1", False)
        assert "no reading: device 2 does not answer" in meter.detail
        assert bench.health.is_good("charger E1")
        bench.charger.tell(base.MeterUp())
        await asyncio.sleep(1)
        assert bench.health.is_good("meter E1")

    play(bench, story)

    assert bench.inputs == []


def test_commands_are_done_one_by_one_in_order(bench: Bench) -> None:
    """The next command goes out after the answer to the one before."""
    bench.charger.takes_s = 2

    async def story() -> None:
        for command in (ENABLE, DISABLE, EnableEnergy("E1", "S2")):
            bench.port.command(command)
        await asyncio.sleep(3)
        assert bench.charger.commands == ["enable", "disable"]
        await bench.port.settle()
        assert asyncio.get_running_loop().time() == 6

    play(bench, story)

    assert bench.inputs == [
        EnergyEnabled("E1", "S1"),
        EnergyDisabled("E1", "S1", 1000),
        EnergyEnabled("E1", "S2"),
    ]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TransientDeviceError("relay stuck"), "relay stuck"),
        (DriverError(), "DriverError"),
        (OSError("a bug"), "a bug"),
        (KeyError(), "KeyError"),
    ],
)
def test_a_charger_that_will_not_start_is_told_with_its_reason(
    bench: Bench, error: Exception, reason: str
) -> None:
    """Whatever the driver raises, the station hears that energy is not flowing."""
    bench.charger.failures["enable"] = [error]

    async def story() -> None:
        bench.port.command(ENABLE)
        bench.port.command(DISABLE)
        await bench.port.settle()

    play(bench, story)

    assert bench.inputs == [
        EnableFailed("E1", "S1", reason),
        EnergyDisabled("E1", "S1", 1000),
    ]


def test_a_charger_that_does_not_confirm_has_failed(bench: Bench) -> None:
    """After five seconds nobody waits any more."""
    bench.charger.takes_s = 3600

    async def story() -> None:
        bench.port.command(ENABLE)
        await bench.port.settle()
        assert asyncio.get_running_loop().time() == CHARGER_TIMEOUT.total_seconds() == 5

    play(bench, story)

    assert bench.inputs == [EnableFailed("E1", "S1", "no confirmation in time")]


@pytest.mark.parametrize("error", [TransientDeviceError("no"), OSError("a bug")])
def test_a_charger_that_did_not_stop_is_met_again(
    bench: Bench, error: Exception
) -> None:
    """The stream is reopened, so that the station learns what it does and stops it."""
    bench.charger.failures["disable"] = [error] * 3

    async def story() -> None:
        for _ in range(4):
            bench.inputs.clear()
            bench.port.command(DISABLE)
            await asyncio.sleep(60)
            if bench.inputs[0] == EnergyDisabled("E1", "S1", 1000):
                break
            assert bench.inputs == [DisableFailed("E1", "S1", str(error)), FOUND]

    play(bench, story)

    assert bench.inputs == [EnergyDisabled("E1", "S1", 1000)]
    assert bench.charger.commands == ["disable"] * 4
    assert bench.health.is_good("charger E1")


def test_a_charger_that_hangs_is_not_hurried(bench: Bench) -> None:
    """Reopening after failed stops happens later and later."""
    bench.charger.failures["disable"] = [TransientDeviceError("no")] * 10**4

    def stop_again(message: Input) -> None:
        if isinstance(message, ChargerFound):
            bench.port.command(DISABLE)

    bench.port._post = stop_again

    async def main() -> None:
        async with running(bench.port.run()):
            await asyncio.sleep(600)

    run_virtual(main())
    assert 15 < len(bench.charger.opened) < 40


def test_a_lost_charger_is_found_again(bench: Bench) -> None:
    """A driver that fails makes the EVSE unreachable until it is back."""

    async def story() -> None:
        bench.charger.tell(TransientDeviceError("cable out"))
        await asyncio.sleep(0.1)
        assert bench.inputs == [ChargerLost("E1")]
        assert not bench.health.is_good("charger E1")
        await asyncio.sleep(60)

    play(bench, story)

    assert bench.inputs == [ChargerLost("E1"), FOUND]
    assert bench.health.is_good("charger E1")


def test_commands_are_answered_although_the_stream_is_down(bench: Bench) -> None:
    """A stop is tried even with a driver that has given up listening."""

    async def story() -> None:
        bench.charger.tell(UnsupportedDeviceError("gone for good"))
        await asyncio.sleep(1)
        bench.inputs.clear()
        bench.port.command(DISABLE)
        await bench.port.settle()

    play(bench, story)

    assert bench.inputs == [EnergyDisabled("E1", "S1", 1000)]
