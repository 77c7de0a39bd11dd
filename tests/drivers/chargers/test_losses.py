"""Every charger lost in mid-session, a hundred times: found again, and nothing left."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from drivers.chargers.base import (
    ChargerDown,
    ChargerState,
    ChargerUp,
    Charging,
    Meter,
    MeterDown,
    MeterUp,
    Vehicle,
)
from drivers.chargers.metered import MeteredCharger
from drivers.errors import DriverError
from drivers.meters.modbus import ModbusMeter, ModbusMeterConfig
from drivers.modbus.line import Lines
from tests.drivers.chargers.metered_bench import FakeCharger
from tests.drivers.chargers.rigs import KINDS, rig_of
from tests.drivers.modbus.server import METER_ID, Station, serve
from tests.drivers.pipes import open_files, run

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from drivers.chargers.base import Charger, ChargerEvent

TIMES = 100
BOUND_S = 120  # A hang fails


async def follow(charger: Charger) -> AsyncGenerator[ChargerEvent]:
    """Listen as the agent does: what ends is said to be down, and opened anew."""
    while True:
        try:
            async with aclosing(charger.events()) as events:
                async for event in events:
                    yield event
        except DriverError as err:
            yield ChargerDown(str(err))
            await asyncio.sleep(0.002)


async def wait_for(
    kind: type[ChargerEvent], events: AsyncGenerator[ChargerEvent]
) -> ChargerEvent:
    """Return the next event of a kind."""
    while not isinstance(event := await anext(events), kind):
        pass
    return event


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something outside the driver."""
    while not is_so():  # noqa: ASYNC110 - a relay tells nobody
        await asyncio.sleep(0.002)


class Left:
    """What a process has open and running; taken before, and compared after."""

    def __init__(self) -> None:
        gc.collect()
        self._before = self._count()

    def check(self) -> None:
        """Fail if there is more of anything."""
        gc.collect()
        for before, after in zip(self._before, self._count(), strict=True):
            assert after <= before

    def _count(self) -> tuple[int, int, int, int]:
        children = Path("/proc/self/task") / str(os.getpid()) / "children"
        return (
            open_files(),
            len(asyncio.all_tasks()),
            threading.active_count(),
            len(children.read_text().split()),
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_losses_in_mid_session(kind: str, tmp_path: Path) -> None:
    """Each is told and ends; energy flows again when it is let, and stops at last.

    No descriptor, task, thread or process is left of any.
    """

    async def main() -> None:
        async with rig_of(kind, tmp_path) as rig:
            async with aclosing(follow(rig.charger)) as events:

                async def once() -> None:
                    await wait_for(ChargerUp, events)
                    if not rig.delivers():
                        await rig.charger.enable()
                        await wait_for(Charging, events)
                    assert rig.delivers()
                    await rig.lose()
                    await wait_for(ChargerDown, events)
                    await rig.restore()

                await once()
                left = Left()
                for _ in range(TIMES):
                    await once()
                left.check()
                await wait_for(ChargerUp, events)
                await rig.charger.enable()
                await rig.charger.disable()
                assert not rig.delivers()
                await rig.charger.enable()
                await until(rig.delivers)
            # Nobody listens any more.
            await until(lambda: not rig.delivers())

    run(main(), BOUND_S)


@pytest.mark.parametrize("kind", ["rtu", "tcp"])
def test_a_meter_is_lost_a_hundred_times(kind: str) -> None:
    """Its charger goes on, and what has flowed meanwhile is in the next reading."""

    async def main() -> None:
        station, charger = Station(), FakeCharger()
        async with serve(station, kind) as port:
            meter = ModbusMeter(
                ModbusMeterConfig(
                    port=port,
                    device_id=METER_ID,
                    pause=timedelta(milliseconds=1),
                    poll_every=timedelta(milliseconds=5),
                ),
                lines=Lines(),
            )
            metered = MeteredCharger(charger, meter)
            async with aclosing(metered.events()) as events:
                state = ChargerState(
                    Vehicle.CHARGING, enabled=True, wh=None, fault=None
                )
                charger.says.put_nowait(ChargerUp(state))
                await wait_for(MeterUp, events)

                async def once(kwh: int) -> None:
                    await station.go_away()
                    await wait_for(MeterDown, events)
                    station.evse.kwh = kwh
                    await station.come_back()
                    await wait_for(MeterUp, events)
                    assert await anext(events) == Meter(1000 * kwh)

                await once(2)
                left = Left()
                for number in range(TIMES):
                    await once(3 + number)
                left.check()

    run(main(), BOUND_S)
