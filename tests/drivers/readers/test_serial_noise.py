"""Serial readers that make noise and cards by turns: the log keeps calm."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from drivers.readers.base import CardArrived, ReaderUp
from drivers.readers.formats import em4100, rdm6300
from drivers.readers.presence import MOST_CARDS
from drivers.readers.serial_sources import (
    GARBAGE_BYTES,
    NOISY_PAUSE_S,
    PUZZLED_EVERY_S,
)
from tests.drivers.readers.serial_watch import Watch, open_reader
from tests.drivers.serial_bench import FakeLine
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    import pytest

FRAME = em4100.build(bytes.fromhex("62E3086CED"), rdm6300.TAIL)
NOISE = b"\xff" * (GARBAGE_BYTES + 1)
MINUTES = 5


def test_noise_between_cards_is_told_of_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Ten times a second a card and noise: one card, and hardly a line."""

    async def main() -> None:
        line = FakeLine()
        watch = Watch(open_reader(line, "rdm6300").events())
        await asyncio.sleep(10)
        for _ in range(round(MINUTES * PUZZLED_EVERY_S * 10)):
            line.send(NOISE)
            line.send(FRAME)
            await asyncio.sleep(0.1)
        seen = watch.take()
        assert len([one for one in seen if isinstance(one, CardArrived)]) == 1
        # Puzzled and not puzzled any more, after the first one.
        assert (
            len([one for one in seen if isinstance(one, ReaderUp)]) == 1 + 2 * MINUTES
        )
        await watch.stop()

    run_virtual(main())
    assert len(caplog.messages) == MINUTES


class Spout(FakeLine):
    """Has a thousand numbers at any time, and never the same."""

    reads = 0

    async def read(self) -> bytes:
        """Give some."""
        await asyncio.sleep(0.001)
        self.reads += 1
        first = self.reads * 1000
        return b"".join(b"%08X\r" % (first + count) for count in range(1000))


def test_numbers_without_an_end_are_looked_at_seldom() -> None:
    """A few of them are taps, and the processor has time for others."""

    async def main() -> None:
        line = Spout()
        watch = Watch(open_reader(line, "wiegand").events())
        await asyncio.sleep(1)
        assert len([one for one in watch.take() if isinstance(one, CardArrived)]) == (
            MOST_CARDS
        )
        begin = line.reads
        await asyncio.sleep(10)
        assert 10 <= line.reads - begin <= 10 / NOISY_PAUSE_S
        assert watch.take() == []
        await watch.stop()

    run_virtual(main())
