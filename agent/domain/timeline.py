"""Moments told by a clock that was not synchronized, put right once the time is known.

A boot's `base` is the wall time at which its monotonic clock stood at zero. It is
learned when the clock is synchronized, and dates everything that happened before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from agent.domain.instant import Instant
    from agent.domain.sessions import Session

_MOMENTS = ("started_at", "meter_at", "stop_at", "ended_at", "updated_at")


def base_of(now: Instant) -> datetime:
    """Tell the base of this boot, from a synchronized moment."""
    return now.wall - now.monotonic


def waits_for_time(session: Session, bases: Mapping[str, datetime], boot: str) -> bool:
    """Whether a moment of the present `boot` has no date that could be trusted yet."""
    return boot not in bases and any(
        moment.boot_id == boot and not moment.synchronized
        for moment in _moments(session).values()
    )


def correct(session: Session, bases: Mapping[str, datetime]) -> Session:
    """Date a session anew; it never begins after what followed.

    A boot that never knew the time may have been ahead of it, or behind: its moments
    lie between those with a date.
    """
    moments = {
        name: _correct(moment, bases) for name, moment in _moments(session).items()
    }
    last = moments["updated_at"]
    if _has_date(last, bases):
        walls = {name: min(one.wall, last.wall) for name, one in moments.items()}
    else:
        lag = max(moment.wall for moment in moments.values()) - last.wall
        walls = {
            name: one.wall + lag * _is_of_boot(last.boot_id, one)
            for name, one in moments.items()
        }
    walls["started_at"] = min(walls.values())
    found = {name: replace(moments[name], wall=wall) for name, wall in walls.items()}
    return replace(session, **found)


def settle(session: Session) -> Session:
    """Let the dates of a session be final: what is learned later changes nothing."""
    moments = {
        name: replace(moment, synchronized=True)
        for name, moment in _moments(session).items()
    }
    return replace(session, **moments)


def _is_of_boot(boot: str, moment: Instant) -> bool:
    """Whether it shares what this boot did not know of the time."""
    return moment.boot_id == boot and not moment.synchronized


def _has_date(moment: Instant, bases: Mapping[str, datetime]) -> bool:
    return moment.synchronized or moment.boot_id in bases


def _correct(moment: Instant, bases: Mapping[str, datetime]) -> Instant:
    base = bases.get(moment.boot_id)
    if moment.synchronized or base is None:
        return moment
    return replace(moment, wall=base + moment.monotonic)


def _moments(session: Session) -> dict[str, Instant]:
    found = {name: getattr(session, name) for name in _MOMENTS}
    return {name: moment for name, moment in found.items() if moment is not None}
