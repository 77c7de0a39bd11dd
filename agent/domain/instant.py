"""A moment as a charge point without a clock battery can know it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec import Struct


class Instant(Struct, frozen=True, kw_only=True):
    """Wall time, monotonic time and the boot they belong to.

    `wall` is aware and in UTC; `monotonic` counts since boot and is comparable only
    within one `boot_id`; `synchronized` says whether wall time could be trusted.
    """

    wall: datetime
    monotonic: timedelta
    boot_id: str
    synchronized: bool

    def since(self, earlier: Instant) -> timedelta:
        """Time that passed, never negative; monotonic within one boot, else wall."""
        if self.boot_id == earlier.boot_id:
            passed = self.monotonic - earlier.monotonic
        else:
            passed = self.wall - earlier.wall
        return max(passed, timedelta())


def ocpi_datetime(moment: datetime) -> str:
    """Write a moment the way every OCPI version reads it: whole seconds and Z."""
    in_utc = moment.astimezone(UTC).replace(tzinfo=None)
    return in_utc.isoformat(timespec="seconds") + "Z"
