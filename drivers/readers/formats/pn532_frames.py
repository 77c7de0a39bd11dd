"""Frames of the PN532 on its HSU, the serial line; pure (PN532 user manual, 6.2.1)."""

from __future__ import annotations

from enum import Enum
from typing import Final

from drivers.readers.formats.framing import Cut

TO_CHIP: Final = 0xD4
FROM_CHIP: Final = 0xD5

START: Final = b"\x00\xff"
ACK: Final = bytes.fromhex("00 00 FF 00 FF 00")
NACK: Final = bytes.fromhex("00 00 FF FF 00 00")
ERROR: Final = bytes.fromhex("00 00 FF 01 FF 7F 81 00")
MAX_PAYLOAD: Final = 265  # TFI and PD; what promises more is garbage

_EXTENDED: Final = b"\xff\xff"
_ERROR_PAYLOAD: Final = b"\x7f"
_NORMAL_MAX: Final = 255
_CODE_END: Final = 4  # Start code, then LEN and LCS or what stands in their place
_EXTENDED_END: Final = 7  # LENM, LENL and LCS follow


class Signal(Enum):
    """A frame without data."""

    ACK = "ACK"
    NACK = "NACK"
    ERROR = "error"


#: Signals, and the payload of all other frames: TFI and PD.
Frame = Signal | bytes


def build(payload: bytes) -> bytes:
    """Build a frame around TFI and PD, extended if it has to be."""
    length = len(payload)
    if length <= _NORMAL_MAX:
        header = bytes([length, -length & 0xFF])
    else:
        size = length.to_bytes(2)
        header = _EXTENDED + size + bytes([-sum(size) & 0xFF])
    return b"\x00" + START + header + payload + bytes([-sum(payload) & 0xFF, 0])


def cut(data: bytes) -> Cut[Frame] | None:
    """Cut the first frame off, or the garbage before it.

    The 00 before a frame may be missing. The 00 after data may not: the sum of a frame
    that has lost a 00 is right, and only its length tells.
    """
    start = data.find(START)
    if start < 0:
        # The last byte may begin a start code.
        keep = data[-1:] == START[:1]
        return Cut(len(data) - keep) if len(data) > keep else None
    if start:
        return Cut(start)
    if len(data) < _CODE_END:
        return None
    match data[2:_CODE_END]:
        case b"\x00\xff":
            return Cut(_CODE_END, Signal.ACK)
        case b"\xff\x00":
            return Cut(_CODE_END, Signal.NACK)
    return _cut_data(data)


def _cut_data(data: bytes) -> Cut[Frame] | None:
    code = data[2:_CODE_END]
    begin = _CODE_END
    length, wrong = code[0], sum(code) & 0xFF
    if code == _EXTENDED:
        begin = _EXTENDED_END
        if len(data) < begin:
            return None
        size = data[_CODE_END:begin]
        length, wrong = int.from_bytes(size[:2]), sum(size) & 0xFF
    if wrong or not 1 <= length <= MAX_PAYLOAD:
        return Cut(1)
    end = begin + length
    if len(data) < end + 2:
        return None
    if sum(data[begin : end + 1]) & 0xFF or data[end + 1]:  # DCS, postamble
        return Cut(1)
    payload = data[begin:end]
    return Cut(end + 2, Signal.ERROR if payload == _ERROR_PAYLOAD else payload)
