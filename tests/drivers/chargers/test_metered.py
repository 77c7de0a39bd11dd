"""A charger with a meter beside it: whose readings count, and when they are told."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from drivers.chargers.base import (
    ChargerDown,
    ChargerState,
    ChargerUp,
    Charging,
    Connected,
    Disconnected,
    Fault,
    FaultCleared,
    Meter,
    MeterDown,
    MeterUp,
    Vehicle,
)
from drivers.chargers.metered import READING_S
from drivers.errors import DeviceGoneError, FrameError, TransientDeviceError
from tests.drivers.chargers.metered_bench import Bench
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from drivers.chargers.base import ChargerEvent
    from drivers.errors import DriverError


def up(wh: int | None, vehicle: Vehicle = Vehicle.ABSENT) -> ChargerUp:
    """Say how things stand."""
    return ChargerUp(ChargerState(vehicle, enabled=False, wh=wh, fault=None))


def test_the_meter_replaces_the_chargers_own() -> None:
    """Snapshot, readings and the end of a session are the meter's."""

    async def main() -> None:
        async with Bench().listening() as bench:
            assert await bench.hears(up(wh=7)) == [up(wh=1000), MeterUp()]
            assert await bench.hears(Meter(8), Meter(9)) == []
            assert await bench.hears(Connected()) == [Connected()]
            await bench.charger.enable(16)
            assert await bench.hears(Charging()) == [Charging()]
            bench.meter.wh = 1005
            assert await bench.later(6) == [Meter(1005)]
            assert await bench.later(6) == []
            bench.meter.wh = 1010
            assert await bench.charger.disable() == 1010
            assert bench.inner.commands == ["enable 16", "disable"]

    run_virtual(main())


@pytest.mark.parametrize(
    "event", [Connected(), Charging(), Disconnected(), Fault("x"), FaultCleared()]
)
def test_a_change_has_its_reading_before_it(event: ChargerEvent) -> None:
    """So that the energy belongs to the time before the change."""

    async def main() -> None:
        async with Bench().listening() as bench:
            await bench.hears(up(7))
            bench.meter.wh = 1234
            assert await bench.hears(event) == [Meter(1234), event]

    run_virtual(main())


def test_a_lost_charger_is_told_at_once() -> None:
    """The loss needs no reading, and the next snapshot has one."""

    async def main() -> None:
        async with Bench().listening() as bench:
            await bench.hears(up(7))
            bench.meter.wh = 1234
            assert await bench.hears(ChargerDown("gone")) == [ChargerDown("gone")]
            assert await bench.hears(up(7)) == [up(1234), MeterUp()]

    run_virtual(main())


def test_an_empty_socket_is_not_metered() -> None:
    """The meter is asked while a vehicle is there, every five seconds."""

    async def main() -> None:
        async with Bench().listening() as bench:
            await bench.hears(up(7))
            bench.meter.readings = 0
            await bench.later(600)
            assert bench.meter.readings == 0
            await bench.hears(up(7, Vehicle.CONNECTED))
            bench.meter.readings = 0
            await bench.later(60)
            assert 10 <= bench.meter.readings <= 12
            await bench.hears(Disconnected())
            bench.meter.readings = 0
            await bench.later(600)
            assert bench.meter.readings == 0

    run_virtual(main())


def test_what_the_meter_reads_is_not_judged() -> None:
    """A register that falls or jumps is told as it is."""

    async def main() -> None:
        async with Bench().listening() as bench:
            await bench.hears(up(7), Connected())
            for wh in (2000, 5, 10**9):
                bench.meter.wh = wh
                assert await bench.later(6) == [Meter(wh)]

    run_virtual(main())


@pytest.mark.parametrize("error", [FrameError("got nan"), TransientDeviceError("mute")])
def test_a_meter_without_readings(error: DriverError) -> None:
    """The charger goes on without it; that is told once, and when it is back."""

    async def main() -> None:
        async with Bench().listening() as bench:
            bench.meter.wh = error
            assert await bench.hears(up(7)) == [up(None), MeterDown(str(error))]
            assert await bench.hears(Connected()) == [Connected()]
            assert await bench.later(60) == []
            assert await bench.charger.disable() is None
            bench.meter.wh = 1500
            assert await bench.later(6) == [MeterUp(), Meter(1500)]

    run_virtual(main())


