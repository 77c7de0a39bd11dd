"""What the benches of the chargers share: a charger that is listened to."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, ClassVar, Self

from drivers.errors import DriverError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from drivers.chargers.base import Charger, ChargerEvent


class Listener:
    """Listens to `charger` as the agent does, and keeps what it was told."""

    #: How long a charger takes to say how things stand.
    FOUND_S: ClassVar[float] = 0.1

    def __init__(self, charger: Charger) -> None:
        self.charger: Charger = charger
        self.told: list[ChargerEvent] = []
        #: What ended the events, and when.
        self.error: DriverError | None = None
        self.ended_at = 0.0
        self._looked_at = 0

    @asynccontextmanager
    async def heard(self) -> AsyncIterator[None]:
        """Listen until the block ends, which begins when the charger was found."""
        self.error = None
        listener = asyncio.create_task(self.listen())
        try:
            await self.settle()
            yield
        finally:
            listener.cancel()
            await asyncio.wait({listener})
            if not listener.cancelled():
                listener.result()

    async def settle(self) -> None:
        """Wait until the charger has said how things stand."""
        await asyncio.sleep(self.FOUND_S)

    async def news(self, seconds: float) -> list[ChargerEvent]:
        """Let time pass; return what was told since the last time."""
        await asyncio.sleep(seconds)
        news, self._looked_at = self.told[self._looked_at :], len(self.told)
        return news

    async def listen(self) -> None:
        """Listen until the events end, or a DriverError ends them."""
        try:
            await self.listen_once()
        except DriverError as err:
            self.error = err
            self.ended_at = asyncio.get_running_loop().time()

    async def listen_once(self) -> None:
        """Listen until the events end; what ends them is raised."""
        async with aclosing(self.charger.events()) as events:
            async for event in events:
                await self.take(event)

    async def take(self, event: ChargerEvent) -> None:
        """Take one event."""
        self.told.append(event)


class ListeningBench(Listener):
    """A bench that is its own subject."""

    #: How long later() waits, unless it is told.
    LATER_S: ClassVar[float] = 0.1

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Self]:
        """Listen until the block ends, which begins after ChargerUp."""
        async with self.heard():
            yield self

    async def later(self, seconds: float | None = None) -> list[ChargerEvent]:
        """Let time pass; return what was told since the last time."""
        return await self.news(self.LATER_S if seconds is None else seconds)
