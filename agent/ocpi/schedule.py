"""When to synchronise: at start, every so often with jitter, and when asked to."""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from agent.errors import AgentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.ocpi.sync import Progress, Synchronizer, SyncResult

_LOGGER = logging.getLogger(__name__)

_JITTER: Final = 0.1  # So that a thousand stations do not ask at the same second
_CLOCK_MAY_BE_WRONG: Final = timedelta(minutes=1)


class Delays(Protocol):
    """How long to wait after failures."""

    def delay_s(self, attempt: int) -> float:
        """Seconds to wait after failed attempt number `attempt`, from 1."""


class SyncSchedule:
    """Runs one upstream's synchronisations for ever.

    `on_result` hears of each: None when it worked, else what went wrong.
    """

    def __init__(  # noqa: PLR0913 - two intervals and four collaborators
        self,
        synchronizer: Synchronizer,
        swept_at: Callable[[], datetime | None],
        *,
        every: timedelta,
        full_every: timedelta,
        backoff: Delays,
        on_result: Callable[[AgentError | None], None],
    ) -> None:
        self._synchronizer = synchronizer
        self._swept_at = swept_at
        self._every = every
        self._full_every = full_every
        self._backoff = backoff
        self._on_result = on_result
        self._soon = asyncio.Event()

    def soon(self) -> None:
        """Cut the rest before the next synchronisation short."""
        self._soon.set()

    async def run(self) -> None:
        """Synchronise until cancelled."""
        failures = 0
        while True:
            self._soon.clear()
            try:
                await self.now(full=await self._is_full_due())
                failures = 0
            except AgentError:
                failures += 1
            except Exception:
                _LOGGER.exception("synchronising failed in a way it should not")
                failures += 1
            pause_s = self._every.total_seconds()
            if failures:
                pause_s = min(self._backoff.delay_s(failures), pause_s)
            spread = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
            await self._rest(pause_s * spread)

    async def now(
        self, *, full: bool, on_progress: Callable[[Progress], None] = lambda _: None
    ) -> SyncResult:
        """Synchronise once, now."""
        try:
            result = await self._synchronizer.run(full=full, on_progress=on_progress)
        except AgentError as err:
            self._on_result(err)
            raise
        self._on_result(None)
        return result

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._soon.wait()
        except TimeoutError:
            return

    async def _is_full_due(self) -> bool:
        swept_at = await asyncio.to_thread(self._swept_at)
        if swept_at is None:
            return True
        age = datetime.now(UTC) - swept_at
        # A sweep in the future means that one of the two clocks was wrong.
        return age >= self._full_every or age < -_CLOCK_MAY_BE_WRONG
