"""The table of lamps on GPIO lines: what it may say."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from drivers.gpio import OutputLine
from drivers.indicators.gpio import GpioIndicator, GpioIndicatorConfig
from drivers.indicators.patterns import Colour, Pattern, Patterns
from tests.drivers.tables import INDICATOR, read_table

read = partial(read_table, GpioIndicatorConfig, INDICATOR)


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
