"""A bench for the OpenEVSE driver: a controller, a line, and what the driver tells."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

from drivers.chargers.base import ChargerUp, Meter
from drivers.chargers.openevse import OpenEvseCharger, OpenEvseConfig
from drivers.errors import DriverError
from tests.drivers.chargers.rapi_emulator_lines import MemoryLine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from drivers.chargers.base import ChargerEvent
    from tests.drivers.chargers.rapi_emulator import Build

WATTS = 7200  # 2 Wh per second


class Bench:
    """A driver on a line in memory, listened to as the agent does; virtual time."""

    def __init__(self, build: Build | None = None, **config: Any) -> None:  # noqa: ANN401 - any key
        self.line = MemoryLine(build)
        self.evse = self.line.emulator
        self.charger = OpenEvseCharger(
            OpenEvseConfig(port="memory", **config), open_port=self.line.open
        )
        #: What was told, Meter apart.
        self.told: list[ChargerEvent] = []
        self.meter: list[int] = []
        self._looked_at = 0
        #: What ended the events.
        self.error: DriverError | None = None
        #: Whether energy that is on at the start is to be off, as without a session.
        self.obey = True

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Bench]:
        """Listen until the block ends, which begins after ChargerUp."""
        listener = asyncio.create_task(self._listen())
        try:
            await self.later(0.2)
            yield self
        finally:
            listener.cancel()
            await asyncio.wait({listener})
            if not listener.cancelled():
                listener.result()

    async def later(self, seconds: float = 1.0) -> list[ChargerEvent]:
        """Let time pass; return what was told since the last time, Meter apart."""
        await asyncio.sleep(seconds)
        news, self._looked_at = self.told[self._looked_at :], len(self.told)
        return news

    async def _listen(self) -> None:
        try:
            async with aclosing(self.charger.events()) as events:
                async for event in events:
                    is_first = not self.told
                    self._take(event)
                    if self.obey and is_first and self._is_open(event):
                        # A charger found delivering with no session.
                        await self.charger.disable()
        except DriverError as err:
            self.error = err

    def _is_open(self, event: ChargerEvent) -> bool:
        return isinstance(event, ChargerUp) and event.state.enabled

    def _take(self, event: ChargerEvent) -> None:
        if isinstance(event, Meter):
            self.meter.append(event.wh)
            return
        self.told.append(event)
        if isinstance(event, ChargerUp) and event.state.wh is not None:
            self.meter.append(event.state.wh)
