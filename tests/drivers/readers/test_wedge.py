"""The keyboard-wedge reader: numbers that are typed are cards."""

from __future__ import annotations

import asyncio
import errno
import threading
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
)
from drivers.readers.base import (
    CardArrived,
    CardLeft,
    CardUnreadable,
    ReaderUp,
    Technology,
)
from drivers.readers.wedge import Surroundings, WedgeConfig, WedgeReader
from drivers.readers.wedge_number import NumberFormat
from tests.drivers.pipes import open_files, take
from tests.drivers.readers.wedge_bench import (
    EVENT,
    KEYS,
    LINK,
    FakeKeyboard,
    InputTree,
    load,
    press,
    type_out,
)
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from drivers.readers.base import ReaderEvent

A = Technology.ISO14443
UID = bytes.fromhex("04A1B2C3D4E5F6")
OTHER = bytes.fromhex("04A1B2C3")


class Bench:
    """A machine with one such reader, and the driver for it."""

    def __init__(self, folder: Path, **options: Any) -> None:  # noqa: ANN401 - of the config
        self.tree = InputTree(folder)
        self.node = self.tree.plug(3)
        self.keyboard = FakeKeyboard()
        self.reader = WedgeReader(
            WedgeConfig(**({"device": "ffff:0035"} | options)),
            monotonic=lambda: asyncio.get_running_loop().time(),
            surroundings=Surroundings(
                self.tree.sysfs, self.tree.nodes, load(self.keyboard)
            ),
        )

    async def start(self) -> AsyncGenerator[ReaderEvent]:
        """Open it, and let the time pass in which cards may have lain there."""
        events = self.reader.events()
        up = ReaderUp(f"SYC ID&IC USB Reader at {self.node}")
        assert await anext(events) == up
        await asyncio.sleep(10)
        return events


def test_a_tap(tmp_path: Path) -> None:
    """What is typed is a card, which has left after a silence."""

    async def main() -> None:
        bench = Bench(tmp_path)
        async with aclosing(await bench.start()) as events:
            bench.keyboard.type_out("04a1b2c3d4e5f6")
            assert await take(events, 2) == [CardArrived(UID, A, 10), CardLeft(12)]
        assert bench.keyboard.grabs == 1
        assert not bench.keyboard.is_open

    run_virtual(main())


def test_a_held_card_is_one_card(tmp_path: Path) -> None:
    """A reader that types it again and again tells of one arrival."""

    async def main() -> None:
        bench = Bench(tmp_path, held_for=timedelta(seconds=1))
        async with aclosing(await bench.start()) as events:
            bench.keyboard.type_out("04A1B2C3")
            arrived = await anext(events)
            left = asyncio.create_task(anext(events))
            for _ in range(5):
                await asyncio.sleep(0.9)
                bench.keyboard.type_out("04A1B2C3")
            assert [arrived, await left] == [CardArrived(OTHER, A, 10), CardLeft(15.5)]
            bench.keyboard.type_out("04A1B2C3")
            assert await anext(events) == CardArrived(OTHER, A, 15.5)

    run_virtual(main())


def test_an_enter_that_is_not_let_go(tmp_path: Path) -> None:
    """The card leaves although nothing comes after it."""

    async def main() -> None:
        bench = Bench(tmp_path)
        async with aclosing(await bench.start()) as events:
            bench.keyboard.send(type_out("04A1B2C3", 10)[: -3 * EVENT.size])
            assert await take(events, 2) == [CardArrived(OTHER, A, 10), CardLeft(12)]

    run_virtual(main())


def test_another_card_replaces_it(tmp_path: Path) -> None:
    """It need not wait for the silence."""

    async def main() -> None:
        bench = Bench(tmp_path)
        async with aclosing(await bench.start()) as events:
            bench.keyboard.type_out("04A1B2C3")
            bench.keyboard.type_out("04A1B2C3D4E5F6")
            assert await take(events, 3) == [
                CardArrived(OTHER, A, 10),
                CardLeft(10),
                CardArrived(UID, A, 10),
            ]

    run_virtual(main())


def test_a_busy_loop_takes_two_taps_for_two(tmp_path: Path) -> None:
    """The kernel knows when a card was typed, however late somebody looks."""

    async def main() -> None:
        bench = Bench(tmp_path)
        async with aclosing(await bench.start()) as events:
            for at in (10, 11, 14):
                bench.keyboard.send(type_out("04A1B2C3", at))
            await asyncio.sleep(4.5)
            assert await take(events, 4) == [
                CardArrived(OTHER, A, 10),
                CardLeft(14),
                CardArrived(OTHER, A, 14),
                CardLeft(16),
            ]

    run_virtual(main())


def test_what_is_no_number_is_unreadable(tmp_path: Path) -> None:
    """Somebody held a card there, and it is told what is wrong with its number."""

    async def main() -> None:
        bench = Bench(tmp_path, bytes=4)
        async with aclosing(await bench.start()) as events:
            bench.keyboard.type_out("04A1B2")
            reason = "expected 8 hex digits, got 6"
            assert await take(events, 2) == [CardUnreadable(reason, 10), CardLeft(10)]
            bench.keyboard.type_out("")
            bench.keyboard.type_out("04A1B2C3")
            assert await anext(events) == CardArrived(OTHER, A, 10)

    run_virtual(main())


