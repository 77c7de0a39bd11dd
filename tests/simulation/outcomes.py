"""Whether every tap and every grant came to exactly one end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.simulation.rights import is_wrongly_refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.world import World

#: A tap so shortly before the agent was killed may have had no outcome: the deadline,
#: a charger that hangs, a slow disk.
_DECIDED_WITHIN_S: Final = 15.0
#: A grant that waits when the agent ends is gone: connection_timeout, and a start.
_GRANT_ENDS_WITHIN_S: Final = 75.0


def find_wrong_outcomes(world: World) -> Iterator[str]:
    """Name every tap without exactly one outcome, and every grant likewise."""
    yield from world.heard.wrong
    lives = world.machine.lives
    for tap in world.heard.taps:
        life = lives[tap.life]
        assert life.until is not None
        cut = life.killed and life.until - tap.at < _DECIDED_WITHIN_S
        name = f"tap of {tap.card.kind} card {tap.card.number} at {tap.reader}"
        if len(tap.outcomes) > 1 or not (tap.outcomes or cut):
            until = f"run {tap.life} ended at {life.until:.1f}"
            yield f"{name} at {tap.at:.1f}: {tap.outcomes}, {until}"
        elif is_wrongly_refused(world, tap):
            yield f"{name} at {tap.at:.1f}: refused, {tap.reasons[0]}"
    for tap in world.heard.taps:
        if tap.outcomes == ["granted"] and tap.tap_id is not None:
            life = lives[tap.life]
            assert life.until is not None
            ends = world.heard.grants.get(tap.tap_id, [])
            cut = life.until - tap.at < _GRANT_ENDS_WITHIN_S
            if len(ends) > 1 or not (ends or cut):
                yield f"grant of {tap.at:.1f} at {tap.reader}: {ends}"
