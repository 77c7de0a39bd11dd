"""How much an installer's program may say before it has to wait."""

from __future__ import annotations

import asyncio
from typing import Final

#: So much is read at once, which is more than a talkative program says in a minute.
BURST_BYTES: Final = 65_536
#: And so much in the long run; the rest waits in the pipe, and the program with it.
BYTES_PER_S: Final = 8_192


class Ration:
    """Counts what came through a pipe, so that a flood cannot keep the loop busy."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._digested_at = self._loop.time()

    def take(self, count: int) -> float:
        """Count bytes; return for how many seconds no more are to be read."""
        now = self._loop.time()
        self._digested_at = max(self._digested_at, now) + count / BYTES_PER_S
        return max(self._digested_at - now - BURST_BYTES / BYTES_PER_S, 0.0)
