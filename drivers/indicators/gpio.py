"""Lamps and a buzzer on GPIO lines."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from drivers.errors import DriverError
from drivers.gpio import ChipId, check_lines, lines_taken, open_lines
from drivers.indicators.base import Indicator
from drivers.indicators.patterns import (
    Colour,
    choose_lamps,
    find_unshown,
    light_steps,
    tone_steps,
)
from drivers.indicators.player import play
from drivers.indicators.wiring import BUZZER, OUTPUTS, WiredPatterns

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from drivers.findings import Finding
    from drivers.gpio import Lines, OpenLines
    from drivers.indicators.base import Misfit, Signal
    from drivers.indicators.patterns import Pattern
    from drivers.indicators.player import Track

_LAMPS: Final = (Colour.RED, Colour.GREEN, Colour.BLUE, Colour.YELLOW)


@dataclass(frozen=True, slots=True, kw_only=True)
class GpioIndicatorConfig(WiredPatterns):
    """The lines of one chip, at least one."""

    chip: ChipId

    def __post_init__(self) -> None:
        if not self.lines():
            raise ValueError(f"expected one of {', '.join(OUTPUTS)}")

    def takes(self) -> Iterable[str]:
        """Name what is not shared with anybody."""
        return lines_taken(self.chip, self.lines())


class GpioIndicator(Indicator):
    """Shows each signal's pattern.

    The lines are taken with the first signal, and anew after they have failed.
    """

    Config = GpioIndicatorConfig

    def __init__(
        self, config: GpioIndicatorConfig, *, take_lines: OpenLines = open_lines
    ) -> None:
        self._config = config
        self._take_lines = take_lines
        self._outputs = config.lines()
        self._lamps = [lamp for lamp in _LAMPS if lamp in self._outputs]
        self._lines: Lines | None = None

    @classmethod
    def find_misfits(cls, config: Any, reader: object) -> Iterable[Misfit]:  # noqa: ANN401 - as the base has it
        """Say which patterns need a lamp or a buzzer that there is not."""
        del reader
        names = set(config.lines())
        return find_unshown(
            config, has_lamps=bool(names - {BUZZER}), has_buzzer=BUZZER in names
        )

    def show(self, signal: Signal) -> AsyncGenerator[None]:
        """Show the signal's pattern."""
        pattern = self._config.of(signal)
        return play(self._shine(pattern), self._sound(pattern))

    async def _shine(self, pattern: Pattern) -> Track:
        if self._lines is None:
            self._lines = self._take_lines(self._config.chip, self._outputs)
        shining = choose_lamps(pattern.colours, self._lamps)
        for step in light_steps(pattern):
            for lamp in self._lamps:
                self._switch(lamp, on=step.on and lamp in shining)
            yield step.seconds

    async def _sound(self, pattern: Pattern) -> Track:
        if BUZZER not in self._outputs:
            return
        try:
            for step in tone_steps(pattern):
                self._switch(BUZZER, on=step.on)
                yield step.seconds
        finally:
            with suppress(DriverError):
                self._switch(BUZZER, on=False)

    async def close(self) -> None:
        """Leave all dark and silent, and give the lines back."""
        with suppress(DriverError):
            for name in self._outputs:
                self._switch(name, on=False)
        self._release()

    def check(self) -> Iterable[Finding]:
        """Look whether the chip and its lines are there; nothing is switched."""
        return check_lines(self._config.chip, self._outputs)

    def _switch(self, name: str, *, on: bool) -> None:
        """Do it; lines that are ours no longer stay as they are."""
        if self._lines is None:
            return
        try:
            self._lines.set(name, active=on)
        except DriverError:
            self._release()
            raise

    def _release(self) -> None:
        lines, self._lines = self._lines, None
        if lines is not None:
            lines.close()
