"""What tests of drivers on a named pipe need."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from pathlib import Path

T = TypeVar("T")

HANG_S = 30.0  # On a busy machine, too


def run(main: Coroutine[None, None, None], within_s: float = HANG_S) -> None:
    """Run a test's coroutine; a hang fails."""

    async def bounded() -> None:
        async with asyncio.timeout(within_s):
            await main

    asyncio.run(bounded())


def write(path: Path, data: bytes | str) -> None:
    """Write as a shell would: open, write, close; fail if nobody reads."""
    raw = data.encode() if isinstance(data, str) else data
    fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    try:
        assert os.write(fd, raw) == len(raw)
    finally:
        os.close(fd)


async def cancel_while_waiting(main: Coroutine[None, None, None]) -> None:
    """Start it, and cancel it where it waits; no file may stay open."""
    before = open_files()
    waiting = asyncio.create_task(main)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert open_files() == before


async def take(events: AsyncIterator[T], count: int) -> list[T]:
    """Return the next events."""
    return [await anext(events) for _ in range(count)]


def open_files() -> int:
    """Count this process's open files."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only counted
