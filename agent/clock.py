"""The clock of this machine, as Instants."""

from __future__ import annotations

import ctypes
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from agent.domain.instant import Instant

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIMEX_BYTES = 512  # More than struct timex; all zero means "only tell me"
_TIME_ERROR = 5
# A Pi without a clock battery wakes up in the past until somebody tells it the time.
_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)


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
        """Ask the kernel, whom every time daemon tells (adjtimex(2))."""
        state = int(self._libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
        return 0 <= state < _TIME_ERROR  # It is -1 when we may not even ask.


def _monotonic() -> timedelta:
    return timedelta(seconds=time.monotonic())
