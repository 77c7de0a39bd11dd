"""Modbus chargers that share a line, some mute, and that are ended at any moment."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from drivers.chargers.modbus import ModbusCharger, ModbusConfig
from drivers.modbus.line import Lines
from tests.drivers.chargers.listening import Listener
from tests.drivers.modbus.bus import ANSWER_S, Bus
from tests.drivers.modbus.evse import CONFIG
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: What the station gives a charger for a command.
PATIENCE_S = 5.0
FOUND_S = 3.0
MOMENTS = [step * ANSWER_S / 2 for step in range(60)]  # Of two looks


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Bus:
    """Give three controllers one line."""
    bus = Bus(3)
    bus.install(monkeypatch)
    return bus


@asynccontextmanager
async def charging(bus: Bus, **config: Any) -> AsyncIterator[list[ModbusCharger]]:  # noqa: ANN401 - any key
    """Let every controller on the line charge a vehicle."""
    lines = Lines()
    chargers = [
        ModbusCharger(
            ModbusConfig(port="/dev/x", device_id=number, limit_amps=16, **config),
            lines=lines,
        )
        for number in bus.evses
    ]
    async with AsyncExitStack() as stack:
        for charger in chargers:
            await stack.enter_async_context(Listener(charger).heard())
        await asyncio.sleep(FOUND_S)
        for charger, evse in zip(chargers, bus.evses.values(), strict=True):
            evse.plugged = evse.wants = True
            await charger.enable()
            assert evse.delivers
        await asyncio.sleep(FOUND_S)
        yield chargers


@pytest.mark.parametrize("answer_ms", [500, 1000, 2000])
def test_an_end_at_any_moment_switches_off(
    monkeypatch: pytest.MonkeyPatch, answer_ms: int
) -> None:
    """Also after a request that was cut off, for which an RTU line has to rest."""

    async def main(after_s: float) -> bool:
        bus = Bus(1)
        bus.install(monkeypatch)
        async with charging(bus, answer_timeout=timedelta(milliseconds=answer_ms)):
            await asyncio.sleep(after_s)
        return bus.evses[1].delivers

    assert [at for at in MOMENTS if run_virtual(main(at))] == []


@pytest.mark.parametrize("mute", [{2}, {2, 3}])
def test_who_shares_a_line_with_a_mute_one_is_switched_in_time(
    bus: Bus, mute: set[int]
) -> None:
    """As soon as somebody says so, although each question to the other takes long."""

    async def main(after_s: float) -> None:
        async with charging(bus) as chargers:
            bus.mute = mute
            await asyncio.sleep(1 + after_s)
            async with asyncio.timeout(PATIENCE_S):
                await chargers[0].disable()
            assert not bus.evses[1].delivers
            async with asyncio.timeout(PATIENCE_S):
                await chargers[0].enable()
            assert bus.evses[1].amps == 16
        bus.mute = set()

    for moment in MOMENTS[::4]:
        run_virtual(main(moment))


@pytest.mark.parametrize("refusals", [[6], [6, 6, 6], [11, 11, 11], [5]])
def test_a_controller_that_has_no_time_now_is_told_again(
    monkeypatch: pytest.MonkeyPatch, refusals: list[int]
) -> None:
    """A device that is busy is not one that does not obey, at the end least of all."""

    async def main() -> None:
        bus = Bus(1)
        bus.install(monkeypatch)
        async with charging(bus) as (charger,):
            bus.refusals = list(refusals)
            await charger.disable()
            assert not bus.evses[1].delivers
            await charger.enable()
            await asyncio.sleep(FOUND_S)
            bus.refusals = list(refusals)
        assert not bus.evses[1].delivers

    run_virtual(main())


def test_a_busy_controller_still_counts_in_hundredths(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it does not say just now it is asked again, and is not guessed."""

    async def main() -> None:
        bus = Bus(1)
        bus.install(monkeypatch)
        bus.evses[1].is_precise = True
        bus.refusals_at = {CONFIG: 6}
        async with charging(bus):
            assert bus.evses[1].amps == 16
        assert bus.refusals_at == {}

    run_virtual(main())
