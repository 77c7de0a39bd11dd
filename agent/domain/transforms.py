"""What a reader does to card numbers, undone: the settings of one reader.

Readers reverse, cut, pad, and print in decimal. What comes out here is the card's own
number, byte 0 first, as far as the reader has left it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from agent.domain.uid import Technology


class Keep(StrEnum):
    """Which end of a number that is too long is the card's."""

    FIRST = "first"
    LAST = "last"


#: How many bytes a number has; the longest of a card has ten (ISO/IEC 14443-3).
ByteCount = Annotated[
    int, Meta(ge=0, le=10, description="a number of bytes, from 0 to 10")
]
HexBytes = Annotated[
    str,
    Meta(pattern=r"^([0-9A-Fa-f]{2})*\Z", description="hex digits, two for each byte"),
]


class UidTransform(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The steps in their order; nothing is done unless asked for.

    `strip` removes these bytes in front, if they are there. `decimal_bytes` takes
    the digits for a decimal number of so many bytes. `reverse` turns the bytes around.
    `cut` leaves so many bytes, `pad` fills up with zero bytes behind. `technology` says
    which kind of card the result is, where it differs from what the reader says.
    """

    strip: HexBytes = ""
    decimal_bytes: ByteCount = 0
    reverse: bool = False
    cut: ByteCount = 0
    keep: Keep = Keep.FIRST
    pad: ByteCount = 0
    technology: Technology | None = None

    @property
    def may_collide(self) -> bool:
        """Whether it may make one number of two cards' numbers."""
        return bool(self.cut or self.strip)

    def apply(self, raw: bytes) -> bytes:
        """Do all steps; raise ValueError where digits are not what they should be."""
        raw = raw.removeprefix(bytes.fromhex(self.strip))
        if self.decimal_bytes:
            raw = _read_decimal(raw, self.decimal_bytes)
        if self.reverse:
            raw = raw[::-1]
        if self.cut:
            raw = raw[: self.cut] if self.keep is Keep.FIRST else raw[-self.cut :]
        return raw.ljust(self.pad, b"\0")

    def technology_of(self, read: Technology) -> Technology:
        """Say what kind of card it is, when the reader says `read`."""
        return self.technology or read


def _read_decimal(raw: bytes, width: int) -> bytes:
    digits = raw.hex()
    if not digits.isdecimal():
        raise ValueError("expected decimal digits; correct uid = { … } of the reader")
    try:
        return int(digits).to_bytes(width)
    except OverflowError as err:
        raise ValueError(
            f"expected a decimal number of at most {width} bytes, got a longer one"
        ) from err


NOTHING = UidTransform()

#: What an installer may have to write, likeliest first.
CANDIDATES: dict[str, UidTransform] = {
    "as it reads": NOTHING,
    "reversed": UidTransform(reverse=True),
    "the last 4 bytes": UidTransform(
        cut=4, keep=Keep.LAST, technology=Technology.ISO14443
    ),
    "the last 4 bytes, reversed": UidTransform(
        reverse=True, cut=4, technology=Technology.ISO14443
    ),
    "the first 4 bytes": UidTransform(cut=4, technology=Technology.ISO14443),
    "the first 4 bytes, reversed": UidTransform(
        reverse=True, cut=4, keep=Keep.LAST, technology=Technology.ISO14443
    ),
    "the last 7 bytes": UidTransform(
        cut=7, keep=Keep.LAST, technology=Technology.ISO14443
    ),
    "the first 7 bytes": UidTransform(cut=7, technology=Technology.ISO14443),
    "the first 7 bytes, reversed": UidTransform(
        reverse=True, cut=7, keep=Keep.LAST, technology=Technology.ISO14443
    ),
    "decimal digits, 4 bytes": UidTransform(
        decimal_bytes=4, technology=Technology.ISO14443
    ),
    "decimal digits, 4 bytes, reversed": UidTransform(
        decimal_bytes=4, reverse=True, technology=Technology.ISO14443
    ),
    "decimal digits, 7 bytes": UidTransform(
        decimal_bytes=7, technology=Technology.ISO14443
    ),
    "decimal digits, 5 bytes": UidTransform(
        decimal_bytes=5, technology=Technology.EM4100
    ),
}
