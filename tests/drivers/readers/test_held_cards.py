"""Cards that are left lying, alone or together: one tap each, however long."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from drivers.readers.base import CardArrived, CardLeft, ReaderUp
from drivers.readers.formats import em4100, rdm6300
from drivers.readers.serial import Format, SerialReader, SerialReaderConfig
from tests.drivers.readers.modules import Sl032Emulator, Twn4Emulator
from tests.drivers.serial_bench import FakeLine, now
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from drivers.readers.base import ReaderEvent
    from tests.drivers.readers.modules import Emulator

HOURS_S = 8 * 3600
EVERY_S = 5.0  # Real ones report ten times a second; this is as good, and quicker
HELD_FOR = timedelta(seconds=6)
TEN_BYTES = bytes.fromhex("04A1B2C3D4E5F6A7B8C9")
CARD = bytes.fromhex("0A1234ABCD")
OTHER = bytes.fromhex("0000000001")  # Zeros in front are part of a number


async def collect(reader: SerialReader, hear: Callable[[ReaderEvent], None]) -> None:
    """Pass all on that it tells."""
    async for event in reader.events():
        hear(event)


def kinds_of(events: Iterable[ReaderEvent]) -> list[type[ReaderEvent]]:
    """Name what they are."""
    return [type(event) for event in events]


def test_a_reported_card_that_lies_for_hours() -> None:
    """It arrives once and leaves once, and comes again as a new tap."""

    async def main() -> None:
        line = FakeLine()
        config = SerialReaderConfig(
            port="/dev/fake", format=Format.RDM6300, held_for=HELD_FOR
        )
        reader = SerialReader(config, monotonic=now, open_port=line.open)
        seen: list[ReaderEvent] = []
        running = asyncio.create_task(collect(reader, seen.append))
        await asyncio.sleep(60)
        while now() < HOURS_S:
            line.send(em4100.build(CARD, rdm6300.TAIL))
            await asyncio.sleep(EVERY_S)
        assert kinds_of(seen) == [ReaderUp, CardArrived]
        await asyncio.sleep(60)
        line.send(em4100.build(CARD, rdm6300.TAIL))
        await asyncio.sleep(1)
        assert kinds_of(seen) == [ReaderUp, CardArrived, CardLeft, CardArrived]
        running.cancel()
        await asyncio.wait([running])

    run_virtual(main())


@pytest.mark.parametrize(
    ("kind", "emulator"), [(Format.SL032, Sl032Emulator), (Format.TWN4, Twn4Emulator)]
)
def test_a_polled_card_that_lies_for_hours(
    kind: Format, emulator: Callable[[], Emulator]
) -> None:
    """The same of one that is asked for, with the longest number that there is."""

    async def main() -> None:
        device = emulator()
        config = SerialReaderConfig(
            port="/dev/fake", format=kind, poll_every=timedelta(seconds=EVERY_S)
        )
        line = FakeLine(device)
        reader = SerialReader(config, monotonic=now, open_port=line.open)
        seen: list[ReaderEvent] = []
        running = asyncio.create_task(collect(reader, seen.append))
        await asyncio.sleep(60)
        device.card = TEN_BYTES
        await asyncio.sleep(HOURS_S)
        assert kinds_of(seen) == [ReaderUp, CardArrived]
        assert isinstance(seen[1], CardArrived)
        assert seen[1].uid == TEN_BYTES
        device.card = b""
        await asyncio.sleep(60)
        assert kinds_of(seen)[2:] == [CardLeft]
        running.cancel()
        await asyncio.wait([running])

    run_virtual(main())


def test_two_cards_that_lie_together_for_hours() -> None:
    """A reader that reports them by turns makes one arrival of each."""

    async def main() -> None:
        line = FakeLine()
        config = SerialReaderConfig(
            port="/dev/fake", format=Format.RDM6300, held_for=3 * HELD_FOR
        )
        reader = SerialReader(config, monotonic=now, open_port=line.open)
        seen: list[ReaderEvent] = []
        running = asyncio.create_task(collect(reader, seen.append))
        await asyncio.sleep(60)
        while now() < HOURS_S:
            for card in (CARD, OTHER):
                line.send(em4100.build(card, rdm6300.TAIL))
                await asyncio.sleep(EVERY_S)
        assert kinds_of(seen) == [ReaderUp, CardArrived, CardLeft, CardArrived]
        assert [one.uid for one in seen if isinstance(one, CardArrived)] == [
            CARD,
            OTHER,
        ]
        running.cancel()
        await asyncio.wait([running])

    run_virtual(main())
