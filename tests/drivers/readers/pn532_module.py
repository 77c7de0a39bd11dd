"""The PN532 on its serial line, as an emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.drivers.readers.modules import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator


class Pn532Emulator(Emulator):
    """A PN532 that sleeps first, with cards that behave as ISO/IEC 14443 has it.

    A type A card that was found is deaf to the first try of the next look; with
    automatic RATS a card of part 4 stays deaf until the field is off. A type B card is
    deaf once it was found, but answers a presence check. A command that is not known,
    or not given as it has to be, is a syntax error. A chip whose reserved pins were
    written to 0 is mute until it is switched off.
    """

    ACK = bytes.fromhex("0000FF00FF00")

    def __init__(self) -> None:
        super().__init__()
        self.type_b = False
        self.part_4 = False
        self.garbage_before_ack = b""
        self.mute = False
        #: The levels of the ports' pins.
        self.p3, self.p7 = 0x3F, 0x06
        self._awake = False
        self._rats = True
        self._tries = 1
        self._active = b""

    def _next_question(self) -> bytes | None:
        if not self._awake:
            self._awake = b"\x55" in self._heard
        start = self._heard.find(b"\x00\xff")
        if start < 0 or len(self._heard) < start + 4:
            return None
        length, check = self._heard[start + 2 : start + 4]
        if (length, check) == (0x00, 0xFF):
            self._take(start + 4)
            return b"ACK"
        assert (length + check) & 0xFF == 0
        if len(self._heard) < start + length + 6:
            return None
        frame = self._take(start + length + 6)[start + 4 :]
        assert sum(frame[:-1]) & 0xFF == 0
        assert (frame[0], frame[-1]) == (0xD4, 0x00)
        return frame[1:-2]

    def _answer(self, question: bytes) -> Iterator[bytes]:
        if question == b"ACK" or not self._awake or self.mute:
            return
        yield self.garbage_before_ack + self.ACK
        result = self._result(question)
        if result is None or self._is_refused(question):
            yield bytes.fromhex("0000FF01FF7F8100")
            return
        payload = bytes([0xD5, question[0] + 1]) + result
        size = len(payload)
        frame = b"\x00\x00\xff" + bytes([size, -size & 0xFF]) + payload
        yield frame + bytes([-sum(payload) & 0xFF, 0])

    def _result(self, question: bytes) -> bytes | None:
        match question[0], question[1:]:
            case 0x02, b"":
                return bytes.fromhex("32010607")
            case 0x12, flags if len(flags) == 1:
                self._rats = bool(flags[0] & 0x10)
            case 0x14, settings if len(settings) == 3:
                pass
            case 0x32, settings if settings[0] == 0x05 and len(settings) == 4:
                self._tries = 1 + settings[3]
            case 0x4A, target if len(target) in (2, 3):
                return self._list(target[1])
            case 0x00, b"\x06":
                return bytes(
                    [0x00 if self.card and self._active == self.card else 0x01]
                )
            case 0x0E, ports if len(ports) == 2 and not (
                ports[0] & 0x40 or ports[1] & 0x79
            ):
                self._write_ports(*ports)
            case _:
                return None
        return b""

    def _write_ports(self, p3: int, p7: int) -> None:
        if p3 & 0x80:
            self.p3 = p3 & 0x3F
            self.mute = self.mute or p3 & 0x14 != 0x14
        if p7 & 0x80:
            self.p7 = p7 & 0x06

    def _list(self, kind: int) -> bytes:
        if not self.card or self.type_b != (kind == 0x03):
            return b"\x00"
        deaf = self.type_b or (self.part_4 and self._rats) or self._tries == 1
        if deaf and self._active == self.card:
            return b"\x00"
        self._active = self.card
        if self.type_b:
            return b"\x01\x01\x50" + self.card + bytes(7) + b"\x01\x00"
        atqa_sak = bytes.fromhex("004408")
        return b"\x01\x01" + atqa_sak + bytes([len(self.card)]) + self.card
