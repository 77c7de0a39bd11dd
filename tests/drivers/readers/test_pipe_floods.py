"""A pipe that is written to without an end."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from drivers.readers.base import CardArrived, ReaderUp
from drivers.readers.pipe import PipeReader, PipeReaderConfig
from tests.drivers.pipes import run, write

if TYPE_CHECKING:
    from pathlib import Path

EM4100 = bytes.fromhex("0102030405")
LAST = b"EM4100:0102030405\n"
ROOM_BYTES = 65_536 - len(LAST)


@pytest.mark.parametrize("line", [b"04A1B2C3D4E5F6\n", b"-\n", b"no card\n"])
def test_others_have_their_turns_in_a_flood(tmp_path: Path, line: bytes) -> None:
    """A pipe that is full each time it was read keeps no other reader waiting."""
    path = tmp_path / "pipe"
    turns = 0
    lines = ROOM_BYTES // len(line)

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def main() -> None:
        async with aclosing(PipeReader(PipeReaderConfig(path)).events()) as events:
            assert await anext(events) == ReaderUp(f"pipe {path}")
            counting = asyncio.create_task(count_turns())
            write(path, line * lines + LAST)
            async for event in events:
                if isinstance(event, CardArrived) and event.uid == EM4100:
                    break
            counting.cancel()

    run(main())
    assert turns >= lines - 1
