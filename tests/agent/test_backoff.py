"""How long to wait before trying again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent.backoff import JITTER, Backoff

BACKOFF = Backoff(timedelta(seconds=2), timedelta(minutes=5))


@pytest.mark.parametrize(
    ("attempt", "expected_s"),
    [(1, 2), (2, 4), (3, 8), (8, 256), (9, 300), (10, 300), (100, 300), (10**6, 300)],
)
def test_delays_double_up_to_the_cap(attempt: int, expected_s: float) -> None:
    """With a share of jitter on top, also at the cap."""
    delays = {BACKOFF.delay_s(attempt) for _ in range(50)}

    assert expected_s <= min(delays)
    assert max(delays) <= expected_s * (1 + JITTER)
    assert len(delays) > 1


@pytest.mark.parametrize("attempt", [0, -1, -(10**6)])
def test_an_attempt_that_never_was_counts_as_the_first(attempt: int) -> None:
    """A counter that starts at zero does not make a delay of zero."""
    assert 2 <= BACKOFF.delay_s(attempt) <= 2 * (1 + JITTER)
