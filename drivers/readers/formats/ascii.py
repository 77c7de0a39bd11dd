"""Lines of plain text; a regular expression says where the number stands in them.

Nothing protects such a number: a digit that is read wrongly is another card's.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from typing import Final

from drivers.errors import UnsupportedDeviceError
from drivers.readers.base import Technology
from drivers.readers.formats.framing import CardReport
from drivers.readers.formats.lines import LineCodec

BAUDRATE: Final = 9600
#: A line that is a hex number and nothing else, 3 to 10 bytes in pairs of digits.
HEX_LINE: Final = "((?:[0-9A-Fa-f]{2}[ :.-]?){2,9}[0-9A-Fa-f]{2})"
#: The name of a group whose number is decimal.
DECIMAL_GROUP: Final = "decimal"

_SEPARATORS: Final = b" :.-"
_LENGTHS: Final = {5: Technology.EM4100, 8: Technology.ISO15693}


class AsciiCodec:
    """Reports each line that `pattern` matches from end to end.

    Group 1 is the number in hex, separators allowed; if it is called `decimal`, its
    digits are decimal, as many as there are. They come out as they are, two to a byte.
    It begins to listen at `at`. UnsupportedDeviceError if the pattern is none, or has
    no group.
    """

    def __init__(self, at: float, pattern: str = HEX_LINE) -> None:
        self._lines = LineCodec(at)
        try:
            self._pattern = re.compile(pattern.encode(), re.ASCII)
        except re.error as err:
            raise UnsupportedDeviceError(
                f"expected a regular expression, got {pattern}: {err}"
            ) from err
        if not self._pattern.groups:
            raise UnsupportedDeviceError(
                f"expected a group (…) around the number, got {pattern}"
            )
        self._is_decimal = self._pattern.groupindex.get(DECIMAL_GROUP) == 1

    def feed(self, data: bytes, at: float) -> list[CardReport]:
        """Take the next bytes, read at `at` monotonic seconds; return what they end."""
        found = (self._parse(line) for line in self._lines.feed(data, at))
        return [report for report in found if report is not None]

    def _parse(self, line: bytes) -> CardReport | None:
        match = self._pattern.fullmatch(line)
        if match is None or match[1] is None:
            return None
        digits = match[1].translate(None, _SEPARATORS)
        if self._is_decimal and digits.isdigit() and len(digits) % 2:
            digits = b"0" + digits
        try:
            uid = unhexlify(digits)
        except ValueError:
            return None  # The pattern took more than hex digits, or half a byte
        if not uid:
            return None
        return CardReport(uid, _LENGTHS.get(len(uid), Technology.ISO14443))
