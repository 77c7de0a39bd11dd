"""Values in registers: where they are, how many words they take, how they read."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta

from drivers.errors import FrameError

if TYPE_CHECKING:
    from collections.abc import Sequence

WORD_BYTES: Final = 2

Address = Annotated[
    int,
    Meta(ge=0, le=0xFFFF, description="an address from 0 to 65535, as it is sent"),
]

#: What a register's value is multiplied by.
Scale = Annotated[float, Meta(gt=0, description="a number above 0")]


class Table(StrEnum):
    """The four address spaces of a Modbus device."""

    HOLDING = "holding"
    INPUT = "input"
    COIL = "coil"
    DISCRETE = "discrete"

    @property
    def is_of_bits(self) -> bool:
        """Whether an address holds one bit, and not 16."""
        return self in (Table.COIL, Table.DISCRETE)

    @property
    def is_writable(self) -> bool:
        """Whether a master can write it."""
        return self in (Table.HOLDING, Table.COIL)


class ValueType(StrEnum):
    """How a number is written."""

    UINT16 = "uint16"
    INT16 = "int16"
    UINT32 = "uint32"
    INT32 = "int32"
    UINT64 = "uint64"
    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"


class WordOrder(StrEnum):
    """Which register of several comes first; inside one it is always the high byte."""

    BIG = "big"
    LITTLE = "little"


_FORMATS: Final = {
    ValueType.UINT16: ">H",
    ValueType.INT16: ">h",
    ValueType.UINT32: ">I",
    ValueType.INT32: ">i",
    ValueType.UINT64: ">Q",
    ValueType.INT64: ">q",
    ValueType.FLOAT32: ">f",
    ValueType.FLOAT64: ">d",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """A number in a device; `address` counts from 0, as it goes over the line."""

    address: Address
    table: Table = Table.HOLDING
    type: ValueType = ValueType.UINT16
    word_order: WordOrder = WordOrder.BIG

    def __post_init__(self) -> None:
        if self.table.is_of_bits and self.type is not ValueType.UINT16:
            raise ValueError(f"type: leave it out, a {self.table.value} is one bit")
        if self.address + self.count > 1 << 16:
            raise ValueError("address: the value would end beyond 65535")

    def __str__(self) -> str:
        return f"{self.table.value} {self.address}"

    @property
    def count(self) -> int:
        """How many addresses it takes."""
        return struct.calcsize(_FORMATS[self.type]) // WORD_BYTES

    def decode(self, words: Sequence[int]) -> int | float:
        """Read the number; FrameError if it is none."""
        if self.table.is_of_bits:
            return words[0]
        ordered = words if self.word_order is WordOrder.BIG else words[::-1]
        raw = struct.pack(f">{self.count}H", *ordered)
        value: int | float = struct.unpack(_FORMATS[self.type], raw)[0]
        if not math.isfinite(value):
            raise FrameError(f"expected a number in {self}, got {value}")
        return value

    @property
    def is_whole(self) -> bool:
        """Whether it can hold whole numbers only."""
        return not self.type.startswith("float")

    def can_hold(self, value: float) -> bool:
        """Tell whether the number can be written."""
        try:
            self.encode(value)
        except FrameError:
            return False
        return True

    def encode(self, value: float) -> list[int]:
        """Write the number, rounded if it has to be; FrameError if it does not fit."""
        try:
            raw = struct.pack(
                _FORMATS[self.type], round(value) if self.is_whole else value
            )
        except (struct.error, OverflowError) as err:
            raise FrameError(
                f"expected a value that {self} can hold, got {value}"
            ) from err
        words = list(struct.unpack(f">{self.count}H", raw))
        return words if self.word_order is WordOrder.BIG else words[::-1]
