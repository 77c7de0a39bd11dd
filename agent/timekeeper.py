"""Noticing when the clock becomes right, and dating what happened before."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from agent.domain.timeline import base_of, correct, waits_for_time
from agent.errors import STORE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from agent.clock import Clock
    from agent.domain.sessions import Session
    from agent.health import Health

_LOGGER = logging.getLogger(__name__)

PART = "clock"
#: How often a clock that is not right is looked at; one that is right never is.
LOOK_AGAIN = timedelta(seconds=5)


class TimeStore(Protocol):
    """What is remembered of time over restarts."""

    async def bases(self) -> dict[str, datetime]:
        """When each boot began that was synchronized."""

    async def learn_base(self, boot_id: str, base: datetime) -> None:
        """Remember when this boot began."""

    async def note_time(self, now: datetime) -> None:
        """Keep how far time has come."""


class Timekeeper:
    """Knows when each boot began, as soon as that can be known.

    Reports of moments that have no date yet are held back: for `max_wait` from when
    their backend was first heard, since the network brings the time as well.
    `on_synchronized` is called when nothing has to wait any more.
    """

    def __init__(
        self,
        clock: Clock,
        store: TimeStore,
        max_wait: timedelta,
        health: Health,
        on_synchronized: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._store = store
        self._max_wait = max_wait
        self._health = health
        self._on_synchronized = on_synchronized
        self._bases: dict[str, datetime] = {}

    async def load(self) -> None:
        """Read what earlier runs have learned."""
        self._bases = await self._store.bases()

    async def run(self) -> None:
        """Wait for the clock to become right, and remember when this boot began."""
        boot_id = self._clock.now().boot_id
        while boot_id not in self._bases:
            now = self._clock.now()
            if now.synchronized:
                await self._learn(boot_id, base_of(now), now.wall)
                break
            self._complain()
            await asyncio.sleep(LOOK_AGAIN.total_seconds())
        self._health.good(PART, "synchronized")

    def now(self) -> timedelta:
        """Tell the monotonic time."""
        return self._clock.now().monotonic

    def is_synchronized(self) -> bool:
        """Whether somebody has told this machine the time."""
        return self._clock.now().synchronized

    def correct(self, session: Session) -> Session:
        """Date a session by all that is known now."""
        return correct(session, self._bases)

    def hold_back(self, session: Session, heard_at: timedelta | None) -> timedelta:
        """Say how long the report of this session should wait for the time.

        `heard_at` (monotonic) is when its backend was first heard, None if it never
        was.
        """
        now = self._clock.now()
        if not waits_for_time(session, self._bases, now.boot_id):
            return timedelta()
        if heard_at is None:
            return self._max_wait
        return max(heard_at + self._max_wait - now.monotonic, timedelta())

    def _complain(self) -> None:
        if self._max_wait:
            self._health.bad(
                PART, "not synchronized yet; reports wait for it, see: timedatectl"
            )
        else:
            self._health.good(PART, "not synchronized, and not waited for")

    async def _learn(self, boot_id: str, base: datetime, now: datetime) -> None:
        self._bases[boot_id] = base
        try:
            await self._store.learn_base(boot_id, base)
            await self._store.note_time(now)
        except STORE_ERRORS as err:
            # Known until the next restart, which learns it again.
            _LOGGER.warning("when this boot began cannot be written down: %s", err)
        self._on_synchronized()
