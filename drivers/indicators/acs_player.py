"""One signal's pattern on a lamp that may fail for a moment."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from drivers.errors import AccessDeniedError, DriverError, UnsupportedDeviceError
from drivers.indicators.acs_commands import Led, Light
from drivers.indicators.acs_link import Shown
from drivers.indicators.patterns import (
    READER_STEP_S,
    Colour,
    choose_lamps,
    light_steps,
    tone_steps,
)
from drivers.indicators.player import play
from drivers.loop_clock import now_s

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from drivers.indicators.acs_thread import Lamp
    from drivers.indicators.patterns import Pattern, Step
    from drivers.indicators.player import Track

_LOGGER = logging.getLogger(__name__)

LAMPS: Final = {Colour.RED: Led.RED, Colour.GREEN: Led.GREEN}

#: The reader changes its LEDs by itself at cards, and forgets them without power.
#: What has failed is not tried more often either.
REFRESH_S: Final = 2.0
#: So many failures in a row of a light that was shown before are told.
TRIES: Final = 3
#: The ACR122U is deaf while it beeps, so a longer tone is made of pieces.
PIECE_MS: Final = 200


class Player:
    """Plays `pattern` on a lamp."""

    def __init__(self, lamp: Lamp, pattern: Pattern) -> None:
        self._lamp = lamp
        self._pattern = pattern
        self._leds = leds_of(pattern)
        #: What was not seen, or is not, is not heard either.
        self._is_seen = False

    def play(self) -> AsyncGenerator[None]:
        """Show and sound it, as `Indicator.show`."""
        return play(self._shine(), self._sound())

    async def _shine(self) -> Track:
        """Blink, and put a light that rests again, for as long as cards are left alone.

        Through a card the first light stays: connecting to a card several times in a
        second could hide from pcscd that it was swapped.
        """
        steps = light_steps(self._pattern)
        step = next(steps)
        shown = await self._lamp.put(self._light(step))
        self._is_seen = shown in (Shown.BY_ESCAPE, Shown.BY_APDU)
        while shown not in (Shown.BY_APDU, Shown.NO_CARD):
            if step.seconds is None:
                yield REFRESH_S
            else:
                yield max(step.seconds, READER_STEP_S)
                step = next(steps)
            shown = await self._put_on(self._light(step))

    async def _put_on(self, light: Light) -> Shown:
        """Put a light that is not the first: the failure of a moment is none."""
        for _ in range(TRIES - 1):
            try:
                return await self._lamp.put(light)
            except (AccessDeniedError, UnsupportedDeviceError):
                raise
            except DriverError as err:
                _LOGGER.debug("a light comes later: %s", err)
            self._is_seen = False
            await asyncio.sleep(REFRESH_S)
        return await self._lamp.put(light)

    async def _sound(self) -> Track:
        for step in tone_steps(self._pattern):
            if not step.on or step.seconds is None:
                yield step.seconds
                continue
            for piece_s in pieces(step.seconds):
                until = now_s() + piece_s
                if not (self._is_seen and await self._beep(piece_s)):
                    return
                yield until - now_s()

    async def _beep(self, seconds: float) -> bool:
        """Say whether it worked: what has lamps may have no buzzer."""
        try:
            await self._lamp.put(Light(None, seconds))
        except DriverError as err:
            _LOGGER.debug("no tones: %s", err)
            return False
        return True

    def _light(self, step: Step) -> Light:
        return Light(self._leds if step.on else Led.NONE)


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
