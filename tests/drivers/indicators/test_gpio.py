"""Lamps and a buzzer on GPIO lines, in virtual time."""

from __future__ import annotations

import asyncio
import logging
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent.config.reading import Mistakes, Place, read_struct
from drivers.errors import DeviceGoneError
from drivers.gpio import OutputLine
from drivers.indicators.base import Signal
from drivers.indicators.gpio import GpioIndicator, GpioIndicatorConfig
from drivers.indicators.patterns import Colour, Pattern, Patterns
from tests.drivers.gpio_fake import FakeChip
from tests.drivers.pipes import open_files
from tests.fakes.virtual_loop import StandstillError, run_virtual

if TYPE_CHECKING:
    from collections.abc import Iterable

LINES = {
    name: OutputLine(line=number)
    for number, name in enumerate(("red", "green", "blue", "buzzer"))
}
SHORT = timedelta(milliseconds=100)
BLINKING = [one for one in Signal if one not in (Signal.READING, Signal.ERROR)]


class Bench:
    """An indicator on a chip in memory."""

    def __init__(self, **config: Any) -> None:  # noqa: ANN401 - any key
        self.chip = FakeChip()
        self.indicator = GpioIndicator(
            GpioIndicatorConfig(chip="pinctrl", **(LINES | config)),
            take_lines=self.chip.open,
        )

    async def show(self, *signals: Signal) -> None:
        """Show signals without a pause."""
        for signal in signals:
            await self.indicator.show(signal)

    def on(self) -> set[str]:
        """Name what is on."""
        return {name for name, active in self.chip.outputs.items() if active}

    async def watch(self, seconds: float, name: str) -> list[float]:
        """Let time pass; return when an output changed, from now, rounded to ms."""
        loop = asyncio.get_running_loop()
        began, was = loop.time(), self.chip.outputs[name]
        self.chip.history.clear()
        await asyncio.sleep(seconds)
        times = []
        for at, changed, active in self.chip.history:
            if changed == name and active is not was:
                times.append(round(at - began, 3))
                was = active
        return times


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


def test_a_chip_that_goes_while_it_blinks(caplog: pytest.LogCaptureFixture) -> None:
    """One line of the log, no timer left, and the next signal takes the lines anew."""

    async def main() -> None:
        before = open_files()
        bench = Bench()
        await bench.show(Signal.CHECKING)
        bench.chip.failure = DeviceGoneError("the chip is gone")
        await asyncio.sleep(10)
        assert bench.chip.lines is None
        assert open_files() == before
        bench.chip.failure = None
        await bench.show(Signal.READY)
        assert len(bench.chip.opened) == 2

    with caplog.at_level(logging.WARNING):
        run_virtual(main())
    assert caplog.messages == ["a lamp or the buzzer failed: the chip is gone"]


def test_a_chip_that_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    """The signal is shown again soon, without its tone; a chip that flaps is told once.

    The next signal is not disturbed by what was tried for the one before it.
    """

    async def main() -> None:
        bench = Bench()
        await bench.show(Signal.REFUSED)
        for seconds in (0.3, 4):
            bench.chip.failure = DeviceGoneError("the chip is gone")
            await asyncio.sleep(seconds)
            bench.chip.failure = None
            await asyncio.sleep(seconds + 1)
            bench.chip.history.clear()
            assert len(await bench.watch(1.05, "red")) >= 10
            assert await bench.watch(5, "buzzer") == []
        bench.chip.failure = DeviceGoneError("the chip is gone")
        await asyncio.sleep(0.3)
        bench.chip.failure = None
        await bench.show(Signal.ERROR)
        assert await bench.watch(60, "red") == []
        assert bench.on() == {"red"}

    with caplog.at_level(logging.WARNING):
        run_virtual(main())
    assert caplog.messages == ["a lamp or the buzzer failed: the chip is gone"]


@pytest.mark.parametrize("signal", BLINKING)
def test_every_pattern_survives_its_chip(signal: Signal) -> None:
    """Its lamps change as they would have, had nothing happened."""

    async def main() -> None:
        bench = Bench()
        await bench.show(signal)
        lamp = min(bench.on() - {"buzzer"})
        usual = len(await bench.watch(30, lamp))
        assert usual > 10
        bench.chip.failure = DeviceGoneError("the chip is gone")
        await asyncio.sleep(4)
        bench.chip.failure = None
        await asyncio.sleep(4)
        assert len(await bench.watch(30, lamp)) == pytest.approx(usual, abs=1)

    run_virtual(main())


