"""StrongLink modules: known frames, and answers that are no card."""

from __future__ import annotations

import pytest

from drivers.errors import FrameError
from drivers.readers.base import Technology
from drivers.readers.formats import sl032
from drivers.readers.formats.framing import CardReport, Deframer
from drivers.readers.formats.sl032 import Sl032
from drivers.readers.uids import UnreadableCardError
from tests.drivers.readers.formats.wires import feed
from tests.drivers.readers.modules import Sl032Emulator, build_sl032_answer
from tests.drivers.serial_bench import FakeLine, now
from tests.fakes.virtual_loop import run_virtual

UID = bytes.fromhex("04A1B2C3D4E5F6")
A, V, E = Technology.ISO14443, Technology.ISO15693, Technology.EM4100


def test_known_frames_of_the_sl032() -> None:
    """The manual's example, and a card with its type."""
    assert sl032.build_request(sl032.SELECT_CARD) == bytes.fromhex("BA0201B9")
    frame = bytes.fromhex("BD0801 00 11223344 01") + bytes([0xF1])
    answer = sl032.Answer(0x01, 0x00, bytes.fromhex("1122334401"))
    cut = sl032.cut_answer(frame)
    assert cut
    assert cut.frame == answer
    assert sl032.parse_card(answer) == CardReport(bytes.fromhex("11223344"), A)
    assert repr(answer) == "Answer(01, 00, 5 bytes)"


@pytest.mark.parametrize("status", [0x01, 0x0A])
def test_no_card_that_could_be_selected(status: int) -> None:
    """An empty field and two cards at once are no card."""
    assert sl032.parse_card(sl032.Answer(0x01, status, b"")) is None


def test_a_request_that_the_sl032_got_wrong_is_repeated() -> None:
    """Its complaint about our checksum is no answer."""
    with pytest.raises(FrameError, match="got F0"):
        sl032.parse_card(sl032.Answer(0x01, 0xF0, b""))
    with pytest.raises(UnreadableCardError, match="got 6"):
        sl032.parse_card(sl032.Answer(0x01, 0x00, bytes(7)))
    with pytest.raises(UnreadableCardError, match="begins with 88"):
        sl032.parse_card(sl032.Answer(0x01, 0x00, bytes.fromhex("88 04A1B2 01")))


def test_an_old_sl032_need_not_know_its_firmware() -> None:
    """A refused question is an answer."""

    class Old(Sl032Emulator):
        def hear(self, data: bytes):  # type: ignore[no-untyped-def] # noqa: ANN202
            del data
            yield build_sl032_answer(sl032.GET_FIRMWARE, 0xF0)

    async def main() -> None:
        assert await Sl032(FakeLine(Old()), now).start() == "StrongLink module"

    run_virtual(main())


def test_a_damaged_answer_is_not_searched_for_another() -> None:
    """A number that looks like an answer is none, even if the XOR fits."""
    inside = build_sl032_answer(0x01, 0x00, bytes.fromhex("1122334401"))
    damaged = bytearray(build_sl032_answer(0x01, 0x00, inside))
    assert feed(Deframer(sl032.cut_answer), [bytes(damaged)]) != []
    damaged[-1] ^= 0x01
    assert feed(Deframer(sl032.cut_answer), [bytes(damaged)]) == []


def test_an_answer_to_another_question_is_passed_over() -> None:
    """What a module says unasked is not the answer that is awaited."""

    def after_another(answer: bytes) -> bytes:
        return build_sl032_answer(sl032.GET_FIRMWARE, 0x00, UID[:4] + b"\x01") + answer

    async def main() -> None:
        device = Sl032Emulator()
        module = Sl032(FakeLine(device), now)
        await module.start()
        device.faults.append(after_another)
        assert await module.find() is None
        device.card = UID
        assert await module.find() == CardReport(UID, A)

    run_virtual(main())
