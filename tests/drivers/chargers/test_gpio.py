"""The gpio charger: a relay that is off unless all agrees, and what its inputs tell."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from drivers.chargers.base import (
    ChargerState,
    ChargerUp,
    Charging,
    Connected,
    Disconnected,
    Fault,
    FaultCleared,
    Vehicle,
)
from drivers.chargers.gpio_socket import LOOK_EVERY_S
from drivers.errors import DeviceGoneError, TransientDeviceError
from tests.drivers.chargers.gpio_bench import FAULT, RELAY, VEHICLE, Bench
from tests.drivers.pipes import open_files
from tests.fakes.virtual_loop import StandstillError, run_virtual

if TYPE_CHECKING:
    from drivers.chargers.base import ChargerEvent


def up(vehicle: Vehicle, *, fault: str | None = None) -> ChargerEvent:
    """Build what comes first: energy is off."""
    return ChargerUp(ChargerState(vehicle, enabled=False, wh=None, fault=fault))


def with_vehicle() -> Bench:
    """Give a socket with a vehicle in it."""
    bench = Bench()
    bench.chip.drive("vehicle", active=True)
    return bench


def test_a_charge() -> None:
    """Plug, charge, stop, leave: told in order, and the relay follows the commands."""

    async def main() -> None:
        bench = Bench()
        async with bench.listening():
            assert await bench.later() == [up(Vehicle.ABSENT)]
            bench.chip.drive("vehicle", active=True)
            assert await bench.later() == [Connected()]
            assert not bench.is_on()
            await bench.charger.enable(16)
            assert bench.is_on()
            assert await bench.later() == [Charging()]
            assert await bench.charger.disable() is None
            assert not bench.is_on()
            assert await bench.later() == [Connected()]
            bench.chip.drive("vehicle", active=False)
            assert await bench.later() == [Disconnected()]

    run_virtual(main())


def test_the_lines_are_requested_as_configured() -> None:
    """The chip is asked once, for all lines by their tasks."""

    async def main() -> None:
        bench = Bench()
        async with bench.listening():
            lines = {"relay": RELAY, "vehicle": VEHICLE, "fault": FAULT}
            assert bench.chip.opened == [("pinctrl", lines)]

    run_virtual(main())


def test_energy_is_off_at_the_start_and_at_the_end() -> None:
    """Whatever was before: first the relay is off, and it is when the lines go back."""

    async def main() -> None:
        bench = with_vehicle()
        async with bench.listening():
            assert bench.chip.lines is not None
            descriptor = bench.chip.lines.fileno()
            assert bench.chip.history[0][1:] == ("relay", False)
            assert await bench.later() == [up(Vehicle.CONNECTED)]
            await bench.charger.enable()
            assert bench.is_on()
        assert not bench.is_on()
        assert bench.chip.is_free()
        # Nobody watches a number that is soon another file's.
        assert not asyncio.get_running_loop().remove_reader(descriptor)

    run_virtual(main())


def test_a_fault_opens_the_relay_at_once() -> None:
    """Before anybody is told; its end is told, and energy stays off."""

    async def main() -> None:
        bench = with_vehicle()
        async with bench.listening():
            await bench.charger.enable()
            await bench.later()
            bench.chip.drive("fault", active=True)
            assert await bench.later() == [Fault("fault input"), Connected()]
            assert not bench.is_on()
            with pytest.raises(TransientDeviceError, match="fault"):
                await bench.charger.enable()
            bench.chip.drive("fault", active=False)
            assert await bench.later() == [FaultCleared()]
            assert not bench.is_on()
            await bench.charger.enable()
            assert bench.is_on()

    run_virtual(main())


def test_leaving_opens_the_relay_at_once() -> None:
    """The next vehicle, however quick, gets nothing; it has to be enabled again."""

    async def main() -> None:
        bench = with_vehicle()
        async with bench.listening():
            await bench.charger.enable()
            await bench.later()
            bench.chip.drive("vehicle", active=False)
            bench.chip.drive("vehicle", active=True)
            assert await bench.later() == [Disconnected(), Connected()]
            assert not bench.is_on()

    run_virtual(main())


def test_no_energy_without_a_vehicle() -> None:
    """A vehicle that has left while the command was on its way gets nothing."""

    async def main() -> None:
        bench = with_vehicle()
        async with bench.listening():
            bench.chip.drive("vehicle", active=False)
            with pytest.raises(TransientDeviceError, match="no vehicle"):
                await bench.charger.enable()
            assert not bench.is_on()

    run_virtual(main())


def test_a_fault_at_the_start_is_told() -> None:
    """The state that comes first has the inputs as they are."""

    async def main() -> None:
        bench = with_vehicle()
        bench.chip.drive("fault", active=True)
        async with bench.listening():
            expected = up(Vehicle.CONNECTED, fault="fault input")
            assert await bench.later() == [expected]

    run_virtual(main())


def test_edges_that_were_lost_leave_their_level() -> None:
    """A full buffer of the kernel does not hide what the input says now."""

    async def main() -> None:
        bench = Bench()
        async with bench.listening():
            await bench.later()
            bench.chip.levels["vehicle"] = True
            assert bench.chip.lines is not None
            bench.chip.lines.feel("fault", active=False)
            assert await bench.later() == [Connected()]

    run_virtual(main())


def test_a_socket_that_cannot_tell() -> None:
    """A vehicle counts as connected at all times, and draws while it may."""

    async def main() -> None:
        bench = Bench(always_connected=True, fault=None)
        async with bench.listening():
            assert await bench.later() == [up(Vehicle.CONNECTED)]
            await bench.charger.enable()
            assert await bench.later() == [Charging()]
            await bench.charger.disable()
            assert await bench.later() == [Connected()]

    run_virtual(main())


def test_a_chip_that_is_unplugged() -> None:
    """The events end with its error, and so does a command; then it opens anew."""

    async def main() -> None:
        bench = with_vehicle()
        async with bench.listening():
            await bench.charger.enable()
            bench.chip.fail(DeviceGoneError("the chip is gone"))
            with pytest.raises(DeviceGoneError, match="the chip is gone"):
                await bench.charger.disable()
            await bench.later()
        assert bench.error is bench.chip.failure
        with pytest.raises(DeviceGoneError, match="not open"):
            await bench.charger.disable()
        bench.chip.failure = None
        async with bench.listening():
            assert not bench.is_on()
            assert (await bench.later())[-1] == up(Vehicle.CONNECTED)

    run_virtual(main())


def test_a_chip_that_vanishes_without_a_word() -> None:
    """Not every kernel wakes who waits for edges: now and then the chip is asked."""

    async def main() -> None:
        bench = Bench(always_connected=True, fault=None)
        async with bench.listening():
            await bench.later(60)
            assert bench.error is None
            bench.chip.failure = DeviceGoneError("the chip is gone")
            await bench.later(LOOK_EVERY_S)
            assert bench.error is bench.chip.failure

    run_virtual(main())


def test_a_chip_that_does_not_obey_ends_the_events() -> None:
    """The relay is not where a fault needs it: only opening anew can put that right."""

    async def main() -> None:
        bench = with_vehicle()
        async with bench.listening():
            await bench.charger.enable()
            bench.chip.disobeys = TransientDeviceError("Remote I/O error")
            bench.chip.drive("fault", active=True)
            await bench.later()
            assert bench.error is bench.chip.disobeys

    run_virtual(main())


def test_an_input_that_settles_is_read_in_time() -> None:
    """The lines say when, also between commands; nothing is left of it in the end."""
    ends: list[bool] = []

    async def main() -> None:
        bench = with_vehicle()
        async with bench.listening():
            await bench.later()
            assert bench.chip.lines is not None
            bench.chip.settles_in_s = 0.05
            await bench.charger.disable()
            bench.chip.lines.settle("vehicle", active=False)
            bench.chip.settles_in_s = None
            assert await bench.later(0.06) == [Disconnected()]
            bench.chip.settles_in_s = 0.05
            await bench.charger.disable()
        ends.append(True)
        await asyncio.Event().wait()  # For a timer that was left behind

    with pytest.raises(StandstillError):
        run_virtual(main())
    assert ends


def test_lines_of_somebody_else() -> None:
    """What the port raises ends the events, and nothing is left open."""

    async def main() -> None:
        bench = Bench()
        bench.chip.failure = TransientDeviceError("used by another program")
        async with bench.listening():
            await bench.later()
        assert bench.error is bench.chip.failure

    run_virtual(main())


def test_a_hundred_openings_leave_nothing() -> None:
    """Every descriptor and every line is given back."""

    async def main() -> None:
        bench = Bench()
        before = open_files()
        for _ in range(100):
            async with bench.listening():
                pass
        assert open_files() == before
        assert len(bench.chip.opened) == 100

    run_virtual(main())
