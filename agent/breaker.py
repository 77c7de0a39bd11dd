"""Remembering that an upstream is dead, so that the next driver need not find out."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from agent.backoff import Backoff
from agent.domain.instant import ocpi_datetime

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.clock import Clock

_LOGGER = logging.getLogger(__name__)

PROBING: Final = Backoff(first=timedelta(seconds=1), cap=timedelta(seconds=60))


class Probed(Protocol):
    """An upstream that may be dead."""

    name: str

    async def probe(self, timeout: timedelta) -> bool:  # noqa: ASYNC109 - one budget
        """Whether anything at all is heard of it within the total time given."""


class Breaker:
    """Opens when an upstream is silent; closes when a probe has heard it again.

    Closed, it costs nothing: no probe, no timer. `on_down` is told the name and the
    reason, `on_up` the name, once per change.
    """

    def __init__(
        self,
        upstream: Probed,
        deadline: timedelta,
        clock: Clock,
        on_down: Callable[[str, str], None],
        on_up: Callable[[str], None],
    ) -> None:
        self._upstream = upstream
        self._deadline = deadline
        self._clock = clock
        self._on_down = on_down
        self._on_up = on_up
        self._opened = asyncio.Event()
        self._closed_at = 0.0
        self._attempt = 0
        #: What to answer instead of asking; None while closed.
        self.trouble: str | None = None

    def silent(self, why: str, asked_at: float) -> None:
        """Open: a question put at this time of the loop has met with silence.

        One that was put before the last closing says nothing new.
        """
        if self.trouble is not None or asked_at < self._closed_at:
            return
        name, since = self._upstream.name, ocpi_datetime(self._clock.now().wall)
        self.trouble = f"{name} does not answer since {since}, being probed"
        self._opened.set()
        self._on_down(name, why)

    def heard(self) -> None:
        """Count from the beginning again: a question has been answered in time."""
        self._attempt = 0

    async def run(self) -> None:
        """Probe the upstream whenever it is dead, until cancelled."""
        while True:
            await self._opened.wait()
            # An upstream that lets probes through but no questions would cost a
            # driver a wait after each probe: only an answer resets the counter.
            self._attempt += 1
            await asyncio.sleep(PROBING.delay_s(self._attempt))
            if await self._is_heard():
                self._close()

    async def _is_heard(self) -> bool:
        try:
            return await self._upstream.probe(self._deadline)
        except Exception:
            _LOGGER.exception(
                "%s: probing failed in a way it should not", self._upstream.name
            )
            return False

    def _close(self) -> None:
        self._closed_at = asyncio.get_running_loop().time()
        self.trouble = None
        self._opened.clear()
        self._on_up(self._upstream.name)
