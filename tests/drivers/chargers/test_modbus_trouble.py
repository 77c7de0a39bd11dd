"""The modbus charger when something is wrong: faults, losses, boots, strange states."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from drivers.chargers.base import (
    Charging,
    Connected,
    Fault,
    FaultCleared,
    Vehicle,
)
from drivers.errors import DeviceGoneError, TransientDeviceError
from tests.drivers.chargers.modbus_bench import Bench, up
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable


def test_faults() -> None:
    """A fault has its name, hides the vehicle, and keeps energy off."""

    async def main() -> None:
        async with Bench().listening() as bench:
            evse = bench.evse
            evse.plugged = evse.wants = True
            await bench.charger.enable()
            await bench.later()
            evse.failure = True
            assert await bench.later() == [Fault("failure"), Connected()]
            await bench.charger.disable()
            with pytest.raises(TransientDeviceError, match="the charger says failure"):
                await bench.charger.enable()
            evse.failure = False
            assert await bench.later() == [FaultCleared()]

    run_virtual(main())


def test_a_fault_at_the_start() -> None:
    """It is in the first snapshot."""

    async def main() -> None:
        bench = Bench()
        bench.evse.failure = True
        async with bench.listening():
            assert bench.told == [up(fault="failure")]

    run_virtual(main())


def test_a_state_that_there_is_not() -> None:
    """Read once it is passed over; read twice it is a fault."""

    async def main() -> None:
        async with Bench(poll_every=timedelta(seconds=1)).listening() as bench:
            await bench.later(0)
            bench.evse.odd_state = 77
            await bench.later(1.0)
            bench.evse.odd_state = None
            assert await bench.later(3) == []
            bench.evse.odd_state = 77
            assert await bench.later(3) == [Fault("state 77, in none of the lists")]
            bench.evse.odd_state = None
            assert await bench.later(3) == [FaultCleared()]

    run_virtual(main())


def test_states_that_there_are_not() -> None:
    """Another one each time is a fault as well, and energy is looked after."""

    async def main() -> None:
        async with Bench(poll_every=timedelta(seconds=1)).listening() as bench:
            await bench.later(0)
            told = []
            for number in range(10):
                bench.evse.odd_state = 100 + number
                told += await bench.later(1)
                if number == 5:
                    bench.evse.boot()
            assert bench.evse.amps == 0
            faults = [event for event in told if isinstance(event, Fault)]
            assert "state 101" in faults[0].name

    run_virtual(main())


def test_energy_is_looked_after_in_a_state_that_there_is_not() -> None:
    """Though it is read for the first time, and is none so far."""

    async def main() -> None:
        async with Bench(poll_every=timedelta(seconds=1)).listening() as bench:
            await bench.later(0)
            bench.evse.boot()
            bench.evse.odd_state = 77
            await bench.later(1.5)
            assert bench.evse.amps == 0

    run_virtual(main())


def test_a_state_that_is_read_wrong_at_the_start() -> None:
    """It is read again, and is no fault."""

    async def main() -> None:
        bench = Bench()
        bench.line.garble = 2
        async with bench.listening():
            assert bench.told == [up()]
            assert bench.line.garble == 0

    run_virtual(main())


def silence(bench: Bench) -> None:
    """Say nothing any more."""
    bench.line.is_silent = True


def refuse(bench: Bench) -> None:
    """Answer as a gateway does whose device is gone."""
    bench.line.refuse = 11


@pytest.mark.parametrize("lose", [silence, refuse])
def test_a_lost_controller(lose: Callable[[Bench], None]) -> None:
    """A gap is passed over; a long one is told once, and ends with energy off."""

    async def main() -> None:
        async with Bench(comm_timeout=timedelta(seconds=10)).listening() as bench:
            evse, line = bench.evse, bench.line
            evse.plugged = evse.wants = True
            await bench.charger.enable()
            await bench.later()
            lose(bench)
            assert await bench.later(8) == []
            line.is_silent, line.refuse = False, 0
            assert await bench.later(2) == []
            assert evse.delivers
            lose(bench)
            lost_at = asyncio.get_running_loop().time()
            assert await bench.later(8) == []
            assert bench.ended_at == 0
            assert await bench.later(60) == []
            assert isinstance(bench.error, TransientDeviceError)
            assert 9 <= bench.ended_at - lost_at <= 17
            assert evse.delivers  # Nobody can tell it anything.
            with pytest.raises(DeviceGoneError, match="is not open"):
                await bench.charger.enable()
            with pytest.raises(DeviceGoneError, match="is not open"):
                await bench.charger.disable()
        line.is_silent, line.refuse = False, 0
        async with bench.listening():
            assert bench.told[-1:] == [up(Vehicle.CONNECTED)]
            assert evse.amps == 0
            await bench.charger.enable()
            assert (await bench.later())[-1:] == [Charging()]

    run_virtual(main())


@pytest.mark.parametrize("lose", [silence, refuse])
def test_a_lost_controller_leaves_the_line_to_others(
    lose: Callable[[Bench], None],
) -> None:
    """Who shares its line is not held up by it: it is not asked on and on."""

    async def main() -> None:
        bench = Bench(comm_timeout=timedelta(seconds=10))
        async with bench.listening():
            lose(bench)
            await bench.later(30)
            before = bench.line.requests
            await bench.later(3600)
            assert bench.line.requests == before
            assert bench.line.users == 0

    run_virtual(main())


def test_a_lost_controller_that_comes_back_with_a_fault() -> None:
    """The vehicle that the fault hides is still there, at rest."""

    async def main() -> None:
        async with Bench(comm_timeout=timedelta(seconds=10)).listening() as bench:
            bench.evse.plugged = bench.evse.wants = True
            await bench.charger.enable()
            await bench.later()
            silence(bench)
            await bench.later(60)
        bench.line.is_silent, bench.evse.failure = False, True
        async with bench.listening():
            assert bench.told[-1:] == [up(Vehicle.CONNECTED, "failure")]

    run_virtual(main())


def test_a_controller_that_is_not_there_at_the_start() -> None:
    """The events end with the reason, for the agent to try again."""

    async def main() -> None:
        bench = Bench()
        bench.line.is_silent = True
        async with bench.listening():
            await bench.later(30)
        assert bench.told == []
        assert isinstance(bench.error, TransientDeviceError)
        assert bench.line.users == 0

    run_virtual(main())


def test_a_boot_without_a_session(caplog: pytest.LogCaptureFixture) -> None:
    """A controller that offers its own current again is switched off."""

    async def main() -> None:
        async with Bench().listening() as bench:
            evse = bench.evse
            evse.plugged = evse.wants = True
            await bench.later()
            evse.boot()
            assert evse.delivers
            await bench.later(1.5)
            assert evse.amps == 0

    with caplog.at_level(logging.WARNING):
        run_virtual(main())
    assert caplog.text.count("without a session") == 1


def test_a_controller_that_offers_energy_by_itself() -> None:
    """What cannot be switched off ends the events, so that the station knows."""

    async def main() -> None:
        bench = Bench()
        evse = bench.evse
        evse.plugged = evse.wants = True
        async with bench.listening():
            evse.boot()
            evse.is_stuck = True
            await bench.later(10)
        assert "stays charging" in str(bench.error)

    run_virtual(main())


def test_a_relay_that_is_stuck_at_rest() -> None:
    """A vehicle that charges although 0 is read ends the events, too."""

    async def main() -> None:
        bench = Bench()
        evse = bench.evse
        async with bench.listening():
            evse.is_stuck = True
            evse.plugged = evse.wants = True
            assert (evse.amps, evse.delivers) == (0, True)
            await bench.later(10)
        assert "stays charging" in str(bench.error)

    run_virtual(main())


def test_a_boot_in_a_session() -> None:
    """The limit is the station's again."""

    async def main() -> None:
        async with Bench().listening() as bench:
            evse = bench.evse
            evse.plugged = evse.wants = True
            await bench.charger.enable()
            await bench.later()
            evse.boot()
            assert evse.amps == 32
            assert await bench.later() == []
            assert (evse.amps, evse.delivers) == (16, True)

    run_virtual(main())


def test_somebody_else_switches_off() -> None:
    """The events end: switching on again is not tried faster each time."""

    async def main() -> None:
        async with Bench().listening() as bench:
            evse = bench.evse
            evse.plugged = evse.wants = True
            await bench.charger.enable()
            assert await bench.later() == [up(), Charging()]
            evse.amps = 0
            await bench.later()
            assert "switched energy off by itself" in str(bench.error)
        async with bench.listening():
            assert bench.told[-1] == up(Vehicle.CONNECTED)
            await bench.charger.enable()
            assert (await bench.later())[-1:] == [Charging()]

    run_virtual(main())


def test_no_busy_polling() -> None:
    """A minute costs two requests a second."""

    async def main() -> None:
        async with Bench(poll_every=timedelta(seconds=1)).listening() as bench:
            await bench.later()
            bench.line.requests = 0
            await bench.later(60)
            assert 30 < bench.line.requests <= 120

    run_virtual(main())
