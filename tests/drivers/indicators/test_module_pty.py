"""Lights of serial readers on real terminals: shown, torn off, shown again, dark."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from drivers.errors import DeviceGoneError
from drivers.indicators.base import Signal
from drivers.indicators.module import ModuleIndicator
from drivers.indicators.module_panels import ModuleIndicatorConfig
from drivers.readers.base import CardArrived, ReaderEvent
from drivers.readers.serial import SerialReader, SerialReaderConfig
from tests.drivers.indicators.module_bench import ALL, Make, lit
from tests.drivers.indicators.showing import Screen
from tests.drivers.pipes import open_files, run
from tests.drivers.serial_bench import Pty

if TYPE_CHECKING:
    from pathlib import Path

    from tests.drivers.readers.modules import Emulator

UID = bytes.fromhex("04A1B2C3D4E5F6")
makes = pytest.mark.parametrize("make", ALL, ids=repr)


class Station:
    """A reader at this path and its indicator, which look and show often."""

    def __init__(self, make: Make, port: Path) -> None:
        config = SerialReaderConfig(
            port=str(port),
            format=make.format,
            crc=make.crc,
            poll_every=timedelta(milliseconds=5),
        )
        self.events = asyncio.Queue[ReaderEvent]()
        self.reader = SerialReader(config)
        indicator = ModuleIndicator(ModuleIndicatorConfig(**make.options))
        indicator.attach(self.reader)
        self.indicator = Screen(indicator)

    async def read(self) -> None:
        """Take events until the reader is torn off."""
        with suppress(DeviceGoneError):
            async with aclosing(self.reader.events()) as events:
                async for event in events:
                    self.events.put_nowait(event)

    async def wait_for_card(self) -> None:
        """Wait until the card is seen."""
        while True:
            event = await self.events.get()
            if isinstance(event, CardArrived):
                assert event.uid == UID
                return


async def wait_for_red(device: Emulator) -> None:
    """Wait until the module shines red alone, which may take a moment."""
    for _ in range(300):
        if lit(device) - {"buzzer"} == {"red"}:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(lit(device))


@makes
def test_lights_through_a_real_terminal(make: Make, tmp_path: Path) -> None:
    """A card is read while they blink; at the end all is dark and nothing open."""
    link = tmp_path / "usb-reader"

    async def main() -> None:
        files = open_files()
        station = Station(make, link)
        device = make.emulator()
        with Pty(device) as pty:
            link.symlink_to(pty.path)
            reading = asyncio.create_task(station.read())
            await station.indicator.show(Signal.REFUSED)
            assert lit(device) - {"buzzer"} == {"red"}
            device.card = UID
            await station.wait_for_card()
            reading.cancel()
            await asyncio.wait({reading})
            assert lit(device) == set()
            await station.indicator.close()
        assert open_files() == files

    run(main())


@makes
def test_a_module_that_comes_back_shows_the_signal(make: Make, tmp_path: Path) -> None:
    """By itself, and although it is another one; blinking when it is torn off."""
    link = tmp_path / "usb-reader"

    async def main() -> None:
        files = open_files()
        station = Station(make, link)
        for number in range(4):
            device = make.emulator()
            with Pty(device) as pty:
                link.symlink_to(pty.path)
                reading = asyncio.create_task(station.read())
                if not number:
                    await station.indicator.show(Signal.REFUSED)
                await wait_for_red(device)
                device.card = UID
                await station.events.get()
                pty.unplug()
                await reading
                link.unlink()
        await station.indicator.close()
        assert open_files() == files

    run(main())
