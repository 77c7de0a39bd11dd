"""Whose request goes next on a line that several devices share."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: What one device is told and asked in a row has no longer gaps than this.
QUIET_S: Final = 0.2
#: A mute device waits no longer, since it has to be asked to be heard again. A reading
#: of a meter has 1.5 s.
MUTE_WAITS_S: Final = 0.9


class Turns:
    """One request at a time; who did not answer lets those who do go first.

    A request without an answer blocks the line for ten times as long as another. Taken
    in turn with it, nobody beside a device without power could be switched off in time.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._turn_of_mute = asyncio.Lock()
        self._mute: set[int] = set()
        # Requests under way or waiting, of those who answer.
        self._talking = 0
        self._is_quiet = asyncio.Event()
        self._is_quiet.set()
        self._becomes_quiet: asyncio.TimerHandle | None = None

    def is_mute(self, device_id: int) -> bool:
        """Whether its last request got no answer."""
        return device_id in self._mute

    def note(self, device_id: int, *, was_answered: bool) -> None:
        """Remember how a request ended."""
        if was_answered:
            self._mute.discard(device_id)
        else:
            self._mute.add(device_id)

    @asynccontextmanager
    async def take(self, device_id: int) -> AsyncIterator[None]:
        """Have the line for one request."""
        if self.is_mute(device_id):
            async with self._turn_of_mute:
                with suppress(TimeoutError):
                    async with asyncio.timeout(MUTE_WAITS_S):
                        await self._is_quiet.wait()
                async with self._turn:
                    yield
            return
        self._begin()
        try:
            async with self._turn:
                yield
        finally:
            self._end()

    def _begin(self) -> None:
        self._talking += 1
        self._is_quiet.clear()
        if self._becomes_quiet is not None:
            self._becomes_quiet.cancel()

    def _end(self) -> None:
        self._talking -= 1
        if not self._talking:
            loop = asyncio.get_running_loop()
            self._becomes_quiet = loop.call_later(QUIET_S, self._is_quiet.set)
