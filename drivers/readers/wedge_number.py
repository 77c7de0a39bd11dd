"""How a keyboard-wedge reader writes card numbers; pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from string import digits, hexdigits
from typing import Final

from drivers.errors import FrameError

MIN_BYTES: Final = 3  # What is left of a card behind a Wiegand 26 line
MAX_BYTES: Final = 10  # ISO/IEC 14443-3, triple size

_SEPARATORS: Final = str.maketrans("", "", " :.-")


class NumberFormat(StrEnum):
    """The digits that the reader types."""

    HEX = "hex"
    DECIMAL = "decimal"


@dataclass(frozen=True, slots=True)
class Number:
    """How a number is written; `length` is its bytes, 0 in hex for what was typed.

    ValueError if that cannot be.
    """

    format: NumberFormat
    length: int = 0

    def __post_init__(self) -> None:
        if not self.length and self.format is NumberFormat.DECIMAL:
            raise ValueError(
                'bytes: number = "decimal" needs it, for example bytes = 4; '
                "digits alone do not tell how many zeros are in front"
            )
        if self.length and not MIN_BYTES <= self.length <= MAX_BYTES:
            raise ValueError(
                f"bytes: expected {MIN_BYTES} to {MAX_BYTES}, got {self.length}"
            )

    def parse(self, text: str) -> bytes:
        """Read what was typed; a FrameError says what is wrong, without repeating it.

        In hex, separators may stand anywhere; decimal numbers are bytes, the highest
        first.
        """
        if self.format is NumberFormat.DECIMAL:
            return self._parse_decimal(text)
        return self._parse_hex(text.translate(_SEPARATORS))

    def _parse_hex(self, text: str) -> bytes:
        if not set(text) <= set(hexdigits):
            raise FrameError("expected hex digits only")
        if self.length:
            fits = len(text) == 2 * self.length
            expected = f"{2 * self.length} hex digits"
        else:
            fits = MIN_BYTES <= len(text) / 2 <= MAX_BYTES and len(text) % 2 == 0
            expected = f"{2 * MIN_BYTES} to {2 * MAX_BYTES} hex digits in pairs"
        if not fits:
            raise FrameError(f"expected {expected}, got {len(text)}")
        return bytes.fromhex(text)

    def _parse_decimal(self, text: str) -> bytes:
        if not set(text) <= set(digits):
            raise FrameError("expected decimal digits only")
        try:
            return int(text).to_bytes(self.length)
        except (OverflowError, ValueError) as err:
            raise FrameError(
                f"expected a number of {self.length} bytes, got a larger one"
            ) from err
