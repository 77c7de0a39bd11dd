"""How many requests per minute."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ocpi.server.allowance import Allowance
from tests.fakes.clock import FakeClock

SECOND = timedelta(seconds=1)


def test_so_many_at_once_and_then_no_more() -> None:
    """The whole minute's worth may come at once; the next one waits for its drop."""
    allowance = Allowance(3, FakeClock())

    assert [allowance.take() for _ in range(4)] == [None, None, None, 20 * SECOND]


def test_time_gives_it_back() -> None:
    """One more is allowed as soon as its share of the minute is over."""
    clock = FakeClock()
    allowance = Allowance(3, clock)
    while allowance.take() is None:
        pass

    clock.move(19 * SECOND)
    assert allowance.take() == SECOND
    clock.move(SECOND)
    assert allowance.take() is None
    assert allowance.take() == 20 * SECOND


def test_nothing_is_saved_up() -> None:
    """A quiet day does not make a busier minute."""
    clock = FakeClock()
    allowance = Allowance(2, clock)
    clock.move(timedelta(days=1))

    assert [allowance.take() is None for _ in range(3)] == [True, True, False]


def test_the_wall_clock_does_not_matter() -> None:
    """A time server that corrects the clock neither blocks nor frees anybody."""
    clock = FakeClock()
    allowance = Allowance(1, clock)
    assert allowance.take() is None
    clock.set_wall(timedelta(days=-30))
    assert allowance.take() is not None
    clock.set_wall(timedelta(days=60))

    assert allowance.take() is not None


@given(
    st.integers(1, 1000),
    st.lists(st.floats(0, 100, allow_nan=False), min_size=1, max_size=200),
)
def test_never_more_than_twice_in_a_minute(
    per_minute: int, pauses: list[float]
) -> None:
    """However requests are spread, a minute sees at most its own and the saved ones."""
    clock = FakeClock()
    allowance = Allowance(per_minute, clock)
    begun = clock.monotonic
    taken = 0
    for pause in pauses:
        clock.move(timedelta(seconds=pause))
        if clock.monotonic - begun > timedelta(minutes=1):
            break
        taken += sum(allowance.take() is None for _ in range(10))

    assert taken <= 2 * per_minute


@pytest.mark.parametrize("per_minute", [1, 7, 600])
def test_waiting_as_told_is_enough(per_minute: int) -> None:
    """Whoever comes back after the time that was named is let in."""
    clock = FakeClock()
    allowance = Allowance(per_minute, clock)
    wait = None
    while wait is None:
        wait = allowance.take()

    clock.move(wait + timedelta(milliseconds=1))

    assert allowance.take() is None
