"""Whole lines of text from a serial line, and never the rest of one; pure."""

from __future__ import annotations

import re
from typing import Final

from drivers.readers.formats.framing import HALF_FRAME_S

MAX_LINE_BYTES: Final = 256  # Far above any line of a reader; longer is garbage
# CR, LF or both, and ETX where a reader frames its text so.
_ENDS: Final = re.compile(rb"[\r\n\x03]")
_AROUND: Final = b" \t\x02"  # STX goes with ETX


class LineCodec:
    """Cuts lines out of bytes that arrive in any fragments.

    A line counts only if its beginning was seen: it follows the end of another line,
    or a silence of HALF_FRAME_S. A number that lost its first digits would be another
    card's. Half lines and those of over MAX_LINE_BYTES are dropped.
    """

    def __init__(self, at: float) -> None:
        self._tail = b""
        self._whole = False
        self._last_at = at

    def feed(self, data: bytes, at: float) -> list[bytes]:
        """Take the next bytes, read at `at` monotonic seconds; return whole lines."""
        if not data:
            return []
        if at - self._last_at > HALF_FRAME_S:
            self._tail = b""
            self._whole = True
        self._last_at = at
        *ended, tail = _ENDS.split(self._tail + data)
        lines = []
        for raw in ended:
            line = raw.strip(_AROUND)
            if self._whole and line and len(raw) <= MAX_LINE_BYTES:
                lines.append(line)
            self._whole = True
        if len(tail) > MAX_LINE_BYTES:
            tail = b""
            self._whole = False
        self._tail = tail
        return lines
