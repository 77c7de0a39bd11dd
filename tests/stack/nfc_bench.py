"""What tests of the NFC reader on real components share."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from drivers.errors import DriverError
from drivers.readers.base import CardArrived
from drivers.readers.nfc import NfcConfig, NfcReader
from tests.drivers.pipes import open_files
from tests.drivers.readers.nfc_adapter import end_of_reader_threads

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Coroutine

    from drivers.readers.base import ReaderEvent
    from tests.stack.nfc_pty import Pn532OnPty

UID: Final = bytes.fromhex("04A1B2C3D4E5F6")
OTHER_UID: Final = bytes.fromhex("04998877665544")
LIST: Final = frozenset({0x4A})  # InListPassiveTarget, the question about a card
EVENT_S: Final = 15.0


def make_reader(pn532: Pn532OnPty, **changes: Any) -> NfcReader:  # noqa: ANN401 - any key
    """Configure a reader on it that looks fast."""
    config = NfcConfig(
        device=str(pn532.link),
        poll_every=timedelta(milliseconds=2),
        held_for=timedelta(milliseconds=50),
    )
    return NfcReader(replace(config, **changes))


async def following(events: AsyncGenerator[ReaderEvent]) -> ReaderEvent:
    """Wait for the next event."""
    async with asyncio.timeout(EVENT_S):
        return await anext(events)


@asynccontextmanager
async def listening(reader: NfcReader) -> AsyncIterator[AsyncGenerator[ReaderEvent]]:
    """Listen to a reader that has said that it is up, and close it."""
    async with aclosing(reader.events()) as events:
        await following(events)
        yield events


async def arrival(events: AsyncGenerator[ReaderEvent]) -> bytes:
    """Expect a card; give its uid."""
    event = await following(events)
    assert isinstance(event, CardArrived), event
    return event.uid


async def failure(events: AsyncGenerator[ReaderEvent]) -> DriverError:
    """Expect the events to fail."""
    with pytest.raises(DriverError) as caught:
        await following(events)
    return caught.value


def run(main: Coroutine[None, None, None]) -> None:
    """Run it; neither a thread of the driver nor a descriptor may be left."""
    files = open_files()
    asyncio.run(main)
    assert end_of_reader_threads()
    assert open_files() == files
