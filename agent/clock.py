"""The clock of this machine, as Instants."""

from __future__ import annotations

import ctypes
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from agent.domain.instant import Instant

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
#: How wrong the kernel takes its clock to be when nobody has told it the time.
_LOST_US = 16_000_000
# A Pi without a clock battery wakes up in the past until somebody tells it the time.
_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)


class _Timex(ctypes.Structure):
    """The beginning of struct timex, and room for the rest; zero: "only tell me"."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("rest", ctypes.c_char * 512),
    )


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> Instant:
        """Read wall time, monotonic time and boot id together."""


class SystemClock:
    """The kernel's clocks, and its word on whether wall time is synchronized."""

    def __init__(self) -> None:
        self.boot_id = _BOOT_ID.read_text(encoding="ascii").strip()
        self._libc = ctypes.CDLL(None)
        #: What wall time was at least when the monotonic clock stood at zero.
        self._floor = _EARLIEST - _monotonic()

    def never_before(self, moment: datetime) -> None:
        """Let an unsynchronized clock go on from here, if it has fallen behind."""
        self._floor = max(self._floor, moment - _monotonic())

    def now(self) -> Instant:
        """Read the clocks."""
        wall, monotonic = datetime.now(UTC), _monotonic()
        synchronized = wall >= _EARLIEST and self._kernel_is_synchronized()
        return Instant(
            wall=wall if synchronized else max(wall, self._floor + monotonic),
            monotonic=monotonic,
            boot_id=self.boot_id,
            synchronized=synchronized,
        )

    def _kernel_is_synchronized(self) -> bool:
        """Ask the kernel, whom every time daemon tells, as timedatectl(1) does.

        Its state is not asked: chrony without `rtcsync` leaves that at TIME_ERROR, so
        that the kernel does not set the hardware's clock.
        """
        told = _Timex()
        # It is -1 when we may not even ask.
        answered = self._libc.adjtimex(ctypes.pointer(told)) >= 0
        return bool(answered and told.maxerror < _LOST_US)


def _monotonic() -> timedelta:
    return timedelta(seconds=time.monotonic())
