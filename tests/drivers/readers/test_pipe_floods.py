"""A pipe that is written to without an end, or was before anybody read."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing, closing
from typing import TYPE_CHECKING

import pytest

from drivers.readers.base import CardArrived, CardLeft, ReaderUp, Technology
from drivers.readers.pipe import PipeReader, PipeReaderConfig
from tests.drivers.pipes import run, take, write

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


def test_what_was_written_before_anybody_read_is_no_card(tmp_path: Path) -> None:
    """A card that was tapped while the agent was down starts nothing."""
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o600)

    async def main() -> None:
        with closing(open(os.open(path, os.O_RDWR), "wb", buffering=0)) as writer:  # noqa: PTH123, ASYNC230 - a pipe, which has room
            writer.write(b"04A1B2C3D4E5F6\n")
            reader = PipeReader(PipeReaderConfig(path), monotonic=lambda: 1.0)
            async with aclosing(reader.events()) as events:
                assert await anext(events) == ReaderUp(f"pipe {path}")
                writer.write(LAST)
                assert await take(events, 2) == [
                    CardArrived(EM4100, Technology.EM4100, 1.0),
                    CardLeft(1.0),
                ]

    run(main())
