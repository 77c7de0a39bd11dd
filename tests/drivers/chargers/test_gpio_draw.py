"""Whether pulses say that energy flows."""

from __future__ import annotations

from drivers.chargers.gpio_draw import PAUSE_S, Draw


def test_pulses_add_up_until_there_is_none_for_a_minute() -> None:
    """Each one prolongs it; after a pause the count begins anew."""
    draw = Draw()
    assert draw.pulses(now=0) == 0
    draw.add(2, now=100)
    draw.add(1, now=100 + PAUSE_S - 1)
    assert draw.ends_at == 100 + 2 * PAUSE_S - 1
    assert draw.pulses(draw.ends_at - 0.1) == 3
    assert draw.pulses(draw.ends_at) == 0
    draw.add(1, now=draw.ends_at)
    assert draw.pulses(draw.ends_at - 1) == 1
