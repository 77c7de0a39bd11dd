"""The lights and the buzzer of the serial reader itself."""

from __future__ import annotations

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
    READER_STEP_S,
    Colour,
    choose_lamps,
    light_steps,
    tone_steps,
)
from drivers.indicators.player import play
from drivers.readers.formats.panel import BUZZER
from drivers.readers.serial import SerialReader

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from drivers.indicators.base import Misfit, Signal
    from drivers.indicators.patterns import Pattern
    from drivers.indicators.player import Track
    from drivers.readers.base import Reader
    from drivers.readers.switchboard import Switchboard

_DARK: Final[frozenset[str]] = frozenset()


class ModuleIndicator(Indicator):
    """Shows each signal's pattern; the agent blinks, never the module itself.

    The reader does it between two looks for a card, so only while it is open and
    somebody takes its events.
    """

    Config = ModuleIndicatorConfig

    def __init__(self, config: ModuleIndicatorConfig) -> None:
        self._config = config
        self._lights: Switchboard | None = None
        self._lamps: frozenset[Colour] = frozenset()

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

    def show(self, signal: Signal) -> AsyncGenerator[None]:
        """Show the signal's pattern.

        A light that failed is still wanted of the reader, and comes when it can.
        """
        pattern = self._config.of(signal)
        return play(self._shine(pattern), self._sound(pattern))

    async def close(self) -> None:
        """Leave all dark; a reader that is closed has done so by itself."""
        if self._lights is not None and self._lights.is_open:
            with suppress(DriverError):
                await self._lights.light(_DARK)

    async def _shine(self, pattern: Pattern) -> Track:
        if self._lights is None:
            raise UnsupportedDeviceError("there is no serial reader with lights")
        shining = choose_lamps(pattern.colours, self._lamps)
        for step in light_steps(pattern):
            await self._lights.light(shining if step.on else _DARK)
            yield (None if step.seconds is None else max(step.seconds, READER_STEP_S))

    async def _sound(self, pattern: Pattern) -> Track:
        if self._lights is None:
            return
        try:
            for step in tone_steps(pattern):
                if step.on and step.seconds is not None:
                    await self._lights.sound(step.seconds)
                yield step.seconds
        finally:
            # The change of lamps that comes next makes it so.
            self._lights.hush()
