"""Readers that never keep still: the log and the station hear of it once."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agent.health import Health

_LOGGER = logging.getLogger(__name__)

#: More cards that are of no use within so long are a reader's noise, and no person's
#: tries. It is over after as long without one.
MOST_USELESS: Final = 20
NOISE_S: Final = 10.0

#: A reader that comes or goes so often within so long has a bad plug. What is opened
#: again and again by the supervisor stays below, and keeps its reason.
MOST_CHANGES: Final = 20
CHANGES_S: Final = 60.0
#: After so long without a change it is believed again.
CALM_S: Final = 10.0
RESTLESS: Final = (
    "it comes and goes all the time: check its plug, its cable, its hub and its power"
)


class UselessCards:
    """Counts a reader's cards that identify nobody.

    They gave no number, or one that no card has, or are phones that draw another one
    each time they are looked at.
    """

    def __init__(self, reader: str) -> None:
        self._reader = reader
        self._count = 0
        self._until = 0.0

    def is_noise(self) -> bool:
        """Count one; whether it is to be left out. The log hears when that begins."""
        now = asyncio.get_running_loop().time()
        if now >= self._until:
            self._count, self._until = 0, now + NOISE_S
        self._count += 1
        if self._count <= MOST_USELESS:
            return False
        self._until = now + NOISE_S
        if self._count == MOST_USELESS + 1:
            _LOGGER.warning(
                "reader %s: over %d cards of no use in %g s: left out from now on, "
                "until there was none for as long",
                *(self._reader, MOST_USELESS, NOISE_S),
            )
        return True


class Standing:
    """Tells whether a reader is up; of one that comes and goes all the time, just that.

    `close` when nobody works with the reader any more.
    """

    def __init__(self, part: str, health: Health) -> None:
        self._part = part
        self._health = health
        self._now: tuple[bool, str] | None = None
        self._changed_at = deque[float](maxlen=MOST_CHANGES)
        self._calm: asyncio.TimerHandle | None = None

    def up(self, device: str) -> None:
        """Note that it works."""
        self._change(device, ok=True)

    def down(self, reason: str) -> None:
        """Note that it does not, and why."""
        self._change(reason, ok=False)

    def settle(self) -> None:
        """Tell how things stand, and that there was calm."""
        self.close()
        self._changed_at.clear()
        match self._now:
            case True, device:
                self._health.good(self._part, device)
            case False, reason:
                self._health.bad(self._part, reason)

    def close(self) -> None:
        """Tell nothing any more by itself."""
        if self._calm:
            self._calm.cancel()
        self._calm = None

    def _change(self, detail: str, *, ok: bool) -> None:
        before, self._now = self._now, (ok, detail)
        if before == self._now:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._changed_at.append(now)
        is_restless = (
            len(self._changed_at) == MOST_CHANGES
            and now - self._changed_at[0] < CHANGES_S
        )
        if self._calm:
            self._calm.cancel()
        elif is_restless:
            self._health.bad(self._part, RESTLESS)
        elif ok:
            self._health.good(self._part, detail)
            return
        else:
            self._health.bad(self._part, detail)
            return
        self._calm = loop.call_later(CALM_S, self.settle)
