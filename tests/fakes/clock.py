"""A clock that tests move by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agent.domain.instant import Instant


class FakeClock:
    """Stands still until told; `monotonic` counts since the boot it belongs to."""

    def __init__(self) -> None:
        self.wall = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.monotonic = timedelta(hours=1)
        self.boots = 1

    def now(self) -> Instant:
        """Tell the moment."""
        return Instant(
            wall=self.wall,
            monotonic=self.monotonic,
            boot_id=f"boot-{self.boots}",
            synchronized=True,
        )

    def move(self, by: timedelta) -> None:
        """Let time pass."""
        self.wall += by
        self.monotonic += by

    def move_to(self, monotonic: timedelta) -> None:
        """Let time pass until this moment, or not at all if it is over."""
        self.move(max(monotonic - self.monotonic, timedelta()))

    def set_wall(self, by: timedelta) -> None:
        """Correct the wall clock, as a time server does."""
        self.wall += by

    def reboot(self, dark: timedelta) -> None:
        """Start a new boot after some time without power."""
        self.wall += dark
        self.monotonic = timedelta(seconds=10)
        self.boots += 1
