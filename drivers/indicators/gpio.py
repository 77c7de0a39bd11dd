"""Lamps and a buzzer on GPIO lines."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from drivers.errors import DriverError
from drivers.gpio import ChipId, OutputLine, check_lines, lines_taken, open_lines
from drivers.indicators.base import Indicator
from drivers.indicators.patterns import (
    Colour,
    Patterns,
    choose_lamps,
    find_unshown,
    light_steps,
    tone_steps,
)
from drivers.indicators.player import play

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from drivers.findings import Finding
    from drivers.gpio import Lines, OpenLines
    from drivers.indicators.base import Misfit, Signal
    from drivers.indicators.patterns import Pattern
    from drivers.indicators.player import Track

_LAMPS: Final = (Colour.RED, Colour.GREEN, Colour.BLUE, Colour.YELLOW)
_BUZZER: Final = "buzzer"


@dataclass(frozen=True, slots=True, kw_only=True)
class GpioIndicatorConfig(Patterns):
    """The lines that there are, at least one; `yellow` is a lamp of its own."""

    chip: ChipId
    red: OutputLine | None = None
    green: OutputLine | None = None
    blue: OutputLine | None = None
    yellow: OutputLine | None = None
    buzzer: OutputLine | None = None

    def __post_init__(self) -> None:
        if not self.lines():
            raise ValueError("expected one of red, green, blue, yellow, buzzer")

    def takes(self) -> Iterable[str]:
        """Name what is not shared with anybody."""
        return lines_taken(self.chip, self.lines())

    def lines(self) -> dict[str, OutputLine]:
        """Name the lines by what hangs on them."""
        named: dict[str, OutputLine | None] = {
            "red": self.red,
            "green": self.green,
            "blue": self.blue,
            "yellow": self.yellow,
            _BUZZER: self.buzzer,
        }
        return {name: line for name, line in named.items() if line is not None}


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
            config, has_lamps=bool(names - {_BUZZER}), has_buzzer=_BUZZER in names
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
        if _BUZZER not in self._outputs:
            return
        try:
            for step in tone_steps(pattern):
                self._switch(_BUZZER, on=step.on)
                yield step.seconds
        finally:
            with suppress(DriverError):
                self._switch(_BUZZER, on=False)

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
