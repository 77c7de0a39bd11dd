"""A bench for the gpio charger: a chip in memory, and what the driver tells."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from drivers.chargers.gpio import GpioCharger, GpioChargerConfig
from drivers.chargers.gpio_config import MeterLine
from drivers.errors import DriverError
from drivers.gpio import InputLine, OutputLine
from tests.drivers.gpio_fake import FakeChip

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from drivers.chargers.base import ChargerEvent

RELAY = OutputLine(line="GPIO17", active_low=True)
VEHICLE = InputLine(line="GPIO27")
FAULT = InputLine(line=5)


class Bench:
    """A driver on a chip in memory, listened to as the agent does; virtual time."""

    def __init__(self, folder: Path | None = None, **config: Any) -> None:  # noqa: ANN401 - any key
        self.chip = FakeChip()
        if folder is not None:
            self.register = folder / "register"
            config["meter"] = MeterLine(
                line="METER",
                pulses_per_kwh=1000,
                register=self.register,
                save_every=timedelta(seconds=30),
            )
        if not config.get("always_connected"):
            config.setdefault("vehicle", VEHICLE)
        config.setdefault("fault", FAULT)
        self.config = GpioChargerConfig(chip="pinctrl", relay=RELAY, **config)
        self.charger = self.start()
        self.told: list[ChargerEvent] = []
        self._looked_at = 0
        #: What ended the events.
        self.error: DriverError | None = None

    def start(self) -> GpioCharger:
        """Start a driver, as a start of the agent does."""
        self.charger = GpioCharger(self.config, take_lines=self.chip.open)
        return self.charger

    def is_on(self) -> bool:
        """Whether energy can flow."""
        return self.chip.outputs["relay"]

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Bench]:
        """Listen until the block ends, which begins after ChargerUp."""
        listener = asyncio.create_task(self._listen())
        try:
            await asyncio.sleep(0.1)
            yield self
        finally:
            listener.cancel()
            await asyncio.wait({listener})
            if not listener.cancelled():
                listener.result()

    async def later(self, seconds: float = 0.1) -> list[ChargerEvent]:
        """Let time pass; return what was told since the last time."""
        await asyncio.sleep(seconds)
        news, self._looked_at = self.told[self._looked_at :], len(self.told)
        return news

    async def _listen(self) -> None:
        try:
            async with aclosing(self.charger.events()) as events:
                async for event in events:
                    self.told.append(event)
        except DriverError as err:
            self.error = err
