"""Moments told by a clock that was not synchronized, put right once the time is known.

A boot's `base` is the wall time at which its monotonic clock stood at zero. It is
learned when the clock is synchronized, and dates everything that happened before.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.domain.instant import Instant
    from agent.domain.sessions import Session

#: What backends are told, as it happened.
_IN_ORDER = ("started_at", "ended_at", "updated_at")
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)
_MOMENTS = (*_IN_ORDER, "stop_at", "meter_at")


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
    """Date a session anew, by all that is known; the order of what happened is kept.

    A boot that never knew the time may have been ahead of it, or behind: its moments
    make way for those with a date.
    """
    moments = {
        name: _correct(moment, bases) for name, moment in _moments(session).items()
    }
    in_order = [name for name in _IN_ORDER if name in moments]
    latest = _END_OF_TIME
    for name in reversed(in_order):
        if _has_date(moments[name], bases):
            latest = min(latest, moments[name].wall)
        else:
            moments[name] = _move(moments[name], min(latest, moments[name].wall))
    earliest = moments["started_at"].wall
    for name in in_order:
        earliest = max(earliest, moments[name].wall)
        moments[name] = _move(moments[name], earliest)
    return replace(session, **moments)


def settle(session: Session) -> Session:
    """Let the dates of a session be final: what is learned later changes nothing."""
    moments = {
        name: replace(moment, synchronized=True)
        for name, moment in _moments(session).items()
    }
    return replace(session, **moments)


def _has_date(moment: Instant, bases: Mapping[str, datetime]) -> bool:
    return moment.synchronized or moment.boot_id in bases


def _correct(moment: Instant, bases: Mapping[str, datetime]) -> Instant:
    base = bases.get(moment.boot_id)
    if moment.synchronized or base is None:
        return moment
    return _move(moment, base + moment.monotonic)


def _move(moment: Instant, wall: datetime) -> Instant:
    return replace(moment, wall=wall)


def _moments(session: Session) -> dict[str, Instant]:
    found = {name: getattr(session, name) for name in _MOMENTS}
    return {name: moment for name, moment in found.items() if moment is not None}
