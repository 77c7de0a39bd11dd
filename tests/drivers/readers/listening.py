"""What a reader tells, for as long as a test wants to hear it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from drivers.readers.base import Reader, ReaderEvent

Events: TypeAlias = "AsyncGenerator[ReaderEvent]"


def listen(reader: Reader, scenario: Callable[[Events], Awaitable[None]]) -> None:
    """Open it, let something happen, and close it."""

    async def main() -> None:
        async with aclosing(reader.events()) as events:
            await scenario(events)

    asyncio.run(main())
