"""A charger with an energy meter of its own beside it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from drivers.chargers.base import (
    Charger,
    ChargerDown,
    ChargerUp,
    Charging,
    Connected,
    Disconnected,
    Meter,
    Vehicle,
)
from drivers.errors import DriverError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from drivers.chargers.base import ChargerEvent
    from drivers.findings import Finding
    from drivers.meters.base import Meter as EnergyMeter

_LOGGER = logging.getLogger(__name__)

# A change at the socket, and the end of a session, wait no longer for their reading.
READING_S: Final = 1.5


class MeteredCharger(Charger):
    """Any charger, with every energy register replaced by the meter's.

    The reading comes before the change it belongs to. A meter that gives none holds
    nothing up: ChargerUp and disable() then say None, and what was missed is in the
    next reading, since a register counts all the time. What it reads is passed on as
    it is, also when it has fallen. One consumer of events() at a time.
    """

    def __init__(self, charger: Charger, meter: EnergyMeter) -> None:
        self._charger = charger
        self._meter = meter
        self._told_wh: int | None = None
        self._is_silent = False
        self._is_read_often = False

    async def events(self) -> AsyncGenerator[ChargerEvent]:
        """Yield the charger's events, and the meter's readings when they have moved."""
        try:
            async with aclosing(self._charger.events()) as events:
                async for event in self._merge(events):
                    yield event
        finally:
            await self._meter.close()

    async def enable(self, limit_amps: int | None = None) -> None:
        """Let energy flow; return when the charger confirmed, else DriverError."""
        await self._charger.enable(limit_amps)

    async def disable(self) -> int | None:
        """Stop energy, then read the meter; None if it gives no reading."""
        await self._charger.disable()
        return await self._read()

    def check(self) -> Iterable[Finding]:
        """Look at what the charger and the meter need."""
        yield from self._charger.check()
        yield from self._meter.check()

    async def _merge(
        self, events: AsyncGenerator[ChargerEvent]
    ) -> AsyncGenerator[ChargerEvent]:
        coming: asyncio.Task[ChargerEvent | None] | None = None
        try:
            while True:
                if coming is None:
                    coming = asyncio.create_task(_next(events))
                await asyncio.wait({coming}, timeout=self._patience_s())
                if not coming.done():
                    if (reading := await self._news()) is not None:
                        yield reading
                    continue
                event, coming = coming.result(), None
                if event is None:
                    return
                async for told in self._tell(event):
                    yield told
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.wait({coming})

    async def _tell(self, event: ChargerEvent) -> AsyncGenerator[ChargerEvent]:
        """Pass an event on, with the reading that belongs to it."""
        match event:
            case Meter():
                return  # The charger's own; it is not the session's.
            case ChargerUp(state):
                self._is_read_often = state.vehicle is not Vehicle.ABSENT
                wh = self._told_wh = await self._read()
                yield ChargerUp(replace(state, wh=wh))
                return
            case ChargerDown():
                yield event
                return
            case Connected() | Charging():
                self._is_read_often = True
            case Disconnected():
                self._is_read_often = False
            case _:
                pass
        if (reading := await self._news()) is not None:
            yield reading
        yield event

    def _patience_s(self) -> float | None:
        return self._meter.poll_every.total_seconds() if self._is_read_often else None

    async def _news(self) -> Meter | None:
        """Read the meter; None if there is nothing new to tell."""
        wh = await self._read()
        if wh is None or wh == self._told_wh:
            return None
        self._told_wh = wh
        return Meter(wh)

    async def _read(self) -> int | None:
        """Read the meter; log when it stops giving readings, and when it goes on."""
        try:
            async with asyncio.timeout(READING_S):
                wh = await self._meter.read_wh()
        except (DriverError, TimeoutError) as err:
            if not self._is_silent:
                self._is_silent = True
                why = str(err) or f"no answer within {READING_S:g} s"
                _LOGGER.warning("the energy meter gives no reading: %s", why)
            return None
        if self._is_silent:
            self._is_silent = False
            _LOGGER.info("the energy meter gives readings again")
        return wh


async def _next(events: AsyncGenerator[ChargerEvent]) -> ChargerEvent | None:
    return await anext(events, None)
