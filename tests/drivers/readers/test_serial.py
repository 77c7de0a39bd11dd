"""The serial reader in virtual time: what becomes an event, and when."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from drivers.errors import DeviceGoneError
from drivers.readers.base import CardArrived, CardLeft, ReaderUp, Technology
from drivers.readers.formats import em4100, id12, rdm6300
from drivers.readers.serial import Format
from drivers.readers.serial_config import BAUDRATES
from drivers.readers.serial_sources import GARBAGE_BYTES
from tests.drivers.readers.serial_watch import UID, A, E, Watch, open_reader
from tests.drivers.serial_bench import FakeLine
from tests.fakes.virtual_loop import run_virtual

CARD = bytes.fromhex("62E3086CED")
OTHER = bytes.fromhex("0C000621A5")
FRAME = em4100.build(CARD, rdm6300.TAIL)


def test_a_card_that_is_held_comes_and_leaves_once() -> None:
    """A reader that repeats itself ten times a second makes one tap of it."""

    async def main() -> None:
        line = FakeLine()
        watch = Watch(open_reader(line, "rdm6300").events())
        await asyncio.sleep(10)
        assert watch.take() == [ReaderUp("rdm6300 reader at /dev/fake")]
        for _ in range(30):
            line.send(FRAME[:5])
            line.send(FRAME[5:])
            await asyncio.sleep(0.1)
        assert watch.take() == [CardArrived(CARD, E, 10.0)]
        await asyncio.sleep(0.8)
        assert watch.take() == []
        await asyncio.sleep(0.2)
        assert [type(event) for event in watch.take()] == [CardLeft]
        await watch.stop()

    run_virtual(main())


def test_another_card_comes_at_once() -> None:
    """It does not wait until the first one is forgotten."""

    async def main() -> None:
        line = FakeLine()
        watch = Watch(open_reader(line, "rdm6300").events())
        await asyncio.sleep(10)
        line.send(FRAME + em4100.build(OTHER, rdm6300.TAIL))
        await asyncio.sleep(0.1)
        assert watch.take()[1:] == [
            CardArrived(CARD, E, 10),
            CardLeft(10),
            CardArrived(OTHER, E, 10),
        ]
        await watch.stop()

    run_virtual(main())


def test_bytes_that_a_busy_loop_finds_late_are_in_time() -> None:
    """A card does not leave and come again because the program was held up."""

    async def main() -> None:
        line = FakeLine()
        watch = Watch(open_reader(line, "rdm6300").events())
        await asyncio.sleep(10)
        for _ in range(5):
            line.send(FRAME)
            await asyncio.sleep(1.01)
        assert len(watch.take()) == 2
        await watch.stop()

    run_virtual(main())


def test_how_long_a_card_is_held_is_a_setting() -> None:
    """A reader that repeats itself seldom needs more time."""

    async def main() -> None:
        line = FakeLine()
        held_for = timedelta(seconds=5)
        watch = Watch(open_reader(line, "rdm6300", held_for=held_for).events())
        for _ in range(4):
            await asyncio.sleep(4)
            line.send(FRAME)
        await asyncio.sleep(4.9)
        assert len(watch.take()) == 2
        await asyncio.sleep(0.2)
        assert len(watch.take()) == 1
        await watch.stop()

    run_virtual(main())


@pytest.mark.parametrize(
    ("kind", "said", "uid", "technology"),
    [
        ("rdm6300", FRAME, CARD, E),
        ("id12", em4100.build(CARD, id12.TAIL), CARD, E),
        ("wiegand", b"04A1B2C3\r", UID[:4], A),
        ("wiegand-raw", b"000000002\r", b"\x00\x00\x00\x01", A),
        ("ascii", b"04a1b2c3d4e5f6\r\n", UID, A),
    ],
)
def test_every_format_that_reports_by_itself(
    kind: str, said: bytes, uid: bytes, technology: Technology
) -> None:
    """A known frame of each is its card, at the speed that such readers have."""

    async def main() -> None:
        line = FakeLine()
        watch = Watch(open_reader(line, kind).events())
        await asyncio.sleep(10)
        line.send(said)
        await asyncio.sleep(5)
        assert watch.take()[1] == CardArrived(uid, technology, 10)
        assert len(watch.seen) == 0
        assert line.baudrate == BAUDRATES[Format(kind)]
        await watch.stop()

    run_virtual(main())


def test_every_format_has_a_speed() -> None:
    """None needs a setting to be tried."""
    assert set(BAUDRATES) == set(Format)


def test_a_pattern_and_a_speed_of_ones_own() -> None:
    """Both reach what they are for."""

    async def main() -> None:
        line = FakeLine()
        reader = open_reader(
            line, "ascii", pattern="C(..)+|C([0-9A-F]+);", baudrate=19200
        )
        watch = Watch(reader.events())
        await asyncio.sleep(1)
        assert line.baudrate == 19200
        await watch.stop()

    run_virtual(main())


def test_a_wrong_format_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing else tells why no card is read; the bytes themselves are not shown."""

    async def main() -> None:
        line = FakeLine()
        watch = Watch(open_reader(line, "id12").events())
        for _ in range(20):
            line.send(FRAME)
            await asyncio.sleep(1)
        problem = "56 bytes and no id12 frame in them; check format and baudrate"
        assert watch.take() == [
            ReaderUp("id12 reader at /dev/fake"),
            ReaderUp(f"id12 reader at /dev/fake: {problem}"),
        ]
        await watch.stop()

    run_virtual(main())
    (message,) = caplog.messages
    assert message.startswith("/dev/fake: 56 bytes and no id12 frame in them")
    assert "62E3" not in message


