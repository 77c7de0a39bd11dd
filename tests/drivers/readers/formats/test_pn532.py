"""PN532: known frames, how it is set up, and cards of both types."""

from __future__ import annotations

import pytest

from drivers.errors import FrameError
from drivers.readers.base import Technology
from drivers.readers.formats import pn532, pn532_frames
from drivers.readers.formats.framing import CardReport, Deframer
from drivers.readers.formats.pn532 import Pn532
from drivers.readers.uids import UnreadableCardError
from tests.drivers.readers.formats.wires import feed
from tests.drivers.readers.pn532_module import Pn532Emulator
from tests.drivers.serial_bench import FakeLine, now
from tests.fakes.virtual_loop import run_virtual

UID = bytes.fromhex("04A1B2C3D4E5F6")
A, V, E = Technology.ISO14443, Technology.ISO15693, Technology.EM4100


def test_known_frames_of_the_pn532() -> None:
    """GetFirmwareVersion and its response, the signals, and an extended frame."""
    ask = bytes.fromhex("0000FF02FED4022A00")
    assert pn532_frames.build(bytes.fromhex("D402")) == ask
    for raw, frame in (
        (pn532_frames.ACK, pn532_frames.Signal.ACK),
        (pn532_frames.NACK, pn532_frames.Signal.NACK),
        (pn532_frames.ERROR, pn532_frames.Signal.ERROR),
        (bytes.fromhex("0000FF06FAD50332010607E800"), bytes.fromhex("D50332010607")),
        (bytes.fromhex("0000FFFFFF0002FED5092200"), bytes.fromhex("D509")),
    ):
        cut = pn532_frames.cut(raw[1:])
        assert cut
        assert cut.frame == frame
    long = bytes([0xD5]) + bytes(range(256))
    cut = pn532_frames.cut(pn532_frames.build(long)[1:])
    assert cut
    assert cut.frame == long


@pytest.mark.parametrize(
    "raw",
    [
        "00FF02FDD5092200",  # LCS
        "00FF02FED5092300",  # DCS
        "00FF02FED5092201",  # Postamble
        "00FF0000D5",  # No TFI
        "00FFFFFF0002FFD5092200",  # LCS of an extended frame
        "00FFFFFF0102FDD5",  # Longer than any
    ],
)
def test_frames_that_are_wrong_in_one_place(raw: str) -> None:
    """Each of the parts is looked at, not only the sum of all."""
    assert feed(Deframer(pn532_frames.cut), [bytes.fromhex(raw)]) == []


def test_how_a_pn532_is_set_up() -> None:
    """It is woken, never left with endless tries, and its version comes last."""

    async def main() -> None:
        device = Pn532Emulator()
        await Pn532(FakeLine(device), now).start()
        asked = [question.hex() for question in device.asked]
        assert asked == ["41434b", "14010000", "1204", "3205ff0102", "02"]

    run_virtual(main())


@pytest.mark.parametrize("garbage", [b"\x00", b"\xff", b"\x13\x37\x00", b"\x55" * 9])
def test_garbage_before_the_ack(garbage: bytes) -> None:
    """It costs nothing, not even a second try."""

    async def main() -> None:
        device = Pn532Emulator()
        device.card = UID
        device.garbage_before_ack = garbage
        module = Pn532(FakeLine(device), now)
        await module.start()
        before = len(device.asked)
        assert await module.find() == CardReport(UID, A)
        assert len(device.asked) == before + 1

    run_virtual(main())


def test_a_smart_card_that_lies_there_is_seen_every_time() -> None:
    """No look leaves a type A card of part 4 in a state in which it is deaf."""

    async def main() -> None:
        device = Pn532Emulator()
        device.part_4, device.card = True, UID
        module = Pn532(FakeLine(device), now)
        await module.start()
        for _ in range(5):
            assert await module.find() == CardReport(UID, A)

    run_virtual(main())


def test_type_b_cards_stay_until_they_leave() -> None:
    """Activated once, they are felt; another card is found when they are gone."""

    async def main() -> None:
        device = Pn532Emulator()
        device.type_b, device.card = True, UID[:4]
        module = Pn532(FakeLine(device), now)
        await module.start()
        for _ in range(5):
            assert await module.find() == CardReport(UID[:4], A)
        assert device.asked.count(pn532.LIST_TYPE_B) == 1
        device.card = bytes.fromhex("0B0B0B0B")
        assert await module.find() == CardReport(device.card, A)
        device.refused = pn532.DIAGNOSE_PRESENCE[:1]
        device.card = b""
        assert await module.find() is None
        device.type_b, device.card = True, UID[:4]
        # Every other look asks for type B.
        assert await module.find() is None
        assert await module.find() == CardReport(UID[:4], A)
        device.refused, device.type_b, device.card = b"", False, UID
        for _ in range(3):
            assert await module.find() == CardReport(UID, A)

    run_virtual(main())


@pytest.mark.parametrize(
    ("result", "uid"),
    [
        ("00", None),
        ("0101004408 04 11223344", "11223344"),
        ("0101004400 07 04A1B2C3D4E5F6", "04A1B2C3D4E5F6"),
        ("0101004400 0A 00010203040506070809", "00010203040506070809"),
        ("0101034420 07 04A1B2C3D4E5F6 0675778102 80", "04A1B2C3D4E5F6"),
    ],
)
def test_type_a_cards(result: str, uid: str | None) -> None:
    """The uid is what NFCIDLength counts, with and without an ATS behind it."""
    found = pn532.parse_type_a(bytes.fromhex(result))
    assert found == (CardReport(bytes.fromhex(uid), A) if uid else None)


@pytest.mark.parametrize(
    "result",
    [
        "0101",
        "0101004408",
        "0101004408 04 112233",
        "0101004408 05 1122334455",
        "0101004408 00",
        "0101004408 04 88112233",
    ],
)
def test_type_a_cards_without_a_uid(result: str) -> None:
    """Part of a uid is none; the reason does not show it."""
    with pytest.raises(UnreadableCardError) as err:
        pn532.parse_type_a(bytes.fromhex(result))
    assert "1122" not in str(err.value)


def test_type_b_cards() -> None:
    """The PUPI follows 50; what is no ATQB is no card."""
    atqb = bytes.fromhex("50 11223344 00000000 008171".replace(" ", ""))
    found = pn532.parse_type_b(b"\x01\x01" + atqb + b"\x01\x00")
    assert found == CardReport(bytes.fromhex("11223344"), A)
    assert pn532.parse_type_b(b"\x00") is None
    for wrong in (atqb[:-1], b"\x51" + atqb[1:], b""):
        with pytest.raises(UnreadableCardError):
            pn532.parse_type_b(b"\x01\x01" + wrong)


@pytest.mark.parametrize("result", ["", "02", "FF"])
def test_numbers_of_targets_that_make_no_sense(result: str) -> None:
    """One target was asked for."""
    for parse in (pn532.parse_type_a, pn532.parse_type_b):
        with pytest.raises(FrameError):
            parse(bytes.fromhex(result))
    with pytest.raises(FrameError):
        pn532.describe(bytes.fromhex(result))
