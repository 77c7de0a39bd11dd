"""Lamps and a buzzer on GPIO lines."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from drivers.errors import DriverError
from drivers.gpio import ChipId, OutputLine, check_lines, open_lines
from drivers.indicators.base import Indicator
from drivers.indicators.patterns import (
    Colour,
    Patterns,
    choose_lamps,
    find_unshown,
    light_steps,
    tone_steps,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from drivers.findings import Finding
    from drivers.gpio import Lines, OpenLines
    from drivers.indicators.base import Misfit, Signal
    from drivers.indicators.patterns import Pattern, Step

_LOGGER = logging.getLogger(__name__)

_LAMPS: Final = (Colour.RED, Colour.GREEN, Colour.BLUE, Colour.YELLOW)
_BUZZER: Final = "buzzer"
#: Lines that fail in the middle of a pattern are taken anew after so long, then after
#: twice as long, and so on.
_FIRST_RETRY_S: Final = 1.0
_LAST_RETRY_S: Final = 30.0


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
    """Shows each signal's pattern by timers of the loop, until the next one.

    The lines are taken with the first signal. When they fail in the middle of a pattern
    they are taken anew soon, and it begins again, without its tone.
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
        self._tracks: list[_Track] = []
        self._again: asyncio.TimerHandle | None = None
        self._again_in_s = 0.0

    @classmethod
    def find_misfits(cls, config: Any, reader: object) -> Iterable[Misfit]:  # noqa: ANN401 - as the base has it
        """Say which patterns need a lamp or a buzzer that there is not."""
        del reader
        names = set(config.lines())
        return find_unshown(
            config, has_lamps=bool(names - {_BUZZER}), has_buzzer=_BUZZER in names
        )

    async def show(self, signal: Signal) -> None:
        """Begin the signal's pattern."""
        self._again_in_s = _FIRST_RETRY_S
        self._begin(self._config.of(signal))

    def _begin(self, pattern: Pattern) -> None:
        self._stop()
        if self._lines is None:
            self._lines = self._take_lines(self._config.chip, self._outputs)
        shining = choose_lamps(pattern.colours, self._lamps)

        def light(*, on: bool) -> None:
            for lamp in self._lamps:
                self._switch(lamp, on=on and lamp in shining)

        def sound(*, on: bool) -> None:
            if _BUZZER in self._outputs:
                self._switch(_BUZZER, on=on)

        def fail(err: DriverError) -> None:
            self._on_failure(err, pattern)

        self._tracks = [
            _Track(light_steps(pattern), light, fail),
            _Track(tone_steps(pattern), sound, fail),
        ]
        try:
            for track in self._tracks:
                track.begin()
        except DriverError:
            self._release()
            raise

    async def close(self) -> None:
        """Leave all dark and silent, and give the lines back."""
        self._stop()
        with suppress(DriverError):
            for name in self._outputs:
                self._switch(name, on=False)
        self._release()

    def check(self) -> Iterable[Finding]:
        """Look whether the chip and its lines are there; nothing is switched."""
        return check_lines(self._config.chip, self._outputs)

    def _switch(self, name: str, *, on: bool) -> None:
        if self._lines is not None:
            self._lines.set(name, active=on)

    def _stop(self) -> None:
        if self._again is not None:
            self._again.cancel()
        for track in self._tracks:
            track.stop()
        self._tracks = []

    def _on_failure(self, err: DriverError, pattern: Pattern) -> None:
        if self._again_in_s == _FIRST_RETRY_S:
            _LOGGER.warning("a lamp or the buzzer failed: %s", err)
        self._release()
        loop = asyncio.get_running_loop()
        silent = replace(pattern, tone=None, tones=1)
        self._again = loop.call_later(self._again_in_s, self._begin_again, silent)
        self._again_in_s = min(2 * self._again_in_s, _LAST_RETRY_S)

    def _begin_again(self, pattern: Pattern) -> None:
        try:
            self._begin(pattern)
        except DriverError as err:
            self._on_failure(err, pattern)

    def _release(self) -> None:
        self._stop()
        lines, self._lines = self._lines, None
        if lines is not None:
            lines.close()


class _Track:
    """Follows steps, one timer at a time."""

    def __init__(
        self,
        steps: Iterator[Step],
        switch: Callable[..., None],
        on_failure: Callable[[DriverError], None],
    ) -> None:
        self._steps = steps
        self._switch = switch
        self._on_failure = on_failure
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Take the next step, and plan the one after it."""
        step = next(self._steps)
        self._switch(on=step.on)
        if step.seconds is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(step.seconds, self._go_on)

    def stop(self) -> None:
        """Take no more steps."""
        if self._timer is not None:
            self._timer.cancel()

    def _go_on(self) -> None:
        try:
            self.begin()
        except DriverError as err:
            # Nobody waits for a timer.
            self._on_failure(err)