def test_a_short_format_that_is_wrong_is_told_of_at_the_fourth_card() -> None:
    """Parity bits that the format does not expect: a card after the other is lost."""

    async def main() -> None:
        line = FakeLine()
        watch = Watch(open_reader(line, "wiegand").events())
        for told in (1, 0, 0, 0, 1, 0):
            await asyncio.sleep(1)
            assert len(watch.take()) == told
            line.send(b"1A2B3C4\r")
        await watch.stop()

    run_virtual(main())


def test_a_card_ends_the_doubt_about_the_format() -> None:
    """Noise while the cable was touched is not shown for ever."""

    async def main() -> None:
        line = FakeLine()
        watch = Watch(open_reader(line, "rdm6300").events())
        await asyncio.sleep(1)
        line.send(b"?" * (GARBAGE_BYTES + 1))
        await asyncio.sleep(1)
        *_, doubt = watch.take()
        assert isinstance(doubt, ReaderUp)
        assert "check format and baudrate" in doubt.device
        line.send(FRAME)
        await asyncio.sleep(0.1)
        assert watch.take()[0] == ReaderUp("rdm6300 reader at /dev/fake")
        await watch.stop()

    run_virtual(main())


def test_a_right_format_is_never_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """Some noise between the frames of years is no reason."""

    async def main() -> None:
        line = FakeLine()
        watch = Watch(open_reader(line, "rdm6300").events())
        for _ in range(20):
            line.send(b"?" * (GARBAGE_BYTES - 1))
            line.send(FRAME)
            await asyncio.sleep(1)
        await watch.stop()

    run_virtual(main())
    assert caplog.messages == []


def test_a_reader_that_is_plugged_in_again_knows_its_card() -> None:
    """A card that lies there all the time is no tap when the plug is bad."""

    async def main() -> None:
        line = FakeLine()
        reader = open_reader(line, "rdm6300")
        watch = Watch(reader.events())
        await asyncio.sleep(10)
        line.send(FRAME)
        await asyncio.sleep(0.1)
        line.unplug()
        with pytest.raises(DeviceGoneError):
            await watch.task
        assert watch.take()[1:] == [CardArrived(CARD, E, 10)]
        line.gone = False
        await asyncio.sleep(60)
        watch = Watch(reader.events())
        await asyncio.sleep(0.5)
        line.send(FRAME)
        await asyncio.sleep(0.9)
        assert watch.take() == [ReaderUp("rdm6300 reader at /dev/fake")]
        await asyncio.sleep(1)
        assert [type(event) for event in watch.take()] == [CardLeft]
        await watch.stop()

    run_virtual(main())


def test_a_reader_has_no_thread_that_could_hang() -> None:
    """There is no heartbeat to look at."""
    assert open_reader(FakeLine(), "rdm6300").alive_at() is None
