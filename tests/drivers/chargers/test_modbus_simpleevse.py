"""The modbus charger on a SimpleEVSE: who asks, who gives, and in which unit."""

from __future__ import annotations

from drivers.chargers.base import Charging, Connected, Vehicle
from drivers.chargers.modbus_config import CurrentRegister
from tests.drivers.chargers.modbus_bench import Bench, up
from tests.drivers.modbus.evse import AMPS, CHARGING, CONFIG
from tests.fakes.virtual_loop import run_virtual


def test_a_vehicle_that_goes_on_asking() -> None:
    """1002 says what the vehicle asks for: energy is off when 1006 says so."""

    async def main() -> None:
        bench = Bench()
        evse = bench.evse
        evse.plugged = evse.wants = evse.is_stubborn = True
        async with bench.listening():
            assert await bench.later() == [up(Vehicle.CONNECTED)]
            await bench.charger.enable()
            assert await bench.later() == [Charging()]
            await bench.charger.disable()
            assert (evse.state, evse.delivers) == (CHARGING, False)
            assert await bench.later(5) == [Connected()]
            assert bench.error is None

    run_virtual(main())


def test_a_controller_that_counts_hundredths() -> None:
    """With bit 7 of 2005 the amps are written a hundred times as large."""

    async def main() -> None:
        bench = Bench()
        evse = bench.evse
        evse.is_precise = evse.plugged = evse.wants = True
        async with bench.listening():
            await bench.charger.enable()
            assert evse.written == [0, 1600]
            assert (evse.amps, evse.delivers) == (16, True)
            evse.boot()
            await bench.later()
            assert evse.written == [0, 1600, 1600]
            evse.is_precise, evse.amps = False, 0
            await bench.later()
        async with bench.listening():
            # It was set up anew meanwhile.
            await bench.charger.enable()
            assert (evse.written[-1], evse.amps) == (16, 16)

    run_virtual(main())


def test_a_controller_without_a_resolution() -> None:
    """One that does not know 2005 counts amps; one's own register is believed."""

    async def main() -> None:
        bench = Bench()
        bench.line.missing = {CONFIG}
        async with bench.listening():
            await bench.charger.enable()
            assert bench.evse.written == [0, 16]
        bench = Bench(current=CurrentRegister(address=AMPS, scale=0.1))
        bench.evse.is_precise = True
        async with bench.listening():
            await bench.charger.enable()
            assert bench.evse.written == [0, 160]

    run_virtual(main())
