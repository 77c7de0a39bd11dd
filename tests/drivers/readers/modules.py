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
    """Collects what is sent to it; `faults` spoil its next answers, one each.

    `refused` is what questions begin with that it refuses, `spoilt` those whose answers
    are all spoilt.
    """

    def __init__(self) -> None:
        self.card = b""
        self.asked: list[bytes] = []
        self.faults: deque[Fault] = deque()
        self.refused = b""
        self.spoilt: dict[bytes, Fault] = {}
        #: Answers that are held back until they are taken from here.
        self.late: list[bytes] | None = None
        self._heard = b""

    def hear(self, data: bytes) -> Iterator[bytes]:
        """Answer each whole question in what has come so far."""
        self._heard += data
        while (question := self._next_question()) is not None:
            self.asked.append(question)
            for answer in self._answer(question):
                spoilt = self._fault_of(question)(answer)
                if self.late is not None:
                    self.late.append(spoilt)
                elif spoilt:
                    yield spoilt

    def _fault_of(self, question: bytes) -> Fault:
        for beginning, fault in self.spoilt.items():
            if question.startswith(beginning):
                return fault
        return self.faults.popleft() if self.faults else bytes

    def _is_refused(self, question: bytes) -> bool:
        return bool(self.refused) and question.startswith(self.refused)

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


def build_sl032_answer(command: int, status: int, data: bytes = b"") -> bytes:
    """Build a frame as a StrongLink module does."""
    body = bytes([0xBD, len(data) + 3, command, status]) + data
    return body + bytes([xor_of(body)])


class Sl032Emulator(Emulator):
    """A StrongLink module; `status` is what it answers when it finds no card."""

    def __init__(self) -> None:
        super().__init__()
        self.status = 0x01
        #: The LED that the host controls.
        self.red = False

    def _next_question(self) -> bytes | None:
        if len(self._heard) < 2 or len(self._heard) < 2 + self._heard[1]:
            return None
        frame = self._take(2 + self._heard[1])
        assert frame[0] == 0xBA
        assert xor_of(frame) == 0
        return frame[2:-1]

    def _answer(self, question: bytes) -> Iterator[bytes]:
        match question[0], question[1:]:
            case _ if self._is_refused(question):
                result = b"\xf1"
            case 0xF0, b"":
                result = b"\x00SL032-1.8"
            case 0x01, b"" if self.card:
                result = b"\x00" + self.card + b"\x09"
            case 0x01, b"":
                result = bytes([self.status])
            case 0x40, code if len(code) == 1:
                self.red = code != b"\x00"
                result = b"\x00"
            case _:
                result = b"\xf1"
        yield build_sl032_answer(question[0], result[0], result[1:])


def crc_of(data: bytes) -> bytes:
    """Compute the CRC of a TWN4, bit by bit, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return crc.to_bytes(2, "little")


class Twn4Emulator(Emulator):
    """A TWN4 in any of its modes; `kind` is the type of tag that the card is.

    A function that is not known, or not called as it has to be, is an error, and so is
    a GPIO that was not configured to be an output.
    """

    def __init__(self, *, ascii_hex: bool = False, crc: bool = True) -> None:
        super().__init__()
        self.kind = 0x80
        self.tag_types = b""
        #: GPIOs that are outputs, and those that are high, a bit each.
        self.outputs = 0
        self.high = 0
        #: Volume in percent, then Hz, ms on and ms off.
        self.beeps: list[tuple[int, ...]] = []
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
            if body[-2:] != crc_of(body[:-2]):
                return b""  # What a device says to that is not known: nothing, here
            body = body[:-2]
        return body

    def _answer(self, question: bytes) -> Iterator[bytes]:
        if not question:
            return
        body = b"\x01" if self._is_refused(question) else self._result(question)
        if self._crc:
            body += crc_of(body)
        if self._ascii_hex:
            yield body.hex().encode() + b"\r"
        else:
            yield len(body).to_bytes(2, "little") + body

    def _result(self, question: bytes) -> bytes:
        match question[:2], len(question):
            case b"\x00\x04", 3:
                return b"\x00\x0dTWN4/B1.64/NO"
            case b"\x05\x02", 10:
                self.tag_types = question[2:]
                return b"\x00"
            case b"\x05\x00", 3 if self.card:
                size = len(self.card)
                return bytes([0, 1, self.kind, 8 * size, size]) + self.card
            case b"\x05\x00", 3:
                return b"\x00\x00"
            case _ if question[:1] == b"\x04" and self._obeys(question[1:]):
                return b"\x00"
        return b"\x01"

    def _obeys(self, function: bytes) -> bool:
        """Do what a function of the periphery says, if it says it as it has to."""
        match function[0], len(function):
            case 0x00, 4 if function[2] <= 2 and function[3] <= 1:
                self.outputs |= function[1]
            case 0x02 | 0x03, 2 if function[1] & ~self.outputs == 0:
                is_set = function[0] == 0x02
                self.high &= ~function[1]
                self.high |= function[1] if is_set else 0
            case 0x07, 8 if function[1] <= 100:
                times = [
                    int.from_bytes(function[at : at + 2], "little") for at in (2, 4, 6)
                ]
                if not 500 <= times[0] <= 10_000:
                    return False
                self.beeps.append((function[1], *times))
            case _:
                return False
        return True