def test_a_chip_that_stays_away_is_left_alone_longer_and_longer() -> None:
    """An hour costs few tries, and closing ends them."""

    async def main() -> None:
        bench = Bench()
        await bench.show(Signal.CHECKING)
        bench.chip.failure = DeviceGoneError("the chip is gone")
        tries = 0
        take = bench.chip.open

        def count(*args: Any) -> Any:  # noqa: ANN401 - as the chip has them
            nonlocal tries
            tries += 1
            return take(*args)

        bench.indicator._take_lines = count
        await asyncio.sleep(3600)
        assert 100 < tries < 130
        await bench.indicator.close()
        await asyncio.sleep(3600)
        assert tries < 130

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


def read(text: str) -> tuple[GpioIndicatorConfig | None, list[str]]:
    """Read a table of the configuration; return it and the mistakes in it."""
    mistakes = Mistakes(Path("config.toml"), text)
    config = read_struct(
        GpioIndicatorConfig,
        tomllib.loads(text),
        Place("reader", 1, "indicator"),
        mistakes,
        base_dir=Path("/state"),
    )
    return config, mistakes.found


def test_the_table_is_read() -> None:
    """Lines and patterns; what is not written stays as it is."""
    config, mistakes = read(
        """
        chip = "pinctrl-bcm2711"
        green = { line = "GPIO5", active_low = true }
        accepted = { colours = ["green", "blue"], on = "1s", off = "50ms", repeats = 3 }
        locked = { tone = "500ms", tones = 2 }
        """
    )
    assert mistakes == []
    assert config == GpioIndicatorConfig(
        chip="pinctrl-bcm2711",
        green=OutputLine(line="GPIO5", active_low=True),
        accepted=Pattern(
            colours=(Colour.GREEN, Colour.BLUE),
            on=timedelta(seconds=1),
            off=timedelta(milliseconds=50),
            repeats=3,
        ),
        locked=Pattern(tone=timedelta(milliseconds=500), tones=2),
    )
    assert config.refused == Patterns().refused


GREEN = 'chip = "c"\ngreen = { line = 1 }\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('chip = "c"', "expected one of red, green, blue, yellow, buzzer"),
        (GREEN + 'ready = { colours = ["pink"] }', 'one of "red", "green"'),
        (GREEN + 'ready = { colour = ["red"] }', "did you mean colours?"),
        (GREEN + 'ready = { on = "5ms" }', "at least 20ms"),
        (GREEN + 'ready = { on = "1s", repeats = 101 }', "from 0 to 100"),
        (GREEN + 'ready = { on = "1s" }', "colours: missing"),
        (GREEN + "ready = { tones = 2 }", "tone: missing"),
        (GREEN + 'ready = "green"', "expected a table"),
        (GREEN + "yelow = { line = 2 }", "did you mean yellow?"),
    ],
)
def test_mistakes(text: str, problem: str) -> None:
    """Each is told with its remedy."""
    config, (mistake,) = read(text)
    assert config is None
    assert problem in mistake


@pytest.mark.parametrize(
    ("text", "misfits"),
    [
        (GREEN, []),
        (
            GREEN
            + 'ready = { tone = "1s" }\nerror = { colours = ["red"], tone = "1s" }',
            [
                ("ready", "tone: there is no buzzer; leave it out"),
                ("error", "tone: there is no buzzer; leave it out"),
            ],
        ),
        (GREEN + 'buzzer = { line = 2 }\nready = { tone = "1s" }', []),
        (
            'chip = "c"\nbuzzer = { line = 2 }\nready = { colours = ["red"] }',
            [("ready", "colours: there is no lamp; leave them out")],
        ),
    ],
)
def test_what_cannot_be_shown(text: str, misfits: list[tuple[str, str]]) -> None:
    """Patterns of one's own are not accepted and then neither seen nor heard."""
    config, _ = read(text)
    assert list(GpioIndicator.find_misfits(config, None)) == misfits


DOCUMENT = Path(__file__).parents[3] / "docs" / "indicators.md"


def test_the_documentation_shows_a_table_that_is_read() -> None:
    """What an installer copies is what the driver takes, his own patterns included."""
    text = DOCUMENT.read_text(encoding="utf-8")
    (block,) = re.findall(
        r"^    \[reader\.indicator\]\n((?:    .+\n)+)", text, re.MULTILINE
    )
    patterns = re.findall(r"^    (?:accepted|locked) = .+\n", text, re.MULTILINE)
    config, mistakes = read(block.replace('driver = "gpio"', "") + "".join(patterns))
    assert mistakes == []
    assert config is not None
    assert list(config.lines()) == ["red", "green", "blue", "buzzer"]
    assert len(patterns) == 2
    assert config.accepted.tones == 2
