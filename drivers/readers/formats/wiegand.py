"""Wiegand frames of 26 and 34 bits that a converter sends on as lines of hex.

Two kinds of converters are about. Most check the parity bits, take them off and send
the data, 6 or 8 digits and CR (WIE232 and WG2RS232 data sheets). Others send all bits
as a number: 7 or 9 digits, with the parity bits still on, which are checked here.
"""

from __future__ import annotations

import re
from typing import Final

from drivers.errors import FrameError
from drivers.readers.base import Technology
from drivers.readers.formats.framing import CardReport
from drivers.readers.formats.lines import LineCodec

BAUDRATE: Final = 9600

_DATA: Final = re.compile(rb"[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8}")
_RAW: Final = re.compile(rb"[0-9A-Fa-f]{7}|[0-9A-Fa-f]{9}")
_DIGIT_BITS: Final = 4


class WiegandCodec:
    """Reports the 3 or 4 data bytes of each frame, first bit first.

    `raw`: the converter leaves the parity bits on. It begins to listen at `at`.
    """

    def __init__(self, at: float, *, raw: bool) -> None:
        self._lines = LineCodec(at)
        self._raw = raw

    def feed(self, data: bytes, at: float) -> list[CardReport]:
        """Take the next bytes, read at `at` monotonic seconds; return what they end."""
        reports = []
        for line in self._lines.feed(data, at):
            try:
                uid = parse_raw(line) if self._raw else parse_data(line)
            except FrameError:
                continue
            # A 26-bit frame has too few bits for any card; who uses it says so.
            reports.append(CardReport(uid, Technology.ISO14443))
        return reports


def parse_data(line: bytes) -> bytes:
    """Parse a frame without its parity bits; raise FrameError if it is not one."""
    if not _DATA.fullmatch(line):
        raise FrameError(f"expected 6 or 8 hex digits, got {len(line)} characters")
    return bytes.fromhex(line.decode("ascii"))


def parse_raw(line: bytes) -> bytes:
    """Parse a frame with its parity bits; raise FrameError if they are wrong."""
    if not _RAW.fullmatch(line):
        raise FrameError(f"expected 7 or 9 hex digits, got {len(line)} characters")
    # 26 bits take 7 digits and 34 bits take 9, two bits of padding first.
    length = _DIGIT_BITS * len(line) - 2
    frame = int(line, 16)
    if frame >> length:
        raise FrameError(f"expected {length} bits, got more")
    half = length // 2
    first, last = frame >> half, frame & ((1 << half) - 1)
    if first.bit_count() % 2:
        raise FrameError("expected even parity of the first half")
    if not last.bit_count() % 2:
        raise FrameError("expected odd parity of the last half")
    data = (frame >> 1) & ((1 << (length - 2)) - 1)
    return data.to_bytes((length - 2) // 8)


def build_raw(data: bytes) -> bytes:
    """Build the digits that a converter would send, parity bits included."""
    bits = 8 * len(data)
    number = int.from_bytes(data)
    first, last = number >> bits // 2, number & ((1 << bits // 2) - 1)
    frame = (first.bit_count() % 2) << (bits + 1) | number << 1
    frame |= 1 - last.bit_count() % 2
    return f"{frame:0{(bits + 4) // _DIGIT_BITS}X}".encode("ascii")
