"""The clock of this machine."""

from __future__ import annotations

import ctypes
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent import clock as clock_module
from agent.clock import SystemClock

TIME_OK, TIME_ERROR = 0, 5  # adjtimex(2)
NEVER_TOLD_US = 16_000_000  # maxerror of a kernel that nobody told the time


class Libc:
    """A C library whose kernel says this of its clock."""

    def __init__(self, state: int, error_us: int) -> None:
        self._state = state
        self._error_us = error_us

    def adjtimex(self, timex: Any) -> int:  # noqa: ANN401 - a pointer of ctypes
        """Tell; nothing is set."""
        assert timex.contents.modes == 0
        timex.contents.maxerror = self._error_us
        return self._state


class Past(datetime):
    """A wall clock that woke up in the past."""

    @classmethod
    def now(cls, tz: object = None) -> Past:
        """Tell the moment."""
        del tz
        return cls(2021, 1, 1, tzinfo=UTC)


def test_a_moment_has_all_its_parts() -> None:
    """Wall time is aware and in UTC, the boot id is the kernel's."""
    now = SystemClock().now()

    assert now.wall.tzinfo is UTC
    assert abs(datetime.now(UTC) - now.wall) < timedelta(minutes=1)
    assert now.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_monotonic_time_does_not_run_backwards() -> None:
    """Two moments of one boot are in order."""
    clock = SystemClock()
    first, second = clock.now(), clock.now()

    assert second.monotonic >= first.monotonic
    assert second.boot_id == first.boot_id


@pytest.mark.parametrize(
    ("state", "error_us", "expected"),
    [
        (TIME_OK, 500, True),
        (4, NEVER_TOLD_US - 1, True),
        (TIME_ERROR, 500, True),  # As chrony without rtcsync leaves it
        (TIME_ERROR, NEVER_TOLD_US, False),
        (-1, 0, False),
    ],
)
def test_the_kernel_says_whether_the_clock_is_right(
    monkeypatch: pytest.MonkeyPatch,
    state: int,
    error_us: int,
    expected: bool,  # noqa: FBT001 - a table's column
) -> None:
    """As wrong as can be, or no answer at all: nobody knows that the clock is right."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Libc(state, error_us))

    assert SystemClock().now().synchronized is expected


def test_a_clock_in_the_past_is_never_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the kernel says: this software is younger."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Libc(TIME_OK, 0))
    monkeypatch.setattr(clock_module, "datetime", Past)

    assert not SystemClock().now().synchronized


def test_an_unsynchronized_clock_does_not_fall_behind_what_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It goes on from the last known time, however old the kernel's is."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Libc(TIME_ERROR, NEVER_TOLD_US))
    monkeypatch.setattr(clock_module, "datetime", Past)
    clock = SystemClock()
    assert clock.now().wall >= datetime(2026, 1, 1, tzinfo=UTC)
    known = datetime(2027, 4, 5, 6, tzinfo=UTC)

    clock.never_before(known)

    first, second = clock.now(), clock.now()
    assert known <= first.wall <= known + timedelta(minutes=1)
    assert second.wall - first.wall == second.monotonic - first.monotonic
    clock.never_before(datetime(2026, 6, 1, tzinfo=UTC))
    assert clock.now().wall >= known


def test_a_synchronized_clock_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it says that it is earlier than was thought."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Libc(TIME_OK, 0))
    clock = SystemClock()

    clock.never_before(datetime(2100, 1, 1, tzinfo=UTC))

    assert clock.now().wall < datetime(2100, 1, 1, tzinfo=UTC)


def test_the_kernel_that_is_here_is_understood() -> None:
    """What it says of its error is a number of microseconds, at most what it may be."""
    told = clock_module._Timex()
    assert ctypes.CDLL(None).adjtimex(ctypes.pointer(told)) >= 0
    assert 0 <= told.maxerror <= NEVER_TOLD_US
    assert SystemClock().now().synchronized is (told.maxerror < NEVER_TOLD_US)
