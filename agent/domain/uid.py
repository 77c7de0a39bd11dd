"""Card numbers: one canonical form, and silence wherever they could be printed.

The canonical form is upper-case hex without separators, byte 0 first (the order of
ISO/IEC 14443-3, OCPP and `FF CA`). Conversions happen here and nowhere else.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_SEPARATORS = " :-.\t\r\n"
_WITHOUT_SEPARATORS = str.maketrans("", "", _SEPARATORS)
RANDOM_UID_FIRST_BYTE = 0x08  # ISO/IEC 14443-3: a 4-byte uid made anew each time


class Technology(StrEnum):
    """Kinds of cards by the standard that fixes their uid lengths."""

    ISO14443 = "ISO14443"
    ISO15693 = "ISO15693"
    EM4100 = "EM4100"


_LENGTHS_BYTES = {
    Technology.ISO14443: (4, 7, 10),
    Technology.ISO15693: (8,),
    Technology.EM4100: (5,),
}


class UidProblem(Enum):
    """Why a number that was read cannot identify a card."""

    RANDOM = "random"
    WRONG_LENGTH = "wrong length"


class Alias(StrEnum):
    """Other spellings of one number that an eMSP's list may hold."""

    DECIMAL = "decimal"
    REVERSED = "reversed"


class Uid:
    """A card number in canonical form; prints as dots unless `value` is asked for."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    @classmethod
    def from_bytes(cls, raw: bytes) -> Uid:
        """Take the bytes of a reader, byte 0 first."""
        return cls(raw.hex().upper())

    @classmethod
    def parse(cls, text: str) -> Uid:
        """Take any spelling: case and the separators `: - .` and space are folded."""
        # A long list has hardly any separators, and this is done for each of its rows.
        plain = text if text.isalnum() else text.translate(_WITHOUT_SEPARATORS)
        return cls(plain.upper())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Uid) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return "Uid(…)"

    __str__ = __repr__


def find_problem(uid: Uid, technology: Technology) -> UidProblem | None:
    """Say why this number is no card's identity (ISO/IEC 14443-3, NXP AN10927)."""
    try:
        raw = bytes.fromhex(uid.value)
    except ValueError:
        return UidProblem.WRONG_LENGTH
    if len(raw) not in _LENGTHS_BYTES[technology]:
        return UidProblem.WRONG_LENGTH
    random_length = technology is Technology.ISO14443 and len(raw) == min(
        _LENGTHS_BYTES[technology]
    )
    if random_length and raw[0] == RANDOM_UID_FIRST_BYTE:
        return UidProblem.RANDOM
    return None


def aliases_of(uid: Uid, kinds: Collection[Alias]) -> list[Uid]:
    """Give the other numbers under which this card may be listed, likeliest first.

    Decimal prints are of the whole number, and of the last four bytes with ten digits
    as EM4100 cards carry them. Any of them may be another card's own number.
    """
    try:
        raw = bytes.fromhex(uid.value)
    except ValueError:
        return []
    orders = [raw, raw[::-1]] if Alias.REVERSED in kinds else [raw]
    found = [order.hex().upper() for order in orders]
    if Alias.DECIMAL in kinds:
        for order in orders:
            found.append(str(int.from_bytes(order)))
            found += [str(int.from_bytes(order[-4:])).zfill(10)] * (len(raw) <= 5)  # noqa: PLR2004 - see above
    return [Uid(text) for text in dict.fromkeys(found) if text != uid.value]


def spelling_of(text: str) -> str:
    """Describe how a uid is written, without its digits.

    `04:a1:b2` gives `xx:xx:xx`. `X` stands for an upper-case digit, `x` for a
    lower-case one; a digit without case follows the text's first letter. With
    `respell` it rebuilds the eMSP's own spelling from a tapped card.
    """
    letters = [char for char in text if char.isalpha()]
    default = "x" if letters and letters[0].islower() else "X"
    return "".join(
        ("x" if char.islower() else "X" if char.isalpha() else default)
        if char not in _SEPARATORS
        else char
        for char in text
    )


def respell(uid: Uid, spelling: str) -> str:
    """Write the uid as `spelling` says; the canonical form if it does not fit."""
    digits = sum(char in "xX" for char in spelling)
    if digits != len(uid.value):
        return uid.value
    rest = iter(uid.value)
    return "".join(
        next(rest).lower() if char == "x" else next(rest) if char == "X" else char
        for char in spelling
    )
