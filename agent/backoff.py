"""How long to wait before trying again: exponential, capped, jittered."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

from tenacity.wait import wait_exponential

if TYPE_CHECKING:
    from datetime import timedelta

JITTER: Final = 0.25


class Backoff:
    """Delays of `first`, twice that, and so on up to `cap`, plus up to a quarter.

    The jitter is a share, so that a thousand stations that fail together do not come
    back together, however long they have been waiting.
    """

    def __init__(self, first: timedelta, cap: timedelta) -> None:
        self._wait = wait_exponential(
            multiplier=first.total_seconds(), max=cap.total_seconds()
        )

    def delay_s(self, attempt: int) -> float:
        """Seconds to wait after failed attempt number `attempt`, from 1."""
        # The formula reads nothing else of the library's retry state.
        state = SimpleNamespace(attempt_number=max(attempt, 1))
        delay = self._wait(state)  # type: ignore[arg-type] # see above
        return delay * random.uniform(1, 1 + JITTER)  # noqa: S311 - no secret
