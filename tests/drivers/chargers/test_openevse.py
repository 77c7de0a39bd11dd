"""The OpenEVSE driver through whole charges, in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta

import pytest

from drivers.chargers.base import (
    ChargerState,
    ChargerUp,
    Charging,
    Connected,
    Disconnected,
    Vehicle,
)
from drivers.chargers.openevse import OpenEvseCharger, OpenEvseConfig
from drivers.chargers.rapi_gate import Control
from drivers.errors import (
    DeviceGoneError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from tests.drivers.chargers.openevse_bench import WATTS, Bench
from tests.drivers.chargers.rapi_emulator import DISABLED, Build
from tests.drivers.chargers.rapi_emulator_lines import MemoryLine
from tests.fakes.virtual_loop import run_virtual

LOCKING = Build(auth_lock=True)
PLAIN = Build(auth_lock=False)
UNLOCKED = Build(auth_lock=True, locked_at_boot=False)
MODES = pytest.mark.parametrize(
    ("build", "control", "off"),
    [
        (LOCKING, Control.AUTO, "S4 1"),
        (LOCKING, Control.AUTH_LOCK, "S4 1"),
        (UNLOCKED, Control.AUTO, "S4 1"),
        (PLAIN, Control.AUTO, "FS"),
        (PLAIN, Control.SLEEP, "FS"),
        (PLAIN, Control.DISABLE, "FD"),
    ],
)


def up(vehicle: Vehicle, wh: int | None, *, enabled: bool = False) -> ChargerUp:
    """Build a ChargerUp without a fault."""
    return ChargerUp(ChargerState(vehicle, enabled=enabled, wh=wh, fault=None))


@MODES
def test_a_charge(build: Build, control: Control, off: str) -> None:
    """Plug, enable, draw, pause, go on, disable, leave: told in order and metered."""

    async def main() -> None:
        bench = Bench(build, control=control)
        evse, charger = bench.evse, bench.charger
        was_open = not evse.locked
        async with bench.listening():
            assert bench.told == [up(Vehicle.ABSENT, 1000, enabled=was_open)]
            evse.plug(WATTS)
            assert await bench.later() == [Connected()]
            assert not evse.delivers()
            await charger.enable()
            assert await bench.later() == [Charging()]
            assert evse.delivers()
            await bench.later(9)
            evse.draw(0)
            assert await bench.later() == [Connected()]
            evse.draw(WATTS)
            assert await bench.later() == [Charging()]
            register_wh = await charger.disable()
            assert not evse.delivers()
            assert off in evse.commands
            assert register_wh == evse.register_wh() == 1000 + evse.energy_ws // 3600
            assert register_wh == pytest.approx(1021, abs=2)
            assert await bench.later() == [Connected()]
            assert bench.meter[-1] == register_wh
            evse.unplug()
            assert await bench.later() == [Disconnected()]
            assert bench.meter == sorted(bench.meter)
            evse.plug(WATTS)
            assert await bench.later(60) == [Connected()]
            assert not evse.delivers()
            assert evse.eeprom_writes == 0

    run_virtual(main())


@MODES
def test_nobody_listens_any_more(build: Build, control: Control, off: str) -> None:
    """When events() is closed in mid-session, energy goes off."""
    del off

    async def main() -> None:
        bench = Bench(build, control=control)
        async with bench.listening():
            bench.evse.plug(WATTS)
            await bench.later()
            await bench.charger.enable()
            await bench.later()
            assert bench.evse.delivers()
        await asyncio.sleep(1)
        assert not bench.evse.delivers()
        with pytest.raises(DeviceGoneError, match="not open"):
            await bench.charger.enable()
        with pytest.raises(DeviceGoneError, match="not open"):
            await bench.charger.disable()
        # The same session goes on when it is listened to again.
        async with bench.listening():
            assert isinstance(bench.told[-1], ChargerUp)
            await bench.charger.enable()
            await bench.later()
            assert bench.evse.delivers()

    run_virtual(main())


def test_a_running_charge_is_found_as_it_is() -> None:
    """The start of a new agent leaves on what is on, and says so."""

    async def main() -> None:
        bench = Bench(PLAIN)
        bench.obey = False
        bench.evse.plug(WATTS)
        await asyncio.sleep(100.25)
        async with bench.listening():
            assert bench.told == [up(Vehicle.CHARGING, 1200, enabled=True)]
            await bench.later(30)
            assert bench.evse.delivers()
            assert bench.meter[-1] == pytest.approx(1260, abs=3)

    run_virtual(main())


def test_the_lock_must_be_there_when_it_is_demanded() -> None:
    """A build without AUTH_LOCK is named, and what to do instead."""

    async def main() -> None:
        bench = Bench(PLAIN, control=Control.AUTH_LOCK)
        async with bench.listening():
            assert isinstance(bench.error, UnsupportedDeviceError)
            assert 'control = "sleep"' in str(bench.error)

    run_virtual(main())


def test_a_controller_without_a_meter() -> None:
    """It charges, and no reading is made up."""

    async def main() -> None:
        bench = Bench(Build(meter=False))
        async with bench.listening():
            assert bench.told == [up(Vehicle.ABSENT, None)]
            bench.evse.plug(WATTS)
            await bench.later()
            await bench.charger.enable()
            assert await bench.later(10) == [Charging()]
            assert await bench.charger.disable() is None
            assert bench.meter == []

    run_virtual(main())


def test_what_the_installer_disabled_by_hand_is_seen_again() -> None:
    """At -12 V a controller sees no vehicle, so it is brought to sleep instead."""

    async def main() -> None:
        for build in (PLAIN, LOCKING):
            bench = Bench(build)
            bench.evse.state = DISABLED
            async with bench.listening():
                await bench.later()
                assert bench.evse.state != DISABLED
                bench.evse.plug(WATTS)
                assert await bench.later() == [Connected()]
                assert not bench.evse.delivers()

    run_virtual(main())


@pytest.mark.parametrize("auth_lock", [True, False])
@pytest.mark.parametrize("control", list(Control))
def test_a_boot_lock_is_cleared_at_rest(control: Control, auth_lock: bool) -> None:  # noqa: FBT001 - a table
    """Until then the controller sees no vehicle; energy stays off nevertheless."""
    if control is Control.AUTH_LOCK and not auth_lock:
        return

    async def main() -> None:
        build = Build(auth_lock=auth_lock, locked_at_boot=False, boot_lock=True)
        bench = Bench(build, control=control)
        bench.evse.plug(WATTS)
        async with bench.listening():
            assert not bench.evse.boot_locked
            await bench.later()
            assert bench.told == [up(Vehicle.CONNECTED, 1000)]
            assert not bench.evse.delivers()
            assert bench.evse.energy_ws == 0
            await bench.charger.enable()
            assert await bench.later() == [Charging()]

    run_virtual(main())


def test_a_boot_lock_stays_in_a_fault() -> None:
    """A controller that failed its own tests is told of; it goes on when mended."""

    async def main() -> None:
        bench = Bench(Build(auth_lock=False, boot_lock=True))
        bench.evse.trip(0x07)
        async with bench.listening():
            (told,) = bench.told
            assert isinstance(told, ChargerUp)
            assert told.state.fault == "NoGround"
            assert "SB" not in bench.evse.commands
            bench.evse.plug(WATTS)
            bench.evse.mend()
            await bench.later(5)
            assert not bench.evse.boot_locked
            assert bench.told[-1] == up(Vehicle.CONNECTED, 1000)
            assert bench.evse.energy_ws == 0

    run_virtual(main())


def test_a_driver_without_its_line_commands_nothing() -> None:
    """Before the first answer there is nothing that could be switched."""

    async def main() -> None:
        line = MemoryLine()
        line.emulator.deaf = 1000
        config = OpenEvseConfig(port="/dev/x", comm_timeout=timedelta(seconds=5))
        charger = OpenEvseCharger(config, open_port=line.open)

        async def listen() -> None:
            async with aclosing(charger.events()) as events:
                await anext(events)

        listener = asyncio.create_task(listen())
        await asyncio.sleep(0.5)
        with pytest.raises(TransientDeviceError, match="not answered yet"):
            await charger.enable()
        with pytest.raises(TransientDeviceError, match="expected an answer to GS"):
            await listener

    run_virtual(main())
