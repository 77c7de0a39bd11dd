"""ELATEC TWN4: known frames, kinds of tags, and life without a CRC."""

from __future__ import annotations

import pytest

from drivers.errors import FrameError, TransientDeviceError
from drivers.readers.base import Technology
from drivers.readers.formats import twn4
from drivers.readers.formats.framing import CardReport
from drivers.readers.formats.twn4 import Mode, Twn4
from drivers.readers.uids import UnreadableCardError
from tests.drivers.readers.modules import Twn4Emulator
from tests.drivers.serial_bench import FakeLine, now
from tests.fakes.virtual_loop import run_virtual

UID = bytes.fromhex("04A1B2C3D4E5F6")
A, V, E = Technology.ISO14443, Technology.ISO15693, Technology.EM4100


# The maker's own reference messages of GetUSBType, in the source of its app.
REFERENCES = [
    (Mode(ascii_hex=True, crc=False), b"0005\r", b"0001\r"),
    (Mode(ascii_hex=True, crc=True), b"000515A7\r", b"000131E1\r"),
    (Mode(ascii_hex=False, crc=False), b"\x02\0\0\5", b"\x02\0\0\1"),
    (Mode(ascii_hex=False, crc=True), b"\4\0\0\5\x15\xa7", b"\4\0\0\1\x31\xe1"),
]


@pytest.mark.parametrize(("mode", "question", "answer"), REFERENCES)
def test_reference_messages_of_the_maker(
    mode: Mode, question: bytes, answer: bytes
) -> None:
    """Each mode frames as the maker says, there and back."""
    assert twn4.build_frame(b"\0\5", mode) == question
    cut = twn4.cut_payload(answer, mode)
    assert cut is not None
    assert (cut.length, cut.frame) == (len(answer), b"\0\1")


def test_its_uart_has_the_speed_of_the_makers_app() -> None:
    """9600 baud, unless the app was changed; on USB no speed matters."""
    assert twn4.BAUDRATE == 9600


@pytest.mark.parametrize("ascii_hex", [False, True])
def test_a_device_without_crc_is_understood_though_one_was_expected(
    *, ascii_hex: bool
) -> None:
    """As the maker ships it: found at the start, and its name says so."""

    async def main() -> None:
        device = Twn4Emulator(ascii_hex=ascii_hex, crc=False)
        module = Twn4(FakeLine(device), now, Mode(ascii_hex, crc=True))
        assert await module.start() == "TWN4 TWN4/B1.64/NO, without CRC"
        device.card = UID
        device.asked.clear()
        assert await module.find() == CardReport(UID, A)
        assert len(device.asked) == 2

    run_virtual(main())


def test_a_crc_that_is_not_wanted_is_not_looked_for() -> None:
    """A device that has one does not answer, and the message names the option."""

    async def main() -> None:
        device = Twn4Emulator(crc=True)
        module = Twn4(FakeLine(device), now, Mode(ascii_hex=False, crc=False))
        with pytest.raises(TransientDeviceError, match="crc"):
            await module.start()

    run_virtual(main())


def test_known_frames_of_the_twn4() -> None:
    """The check value of the CRC, and a frame of a public client."""
    crc = Mode(ascii_hex=False, crc=True)
    assert twn4.compute_crc(b"123456789") == 0x6F91
    assert twn4.build_frame(bytes.fromhex("050028"), crc) == bytes.fromhex(
        "0500 050028 C4AD"
    )
    hexed = Mode(ascii_hex=True, crc=False)
    assert twn4.build_frame(bytes.fromhex("05000A"), hexed) == b"05000A\r"


@pytest.mark.parametrize(
    ("kind", "uid", "technology"),
    [
        (0x40, "0A1234ABCD", E),
        (0x80, "04A1B2C3D4E5F6", A),
        (0x81, "11223344", A),
        (0x82, "E0040150A1B2C3D4", V),
    ],
)
def test_the_type_of_tag_tells_the_technology(
    kind: int, uid: str, technology: Technology
) -> None:
    """All four kinds are asked for, and reported as what they are."""

    async def main() -> None:
        device = Twn4Emulator()
        module = Twn4(FakeLine(device), now, Mode(ascii_hex=False, crc=True))
        await module.start()
        low, high = device.tag_types[:4], device.tag_types[4:]
        mask = int.from_bytes(high if kind & 0x80 else low, "little")
        assert mask >> (kind & 0x1F) & 1
        device.kind, device.card = kind, bytes.fromhex(uid)
        assert await module.find() == CardReport(bytes.fromhex(uid), technology)

    run_virtual(main())


def test_a_uid_of_iso_15693_begins_with_e0() -> None:
    """One that comes as it is sent over the air is turned round."""
    sent = bytes.fromhex("01824008") + bytes.fromhex("D4C3B2A1500104E0")
    uid = bytes.fromhex("E0040150A1B2C3D4")
    assert twn4.parse_card(sent) == CardReport(uid, V)


@pytest.mark.parametrize(
    ("result", "error"),
    [
        ("", FrameError),
        ("0180", FrameError),
        ("0280200411223344", FrameError),
        ("01802004112233", UnreadableCardError),
        ("018020041122334455", UnreadableCardError),
        ("0180380411223344", UnreadableCardError),
        ("01800000", UnreadableCardError),
    ],
)
def test_results_of_a_search_that_make_no_sense(
    result: str, error: type[FrameError]
) -> None:
    """Lengths that contradict each other are no card."""
    with pytest.raises(error):
        twn4.parse_card(bytes.fromhex(result))


def test_tags_that_nobody_wants_are_none() -> None:
    """A kind whose number is of no use is not reported."""
    assert twn4.parse_card(bytes.fromhex("0185400811223344556677 88")) is None


def test_without_crc_a_second_look_has_to_agree() -> None:
    """A number that the line has changed once is not reported."""

    def other_digit(answer: bytes) -> bytes:
        return answer.replace(b"d4", b"d5")

    async def main() -> None:
        device = Twn4Emulator(ascii_hex=True, crc=False)
        module = Twn4(FakeLine(device), now, Mode(ascii_hex=True, crc=False))
        await module.start()
        device.card = UID
        device.faults.append(other_digit)
        assert await module.find() is None
        device.faults.extend([bytes, other_digit])
        assert await module.find() is None
        assert await module.find() == CardReport(UID, A)

    run_virtual(main())
