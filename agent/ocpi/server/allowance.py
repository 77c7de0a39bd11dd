"""How many requests per minute: a bucket that is filled drop by drop."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.clock import Clock

_MINUTE = timedelta(minutes=1)


class Allowance:
    """So many requests at once, and so many per minute from then on."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._most = float(per_minute)
        self._left = self._most
        self._clock = clock
        self._filled_at = clock.now().monotonic

    def take(self) -> timedelta | None:
        """Take one request; None if there is one, else how long until there is."""
        now = self._clock.now().monotonic
        passed, self._filled_at = now - self._filled_at, now
        self._left = min(self._most, self._left + self._most * (passed / _MINUTE))
        if self._left >= 1:
            self._left -= 1
            return None
        return _MINUTE * ((1 - self._left) / self._most)
