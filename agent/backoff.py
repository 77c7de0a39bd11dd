"""How long to wait before trying again: exponential, capped, jittered."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from tenacity.wait import wait_exponential_jitter

if TYPE_CHECKING:
    from datetime import timedelta


class Backoff:
    """Delays of `first`, twice that, and so on up to `cap`, plus up to `first`."""

    def __init__(self, first: timedelta, cap: timedelta) -> None:
        seconds = first.total_seconds()
        self._wait = wait_exponential_jitter(
            multiplier=seconds, max=cap.total_seconds(), jitter=seconds
        )

    def delay_s(self, attempt: int) -> float:
        """Seconds to wait after failed attempt number `attempt`, from 1."""
        # The formula reads nothing else of the library's retry state.
        state = SimpleNamespace(attempt_number=max(attempt, 1))
        return self._wait(state)  # type: ignore[arg-type] # see above
