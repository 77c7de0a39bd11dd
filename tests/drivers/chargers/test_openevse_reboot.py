"""The OpenEVSE driver when its controller boots, or the line is away for a while."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from drivers.chargers.base import (
    ChargerState,
    ChargerUp,
    Charging,
    Connected,
    Disconnected,
    Vehicle,
)
from drivers.errors import DeviceGoneError
from tests.drivers.chargers.openevse_bench import WATTS, Bench
from tests.drivers.chargers.rapi_emulator import EV, LOCKED, SLEEP, B, Build
from tests.drivers.chargers.rapi_emulator_words import boot_line, state_line
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from drivers.chargers.base import ChargerEvent

LOCKING = Build(auth_lock=True)
UNLOCKED = Build(auth_lock=True, locked_at_boot=False)
PLAIN = Build(auth_lock=False)
WAITING = Build(auth_lock=False, boot_lock=True)
BUILDS = pytest.mark.parametrize("build", [LOCKING, UNLOCKED, PLAIN, WAITING])


def state_of(event: ChargerEvent) -> ChargerState:
    """Return what a ChargerUp says."""
    assert isinstance(event, ChargerUp)
    return event.state


@asynccontextmanager
async def charging(build: Build) -> AsyncIterator[Bench]:
    """Listen to a controller whose session has run for 10 s."""
    bench = Bench(build)
    async with bench.listening():
        bench.evse.plug(WATTS)
        await bench.later()
        await bench.charger.enable()
        await bench.later(10)
        assert bench.evse.relay
        yield bench


@BUILDS
def test_a_boot_without_a_session(build: Build) -> None:
    """Before the vehicle at the socket could draw anything, energy is off again."""

    async def main() -> None:
        bench = Bench(build)
        async with bench.listening():
            bench.evse.plug(WATTS)
            await bench.later()
            bench.evse.reboot()
            (up,) = await bench.later(10)
            state = state_of(up)
            assert (state.vehicle, state.enabled) == (Vehicle.CONNECTED, False)
            assert bench.evse.energy_ws == 0

    run_virtual(main())


@BUILDS
def test_a_boot_in_mid_session(build: Build) -> None:
    """The real state is told, with the register that has lost this vehicle's energy."""

    async def main() -> None:
        async with charging(build) as bench:
            assert bench.meter[-1] > 1010
            bench.evse.reboot()
            up, *more = await bench.later(5)
            assert state_of(up).vehicle is not Vehicle.ABSENT
            assert state_of(up).enabled is (build in (UNLOCKED, PLAIN))
            assert bench.meter[bench.meter.index(1000, 1) :][0] == 1000
            assert more in ([], [Charging()])
            # The station tells it again, and it goes on.
            await bench.charger.enable()
            await bench.later()
            assert bench.evse.relay

    run_virtual(main())


@pytest.mark.parametrize("build", [PLAIN, WAITING])
def test_a_boot_that_nobody_noticed(build: Build) -> None:
    """A register that fell tells of it, or a boot lock, whatever became of `$AB`."""

    async def main() -> None:
        async with charging(build) as bench:
            bench.evse.reboot(silent=True)
            told = await bench.later(10)
            (up,) = [event for event in told if isinstance(event, ChargerUp)]
            assert up.state.vehicle is not Vehicle.ABSENT
            assert 1000 <= (up.state.wh or 0) < 1010
            assert Disconnected() not in told

    run_virtual(main())


def test_a_boot_while_the_meter_is_read() -> None:
    """The lock that it brings is not taken for an unplugging."""

    async def main() -> None:
        async with charging(LOCKING) as bench:
            booted = boot_line() + state_line(B, 32, LOCKED | EV)

            def mangle(line: bytes) -> list[bytes]:
                if bench.evse.commands[-1] != "GU" or b"$OK" not in line:
                    return [line]
                bench.line.mangle = lambda _: []
                bench.evse.locked = True
                bench.evse._settle()
                bench.line.mangle = lambda line: [line]
                return [line + booted]

            bench.line.mangle = mangle
            up, *more = await bench.later(10)
            assert state_of(up).vehicle is Vehicle.CONNECTED
            assert more == []

    run_virtual(main())


def test_a_command_in_the_boot_is_not_lost() -> None:
    """A disable() meets the controller before or after its boot, and succeeds."""

    async def main() -> None:
        for moment_s in (0.0, 0.001, 0.0015, 0.003, 0.03, 0.06, 0.2, 0.4):
            async with charging(PLAIN) as bench:
                bench.evse.reboot()
                await asyncio.sleep(moment_s)
                async with asyncio.timeout(5):
                    await bench.charger.disable()
                await bench.later(5)
                assert bench.evse.state == SLEEP
                assert not bench.evse.relay

    run_virtual(main())


def test_an_unplug_that_nobody_saw() -> None:
    """The lock shows it: the session's vehicle has left, and here is another."""

    async def main() -> None:
        async with charging(LOCKING) as bench:
            bench.line.mangle = lambda line: [] if b"$AT" in line else [line]
            bench.evse.unplug()
            bench.evse.plug(WATTS)
            told = await bench.later(2)
            assert told == [Disconnected(), Connected()]
            assert bench.meter[-1] == bench.evse.register_wh()
            await bench.later(30)
            assert not bench.evse.relay

    run_virtual(main())


def test_another_vehicle_after_the_line_was_away() -> None:
    """It does not inherit the session: the lock tells that the first one has left."""

    async def main() -> None:
        async with charging(LOCKING) as bench:
            bench.line.cut()
            await bench.later()
            assert isinstance(bench.error, DeviceGoneError)
        bench.evse.unplug()
        bench.evse.plug(WATTS)
        bench.line.mend()
        bench.told.clear()
        async with bench.listening():
            up, connected = bench.told
            assert state_of(up).vehicle is Vehicle.ABSENT
            assert connected == Connected()
            assert bench.evse.state == B

    run_virtual(main())


@BUILDS
def test_the_same_vehicle_after_the_line_was_away(build: Build) -> None:
    """It charges all the time, and the register has counted on."""

    async def main() -> None:
        async with charging(build) as bench:
            bench.line.cut()
            await bench.later()
        await asyncio.sleep(60)
        bench.line.mend()
        async with bench.listening():
            state = state_of(bench.told[-1])
            assert (state.vehicle, state.enabled) == (Vehicle.CHARGING, True)
            assert state.wh == pytest.approx(1140, abs=5)
            assert await bench.charger.disable() == bench.evse.register_wh()

    run_virtual(main())


@BUILDS
def test_a_stop_while_the_line_was_away_is_made_up_for(build: Build) -> None:
    """Energy is off before the charger is said to be up."""

    async def main() -> None:
        async with charging(build) as bench:
            bench.line.cut()
            await bench.later()
            with pytest.raises(DeviceGoneError):
                await bench.charger.disable()
        assert bench.evse.relay
        bench.line.mend()
        async with bench.listening():
            state = state_of(bench.told[-1])
            assert (state.vehicle, state.enabled) == (Vehicle.CONNECTED, False)
            assert not bench.evse.relay

    run_virtual(main())
