"""Patterns: what the lamps and the buzzer do, and when."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from itertools import islice

import pytest

from drivers.indicators.base import Signal
from drivers.indicators.patterns import (
    Colour,
    Pattern,
    Patterns,
    Step,
    choose_lamps,
    light_steps,
    tone_steps,
)

RED, GREEN, BLUE, YELLOW, WHITE = Colour
ON, OFF = True, False


def ms(milliseconds: int) -> timedelta:
    """Make a short time."""
    return timedelta(milliseconds=milliseconds)


@pytest.mark.parametrize(
    ("pattern", "steps"),
    [
        (Pattern(), [Step(OFF, None)]),
        (Pattern(colours=(RED,)), [Step(ON, None)]),
        (
            Pattern(colours=(RED,), on=ms(150), repeats=1),
            [Step(ON, 0.15), Step(OFF, None)],
        ),
        (
            Pattern(colours=(RED,), on=ms(100), off=ms(50), repeats=2),
            [Step(ON, 0.1), Step(OFF, 0.05), Step(ON, 0.1), Step(OFF, None)],
        ),
    ],
)
def test_lights_that_end(pattern: Pattern, steps: list[Step]) -> None:
    """The last step lasts until the next signal."""
    assert list(light_steps(pattern)) == steps


def test_lights_without_end() -> None:
    """Without a number of times it blinks on, the pause as long as the light."""
    steps = list(islice(light_steps(Pattern(colours=(RED,), on=ms(250))), 1001))
    assert steps == [Step(ON, 0.25), Step(OFF, 0.25)] * 500 + [Step(ON, 0.25)]


@pytest.mark.parametrize(
    ("pattern", "steps"),
    [
        (Pattern(), [Step(OFF, None)]),
        (Pattern(tone=ms(40)), [Step(ON, 0.04), Step(OFF, None)]),
        (
            Pattern(tone=ms(80), tones=2),
            [Step(ON, 0.08), Step(OFF, 0.08), Step(ON, 0.08), Step(OFF, None)],
        ),
        (Pattern(tone=ms(80), tones=0), [Step(OFF, None)]),
    ],
)
def test_tones(pattern: Pattern, steps: list[Step]) -> None:
    """Every tone has an end."""
    assert list(tone_steps(pattern)) == steps


@pytest.mark.parametrize(
    ("colours", "lamps", "shining"),
    [
        ([GREEN], [RED, GREEN, BLUE], {GREEN}),
        ([], [RED, GREEN, BLUE], set()),
        ([RED, BLUE], [RED, GREEN, BLUE], {RED, BLUE}),
        ([WHITE], [RED, GREEN, BLUE], {RED, GREEN, BLUE}),
        ([WHITE], [RED, GREEN], {RED, GREEN}),
        ([YELLOW], [RED, GREEN, BLUE], {RED, GREEN}),
        ([YELLOW], [RED, GREEN, YELLOW], {YELLOW}),
        ([BLUE], [RED, GREEN], {GREEN}),
        ([BLUE], [RED], {RED}),
        ([GREEN], [RED, YELLOW], {YELLOW}),
        ([RED], [GREEN], {GREEN}),
        ([RED], [], set()),
    ],
)
def test_lamps(
    colours: list[Colour], lamps: list[Colour], shining: set[Colour]
) -> None:
    """A colour without a lamp is mixed; what cannot be mixed is seen all the same."""
    assert choose_lamps(colours, lamps) == shining


def test_every_signal_has_its_own_rhythm() -> None:
    """Who sees no colours can tell them all apart; an error is no blinking."""
    patterns = [Patterns().of(signal) for signal in Signal]
    rhythms = {(one.on, one.off, one.repeats) for one in patterns}
    assert len(rhythms) == len(Signal) == len(dataclasses.fields(Patterns))
    assert all(one.colours for one in patterns)


def test_verdicts_can_be_heard() -> None:
    """Yes and no differ in tone as well, and what lasts makes no noise."""
    patterns = Patterns()
    assert patterns.accepted.tones != patterns.refused.tones
    assert patterns.refused.tone is not None
    for signal in (Signal.READY, Signal.CHECKING, Signal.CHARGING, Signal.ERROR):
        assert patterns.of(signal).tone is None


def test_nothing_lasts_longer_than_its_verdict() -> None:
    """The verdict is shown for 2 s: its tones have ended by then."""
    for signal in (Signal.READING, Signal.ACCEPTED, Signal.REFUSED):
        steps = tone_steps(Patterns().of(signal))
        assert sum(one.seconds or 0 for one in steps) < 2


@pytest.mark.parametrize("key", ["on", "off", "tone"])
def test_what_is_too_short_is_refused(key: str) -> None:
    """Nobody would see it, and the agent would do little else."""
    lengths = {"on": ms(100), key: ms(19)}
    with pytest.raises(ValueError, match=f"{key}: expected at least 20ms"):
        Pattern(colours=(RED,), **lengths)  # type: ignore[arg-type] # one key of three


def test_what_would_show_nothing_is_a_mistake() -> None:
    """The key that is missing is named."""
    with pytest.raises(ValueError, match="colours: missing"):
        Pattern(on=ms(100))
    with pytest.raises(ValueError, match="tone: missing"):
        Pattern(tones=2)
    with pytest.raises(ValueError, match="on: missing"):
        Pattern(colours=(RED,), off=ms(100))
    with pytest.raises(ValueError, match="on: missing"):
        Pattern(colours=(RED,), repeats=3)
