"""Keeping a driver's event stream open, whatever the device does."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from agent.backoff import Backoff
from agent.cancellation import is_cancelled
from drivers.errors import DriverError, UnsupportedDeviceError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

_LOGGER = logging.getLogger(__name__)

E = TypeVar("E")

REOPEN = Backoff(first=timedelta(milliseconds=500), cap=timedelta(seconds=30))
RECOVERED_AFTER_S = 60.0


async def supervise(
    part: str,
    open_events: Callable[[], AsyncGenerator[E]],
    handle: Callable[[E], None],
    on_down: Callable[[str], None],
) -> None:
    """Pass a driver's events on until cancelled, reopening after each failure.

    `on_down` hears why the stream ended, each time it does. A driver that can never
    work here is left alone; the station runs on without it.
    """
    attempt = 0
    loop = asyncio.get_running_loop()
    while True:
        opened_at = loop.time()
        try:
            reason = await _follow(part, open_events, handle)
        except UnsupportedDeviceError as err:
            on_down(str(err))
            return
        on_down(reason)
        # A device that opens and fails at once has not recovered.
        attempt = 1 if loop.time() - opened_at > RECOVERED_AFTER_S else attempt + 1
        await asyncio.sleep(REOPEN.delay_s(attempt))


async def _follow(
    part: str,
    open_events: Callable[[], AsyncGenerator[E]],
    handle: Callable[[E], None],
) -> str:
    """Pass events on until the stream ends; say why it did."""
    reason = "the driver ended by itself"
    try:
        async with aclosing(open_events()) as events:
            async for event in events:
                handle(event)
    except UnsupportedDeviceError:
        raise
    except DriverError as err:
        reason = str(err)
    except asyncio.CancelledError:
        if is_cancelled():
            raise
        reason = "the driver has cancelled itself"
        _LOGGER.exception("%s: %s", part, reason)
    except Exception as err:
        _LOGGER.exception("%s: the driver failed in a way it should not", part)
        reason = f"{type(err).__name__} in the driver"
    if is_cancelled():
        _LOGGER.warning("%s: while it was closed: %s", part, reason)
        raise asyncio.CancelledError  # The driver has put its own end in its place.
    return reason
