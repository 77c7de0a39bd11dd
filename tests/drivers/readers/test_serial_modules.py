"""The serial reader and modules that have to be asked, in virtual time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from drivers.errors import TransientDeviceError
from drivers.readers.base import CardArrived, CardLeft, CardUnreadable, ReaderUp
from tests.drivers.readers.modules import Sl032Emulator, mute
from tests.drivers.readers.pn532_module import Pn532Emulator
from tests.drivers.readers.serial_watch import UID, A, Watch, open_reader
from tests.drivers.serial_bench import FakeLine
from tests.fakes.virtual_loop import run_virtual


def test_a_card_at_the_start_may_have_lain_there() -> None:
    """The first look of all does not know when a card came."""

    async def main() -> None:
        device = Sl032Emulator()
        device.card = UID
        watch = Watch(open_reader(FakeLine(device), "sl032").events())
        await asyncio.sleep(0.1)
        (_, card) = watch.take()
        assert isinstance(card, CardArrived)
        assert card.lying
        await watch.stop()

    run_virtual(main())


def test_a_module_is_asked_every_so_often() -> None:
    """It is up when it has answered; cards are found at the next look."""

    async def main() -> None:
        device = Sl032Emulator()
        poll_every = timedelta(milliseconds=500)
        reader = open_reader(FakeLine(device), "sl032", poll_every=poll_every)
        watch = Watch(reader.events())
        await asyncio.sleep(10.1)
        assert watch.take() == [ReaderUp("SL032-1.8 at /dev/fake")]
        assert 19 <= len(device.asked) <= 22
        device.card = UID
        await asyncio.sleep(0.6)
        (arrived,) = watch.take()
        assert arrived == CardArrived(UID, A, getattr(arrived, "at", 0))
        await asyncio.sleep(10)
        assert watch.take() == []
        device.card = b""
        await asyncio.sleep(1)
        assert watch.take() == []
        await asyncio.sleep(1)
        assert [type(event) for event in watch.take()] == [CardLeft]
        await watch.stop()

    run_virtual(main())


def test_a_look_that_misses_the_card_is_no_tap() -> None:
    """Nor is one that gets no answer."""

    async def main() -> None:
        device = Pn532Emulator()
        watch = Watch(open_reader(FakeLine(device), "pn532").events())
        await asyncio.sleep(5)
        device.card = UID
        await asyncio.sleep(1)
        assert [type(event) for event in watch.take()] == [ReaderUp, CardArrived]
        for _ in range(5):
            device.card = b""
            await asyncio.sleep(0.3)
            device.card = UID
            device.faults.extend([mute] * 2)
            await asyncio.sleep(4)
        assert watch.take() == []
        await watch.stop()

    run_virtual(main())


def test_a_module_that_falls_silent_ends_the_stream() -> None:
    """Whoever keeps the reader open hears of it, and opens it again."""

    async def main() -> None:
        device = Pn532Emulator()
        line = FakeLine(device)
        reader = open_reader(line, "pn532")
        watch = Watch(reader.events())
        await asyncio.sleep(5)
        device.mute = True
        with pytest.raises(TransientDeviceError, match="no answer"):
            await watch.task
        with pytest.raises(TransientDeviceError):
            await anext(reader.events())
        device.mute = False
        watch = Watch(reader.events())
        await asyncio.sleep(1)
        assert watch.take() == [ReaderUp("PN532 firmware 1.6 at /dev/fake")]
        assert line.opened == 3
        await watch.stop()

    run_virtual(main())


def test_a_card_that_gives_no_uid_is_told_of_once() -> None:
    """It does not take the reader down."""

    async def main() -> None:
        device = Sl032Emulator()
        watch = Watch(open_reader(FakeLine(device), "sl032").events())
        await asyncio.sleep(5)
        device.card = UID[:6]
        await asyncio.sleep(5)
        _, unreadable, left = watch.take()
        assert isinstance(unreadable, CardUnreadable)
        assert isinstance(left, CardLeft)
        assert "got 6" in unreadable.reason
        device.card = UID
        await asyncio.sleep(1)
        assert [type(event) for event in watch.take()] == [CardArrived]
        await watch.stop()

    run_virtual(main())
