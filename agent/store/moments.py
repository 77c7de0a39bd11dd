"""Moments as whole numbers of milliseconds: what a row holds of a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_milliseconds(moment: datetime) -> int:
    """Count from 1970, rounded down."""
    return (moment - _EPOCH) // _MILLISECOND


def from_milliseconds(count: int) -> datetime:
    """Count back; the moment is in UTC."""
    return _EPOCH + count * _MILLISECOND


def to_milliseconds_or_none(moment: datetime | None) -> int | None:
    """Count, where there may be no moment."""
    return None if moment is None else to_milliseconds(moment)


def from_milliseconds_or_none(count: int | None) -> datetime | None:
    """Count back, where there may be no moment."""
    return None if count is None else from_milliseconds(count)
