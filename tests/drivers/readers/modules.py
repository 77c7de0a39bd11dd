"""Modules that have to be asked, as emulators for a line; each with its faults.

They parse and build frames by themselves, so that a mistake of the driver's own frames
is not made twice.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Fault = Callable[[bytes], bytes]


def mute(_: bytes) -> bytes:
    """Say nothing."""
    return b""


def flipped(answer: bytes) -> bytes:
    """Turn a bit in the middle."""
    wrong = bytearray(answer)
    wrong[len(wrong) // 2] ^= 0x10
    return bytes(wrong)


def truncated(answer: bytes) -> bytes:
    """Break off before the end."""
    return answer[:-2]


def after_garbage(answer: bytes) -> bytes:
    """Say something else first."""
    return b"\x13\x37" + answer


class Emulator(ABC):
    """Collects what is sent to it; `faults` spoil its next answers, one each."""

    def __init__(self) -> None:
        self.card = b""
        self.asked: list[bytes] = []
        self.faults: deque[Fault] = deque()
        #: Answers that are held back until they are taken from here.
        self.late: list[bytes] | None = None
        self._heard = b""

    def hear(self, data: bytes) -> Iterator[bytes]:
        """Answer each whole question in what has come so far."""
        self._heard += data
        while (question := self._next_question()) is not None:
            self.asked.append(question)
            for answer in self._answer(question):
                spoilt = self.faults.popleft()(answer) if self.faults else answer
                if self.late is not None:
                    self.late.append(spoilt)
                elif spoilt:
                    yield spoilt

    def _take(self, count: int) -> bytes:
        taken, self._heard = self._heard[:count], self._heard[count:]
        return taken

    @abstractmethod
    def _next_question(self) -> bytes | None:
        """Take one question off what was heard."""

    @abstractmethod
    def _answer(self, question: bytes) -> Iterator[bytes]:
        """Answer it, write by write."""


def xor_of(data: bytes) -> int:
    """XOR all bytes."""
    result = 0
    for byte in data:
        result ^= byte
    return result


class Sl032Emulator(Emulator):
    """A StrongLink module; `status` is what it answers when it finds no card."""

    def __init__(self) -> None:
        super().__init__()
        self.status = 0x01

    def _next_question(self) -> bytes | None:
        if len(self._heard) < 2 or len(self._heard) < 2 + self._heard[1]:
            return None
        frame = self._take(2 + self._heard[1])
        assert frame[0] == 0xBA
        assert xor_of(frame) == 0
        return frame[2:-1]

    def _answer(self, question: bytes) -> Iterator[bytes]:
        if question == b"\xf0":
            result = b"\x00SL032-1.8"
        elif self.card:
            result = b"\x00" + self.card + b"\x09"
        else:
            result = bytes([self.status])
        body = b"\xbd" + bytes([len(result) + 2]) + question[:1] + result
        yield body + bytes([xor_of(body)])


def crc_of(data: bytes) -> bytes:
    """Compute the CRC of a TWN4, bit by bit, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return crc.to_bytes(2, "little")


class Twn4Emulator(Emulator):
    """A TWN4 in any of its modes; `kind` is the type of tag that the card is."""

    def __init__(self, *, ascii_hex: bool = False, crc: bool = True) -> None:
        super().__init__()
        self.kind = 0x80
        self.tag_types = b""
        self._ascii_hex = ascii_hex
        self._crc = crc

    def _next_question(self) -> bytes | None:
        if self._ascii_hex:
            if b"\r" not in self._heard:
                return None
            line = self._take(self._heard.index(b"\r") + 1)
            body = bytes.fromhex(line.decode())
        else:
            length = int.from_bytes(self._heard[:2], "little")
            if len(self._heard) < 2 or len(self._heard) < 2 + length:
                return None
            body = self._take(2 + length)[2:]
        if self._crc:
            assert body[-2:] == crc_of(body[:-2])
            body = body[:-2]
        return body

    def _answer(self, question: bytes) -> Iterator[bytes]:
        body = self._result(question)
        if self._crc:
            body += crc_of(body)
        if self._ascii_hex:
            yield body.hex().encode() + b"\r"
        else:
            yield len(body).to_bytes(2, "little") + body

    def _result(self, question: bytes) -> bytes:
        match question[:2]:
            case b"\x00\x04":
                return b"\x00\x0dTWN4/B1.64/NO"
            case b"\x05\x02":
                self.tag_types = question[2:]
                return b"\x00"
            case b"\x05\x00" if self.card:
                size = len(self.card)
                return bytes([0, 1, self.kind, 8 * size, size]) + self.card
            case b"\x05\x00":
                return b"\x00\x00"
        return b"\x01"


class Pn532Emulator(Emulator):
    """A PN532 that sleeps first, with cards that behave as ISO/IEC 14443 has it.

    A type A card that was found is deaf to the first try of the next look; with
    automatic RATS a card of part 4 stays deaf until the field is off. A type B card is
    deaf once it was found, but answers a presence check.
    """

    ACK = bytes.fromhex("0000FF00FF00")

    def __init__(self) -> None:
        super().__init__()
        self.type_b = False
        self.part_4 = False
        self.garbage_before_ack = b""
        self.mute = False
        #: Do not acknowledge, or do not respond.
        self.refused = b""
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
        if self.refused and question.startswith(self.refused):
            yield bytes.fromhex("0000FF01FF7F8100")
            return
        payload = bytes([0xD5, question[0] + 1]) + self._result(question)
        size = len(payload)
        frame = b"\x00\x00\xff" + bytes([size, -size & 0xFF]) + payload
        yield frame + bytes([-sum(payload) & 0xFF, 0])

    def _result(self, question: bytes) -> bytes:
        match question[0], question[1:]:
            case 0x02, _:
                return bytes.fromhex("32010607")
            case 0x12, flags:
                self._rats = bool(flags[0] & 0x10)
            case 0x32, settings if settings[0] == 0x05:
                self._tries = 1 + settings[3]
            case 0x4A, target:
                return self._list(target[1])
            case 0x00, b"\x06":
                return bytes(
                    [0x00 if self.card and self._active == self.card else 0x01]
                )
        return b""

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
