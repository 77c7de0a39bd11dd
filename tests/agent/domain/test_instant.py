"""Moments: durations that survive a wrong clock, and OCPI's way to write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.instant import Instant, ocpi_datetime

HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NO_CLOCK = datetime(1970, 1, 1, tzinfo=UTC)


def _at(wall: datetime, monotonic: timedelta, boot: str = "one") -> Instant:
    return Instant(wall=wall, monotonic=monotonic, boot_id=boot, synchronized=True)


DURATIONS = [
    # case, start, end, what passed
    ("ordinary", _at(NOON, HOUR), _at(NOON + HOUR, 2 * HOUR), HOUR),
    ("set back a day", _at(NOON, HOUR), _at(NOON - 23 * HOUR, 2 * HOUR), HOUR),
    ("set forward", _at(NO_CLOCK, HOUR), _at(NOON, 2 * HOUR), HOUR),
    ("rebooted", _at(NOON, 9 * HOUR), _at(NOON + HOUR, HOUR, "two"), HOUR),
    ("no clock now", _at(NOON, HOUR), _at(NO_CLOCK, HOUR, "two"), timedelta()),
    ("same moment", _at(NOON, HOUR), _at(NOON, HOUR), timedelta()),
    ("swapped", _at(NOON + HOUR, 2 * HOUR), _at(NOON, HOUR), timedelta()),
]

WRITTEN = [
    (NOON, "2026-03-01T12:00:00Z"),
    (NOON.replace(microsecond=999_999), "2026-03-01T12:00:00Z"),
    (NOON.astimezone(timezone(5.5 * HOUR)), "2026-03-01T12:00:00Z"),
    (NO_CLOCK, "1970-01-01T00:00:00Z"),
]

moments = st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2099, 1, 1),  # noqa: DTZ001 - same
    timezones=st.timezones(),
)


@pytest.mark.parametrize(
    ("start", "end", "passed"),
    [row[1:] for row in DURATIONS],
    ids=[r[0] for r in DURATIONS],
)
def test_since(start: Instant, end: Instant, passed: timedelta) -> None:
    """80: within one boot the wall clock is not asked, and time never runs back."""
    assert end.since(start) == passed


@pytest.mark.parametrize(("moment", "text"), WRITTEN)
def test_ocpi_datetime(moment: datetime, text: str) -> None:
    """A moment is written in UTC with whole seconds and Z."""
    assert ocpi_datetime(moment) == text


@given(moments)
def test_ocpi_datetime_round_trip(moment: datetime) -> None:
    """What is written reads back as the same moment, less than a second earlier."""
    lost = moment - datetime.fromisoformat(ocpi_datetime(moment))
    assert timedelta() <= lost < timedelta(seconds=1)
