"""What tests of the wedge reader on keyboards of a real kernel share."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from drivers.readers.base import CardArrived, CardLeft, ReaderUp
from drivers.readers.wedge import WedgeConfig, WedgeReader
from drivers.readers.wedge_keys import PAUSE_S
from tests.guest.listening import told_by

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from drivers.readers.base import ReaderEvent

DEVICE = "ffff:0035"


def wedge(device: str = DEVICE, **config: Any) -> WedgeReader:  # noqa: ANN401 - any key
    """Make a reader of which cards leave at once."""
    config["held_for"] = timedelta(milliseconds=1)
    return WedgeReader(WedgeConfig(device=device, **config))


@asynccontextmanager
async def listening(reader: WedgeReader) -> AsyncIterator[AsyncIterator[ReaderEvent]]:
    """Listen once it is up and takes what is typed for the beginning of a number."""
    async with told_by(reader.events()) as events:
        assert isinstance(await anext(events), ReaderUp)
        await asyncio.sleep(PAUSE_S * 1.2)
        yield events


async def the_card(events: AsyncIterator[ReaderEvent]) -> str:
    """Return the next card; the one before has left, perhaps not told yet."""
    while isinstance(event := await anext(events), CardLeft):
        pass
    assert isinstance(event, CardArrived), event
    return event.uid.hex().upper()
