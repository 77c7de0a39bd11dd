"""Lamps and a buzzer on GPIO lines, in virtual time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from drivers.errors import DeviceGoneError
from drivers.gpio import OutputLine
from drivers.indicators.base import Signal
from drivers.indicators.patterns import Colour, Pattern
from tests.drivers.indicators.gpio_bench import LINES, Bench
from tests.drivers.indicators.ported import ported
from tests.drivers.pipes import open_files
from tests.fakes.virtual_loop import StandstillError, run_virtual

if TYPE_CHECKING:
    from collections.abc import Iterable

SHORT = timedelta(milliseconds=100)
BLINKING = [one for one in Signal if one not in (Signal.READING, Signal.ERROR)]


def test_a_flash_and_a_tone() -> None:
    """Reading: white for 150 ms, a tone of 60 ms, then dark and silent."""

    async def main() -> None:
        bench = Bench()
        await bench.show(Signal.READING)
        assert bench.on() == {"red", "green", "blue", "buzzer"}
        await asyncio.sleep(0.1)
        assert bench.on() == {"red", "green", "blue"}
        await asyncio.sleep(0.1)
        assert bench.on() == set()
        assert await bench.watch(1000, "green") == []

    run_virtual(main())


def test_blinking_goes_on_until_the_next_signal() -> None:
    """Refused: red, ten times a second's half; ready ends it at once."""

    async def main() -> None:
        bench = Bench()
        await bench.show(Signal.REFUSED)
        assert await bench.watch(0.55, "red") == [0.1, 0.2, 0.3, 0.4, 0.5]
        await bench.show(Signal.READY)
        assert bench.on() == {"green"}
        assert await bench.watch(10, "red") == []

    run_virtual(main())


def test_the_next_signal_ends_a_tone() -> None:
    """Nothing of the old pattern is left, whatever it was in the middle of."""

    async def main() -> None:
        for before in Signal:
            for pause in (0, 0.05, 0.2, 3):
                bench = Bench()
                await bench.show(before)
                await asyncio.sleep(pause)
                await bench.show(Signal.ERROR)
                assert bench.on() == {"red"}
                assert await bench.watch(10, "buzzer") == []
                assert bench.on() == {"red"}

    run_virtual(main())


def test_the_same_signal_again_begins_anew() -> None:
    """A second driver who is refused hears it, too."""

    async def main() -> None:
        bench = Bench()
        await bench.show(Signal.REFUSED)
        await asyncio.sleep(1)
        assert "buzzer" not in bench.on()
        await bench.show(Signal.REFUSED)
        assert "buzzer" in bench.on()
        assert await bench.watch(1, "buzzer") == [0.6]

    run_virtual(main())


def test_what_lasts_needs_no_timer() -> None:
    """A steady light keeps nobody awake: nothing is planned."""

    async def main() -> None:
        bench = Bench()
        await bench.show(Signal.ERROR)
        assert bench.on() == {"red"}
        await asyncio.Event().wait()

    with pytest.raises(StandstillError, match="no timer is set"):
        run_virtual(main())


@pytest.mark.parametrize(
    ("lamps", "shining"),
    [
        (["green"], {"green"}),
        (["red", "green"], {"red", "green"}),
        (["yellow", "green"], {"yellow"}),
        (["buzzer"], {"buzzer"}),
    ],
)
def test_few_lamps(lamps: Iterable[str], shining: set[str]) -> None:
    """Locked is yellow: with whatever there is."""

    async def main() -> None:
        lines = dict.fromkeys(LINES) | {lamp: OutputLine(line=9) for lamp in lamps}
        bench = Bench(**lines)
        await bench.show(Signal.LOCKED)
        assert bench.on() == shining

    run_virtual(main())


def test_a_pattern_of_ones_own() -> None:
    """The configuration replaces one signal's pattern, and no other."""

    async def main() -> None:
        own = Pattern(colours=(Colour.BLUE,), on=SHORT, repeats=2, tone=SHORT)
        bench = Bench(accepted=own)
        await bench.show(Signal.ACCEPTED)
        assert bench.on() == {"blue", "buzzer"}
        assert await bench.watch(10, "blue") == [0.1, 0.2, 0.3]
        await bench.show(Signal.ERROR)
        assert bench.on() == {"red"}

    run_virtual(main())


