"""Calls into a charger's driver that come to an end, whatever the driver does."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from agent.supervisor import is_cancelled
from drivers.chargers.base import ChargerUp

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from datetime import timedelta

    from drivers.chargers.base import Charger

T = TypeVar("T")


async def confirmed(command: Coroutine[Any, Any, T], within: timedelta) -> T:
    """Have a driver do something in time; TimeoutError if it does not.

    A driver that cancels itself has failed: it must not end who commands it.
    """
    try:
        async with asyncio.timeout(within.total_seconds()):
            return await command
    except asyncio.CancelledError as err:
        if is_cancelled():
            raise
        raise RuntimeError("the driver has cancelled itself") from err


async def end(listening: asyncio.Task[None]) -> None:
    """Cancel it and wait, also when cancelled meanwhile: it is switching off."""
    listening.cancel()
    cancelled: asyncio.CancelledError | None = None
    while not listening.done():
        try:
            await asyncio.wait({listening})
        except asyncio.CancelledError as err:
            cancelled = err
    if cancelled is not None:
        raise cancelled


async def leave_off(charger: Charger, within: timedelta) -> bool:
    """Open a charger that is lost once more and close it, which leaves energy off.

    Say whether it was found.
    """
    with suppress(Exception):
        async with aclosing(charger.events()) as events:
            async with asyncio.timeout(within.total_seconds()):
                first = await anext(events)
            return isinstance(first, ChargerUp)
    return False
