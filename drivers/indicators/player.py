"""Playing lights and tones side by side, without tasks or timers of their own."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    #: Does a step at a time, and says in how many seconds the next one is due; None
    #: if there is no other.
    Track = AsyncGenerator[float | None]


async def play(*tracks: Track) -> AsyncGenerator[None]:
    """Do the tracks' steps when they are due, until none is left; yield after each.

    One step at a time: one that lasts holds up the other tracks. The first step of the
    first track is the first of all.
    """
    loop = asyncio.get_running_loop()
    due_at = dict.fromkeys(tracks, loop.time())
    async with AsyncExitStack() as stack:
        for track in tracks:
            await stack.enter_async_context(aclosing(track))
        while due_at:
            track = min(due_at, key=due_at.__getitem__)
            if (wait_s := due_at[track] - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            rest_s = await anext(track, None)
            if rest_s is None:
                del due_at[track]
            else:
                due_at[track] = loop.time() + rest_s
            yield
