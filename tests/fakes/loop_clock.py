"""A clock that is the running event loop's: on a virtual loop, time costs nothing."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.fakes.sessions import instant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from agent.domain.instant import Instant


class LoopClock:
    """Noon when the loop was made, and an hour after boot."""

    def now(self) -> Instant:
        """Tell the moment."""
        return instant(asyncio.get_running_loop().time())


@asynccontextmanager
async def running(*routines: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run routines beside the context; one that breaks fails the test."""
    tasks = [asyncio.create_task(routine) for routine in routines]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def seconds(number: float) -> None:
    """Let time pass."""
    await asyncio.sleep(timedelta(seconds=number).total_seconds())
