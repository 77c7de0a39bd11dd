"""The NFC reader with nfcpy's real PN532 driver, and a chip behind a terminal."""

from __future__ import annotations

import logging
import os
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from drivers.errors import (
    DeviceGoneError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.readers import nfc_line
from drivers.readers.base import CardArrived, CardLeft, ReaderUp
from drivers.readers.nfc import NfcConfig, NfcReader
from drivers.readers.nfc_field import Sighting
from drivers.readers.nfc_frontend import open_frontend
from drivers.readers.nfc_place import TtyPlace
from tests.drivers.pipes import open_files
from tests.drivers.readers.nfc_adapter import end_of_reader_threads
from tests.stack import nfc_chip
from tests.stack.nfc_bench import (
    LIST,
    OTHER_UID,
    UID,
    arrival,
    failure,
    following,
    listening,
    make_reader,
    run,
)
from tests.stack.nfc_chip import EmulatedCard, random_numbers
from tests.stack.nfc_pty import Pn532OnPty

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.stack

# The emulated chip is a thread, which a busy machine may forget for a while.
PATIENT_S = 5.0

# RFConfiguration, and InListPassiveTarget of both types.
LOOK = ("32 01 02", "4A 01 00", "4A 01 03 00")
READ_REGISTER = 0x06

CARDS: list[tuple[str, EmulatedCard]] = [
    ("4 bytes", EmulatedCard(bytes.fromhex("9A5CE714"))),
    ("7 bytes", EmulatedCard(UID)),
    ("10 bytes", EmulatedCard(bytes.fromhex("04A1B2C3D4E5F6A7B8C9"))),
    ("type B", EmulatedCard(bytes.fromhex("5A6B7C8D"), is_type_b=True)),
]


@pytest.fixture
def pn532(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pn532OnPty]:
    """Plug a PN532 in, under a name that udev would give it."""
    monkeypatch.setattr(nfc_line, "LEAST_WAIT_S", PATIENT_S)
    with Pn532OnPty(tmp_path / "usb-1a86_USB_Serial-if00-port0") as plugged:
        yield plugged


@pytest.mark.parametrize("card", [card for _, card in CARDS], ids=[n for n, _ in CARDS])
def test_a_card_comes_and_goes(pn532: Pn532OnPty, card: EmulatedCard) -> None:
    """It arrives once however often it is looked at, and leaves once."""

    async def main() -> None:
        async with aclosing(make_reader(pn532).events()) as events:
            assert await following(events) == ReaderUp(f"PN532v1.6 at {pn532.link}")
            for _ in range(3):
                pn532.wait_for_looks(30)
                pn532.lay(card)
                assert await arrival(events) == card.uid
                pn532.wait_for_looks(30)
                pn532.lift()
                assert isinstance(await following(events), CardLeft)

    run(main())


def test_another_card_in_its_place(pn532: Pn532OnPty) -> None:
    """The one that was there has left, the one that is there has arrived."""

    async def main() -> None:
        async with listening(make_reader(pn532)) as events:
            pn532.lay(UID)
            assert await arrival(events) == UID
            pn532.lay(OTHER_UID)
            assert isinstance(await following(events), CardLeft)
            assert await arrival(events) == OTHER_UID

    run(main())


def test_what_a_look_asks(pn532: Pn532OnPty) -> None:
    """What is off stays off, and nothing is asked after the number of a card."""
    field_off, type_a, type_b = (bytes.fromhex(x) for x in LOOK)
    frontend = open_frontend(TtyPlace(str(pn532.link)))
    commands = pn532.chip.commands

    def look() -> tuple[Sighting | None, list[bytes]]:
        commands.clear()
        return frontend.look(), [one for one in commands if one[0] != READ_REGISTER]

    try:
        assert look() == (None, [field_off, type_a, type_b, field_off])
        assert look() == (None, [type_a, type_b, field_off])
        pn532.lay(UID)
        assert look() == (Sighting(UID), [type_a])
        assert commands == [type_a]
        assert look() == (Sighting(UID), [field_off, type_a])
        pn532.lift()
        assert look() == (None, [field_off, type_a, type_b, field_off])
    finally:
        frontend.close()


def test_a_card_that_lies_there_at_the_opening(pn532: Pn532OnPty) -> None:
    """Nobody can tell when it came; of the next one, one can."""
    pn532.lay(UID)

    async def main() -> None:
        reader = make_reader(pn532, held_for=timedelta(milliseconds=500))
        async with listening(reader) as events:
            found = await following(events)
            pn532.wait_for_looks(300)  # With a pause of 2 ms each
            pn532.lay(OTHER_UID)
            await following(events)
            came = await following(events)
        assert isinstance(found, CardArrived)
        assert isinstance(came, CardArrived)
        assert (found.lying, came.lying) == (True, False)

    run(main())


@pytest.mark.parametrize(("first", "is_type_b"), [(0x08, False), (0x5A, True)])
def test_a_card_with_random_numbers(
    pn532: Pn532OnPty,
    first: int,
    is_type_b: bool,  # noqa: FBT001 - a table
) -> None:
    """The field is off between two looks, and still it is one card."""
    numbers = random_numbers(first)
    card = EmulatedCard(next(numbers), is_type_b, random=numbers)

    async def main() -> None:
        async with listening(make_reader(pn532)) as events:
            pn532.wait_for_looks(30)
            pn532.lay(card)
            told = await arrival(events)
            pn532.wait_for_looks(30)
            assert card.uid != told
            pn532.lift()
            assert isinstance(await following(events), CardLeft)

    run(main())


def test_unplugged_and_plugged_a_hundred_times(pn532: Pn532OnPty) -> None:
    """Pulled out in the middle of a look: gone, missing, back; and nothing leaks."""

    async def main() -> None:
        reader = make_reader(pn532)
        files = open_files()
        for number in range(100):
            uid = b"\x04" + number.to_bytes(6)
            async with aclosing(reader.events()) as events:
                assert isinstance(await following(events), ReaderUp)
                pn532.lay(uid)
                event = await following(events)
                while not isinstance(event, CardArrived):
                    event = await following(events)
                assert event.uid == uid
                pn532.unplug()
                assert isinstance(await failure(events), DeviceGoneError)
            error = await failure(reader.events())
            assert isinstance(error, DeviceGoneError)
            assert str(pn532.link) in str(error)
            pn532.plug()
            assert end_of_reader_threads()
            assert open_files() == files

    run(main())


def test_killed_in_the_middle(
    pn532: Pn532OnPty, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chip that nobody has closed answers the next one: its speed is never raised."""
    # Closing waits for a chip that is mute.
    monkeypatch.setattr(nfc_line, "LEAST_WAIT_S", 0.1)

    async def main() -> None:
        reader = make_reader(pn532)
        async with listening(reader) as events:
            speeds = [one for one in pn532.chip.commands if one[0] == 0x10]
            assert speeds == []
            # As if the process had ended here: the chip hears nothing of it.
            chip = pn532.chip
            awake, chip.fault = chip.awake, nfc_chip.mute
        chip.awake, chip.fault = awake, None
        async with aclosing(make_reader(pn532).events()) as events:
            assert isinstance(await following(events), ReaderUp)

    run(main())


def test_no_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with a command in it is a name."""
    monkeypatch.setattr(os, "system", lambda _: pytest.fail("a shell"))
    hostile = tmp_path / "$(touch hacked); touch hacked &"

    async def main() -> None:
        with Pn532OnPty(hostile) as pn532:
            async with aclosing(make_reader(pn532).events()) as events:
                assert isinstance(await following(events), ReaderUp)

    run(main())
    assert not (tmp_path / "hacked").exists()


def test_no_serial_port(tmp_path: Path) -> None:
    """A file is none, and trying again does not help."""
    path = tmp_path / "file"
    path.touch()

    async def main() -> None:
        error = await failure(NfcReader(NfcConfig(device=str(path))).events())
        assert isinstance(error, UnsupportedDeviceError)

    run(main())


def test_two_readers_on_one_port(pn532: Pn532OnPty) -> None:
    """The second one does not take the bytes of the first."""

    async def main() -> None:
        async with listening(make_reader(pn532)) as events:
            error = await failure(make_reader(pn532).events())
            assert isinstance(error, TransientDeviceError)
            assert "used by another program" in str(error)
            pn532.lay(UID)
            assert await arrival(events) == UID

    run(main())


class Heard(logging.Handler):
    """Keeps all that reaches the root, where the daemon's handler is."""

    def __init__(self) -> None:
        super().__init__(level=1)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record as text."""
        self.lines.append(f"{record.name}: {record.getMessage()}")


def test_no_card_number_in_the_log(
    pn532: Pn532OnPty,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not with all of nfcpy's logging switched on, and neither when it fails."""
    caplog.set_level(1)
    caplog.set_level(1, logger="nfc.clf.pn532")
    heard = Heard()
    logging.getLogger().addHandler(heard)

    async def main() -> None:
        async with listening(make_reader(pn532)) as events:
            pn532.lay(UID)
            await arrival(events)
            monkeypatch.setattr(nfc_line, "LEAST_WAIT_S", 0.1)
            pn532.chip.faulty, pn532.chip.fault = LIST, nfc_chip.bad_checksum
            await failure(events)

    try:
        run(main())
    finally:
        logging.getLogger().removeHandler(heard)
    assert heard.lines
    assert [line for line in heard.lines if line.startswith("nfc")] == []
    assert UID.hex() not in "".join(heard.lines).lower()
