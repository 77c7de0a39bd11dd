"""Lights of serial readers in virtual time: what each signal looks and sounds like."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from drivers.gpio import OutputLine
from drivers.indicators.base import Signal
from drivers.indicators.patterns import Colour, Pattern
from drivers.readers.base import CardArrived, ReaderUp
from tests.drivers.indicators.module_bench import (
    ALL,
    PN532,
    SL032,
    TWN4,
    Bench,
    Make,
)
from tests.drivers.readers.modules import Twn4Emulator
from tests.fakes.virtual_loop import run_virtual

UID = bytes.fromhex("04A1B2C3D4E5F6")
#: Where there is no blue: all but red; where there is nothing but red: that.
FIRST_LIGHT = {
    TWN4: {
        Signal.READY: {"green"},
        Signal.READING: {"red", "green"},
        Signal.CHECKING: {"red", "green"},
        Signal.ACCEPTED: {"green"},
        Signal.REFUSED: {"red"},
        Signal.CHARGING: {"green", "yellow"},
        Signal.LOCKED: {"yellow"},
        Signal.ERROR: {"red"},
    },
    PN532: {
        Signal.READY: {"green"},
        Signal.READING: {"red", "green", "blue"},
        Signal.CHECKING: {"red", "green", "blue"},
        Signal.ACCEPTED: {"green"},
        Signal.REFUSED: {"red"},
        Signal.CHARGING: {"blue"},
        Signal.LOCKED: {"red", "green"},
        Signal.ERROR: {"red"},
    },
    SL032: {signal: {"red"} for signal in Signal},
}
makes = pytest.mark.parametrize("make", ALL, ids=repr)
wired = pytest.mark.parametrize("make", FIRST_LIGHT, ids=repr)


@pytest.mark.parametrize("signal", Signal)
@wired
def test_every_signal_on_every_module(make: Make, signal: Signal) -> None:
    """Its first light is there when `show` returns, and a card is read as before."""

    async def main() -> None:
        bench = Bench(make)
        async with bench.open():
            await bench.indicator.show(signal)
            assert bench.on() - {"buzzer"} == FIRST_LIGHT[make][signal]
            bench.device.card = UID
            await asyncio.sleep(0.3)
            up, card = bench.events
            assert isinstance(up, ReaderUp)
            assert isinstance(card, CardArrived)
            assert card.uid == UID

    run_virtual(main())


@wired
def test_signals_can_be_told_apart(make: Make) -> None:
    """No two of the eight look and sound alike, even with one lamp."""

    async def main() -> None:
        seen = set()
        for signal in Signal:
            bench = Bench(make)
            async with bench.open():
                await bench.indicator.show(signal)
                glimpses: list[object] = []
                for _ in range(40):
                    await asyncio.sleep(0.075)
                    glimpses.append(tuple(sorted(bench.on())))
                if isinstance(bench.device, Twn4Emulator):
                    glimpses += bench.device.beeps
                seen.add(tuple(glimpses))
        assert len(seen) == len(Signal)

    run_virtual(main())


@makes
def test_blinking_goes_on_until_the_next_signal(make: Make) -> None:
    """Refused is red, five times a second; error ends that at once, and is steady."""

    async def main() -> None:
        bench = Bench(make)
        async with bench.open():
            await bench.indicator.show(Signal.REFUSED)
            changes = await bench.watch(1.0, "red")
            assert len(changes) in (9, 10)
            tenths = [0.1 * n for n in range(1, 10)]
            assert changes[:9] == pytest.approx(tenths, abs=0.09)
            await bench.indicator.show(Signal.ERROR)
            assert bench.on() - {"buzzer"} == {"red"}
            assert await bench.watch(5, "red") == []

    run_virtual(main())


def test_no_light_is_shorter_than_a_tenth_of_a_second() -> None:
    """Whatever the pattern says, so that there is time for cards."""

    async def main() -> None:
        fast = timedelta(milliseconds=20)
        bench = Bench(TWN4, refused=Pattern(colours=(Colour.RED,), on=fast))
        async with bench.open():
            await bench.indicator.show(Signal.REFUSED)
            assert 85 < len(await bench.watch(10, "red")) < 101

    run_virtual(main())


def test_a_flash_and_a_tone_on_a_line() -> None:
    """Reading: white for 150 ms, a tone of 60 ms, then dark and silent."""

    async def main() -> None:
        bench = Bench(PN532)
        async with bench.open():
            await bench.indicator.show(Signal.READING)
            await asyncio.sleep(0.03)
            assert bench.on() == {"red", "green", "blue", "buzzer"}
            await asyncio.sleep(0.06)
            assert bench.on() == {"red", "green", "blue"}
            await asyncio.sleep(0.1)
            assert bench.on() == set()
            assert await bench.watch(60, "buzzer") == []

    run_virtual(main())


def test_two_tones_and_the_pause_between_them() -> None:
    """Accepted, on a line: 80 ms, silence for as long, 80 ms."""

    async def main() -> None:
        bench = Bench(PN532)
        async with bench.open():
            await bench.indicator.show(Signal.ACCEPTED)
            changes = await bench.watch(5, "buzzer")
            assert changes == pytest.approx([0, 0.08, 0.16, 0.24], abs=0.02)

    run_virtual(main())


def test_the_beeper_of_a_twn4() -> None:
    """As loud and as high as it is set, and silent if that is wanted."""

    async def main() -> None:
        for options, beeps in (
            ({}, [(100, 2400, 80, 0)] * 2),
            ({"volume": 30, "frequency": 2057}, [(30, 2057, 80, 0)] * 2),
            ({"volume": 0}, []),
        ):
            bench = Bench(TWN4, **options)
            async with bench.open():
                await bench.indicator.show(Signal.ACCEPTED)
                await asyncio.sleep(1)
                assert isinstance(bench.device, Twn4Emulator)
                assert bench.device.beeps == beeps

    run_virtual(main())


@pytest.mark.parametrize("make", [TWN4, PN532], ids=repr)
def test_the_next_signal_ends_a_tone(make: Make) -> None:
    """Whatever it was in the middle of, nothing of the old pattern is left."""

    async def main() -> None:
        for before in Signal:
            for pause in (0, 0.05, 0.2, 3):
                bench = Bench(make)
                async with bench.open():
                    await bench.indicator.show(before)
                    await asyncio.sleep(pause)
                    await bench.indicator.show(Signal.ERROR)
                    assert bench.on() == {"red"}
                    beeps = getattr(bench.device, "beeps", [])[:]
                    assert await bench.watch(9, "buzzer") == []
                    assert bench.on() == {"red"}
                    assert getattr(bench.device, "beeps", []) == beeps

    run_virtual(main())


def test_a_module_that_is_wired_by_hand() -> None:
    """Lines of one's own take the place of the board's, all of them."""

    async def main() -> None:
        bench = Bench(TWN4, green=OutputLine(line="GPIO0"))
        async with bench.open():
            await bench.indicator.show(Signal.CHARGING)
            assert isinstance(bench.device, Twn4Emulator)
            assert (bench.device.outputs, bench.device.high) == (1, 1)

    run_virtual(main())
