"""Whole lines of text from a serial line, and never the rest of one; pure."""

from __future__ import annotations

import re
from typing import Final

from drivers.readers.formats.framing import FORGET_S, HALF_FRAME_S

MAX_LINE_BYTES: Final = 256  # Far above any line of a reader; longer is garbage
# CR, LF or both, and ETX where a reader frames its text so.
_ENDS: Final = re.compile(rb"[\r\n\x03]")
_STX: Final = b"\x02"
_ETX: Final = b"\x03"
_AROUND: Final = b" \t" + _STX


class LineCodec:
    """Cuts lines out of bytes that arrive in any fragments.

    A line counts only if its beginning was seen: it follows the end of another line,
    or a silence of HALF_FRAME_S in which no line stood half. A number that lost its
    first digits would be another card's, and so would one that is put together of two.
    Half lines and those of over MAX_LINE_BYTES are dropped to their end, unless that
    has not come for FORGET_S. What stands between ETX and STX is no line.
    """

    def __init__(self, at: float) -> None:
        self._tail = b""
        self._whole = False
        self._begun = False
        self._framed = False
        self._last_at = at

    def feed(self, data: bytes, at: float) -> list[bytes]:
        """Take the next bytes, read at `at` monotonic seconds; return whole lines."""
        if not data:
            return []
        silence_s = at - self._last_at
        self._last_at = at
        if silence_s > HALF_FRAME_S:
            self._tail = b""
            self._whole = not self._begun or silence_s > FORGET_S
        lines = []
        data = self._tail + data
        begin = 0
        for end in _ENDS.finditer(data):
            self._framed = end[0] == _ETX
            if line := self._take(data[begin : end.start()]):
                lines.append(line)
            self._whole = True
            begin = end.end()
        self._tail = tail = data[begin:]
        # A whole one begins with STX where the last one ended with ETX.
        is_between = self._framed and self._whole and _STX not in tail
        self._begun = bool(tail) and not is_between
        if len(tail) > MAX_LINE_BYTES:
            self._tail = b""
            self._whole = False
        return lines

    def _take(self, raw: bytes) -> bytes:
        """Return the line in what has ended, empty if it does not count."""
        if self._framed and _STX in raw:
            # A checksum of the frame before, perhaps; the beginning is here.
            raw = raw[raw.rindex(_STX) :]
        elif not self._whole:
            return b""
        return raw.strip(_AROUND) if len(raw) <= MAX_LINE_BYTES else b""
