"""Calls into a charger's driver that come to an end, whatever the driver does."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from drivers.chargers.base import ChargerUp

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from drivers.chargers.base import Charger

_LOGGER = logging.getLogger(__name__)

T = TypeVar("T")

GIVES_UP_WITHIN: Final = timedelta(seconds=1)
#: Commands that do not end; the process cannot, either, unless it is made to.
LEFT_BEHIND: Final[set[asyncio.Task[Any]]] = set()


async def confirmed(command: Coroutine[Any, Any, T], within: timedelta) -> T:
    """Have a driver do something in time; TimeoutError if it does not.

    A driver that cancels itself has failed: it must not end who commands it. One that
    does not let itself be cancelled is left behind, or nothing could be told it ever
    again.
    """
    task = asyncio.create_task(command, name="a charger's command")
    try:
        await asyncio.wait({task}, timeout=within.total_seconds())
        is_late = not task.done()
    finally:
        if not task.done():
            await _give_up(task)
    if not task.done() or (is_late and task.cancelled()):
        raise TimeoutError
    if task.cancelled():
        raise RuntimeError("the driver has cancelled itself")
    return task.result()


async def _give_up(task: asyncio.Task[Any]) -> None:
    """Call a command off; it has a moment to put things in order."""
    task.cancel()
    await asyncio.wait({task}, timeout=GIVES_UP_WITHIN.total_seconds())
    if not task.done():
        _LOGGER.error("a driver's command does not end, and is left behind")
        LEFT_BEHIND.add(task)
        task.add_done_callback(LEFT_BEHIND.discard)


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
