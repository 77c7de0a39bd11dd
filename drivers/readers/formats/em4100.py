"""EM4100 card numbers in ASCII hex between STX and ETX, as small 125 kHz readers send.

STX, 10 hex digits of card (version first), 2 hex digits of XOR, and a tail that ends
with ETX (ID-12 and RDM6300 datasheets).
"""

from __future__ import annotations

from binascii import unhexlify
from functools import reduce
from operator import xor
from typing import Final

from drivers.errors import FrameError
from drivers.readers.base import Technology
from drivers.readers.formats.framing import CardReport, Cut, Deframer

STX: Final = b"\x02"  # Start of a report; never occurs inside one
ETX: Final = b"\x03"
DIGITS: Final = 12  # Ten of the card, two of the checksum


class Em4100Codec(Deframer[CardReport]):
    """Finds reports that end with `tail`, whatever lies between them."""

    def __init__(self, tail: bytes) -> None:
        super().__init__(self._cut_report)
        self._tail_bytes = tail
        self._length = len(STX) + DIGITS + len(tail)

    def _cut_report(self, data: bytes) -> Cut[CardReport] | None:
        start = data.find(STX)
        if start:
            return Cut(start if start > 0 else len(data))
        if len(data) < self._length:
            return None
        try:
            report = parse(data[: self._length], self._tail_bytes)
        except FrameError:
            return Cut(len(STX))
        return Cut(self._length, report)


def parse(raw: bytes, tail: bytes) -> CardReport:
    """Parse exactly one frame; raise FrameError if it is not one."""
    expected = len(STX) + DIGITS + len(tail)
    if len(raw) != expected:
        raise FrameError(f"expected {expected} bytes, got {len(raw)}")
    if not (raw.startswith(STX) and raw.endswith(tail)):
        raise FrameError(f"expected {STX!r} first and {tail!r} last")
    try:
        *card, received = unhexlify(raw[len(STX) : -len(tail)])
    except ValueError as err:
        raise FrameError(f"expected {DIGITS} hex digits after STX") from err
    # The payload identifies a person: name the two checksums, not the bytes.
    if (computed := reduce(xor, card)) != received:
        raise FrameError(f"expected checksum {computed:02X}, got {received:02X}")
    return CardReport(bytes(card), Technology.EM4100)


def build(card: bytes, tail: bytes) -> bytes:
    """Build the frame that a reader would send for this card."""
    body = card + bytes([reduce(xor, card)])
    return STX + body.hex().upper().encode("ascii") + tail
