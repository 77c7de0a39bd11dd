"""Showing signals one after the other, without the agent."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drivers.indicators.base import Indicator, Signal


class Screen:
    """Shows a signal until the next one; what fails is told, and not tried again."""

    def __init__(self, indicator: Indicator) -> None:
        self.indicator = indicator
        #: Why the signal is not shown, or no longer.
        self.failure: Exception | None = None
        #: How often it was seen.
        self.seen = 0
        self._showing: asyncio.Task[None] | None = None

    async def show(self, signal: Signal) -> None:
        """Return as soon as it is seen; raise if it is not."""
        await self.stop()
        self.failure, self.seen = None, 0
        tried = asyncio.Event()
        self._showing = asyncio.create_task(self._show(signal, tried))
        await tried.wait()
        if self.failure is not None:
            raise self.failure

    async def stop(self) -> None:
        """Close the signal that is shown."""
        showing, self._showing = self._showing, None
        if showing is not None:
            showing.cancel()
            await asyncio.wait({showing})

    async def close(self) -> None:
        """Close the signal and the indicator."""
        await self.stop()
        await self.indicator.close()

    async def _show(self, signal: Signal, tried: asyncio.Event) -> None:
        try:
            async with aclosing(self.indicator.show(signal)) as showing:
                async for _ in showing:
                    self.seen += 1
                    tried.set()
        except Exception as err:  # noqa: BLE001 - for whoever looks
            self.failure = err
        tried.set()
