"""How the parts of the daemon end: each has its time, and none keeps the others."""

from __future__ import annotations

import asyncio
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

_LOGGER = logging.getLogger(__name__)

# Each counts from the beginning of the end. All is over before TimeoutStopSec of
# systemd/rfid-agent.service, also with some parts that get LEAST_S.
READERS_BY: Final = timedelta(seconds=2)
#: A charger may take 5 s over a command that is under way.
DRAINED_BY: Final = timedelta(seconds=7.5)
CHARGERS_BY: Final = timedelta(seconds=12.5)
ALL_BY: Final = timedelta(seconds=13.5)
LEAST_S: Final = 0.1
EXIT_DISORDERLY: Final = 1  # As after a failure: systemd starts the agent anew


class Ending:
    """One end of the station, from its first part to its last.

    A part that is not done when its time is over is left behind, so that the next
    ones have theirs; `left_behind` names it.
    """

    def __init__(self) -> None:
        self._began: float | None = None
        self.left_behind: list[str] = []

    async def cancel(self, tasks: Collection[asyncio.Task[Any]], by: timedelta) -> None:
        """End tasks together, by this time after the beginning."""
        for task in tasks:
            task.cancel()
        await self._wait(tasks, by)

    async def finish(
        self, name: str, routine: Coroutine[Any, Any, Any], by: timedelta = ALL_BY
    ) -> None:
        """Do a last thing; what goes wrong with it is logged, and all goes on."""
        task = asyncio.create_task(routine, name=name)
        await self._wait({task}, by)
        if not task.done():
            task.cancel()
        elif not task.cancelled() and (err := task.exception()) is not None:
            _LOGGER.error("%s: failed at the end", name, exc_info=err)

    def left_s(self, by: timedelta) -> float:
        """How many seconds there are until then; the end begins when first asked."""
        now = asyncio.get_running_loop().time()
        if self._began is None:
            self._began = now
        return max(self._began + by.total_seconds() - now, LEAST_S)

    def leave_the_rest(self, exit_now: Callable[[int], object]) -> None:
        """End the process at once if something is left that would never let it end."""
        if not self.left_behind:
            return
        why = sys.exception()
        _LOGGER.critical("ending without %s", ", ".join(self.left_behind), exc_info=why)
        logging.shutdown()
        exit_now(EXIT_DISORDERLY)

    async def _wait(self, tasks: Collection[asyncio.Task[Any]], by: timedelta) -> None:
        left_s = self.left_s(by)
        if not tasks:
            return
        _, hanging = await asyncio.wait(tasks, timeout=left_s)
        for name in sorted(task.get_name() for task in hanging):
            _LOGGER.error("%s: does not end, and is left behind", name)
            self.left_behind.append(name)


async def shut_down(workers: ThreadPoolExecutor) -> None:
    """Wait for the threads; in another one, since some call may never return."""
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(ThreadPoolExecutor(1), workers.shutdown)