def test_decimal_numbers(tmp_path: Path) -> None:
    """As many readers type them, with or without zeros in front."""

    async def main() -> None:
        bench = Bench(tmp_path, number=NumberFormat.DECIMAL, bytes=4)
        async with aclosing(await bench.start()) as events:
            bench.keyboard.type_out("0077705923")
            assert await anext(events) == CardArrived(OTHER, A, 10)

    run_virtual(main())


def test_what_is_typed_at_the_start_may_have_lain_there(tmp_path: Path) -> None:
    """As with every reader that is looked at for the first time."""

    async def main() -> None:
        bench = Bench(tmp_path)
        async with aclosing(bench.reader.events()) as events:
            await anext(events)
            await asyncio.sleep(1)
            bench.keyboard.type_out("04A1B2C3")
            assert await anext(events) == CardArrived(OTHER, A, 1, lying=True)

    run_virtual(main())


def test_the_rest_of_a_number_at_the_start_is_no_card(tmp_path: Path) -> None:
    """A reader that was opened while it typed has told nobody's number."""

    async def main() -> None:
        bench = Bench(tmp_path)
        async with aclosing(bench.reader.events()) as events:
            await anext(events)
            bench.keyboard.type_out("C3D4E5F6")
            unreadable, left = await take(events, 2)
            assert isinstance(unreadable, CardUnreadable)
            assert left == CardLeft(0)

    run_virtual(main())


def test_a_hundred_unplugged_readers_leave_nothing_behind(tmp_path: Path) -> None:
    """Torn off in the middle of a number, gone, back: nothing stays open."""

    async def main() -> None:
        bench = Bench(tmp_path)
        files = open_files()
        for number in range(100):
            events = await bench.start()
            uid = f"04A1B2{number:02X}"
            bench.keyboard.type_out(uid)
            event = await anext(events)
            while not isinstance(event, CardArrived):
                event = await anext(events)
            assert event.uid == bytes.fromhex(uid)
            at = asyncio.get_running_loop().time()
            bench.keyboard.send(press(KEYS["0"], at))
            bench.keyboard.unplug()
            with pytest.raises(DeviceGoneError):
                await anext(events)
            bench.tree.unplug(bench.node)
            with pytest.raises(DeviceGoneError, match="plugged in"):
                await anext(bench.reader.events())
            # The kernel gives it another number, as it does when it is in a hurry.
            bench.node = bench.tree.plug(number % 7)
            assert open_files() == files

    threads = threading.active_count()
    run_virtual(main())
    assert threading.active_count() <= threads


def test_unplugging_and_plugging(tmp_path: Path) -> None:
    """It raises, leaves nothing open, and knows its card when it is opened again."""

    async def main() -> None:
        bench = Bench(tmp_path)
        before = open_files()
        events = await bench.start()
        bench.keyboard.type_out("04A1B2C3")
        assert await anext(events) == CardArrived(OTHER, A, 10)
        bench.keyboard.send(press(KEYS["0"], 10) + press(KEYS["4"], 10))
        bench.keyboard.unplug()
        with pytest.raises(DeviceGoneError, match="No such device"):
            await anext(events)
        assert open_files() == before
        again = bench.reader.events()
        assert isinstance(await anext(again), ReaderUp)
        await asyncio.sleep(1)
        bench.keyboard.type_out("04A1B2C3")
        assert await take(again, 1) == [CardLeft(13)]
        bench.keyboard.type_out("04A1B2C3D4E5F6")
        assert await take(again, 1) == [CardArrived(UID, A, 13)]
        await again.aclose()
        assert open_files() == before

    run_virtual(main())


def test_a_waiting_reader_can_be_cancelled(tmp_path: Path) -> None:
    """The shutdown does not wait for a card, and gives the keyboard back."""

    async def main() -> None:
        bench = Bench(tmp_path)
        before = open_files()
        events = await bench.start()
        waiting = asyncio.create_task(anext(events))
        await asyncio.sleep(1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert open_files() == before

    run_virtual(main())


def test_a_name_of_udev(tmp_path: Path) -> None:
    """It is opened by that name."""

    async def main() -> None:
        bench = Bench(tmp_path, device=f"/dev/input/by-id/{LINK}")
        bench.node = bench.tree.link(LINK, 3)
        events = await bench.start()
        assert bench.keyboard.opened == [bench.node]
        await events.aclose()

    run_virtual(main())


def test_doctor_looks_and_opens_nothing(tmp_path: Path) -> None:
    """The keyboard is there or not, and may be opened or not."""
    bench = Bench(tmp_path)
    (fine,) = bench.reader.check()
    assert (fine.what, fine.ok) == (f"device {bench.node}", True)
    bench.node.unlink()
    (finding,) = bench.reader.check()
    assert "is not there" in finding.problem
    (bench.tree.sysfs / "event3/device/name").unlink()
    (finding,) = bench.reader.check()
    assert "plugged in" in finding.problem
    assert bench.keyboard.opened == []


def test_a_keyboard_we_may_not_open(tmp_path: Path) -> None:
    """It waits for somebody to give us the group."""

    async def main() -> None:
        bench = Bench(tmp_path)
        bench.keyboard.refuse_open = errno.EACCES
        with pytest.raises(AccessDeniedError, match="usermod -aG input"):
            await anext(bench.reader.events())

    run_virtual(main())
