"""Running a driver's coroutines in real time, and what a process has open."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Coroutine

T = TypeVar("T")

#: Far more than anything needs, so that an emulated processor is no failure.
PATIENCE_S: Final = 60.0


def run(main: Coroutine[None, None, T]) -> T:
    """Run a test's coroutine; a hang fails."""

    async def bounded() -> T:
        async with asyncio.timeout(PATIENCE_S):
            return await main

    return asyncio.run(bounded())


@asynccontextmanager
async def told_by(events: AsyncGenerator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Take events from a driver, and close it in the end."""
    async with aclosing(events):
        yield events


def open_files() -> list[str]:
    """Name what this process has open, by what the kernel calls it."""
    gc.collect()  # What earlier tests have left for it
    names = []
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 - links, not files
        try:
            names.append(str(Path(f"/proc/self/fd/{number}").readlink()))
        except FileNotFoundError:
            continue  # The one that listed them.
    return sorted(name for name in names if not name.startswith("/proc/"))


def threads() -> int:
    """Count this process's threads, those of C libraries included."""
    assert threading.active_count() <= len(os.listdir("/proc/self/task"))  # noqa: PTH208 - only counted
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - only counted
