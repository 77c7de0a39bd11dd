"""One signal's pattern on a lamp that may fail: lights and tones, by timers."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from drivers.errors import AccessDeniedError, DriverError, UnsupportedDeviceError
from drivers.indicators.acs_commands import Led, Light
from drivers.indicators.acs_link import Shown
from drivers.indicators.patterns import (
    Colour,
    Step,
    choose_lamps,
    light_steps,
    tone_steps,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivers.indicators.acs_thread import Lamp
    from drivers.indicators.patterns import Pattern

_LOGGER = logging.getLogger(__name__)

LAMPS: Final = {Colour.RED: Led.RED, Colour.GREEN: Led.GREEN}

#: Blinking faster than this would keep the reader from its cards.
SHORTEST_S: Final = 0.1
#: The reader changes its LEDs by itself at cards, and forgets them without power.
#: What has failed is not tried more often either.
REFRESH_S: Final = 2.0
#: The ACR122U is deaf while it beeps, so a longer tone is made of pieces.
PIECE_MS: Final = 200


class Player:
    """Plays `pattern` once `begin` has shown its first light, until cancelled."""

    def __init__(self, lamp: Lamp, pattern: Pattern) -> None:
        self._lamp = lamp
        self._leds = leds_of(pattern)
        self._lights = light_steps(pattern)
        self._tones = tone_steps(pattern)
        self._step = Step(on=False, seconds=None)
        self._shown: Shown | None = None

    async def begin(self) -> None:
        """Show the first light; raise DriverError if that fails."""
        self._step = next(self._lights)
        self._shown = await self._lamp.put(self._light())

    async def go_on(self) -> None:
        """Do what follows; failures only end it if trying again is useless."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._shine())
                if self._shown in (Shown.BY_ESCAPE, Shown.BY_APDU):
                    group.create_task(self._sound())
        except* (AccessDeniedError, UnsupportedDeviceError) as group_error:
            _LOGGER.debug("gave up: %s", group_error.exceptions[0])

    async def _shine(self) -> None:
        """Blink, and put a light that rests again, for as long as cards are left alone.

        Through a card the first light stays: connecting to a card several times in a
        second could hide from pcscd that it was swapped.
        """
        while self._shown not in (Shown.BY_APDU, Shown.NO_CARD):
            lasts_s = self._step.seconds
            if lasts_s is None or self._shown is None:
                await asyncio.sleep(REFRESH_S)
            else:
                await asyncio.sleep(max(lasts_s, SHORTEST_S))
            if lasts_s is not None:
                self._step = next(self._lights)
            self._shown = await self._put(self._light())

    async def _sound(self) -> None:
        try:
            for step in self._tones:
                if step.seconds is None:
                    return
                if step.on:
                    await self._beep(step.seconds)
                else:
                    await asyncio.sleep(step.seconds)
        except UnsupportedDeviceError as err:
            # What has lamps may have no buzzer: they are not to suffer for it.
            _LOGGER.debug("no tones: %s", err)

    async def _beep(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        for piece_s in pieces(seconds):
            until = loop.time() + piece_s
            await self._put(Light(None, piece_s))
            await asyncio.sleep(until - loop.time())

    async def _put(self, light: Light) -> Shown | None:
        """Tell what became of it, None if it failed for now."""
        try:
            return await self._lamp.put(light)
        except (AccessDeniedError, UnsupportedDeviceError):
            raise
        except DriverError as err:
            _LOGGER.debug("a light or tone is left out: %s", err)
            return None

    def _light(self) -> Light:
        return Light(self._leds if self._step.on else Led.NONE)


def leds_of(pattern: Pattern) -> Led:
    """Choose the LEDs for a pattern's colours; yellow and white are both."""
    leds = Led.NONE
    for colour in choose_lamps(pattern.colours, LAMPS):
        leds |= LAMPS[colour]
    return leds


def pieces(seconds: float) -> Iterator[float]:
    """Cut a tone into pieces, so that cards are read between them."""
    whole, rest_ms = divmod(round(seconds * 1000), PIECE_MS)
    for _ in range(whole):
        yield PIECE_MS / 1000
    if rest_ms:
        yield rest_ms / 1000
