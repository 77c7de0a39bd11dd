"""Telling an end that is wanted from a CancelledError that a library raises."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def is_cancelled() -> bool:
    """Whether somebody ends this task; a CancelledError may be a driver's own, too."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def noticed(part: str, routine: Coroutine[Any, Any, T]) -> T:
    """Do something whose own cancellation would pass unnoticed, as in a group.

    RuntimeError if it cancels itself: a library may cancel what it waits for.
    """
    try:
        return await routine
    except asyncio.CancelledError as err:
        if is_cancelled():
            raise
        raise RuntimeError(f"{part} has cancelled itself") from err
