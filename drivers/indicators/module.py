"""The lights and the buzzer of the serial reader itself."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from drivers.errors import DriverError, UnsupportedDeviceError
from drivers.indicators.base import Indicator
from drivers.indicators.module_panels import (
    ModuleIndicatorConfig,
    find_misfits,
    make_panel,
)
from drivers.indicators.patterns import (
    Colour,
    choose_lamps,
    light_steps,
    tone_steps,
)
from drivers.readers.formats.panel import BUZZER
from drivers.readers.serial import SerialReader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drivers.indicators.base import Misfit, Signal
    from drivers.indicators.patterns import Pattern
    from drivers.readers.base import Reader
    from drivers.readers.switchboard import Switchboard

_DARK: Final[frozenset[str]] = frozenset()

#: Blinking faster than this would keep the reader from its cards.
SHORTEST_S: Final = 0.1


class ModuleIndicator(Indicator):
    """Shows each signal's pattern; timers of the loop blink, never the module itself.

    The reader does it between two looks for a card, so only while it is open and
    somebody takes its events.
    """

    Config = ModuleIndicatorConfig

    def __init__(self, config: ModuleIndicatorConfig) -> None:
        self._config = config
        self._lights: Switchboard | None = None
        self._lamps: frozenset[Colour] = frozenset()
        self._playing: asyncio.Task[None] | None = None

    @classmethod
    def find_misfits(cls, config: Any, reader: object) -> Iterable[Misfit]:  # noqa: ANN401 - as the base has it
        """Say what does not go with the reader: it has no such lights, or lines."""
        return find_misfits(config, reader)

    def attach(self, reader: Reader) -> None:
        """Take the lights of this reader."""
        if isinstance(reader, SerialReader):
            panel = make_panel(self._config, reader.format)
            reader.lights.install(panel)
            self._lights = reader.lights
            self._lamps = frozenset(map(Colour, panel.outputs - {BUZZER}))

    async def show(self, signal: Signal) -> None:
        """Show the pattern's first light; the rest of it follows by itself.

        Raise if that fails, or if the reader does not open soon. The pattern goes on
        all the same, and is seen as soon as it can be.
        """
        await self._stop()
        if self._lights is None:
            raise UnsupportedDeviceError("there is no serial reader with lights")
        pattern = self._config.of(signal)
        player = _Player(self._lights, pattern, self._lamps)
        try:
            await player.begin()
        except DriverError:
            self._playing = asyncio.create_task(player.go_on())
            raise
        self._playing = asyncio.create_task(player.go_on())

    async def close(self) -> None:
        """Leave all dark and silent; a reader that is closed has done so by itself."""
        await self._stop()
        if self._lights is not None and self._lights.is_open:
            self._lights.hush()
            with suppress(DriverError):
                await self._lights.light(_DARK)

    async def _stop(self) -> None:
        playing, self._playing = self._playing, None
        if playing is not None:
            playing.cancel()
            await asyncio.wait({playing})
            if not playing.cancelled():
                playing.result()


class _Player:
    """Plays `pattern` with these lamps once `begin` was tried, until cancelled."""

    def __init__(
        self, lights: Switchboard, pattern: Pattern, lamps: frozenset[Colour]
    ) -> None:
        self._lights = lights
        self._shining = choose_lamps(pattern.colours, lamps)
        self._steps = light_steps(pattern)
        self._step = next(self._steps)
        self._tones = tone_steps(pattern)
        self._is_late = True

    async def begin(self) -> None:
        """Show the first light, instead of all that was shown or heard before."""
        self._lights.hush()
        await self._light()
        self._is_late = False

    async def go_on(self) -> None:
        """Do what follows."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._shine())
            if not self._is_late:
                group.create_task(self._sound())

    async def _shine(self) -> None:
        while self._step.seconds is not None:
            await asyncio.sleep(max(self._step.seconds, SHORTEST_S))
            self._step = next(self._steps)
            with suppress(DriverError):
                await self._light()

    async def _sound(self) -> None:
        for step in self._tones:
            if step.seconds is None:
                return
            if step.on:
                with suppress(DriverError):
                    await self._lights.sound(step.seconds)
            await asyncio.sleep(step.seconds)

    async def _light(self) -> None:
        await self._lights.light(self._shining if self._step.on else _DARK)
