"""The OpenEVSE driver over real lines: a pty, and a serial server on TCP."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from drivers.chargers.base import (
    ChargerUp,
    Charging,
    Connected,
    Disconnected,
    Meter,
    Vehicle,
)
from drivers.chargers.openevse import OpenEvseCharger, OpenEvseConfig
from drivers.chargers.openevse_switch import Timings
from drivers.chargers.rapi_gate import Control
from drivers.errors import DeviceGoneError, DriverError
from tests.drivers.chargers.openevse_bench import WATTS
from tests.drivers.chargers.rapi_emulator import Build
from tests.drivers.chargers.rapi_emulator_lines import (
    PtyLine,
    TcpLine,
    byte_by_byte,
    make_line,
)
from tests.drivers.pipes import open_files, run

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from drivers.chargers.base import ChargerEvent

QUICK = Timings(check_every_s=0.01)
LINES = pytest.mark.parametrize("kind", ["pty", "tcp"])


@asynccontextmanager
async def line_of(
    kind: str, folder: Path, build: Build
) -> AsyncIterator[PtyLine | TcpLine]:
    """Run a controller behind a line of this kind."""
    build.settle_s = 0.02
    line = await make_line(kind, folder, build)
    try:
        yield line
    finally:
        await line.close()


async def change(events: AsyncGenerator[ChargerEvent]) -> ChargerEvent:
    """Return the next event that is no reading."""
    while isinstance(event := await anext(events), Meter):
        pass
    return event


@LINES
@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize(
    ("auth_lock", "control"),
    [(True, Control.AUTO), (False, Control.AUTO), (False, Control.DISABLE)],
)
def test_a_charge(
    kind: str,
    slow: bool,  # noqa: FBT001 - a table
    auth_lock: bool,  # noqa: FBT001 - a table
    control: Control,
    tmp_path: Path,
) -> None:
    """A whole charge, whatever the line and the control mode."""

    async def main() -> None:
        build = Build(auth_lock=auth_lock)
        async with line_of(kind, tmp_path, build) as line:
            if slow:
                line.mangle = byte_by_byte
            evse = line.emulator
            charger = OpenEvseCharger(
                OpenEvseConfig(port=line.url, control=control), timings=QUICK
            )
            async with aclosing(charger.events()) as events:
                up = await anext(events)
                assert isinstance(up, ChargerUp)
                assert (up.state.vehicle, up.state.wh) == (Vehicle.ABSENT, 1000)
                await charger.disable()
                evse.plug(WATTS)
                assert await change(events) == Connected()
                await charger.enable()
                assert await change(events) == Charging()
                evse.session_ws = 3600 * 500.0
                assert await charger.disable() == evse.register_wh()
                assert not evse.relay
                assert await change(events) == Connected()
                evse.unplug()
                assert await change(events) == Disconnected()
                await charger.enable()
            # Nobody listens any more, so the next one would not charge.
            evse.plug(WATTS)
            await asyncio.sleep(3 * build.settle_s)
            assert not evse.relay

    run(main())


@LINES
def test_a_hundred_times_unplugged(kind: str, tmp_path: Path) -> None:
    """Each time it says that the line is gone, and leaves nothing behind."""

    async def main() -> None:
        async with line_of(kind, tmp_path, Build()) as line:
            charger = OpenEvseCharger(OpenEvseConfig(port=line.url), timings=QUICK)

            async def once() -> None:
                async with aclosing(charger.events()) as events:
                    assert isinstance(await anext(events), ChargerUp)
                    line.unplug()
                    with pytest.raises(DriverError) as caught:
                        await anext(events)
                    assert caught.type is DeviceGoneError
                line.plug_in()

            await once()
            gc.collect()
            files, tasks = open_files(), len(asyncio.all_tasks())
            threads = threading.active_count()
            for _ in range(100):
                await once()
            gc.collect()
            await asyncio.sleep(0)
            assert threading.active_count() <= threads
            assert len(asyncio.all_tasks()) <= tasks
            assert open_files() == files

    run(main())


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    """It is named."""

    async def main() -> None:
        charger = OpenEvseCharger(OpenEvseConfig(port=str(tmp_path / "none")))
        async with aclosing(charger.events()) as events:
            with pytest.raises(DeviceGoneError, match="none"):
                await anext(events)

    run(main())
