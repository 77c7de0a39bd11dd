"""A serial reader on a line in memory, and what it tells."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from drivers.readers.base import ReaderEvent, Technology
from drivers.readers.serial import Format, SerialReader, SerialReaderConfig
from tests.drivers.serial_bench import FakeLine, now

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

UID = bytes.fromhex("04A1B2C3D4E5F6")
A, E = Technology.ISO14443, Technology.EM4100


def open_reader(line: FakeLine, kind: str, **options: Any) -> SerialReader:  # noqa: ANN401 - of the configuration
    """Make a reader of this format on a fake line."""
    config = SerialReaderConfig(port="/dev/fake", format=Format(kind), **options)
    return SerialReader(config, monotonic=now, open_port=line.open)


class Watch:
    """Collects a reader's events until its stream ends."""

    def __init__(self, events: AsyncGenerator[ReaderEvent]) -> None:
        self.seen: list[ReaderEvent] = []
        self.task = asyncio.create_task(self._collect(events))

    async def _collect(self, events: AsyncGenerator[ReaderEvent]) -> None:
        async for event in events:
            self.seen.append(event)

    def take(self) -> list[ReaderEvent]:
        """Return what came since the last time."""
        seen, self.seen = self.seen, []
        return seen

    async def stop(self) -> None:
        """Close the reader as a shutdown does."""
        self.task.cancel()
        await asyncio.wait([self.task])
