"""A bench for metered chargers: a charger and a meter that say what they are told."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from drivers.chargers.base import Charger
from drivers.chargers.metered import MeteredCharger
from drivers.findings import Finding
from drivers.meters.base import Meter as EnergyMeter
from tests.drivers.chargers.listening import ListeningBench

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from drivers.chargers.base import ChargerEvent
    from drivers.errors import DriverError


class FakeCharger(Charger):
    """Says what it is told to say; its own register reads 7."""

    def __init__(self) -> None:
        self.says: asyncio.Queue[ChargerEvent | DriverError | None] = asyncio.Queue()
        self.commands: list[str] = []
        #: How long a command takes.
        self.takes_s = 0.0
        self.is_closed = False

    async def events(self) -> AsyncGenerator[ChargerEvent]:
        """Yield what is put into the queue; raise errors; end with None."""
        try:
            while (event := await self.says.get()) is not None:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.is_closed = True

    async def enable(self, limit_amps: int | None = None) -> None:
        """Remember it."""
        self.commands.append(f"enable {limit_amps}")

    async def disable(self) -> int:
        """Remember it."""
        await asyncio.sleep(self.takes_s)
        self.commands.append("disable")
        return 7

    def check(self) -> Iterable[Finding]:
        """Find something."""
        return [Finding("charger")]


class FakeMeter(EnergyMeter):
    """Reads `wh`, or raises it, after `takes_s`."""

    def __init__(self) -> None:
        self.wh: int | Exception = 1000
        self.takes_s = 0.1
        self.readings = 0
        self.is_closed = False

    @property
    def poll_every(self) -> timedelta:
        """Five seconds."""
        return timedelta(seconds=5)

    async def read_wh(self) -> int:
        """Read."""
        self.readings += 1
        await asyncio.sleep(self.takes_s)
        if isinstance(self.wh, Exception):
            raise self.wh
        return self.wh

    async def close(self) -> None:
        """Remember it."""
        self.is_closed = True

    def check(self) -> Iterable[Finding]:
        """Find something."""
        return [Finding("meter")]


class Bench(ListeningBench):
    """A metered charger, listened to; it is found when it is told that it is."""

    FOUND_S: ClassVar[float] = 0.0

    def __init__(self) -> None:
        self.inner = FakeCharger()
        self.meter = FakeMeter()
        super().__init__(MeteredCharger(self.inner, self.meter))

    async def hears(self, *events: ChargerEvent) -> list[ChargerEvent]:
        """Have the charger say something; return what was told of it."""
        for event in events:
            self.inner.says.put_nowait(event)
        return await self.later(2)
