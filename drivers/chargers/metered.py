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
    MeterDown,
    MeterUp,
    Vehicle,
)
from drivers.errors import DriverError
from drivers.loop_clock import now_s

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from drivers.chargers.base import ChargerEvent
    from drivers.findings import Finding
    from drivers.meters.base import Meter as EnergyMeter

_LOGGER = logging.getLogger(__name__)

# A change at the socket, and the end of a session, wait no longer for their reading.
READING_S: Final = 1.5
# Together with its reading a disable() fits into the 5 s that a charger is given.
DISABLE_S: Final = 4.8
_LEAST_S: Final = 0.05


class MeteredCharger(Charger):
    """Any charger, with every energy register replaced by the meter's.

    The reading comes before the change it belongs to. A meter that gives none holds
    nothing up: ChargerUp and disable() then say None, MeterDown tells why, and what was
    missed is in the next reading, since a register counts all the time. What it reads
    is passed on as it is, also when it has fallen. One consumer of events() at a time.
    """

    def __init__(self, charger: Charger, meter: EnergyMeter) -> None:
        self._charger = charger
        self._meter = meter
        self._told_wh: int | None = None
        #: Why it gives no reading, and what was told of that.
        self._silence: str | None = None
        self._told_silence: str | None = None
        self._is_read_often = False

    async def events(self) -> AsyncGenerator[ChargerEvent]:
        """Yield the charger's events, and the meter's readings when they have moved."""
        try:
            async with (
                aclosing(self._charger.events()) as events,
                aclosing(self._merge(events)) as merged,
            ):
                async for event in merged:
                    yield event
        finally:
            await self._meter.close()

    async def enable(self, limit_amps: int | None = None) -> None:
        """Let energy flow; return when the charger confirmed, else DriverError."""
        await self._charger.enable(limit_amps)

    async def disable(self) -> int | None:
        """Stop energy, then read the meter; None if it gives no reading."""
        deadline = now_s() + DISABLE_S
        await self._charger.disable()
        left_s = max(deadline - now_s(), _LEAST_S)
        return await self._read(min(left_s, READING_S))

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
                    for told in await self._news():
                        yield told
                    continue
                event, coming = coming.result(), None
                if event is None:
                    return
                for told in await self._tell(event):
                    yield told
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.wait({coming})

    async def _tell(self, event: ChargerEvent) -> list[ChargerEvent]:
        """Pass an event on, with the reading that belongs to it."""
        match event:
            case Meter():
                return []  # The charger's own; it is not the session's.
            case ChargerUp(state):
                self._is_read_often = state.vehicle is not Vehicle.ABSENT
                wh = self._told_wh = await self._read()
                return [ChargerUp(replace(state, wh=wh)), self._condition()]
            case ChargerDown():
                return [event]
            case Connected() | Charging():
                self._is_read_often = True
            case Disconnected():
                self._is_read_often = False
            case _:
                pass
        return [*await self._news(), event]

    def _patience_s(self) -> float | None:
        # A silent one is asked until it is heard, so that its trouble is told to end.
        is_silent = self._silence is not None or self._told_silence is not None
        if self._is_read_often or is_silent:
            return self._meter.poll_every.total_seconds()
        return None

    async def _news(self) -> list[ChargerEvent]:
        """Read the meter; return what is new with it."""
        told_silence, wh = self._told_silence, await self._read()
        news: list[ChargerEvent] = []
        if (self._silence is None) is not (told_silence is None):
            news.append(self._condition())
        if wh is not None and wh != self._told_wh:
            self._told_wh = wh
            news.append(Meter(wh))
        return news

    def _condition(self) -> MeterUp | MeterDown:
        """Tell whether the meter gives readings."""
        self._told_silence = self._silence
        return MeterUp() if self._silence is None else MeterDown(self._silence)

    async def _read(self, within_s: float = READING_S) -> int | None:
        """Read the meter; remember why there is no reading."""
        try:
            async with asyncio.timeout(within_s):
                wh = await self._meter.read_wh()
        except (DriverError, TimeoutError) as err:
            self._silence = str(err) or f"no answer within {within_s:.2g} s"
            return None
        except Exception as err:
            # Energy is off all the same, or flows, and that is what counts.
            if self._silence is None:
                _LOGGER.exception("the meter failed in a way it should not")
            self._silence = f"{type(err).__name__}: {err}"
            return None
        self._silence = None
        return wh


async def _next(events: AsyncGenerator[ChargerEvent]) -> ChargerEvent | None:
    return await anext(events, None)