def test_lines_that_cannot_be_taken() -> None:
    """The error goes to who shows, and the next signal tries again."""

    async def main() -> None:
        bench = Bench()
        bench.chip.failure = DeviceGoneError("no chip")
        with pytest.raises(DeviceGoneError, match="no chip"):
            await bench.show(Signal.READY)
        bench.chip.failure = None
        await bench.show(Signal.ERROR)
        assert bench.on() == {"red"}

    run_virtual(main())


def test_a_chip_that_goes_while_it_blinks() -> None:
    """The signal fails, nothing is left of it, and the next takes the lines anew."""

    async def main() -> None:
        before = open_files()
        bench = Bench()
        await bench.show(Signal.CHECKING)
        bench.chip.failure = DeviceGoneError("the chip is gone")
        await asyncio.sleep(1)
        assert bench.indicator.failure is bench.chip.failure
        assert bench.chip.lines is None
        assert open_files() == before
        bench.chip.failure = None
        await asyncio.sleep(60)
        assert len(bench.chip.opened) == 1
        await bench.show(Signal.READY)
        assert len(bench.chip.opened) == 2

    run_virtual(main())


def test_a_chip_that_comes_back() -> None:
    """`status` tells of it meanwhile, and the next signal is not disturbed by it."""

    async def main() -> None:
        bench = Bench()
        async with ported(bench.indicator.indicator) as port:
            port.show(Signal.REFUSED)
            for seconds in (1, 4):
                await asyncio.sleep(1)
                assert port.problem() == ""
                bench.chip.failure = DeviceGoneError("the chip is gone")
                await asyncio.sleep(seconds)
                assert port.problem() == "the chip is gone"
                bench.chip.failure = None
                await asyncio.sleep(seconds + 3)
                assert port.problem() == ""
                assert len(await bench.watch(1.05, "red")) >= 10
            bench.chip.failure = DeviceGoneError("the chip is gone")
            await asyncio.sleep(0.3)
            bench.chip.failure = None
            port.show(Signal.ERROR)
            await asyncio.sleep(0.1)
            assert await bench.watch(60, "red") == []
            assert bench.on() == {"red"}

    run_virtual(main())


@pytest.mark.parametrize("signal", BLINKING)
def test_every_pattern_survives_its_chip(signal: Signal) -> None:
    """Its lamps change as they would have, had nothing happened."""

    async def main() -> None:
        bench = Bench()
        async with ported(bench.indicator.indicator) as port:
            port.show(signal)
            await asyncio.sleep(0.01)
            lamp = min(bench.on() - {"buzzer"})
            usual = len(await bench.watch(30, lamp))
            assert usual > 10
            bench.chip.failure = DeviceGoneError("the chip is gone")
            await asyncio.sleep(4)
            assert port.problem()
            bench.chip.failure = None
            await asyncio.sleep(9)
            assert len(await bench.watch(30, lamp)) == pytest.approx(usual, abs=1)

    run_virtual(main())


def test_closing_a_signal_ends_a_tone_and_leaves_the_lamps() -> None:
    """Nothing is planned any more."""

    async def main() -> None:
        bench = Bench()
        await bench.show(Signal.REFUSED)
        assert bench.on() == {"red", "buzzer"}
        await bench.indicator.stop()
        assert bench.on() == {"red"}
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await asyncio.Event().wait()

    with pytest.raises(StandstillError, match="no timer is set"):
        run_virtual(main())


def test_a_chip_that_goes_between_signals() -> None:
    """The signal that meets it says so, and gives the lines back."""

    async def main() -> None:
        bench = Bench()
        await bench.show(Signal.ERROR)
        bench.chip.failure = DeviceGoneError("the chip is gone")
        with pytest.raises(DeviceGoneError):
            await bench.show(Signal.READY)
        assert bench.chip.lines is None

    run_virtual(main())


def test_closing_leaves_all_dark_and_silent() -> None:
    """In the middle of a tone; the lines are free for the next."""

    async def main() -> None:
        before = open_files()
        bench = Bench()
        await bench.show(Signal.REFUSED)
        await bench.indicator.close()
        assert bench.on() == set()
        assert bench.chip.lines is None
        assert open_files() == before
        await bench.indicator.close()
        await bench.show(Signal.ERROR)
        assert bench.on() == {"red"}

    run_virtual(main())
