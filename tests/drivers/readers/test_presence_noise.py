"""Noise that looks like card numbers: it is no crowd, and costs nothing."""

from __future__ import annotations

import tracemalloc
from time import process_time

from drivers.readers.base import CardArrived, CardLeft, CardUnreadable, Technology
from drivers.readers.formats.framing import CardReport
from drivers.readers.presence import MOST_CARDS, NOISE, NOISE_S, Presence
from tests.drivers.readers.test_presence import A, B, arrived, started

HELD_FOR_S = 1.0
#: Lines of seven bytes at 115200 baud.
LINES_PER_S = 1645


def number(count: int) -> CardReport:
    """Make a card that was not there before."""
    return CardReport(count.to_bytes(4), Technology.ISO14443)


def drowned(at: float = 10.0) -> Presence:
    """Give one that has just heard of too many cards."""
    presence = started()
    for count in range(MOST_CARDS + 1):
        presence.saw(number(count), at)
    return presence


def test_a_handful_of_cards_is_believed() -> None:
    """A purse full of cards is a tap of each."""
    presence = started()
    for count in range(MOST_CARDS):
        [*_, event] = presence.saw(number(count), 10)
        assert isinstance(event, CardArrived)


def test_noise_is_told_of_once() -> None:
    """The card that was told of last has left, for it may have been noise as well."""
    presence = started()
    for count in range(MOST_CARDS):
        presence.saw(number(count), 10)

    assert presence.saw(number(99), 10) == [
        CardLeft(10),
        CardUnreadable(NOISE, 10),
        CardLeft(10),
    ]
    assert presence.leaves_at() is None
    for count in range(100, 1000):
        assert presence.saw(number(count), 10.5) == []


def test_no_number_is_believed_while_there_is_noise() -> None:
    """Among ten thousand random numbers would be somebody's."""
    presence = drowned()
    at = 10.0
    for count in range(LINES_PER_S * 20):
        at += 1 / LINES_PER_S
        assert presence.saw(number(count), at) == []
        assert presence.unseen(at) == []
    assert presence.saw(A, at + NOISE_S - 0.1) == []


def test_cards_are_believed_again_after_the_noise() -> None:
    """One that was held meanwhile is lifted and laid on again first."""
    presence = drowned(10.0)
    assert presence.saw(A, 10 + NOISE_S - 0.5) == []
    assert presence.saw(A, 10 + NOISE_S) == []
    assert presence.saw(B, 10 + NOISE_S) == [arrived(B, 10 + NOISE_S)]


def test_noise_costs_no_memory() -> None:
    """What is kept does not grow with what was heard."""
    presence = drowned()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for count in range(LINES_PER_S * 10):
            presence.saw(number(count), 10 + count / LINES_PER_S)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 10_000


def cost_of(lines_per_s: int) -> float:
    """Measure a second of noise at this rate, per line."""
    presence = started()
    begin = process_time()
    for count in range(lines_per_s):
        presence.saw(number(count), 10 + count * HELD_FOR_S / lines_per_s)
    return (process_time() - begin) / lines_per_s


def test_a_line_of_fast_noise_costs_no_more_than_one_of_slow() -> None:
    """Else a quick device would stop the station with numbers alone."""
    slow, fast = (min(cost_of(rate) for _ in range(3)) for rate in (200, 4000))
    assert fast < 5 * slow


def test_a_bad_plug_makes_no_noise_of_many_customers() -> None:
    """One card each time that a reader is there for a moment is no crowd, ever."""
    presence = Presence(HELD_FOR_S)
    for count in range(10 * MOST_CARDS):
        at = 60.0 * count
        presence.connected(at)
        [*_, event] = presence.saw(number(count), at + 0.1)
        assert isinstance(event, CardArrived)


def test_two_cards_that_are_held_outlive_a_bad_plug() -> None:
    """A reader that takes turns between them makes no tap of it."""
    presence = started()
    presence.saw(A, 10)
    presence.saw(B, 10.1)
    for at in (20.0, 30.0, 40.0):
        presence.connected(at)
        assert presence.saw(A, at + 0.1) == []
        assert presence.saw(B, at + 0.2) == []
