"""Lamps and a buzzer on lines of a real kernel."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Self

import pytest

from drivers.errors import DeviceGoneError
from drivers.gpio import OutputLine
from drivers.indicators.base import Signal
from drivers.indicators.gpio import GpioIndicator, GpioIndicatorConfig
from drivers.indicators.patterns import Colour, Pattern
from tests.drivers.indicators.showing import Screen
from tests.guest.listening import open_files, run
from tests.guest.soc_chip import LABEL, SocChip

if TYPE_CHECKING:
    from collections.abc import Iterator

RED, GREEN, BUZZER = 4, 5, 6
ON, OFF = timedelta(milliseconds=200), timedelta(milliseconds=150)


def lamps() -> Screen:
    """Wire two lamps, one of them on at a low level, and a buzzer."""
    config = GpioIndicatorConfig(
        chip=LABEL,
        red=OutputLine(line=RED),
        green=OutputLine(line=GREEN, active_low=True),
        buzzer=OutputLine(line=BUZZER),
        refused=Pattern(
            colours=(Colour.RED,), on=ON, off=OFF, repeats=3, tone=ON, tones=2
        ),
        ready=Pattern(colours=(Colour.GREEN,)),
        error=Pattern(colours=(Colour.RED,), on=ON),
    )
    return Screen(GpioIndicator(config))


@pytest.fixture
def chip() -> Iterator[SocChip]:
    """Plug a chip in."""
    with SocChip() as plugged_in:
        yield plugged_in


class Watcher:
    """Looks at lines again and again, in a thread, and notes what changes."""

    def __init__(self, chip: SocChip) -> None:
        self._chip = chip
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.seen: dict[int, list[bool]] = {line: [] for line in (RED, GREEN, BUZZER)}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._is_over.wait(ON.total_seconds() / 20):
            for line, seen in self.seen.items():
                if (level := self._chip.is_high(line)) not in seen[-1:]:
                    seen.append(level)


def test_a_lamp_that_shines(chip: SocChip) -> None:
    """All others are dark, either way round; on closing it is, too."""

    async def main() -> None:
        indicator = lamps()
        await indicator.show(Signal.READY)
        shown = [chip.is_high(line) for line in (RED, GREEN, BUZZER)]
        assert shown == [False, False, False]
        await indicator.close()
        assert chip.is_high(GREEN)

    run(main())


def test_blinking_and_beeping(chip: SocChip) -> None:
    """As often as the pattern says, by timers, and then dark and silent."""

    async def main() -> None:
        indicator = lamps()
        await indicator.show(Signal.READY)
        with Watcher(chip) as watcher:
            await asyncio.sleep(ON.total_seconds())
            await indicator.show(Signal.REFUSED)
            await asyncio.sleep(6 * (ON + OFF).total_seconds())
        assert watcher.seen[RED] == [False, *[True, False] * 3]
        assert watcher.seen[BUZZER] == [False, *[True, False] * 2]
        assert watcher.seen[GREEN] == [False, True]
        await indicator.close()

    run(main())


def test_a_chip_that_goes_while_it_blinks() -> None:
    """The signal ends with it, so does the next, and nothing is left open."""

    async def main() -> None:
        indicator = lamps()
        before = open_files()
        for _ in range(5):
            with SocChip() as chip:
                await indicator.show(Signal.ERROR)
                assert chip.is_high(RED)
                chip.unplug()
                await asyncio.sleep(2 * ON.total_seconds())
                assert isinstance(indicator.failure, DeviceGoneError)
                with pytest.raises(DeviceGoneError):
                    await indicator.show(Signal.READY)
        await indicator.close()
        assert open_files() == before

    run(main())
