"""What each signal looks and sounds like, for indicators with lamps and a buzzer."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from enum import StrEnum
from itertools import count
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

from msgspec import Meta

from drivers.indicators.base import Misfit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from drivers.indicators.base import Signal

#: A shorter step would keep a reader, if the lamps are its own, from its cards.
READER_STEP_S: Final = 0.1
# Shorter is not seen, and would keep the agent busy.
_SHORTEST: Final = timedelta(milliseconds=20)

_Times = Annotated[
    int, Meta(ge=0, le=100, description="a whole number of times from 0 to 100")
]


class Colour(StrEnum):
    """What a pattern asks for; an indicator shows it with the lamps that it has."""

    RED = "red"
    GREEN = "green"
    BLUE = "blue"
    YELLOW = "yellow"
    WHITE = "white"


_MIXED: Final = {
    Colour.YELLOW: frozenset({Colour.RED, Colour.GREEN}),
    Colour.WHITE: frozenset({Colour.RED, Colour.GREEN, Colour.BLUE}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A light and a tone.

    The lamps of `colours` shine for `on` and rest for `off`, `repeats` times, 0 for
    until the next signal; without `on` they shine all the time, without `off` it is as
    long as `on`. The buzzer sounds `tones` times for `tone`, with as long a pause.
    """

    colours: tuple[Colour, ...] = ()
    on: timedelta | None = None
    off: timedelta | None = None
    repeats: _Times = 0
    tone: timedelta | None = None
    tones: _Times = 1

    def __post_init__(self) -> None:
        for key in ("on", "off", "tone"):
            length = getattr(self, key)
            if length is not None and length < _SHORTEST:
                raise ValueError(f"{key}: expected at least 20ms")
        if self.on is None and (self.off is not None or self.repeats):
            raise ValueError("on: missing; without it the light does not blink")
        if self.on is not None and not self.colours:
            raise ValueError("colours: missing; without them nothing shines")
        if self.tone is None and self.tones != 1:
            raise ValueError("tone: missing; without it nothing sounds")


def _ms(milliseconds: int) -> timedelta:
    return timedelta(milliseconds=milliseconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patterns:
    """One pattern per signal, each another rhythm: not everybody sees colours."""

    ready: Pattern = Pattern(colours=(Colour.GREEN,), on=_ms(100), off=_ms(2900))
    reading: Pattern = Pattern(
        colours=(Colour.WHITE,), on=_ms(150), repeats=1, tone=_ms(60)
    )
    checking: Pattern = Pattern(colours=(Colour.WHITE,), on=_ms(250))
    accepted: Pattern = Pattern(
        colours=(Colour.GREEN,), on=_ms(600), off=_ms(150), tone=_ms(80), tones=2
    )
    refused: Pattern = Pattern(colours=(Colour.RED,), on=_ms(100), tone=_ms(600))
    charging: Pattern = Pattern(colours=(Colour.BLUE,), on=_ms(2500), off=_ms(500))
    locked: Pattern = Pattern(colours=(Colour.YELLOW,), on=_ms(1000), tone=_ms(40))
    error: Pattern = Pattern(colours=(Colour.RED,))

    def of(self, signal: Signal) -> Pattern:
        """Return a signal's pattern."""
        pattern: Pattern = getattr(self, signal.value)
        return pattern


def find_unshown(
    patterns: Patterns, *, has_lamps: bool, has_buzzer: bool
) -> Iterator[Misfit]:
    """Say which patterns, other than the default ones, need what there is not."""
    for item in fields(Patterns):
        pattern: Pattern = getattr(patterns, item.name)
        if pattern == item.default:
            continue
        if pattern.colours and not has_lamps:
            yield Misfit(item.name, "colours: there is no lamp; leave them out")
        if pattern.tone is not None and not has_buzzer:
            yield Misfit(item.name, "tone: there is no buzzer; leave it out")


class Step(NamedTuple):
    """Something is on or off for so many seconds; None: for good."""

    on: bool
    seconds: float | None


def light_steps(pattern: Pattern) -> Iterator[Step]:
    """Yield what the lamps do; endless if it blinks until the next signal."""
    if not pattern.colours or pattern.on is None:
        yield Step(bool(pattern.colours), None)
        return
    off = pattern.on if pattern.off is None else pattern.off
    for number in count(1):
        yield Step(on=True, seconds=pattern.on.total_seconds())
        if number == pattern.repeats:
            break
        yield Step(on=False, seconds=off.total_seconds())
    yield Step(on=False, seconds=None)


def tone_steps(pattern: Pattern) -> Iterator[Step]:
    """Yield what the buzzer does."""
    if pattern.tone is not None:
        for number in range(pattern.tones):
            if number:
                yield Step(on=False, seconds=pattern.tone.total_seconds())
            yield Step(on=True, seconds=pattern.tone.total_seconds())
    yield Step(on=False, seconds=None)


def choose_lamps(
    colours: Collection[Colour], lamps: Collection[Colour]
) -> frozenset[Colour]:
    """Choose the lamps that show these colours.

    A colour that has no lamp of its own is mixed from those there are. One that cannot
    be mixed is shown by all lamps but red, which means no: nothing goes unseen.
    """
    chosen: set[Colour] = set()
    for colour in colours:
        if colour in lamps:
            chosen.add(colour)
            continue
        mixed = _MIXED.get(colour, frozenset()).intersection(lamps)
        chosen |= mixed or set(lamps) - {Colour.RED} or set(lamps)
    return frozenset(chosen)