def test_a_silent_meter_is_asked_at_an_empty_socket_too() -> None:
    """So that nobody is told of a trouble that has been mended."""

    async def main() -> None:
        async with Bench().listening() as bench:
            bench.meter.wh = TransientDeviceError("mute")
            await bench.hears(up(7))
            assert await bench.later(60) == []
            bench.meter.wh = 1000
            assert await bench.later(6) == [MeterUp(), Meter(1000)]
            bench.meter.readings = 0
            await bench.later(600)
            assert bench.meter.readings == 0

    run_virtual(main())


def test_a_meter_that_falls_silent_at_the_end_of_a_session() -> None:
    """It was disable() that has noticed, and events() that tells."""

    async def main() -> None:
        async with Bench().listening() as bench:
            await bench.hears(up(7, Vehicle.CONNECTED))
            bench.meter.wh = TransientDeviceError("mute")
            assert await bench.charger.disable() is None
            assert await bench.later(6) == [MeterDown("mute")]
            bench.meter.wh = 1000
            assert await bench.charger.disable() == 1000
            assert await bench.later(6) == [MeterUp()]

    run_virtual(main())


def test_a_meter_that_hangs_holds_nothing_up() -> None:
    """After a moment the change is told, and the command is done, without it."""

    async def main() -> None:
        async with Bench().listening() as bench:
            await bench.hears(up(7))
            bench.meter.takes_s = 1000
            silent = MeterDown("no answer within 1.5 s")
            assert await bench.hears(Disconnected()) == [silent, Disconnected()]
            began = asyncio.get_running_loop().time()
            assert await bench.charger.disable() is None
            took_s = asyncio.get_running_loop().time() - began
            assert took_s == pytest.approx(READING_S)

    run_virtual(main())


def test_the_chargers_error_ends_the_events() -> None:
    """It is passed on, and the meter is let go."""

    async def main() -> None:
        bench = Bench()
        bench.inner.says.put_nowait(up(7))
        bench.inner.says.put_nowait(DeviceGoneError("unplugged"))
        with pytest.raises(DeviceGoneError, match="unplugged"):
            await bench.listen_once()
        assert bench.told == [up(1000), MeterUp()]
        assert bench.meter.is_closed

    run_virtual(main())


def test_the_chargers_end_is_the_end() -> None:
    """A charger that ends by itself does so here, too."""

    async def main() -> None:
        bench = Bench()
        bench.inner.says.put_nowait(None)
        await bench.listen_once()
        assert bench.inner.is_closed

    run_virtual(main())


def test_closing_closes_both() -> None:
    """Whatever they are waiting for."""

    async def main() -> None:
        bench = Bench()
        async with bench.listening():
            await bench.hears(up(7))
        assert (bench.inner.is_closed, bench.meter.is_closed) == (True, True)
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main())


def test_closing_beside_a_reading_closes_both() -> None:
    """The charger's next event is awaited all the time, that of its reader is not."""

    async def main() -> None:
        bench = Bench()
        bench.inner.says.put_nowait(up(7, Vehicle.CONNECTED))
        async with aclosing(bench.charger.events()) as events:
            assert isinstance(await anext(events), ChargerUp)
            assert await anext(events) == MeterUp()
            bench.meter.wh = 1234
            assert await anext(events) == Meter(1234)
        assert (bench.inner.is_closed, bench.meter.is_closed) == (True, True)
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main())


def test_a_command_that_fails_is_passed_on() -> None:
    """A charger that does not confirm is not metered."""

    async def main() -> None:
        bench = Bench()

        async def fail(*_: Any) -> int:  # noqa: ANN401 - nothing is asked
            raise TransientDeviceError("no")

        bench.inner.disable = fail  # type: ignore[method-assign]  # once, here
        with pytest.raises(TransientDeviceError, match="no"):
            await bench.charger.disable()
        assert bench.meter.readings == 0

    run_virtual(main())


def test_both_are_checked() -> None:
    """What either finds is found."""
    assert [finding.what for finding in Bench().charger.check()] == ["charger", "meter"]
