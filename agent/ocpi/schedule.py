"""When to synchronise: at start, every so often with jitter, and when asked to."""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from agent.errors import AgentError, HeldBackError, TransientUpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.ocpi.page_requests import Delays
    from agent.ocpi.sync import Progress, Synchronizer, SyncResult

_LOGGER = logging.getLogger(__name__)

_JITTER: Final = 0.1  # So that a thousand stations do not ask at the same second
_CLOCK_MAY_BE_WRONG: Final = timedelta(minutes=1)


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
        self._is_held_back = False

    def soon(self) -> None:
        """Cut the rest before the next synchronisation short."""
        self._soon.set()

    async def run(self) -> None:
        """Synchronise until cancelled."""
        failures = 0
        while True:
            self._soon.clear()
            wanted_s = 0.0
            try:
                await self.now(full=await self._is_full_due())
                failures = 0
            except HeldBackError:
                # The backend has answered; what it says may be right in an hour.
                failures = 0
            except AgentError as err:
                failures += 1
                wanted_s = _find_wish_s(err)
            except Exception:
                _LOGGER.exception("synchronising failed in a way it should not")
                failures += 1
            await self._rest(self._choose_pause_s(failures, wanted_s))

    async def now(
        self,
        *,
        full: bool,
        accept_shrink: bool = False,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> SyncResult:
        """Synchronise once, now."""
        try:
            result = await self._synchronizer.run(
                full=full, accept_shrink=accept_shrink, on_progress=on_progress
            )
        except AgentError as err:
            self._is_held_back |= isinstance(err, HeldBackError)
            self._on_result(err)
            raise
        self._is_held_back &= not result.full
        self._on_result(None)
        return result

    def _choose_pause_s(self, failures: int, wanted_s: float) -> float:
        """How long to rest after so many failures; the server wants `wanted_s`."""
        spread = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
        every_s = self._every.total_seconds()
        if not failures:
            return every_s * spread
        retry_s = min(self._backoff.delay_s(failures), every_s) * spread
        return max(retry_s, min(wanted_s, every_s))

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._soon.wait()
        except TimeoutError:
            return

    async def _is_full_due(self) -> bool:
        swept_at = await asyncio.to_thread(self._swept_at)
        if swept_at is None or self._is_held_back:
            return True
        age = datetime.now(UTC) - swept_at
        # A sweep in the future means that one of the two clocks was wrong.
        return age >= self._full_every or age < -_CLOCK_MAY_BE_WRONG


def _find_wish_s(err: AgentError) -> float:
    """How long the server wants to be left alone."""
    if not isinstance(err, TransientUpstreamError) or err.retry_after is None:
        return 0.0
    return err.retry_after.total_seconds()
