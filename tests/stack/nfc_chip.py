"""A PN532 as its host sees it: frames in, frames out, and cards in the field.

It builds frames by itself, so that a mistake of the driver's own is not made twice.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Fault = Callable[[bytes], bytes]

ACK: Final = bytes.fromhex("0000FF00FF00")
ERROR: Final = bytes.fromhex("0000FF01FF7F8100")
SPEEDS: Final = (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600, 1288000)

FIRMWARE: Final = bytes.fromhex("32010607")
FIRMWARE_PN533: Final = bytes.fromhex("33020707")
NO_CARD: Final = b"\x00"
FIFO_DATA: Final = 0x6339
SENS_REQ: Final = 0x26  # Still in the FIFO if nobody has answered it
TYPE_A: Final = 0x00
TYPE_B: Final = 0x03


@dataclass(slots=True)
class EmulatedCard:
    """A card; one with `random` draws another number whenever the field is off."""

    uid: bytes
    is_type_b: bool = False
    random: Iterator[bytes] | None = None
    atqb_tail: bytes = bytes.fromhex("00000000 00 81 E1")  # ISO/IEC 14443-4

    def lose_power(self) -> None:
        """Forget everything."""
        if self.random is not None:
            self.uid = next(self.random)

    @property
    def atqb(self) -> bytes:
        """What a type B card says of itself."""
        return b"\x50" + self.uid + self.atqb_tail


def random_numbers(first: int) -> Iterator[bytes]:
    """Draw numbers of 4 bytes that begin with `first`."""
    return (bytes([first]) + number.to_bytes(3) for number in itertools.count(0x5A0001))


# ---- faults: what becomes of a frame that the chip sends ----------------------------


def mute(_: bytes) -> bytes:
    """Say nothing."""
    return b""


def bad_checksum(frame: bytes) -> bytes:
    """Spoil the last byte of the sum."""
    return frame[:-2] + bytes([frame[-2] ^ 0x10]) + frame[-1:]


def truncated(frame: bytes) -> bytes:
    """Break off before the end."""
    return frame[: len(frame) // 2]


def after_garbage(frame: bytes) -> bytes:
    """Say something else first."""
    return b"\x37" + frame


@dataclass(slots=True)
class Chip:
    """The chip's state; `fault` spoils its frames, of `faulty` commands or of all.

    `faults_left` ends a fault after so many frames; None: it stays.
    """

    card: EmulatedCard | None = None
    fault: Fault | None = None
    faulty: frozenset[int] = frozenset()
    faults_left: int | None = None
    refused: frozenset[int] = frozenset()
    #: A PN533 says of its registers whether it could use them.
    is_pn533: bool = False
    speed: int = 115200
    awake: bool = False
    #: The SAM is told to keep out; before that the PN532 finds no cards.
    ready: bool = False
    commands: list[bytes] = field(default_factory=list)
    #: Each question about a card, answered or not.
    looks: int = 0
    _registers: dict[int, int] = field(default_factory=dict)
    _next_speed: int = 115200
    _heard: bytes = b""

    def hear(self, data: bytes) -> list[bytes]:
        """Take bytes from the host; return what the chip sends, write by write."""
        self._heard += data
        sent: list[bytes] = []
        while (command := self._next_command()) is not None:
            sent += self._serve(command)
        return [frame for frame in sent if frame]

    def _next_command(self) -> bytes | None:
        start = self._heard.find(b"\x00\xff")
        if b"\x55\x55" in self._heard[: start if start >= 0 else None]:
            self.awake = True
        if start < 0 or len(self._heard) < start + 8:
            # An ACK is shorter than any command.
            if self._heard[start : start + 4] == b"\x00\xff\x00\xff":
                self._heard = self._heard[start + 4 :]
                return b""
            return None
        frame = self._heard[start + 2 :]
        if frame[:2] == b"\x00\xff":
            self._heard = frame[2:]
            return b""
        header, length = 2, frame[0]
        if frame[:2] == b"\xff\xff":
            header, length = 5, int.from_bytes(frame[2:4])
        if len(frame) < header + length + 1:
            return None
        payload = frame[header : header + length]
        assert (sum(payload) + frame[header + length]) & 0xFF == 0
        self._heard = frame[header + length + 1 :]
        assert payload[0] == 0xD4
        return payload[1:]

    def _serve(self, command: bytes) -> Iterator[bytes]:
        if not command:  # An ACK: the host has seen our response, or aborts
            self.speed = self._next_speed
            return
        if not self.awake:
            return
        self.commands.append(command)
        code = command[0]
        yield self._spoil(code, ACK)
        if code in self.refused:
            yield ERROR
            return
        yield self._spoil(code, _frame(bytes([0xD5, code + 1]) + self._result(command)))
        if code == 0x16:  # PowerDown
            self.awake = self.ready = False

    def _spoil(self, code: int, frame: bytes) -> bytes:
        if self.fault is None or (self.faulty and code not in self.faulty):
            return frame
        if self.faults_left is not None:
            if self.faults_left == 0:
                return frame
            self.faults_left -= 1
        return self.fault(frame)

    def _result(self, command: bytes) -> bytes:
        code, data = command[0], command[1:]
        ok = b"\x00" if self.is_pn533 else b""
        match code:
            case 0x00:  # Diagnose: communication line test
                return data
            case 0x02:  # GetFirmwareVersion
                return FIRMWARE_PN533 if self.is_pn533 else FIRMWARE
            case 0x06:  # ReadRegister
                return ok + bytes(map(self._read, _words(data)))
            case 0x08:  # WriteRegister
                for at in range(0, len(data), 3):
                    self._registers[int.from_bytes(data[at : at + 2])] = data[at + 2]
            case 0x10:  # SetSerialBaudRate; from the host's ACK on
                self._next_speed = SPEEDS[data[0]]
            case 0x14:  # SAMConfiguration
                self.ready = data[0] == 0x01
            case 0x16:  # PowerDown
                return b"\x00"
            case _:
                return self._radio(code, data)
        return ok if code == 0x08 else b""

    def _radio(self, code: int, data: bytes) -> bytes:
        match code:
            case 0x32 if data[:2] == b"\x01\x02" and self.card:  # Field off
                self.card.lose_power()
            case 0x42:  # InCommunicateThru: DESELECT is echoed, WUPB gives the ATQB
                atqb = self.card.atqb if self.card else b""
                return b"\x00" + (data if data[0] == 0xCA else atqb)
            case 0x4A:  # InListPassiveTarget
                return self._list(data[1])
        return b""

    def _read(self, register: int) -> int:
        if register == FIFO_DATA:
            return SENS_REQ
        return self._registers.get(register, 0x80)

    def _list(self, kind: int) -> bytes:
        self.looks += kind == TYPE_A
        card = self.card
        if not (self.ready or self.is_pn533):
            return NO_CARD
        if card is None or card.is_type_b != (kind == TYPE_B):
            return NO_CARD
        if card.is_type_b:
            return b"\x01\x01" + card.atqb + b"\x01\x01"  # ATTRIB_RES
        sens_sel = bytes.fromhex("0044 08" if len(card.uid) > 4 else "0004 08")
        return b"\x01\x01" + sens_sel + bytes([len(card.uid)]) + card.uid


def _words(data: bytes) -> Iterator[int]:
    return (int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2))


def _frame(payload: bytes) -> bytes:
    length = len(payload)
    if length > 255:
        size = length.to_bytes(2)
        header = b"\xff\xff" + size + bytes([-sum(size) & 0xFF])
    else:
        header = bytes([length, -length & 0xFF])
    return b"\x00\x00\xff" + header + payload + bytes([-sum(payload) & 0xFF, 0])
