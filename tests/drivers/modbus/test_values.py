"""Numbers in registers: widths, word orders, and what is no number."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import FrameError
from drivers.modbus.values import Register, Table, ValueType, WordOrder

TYPES = [
    # type, words of big order, value
    (ValueType.UINT16, [0xFFFE], 65534),
    (ValueType.INT16, [0xFFFE], -2),
    (ValueType.UINT32, [0x0001, 0x0002], 65538),
    (ValueType.INT32, [0xFFFF, 0xFFFE], -2),
    (ValueType.UINT64, [0, 0, 1, 2], 65538),
    (ValueType.INT64, [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE], -2),
    (ValueType.FLOAT32, [0x3FC0, 0], 1.5),
    (ValueType.FLOAT64, [0xBFF8, 0, 0, 0], -1.5),
]


@pytest.mark.parametrize(("kind", "words", "value"), TYPES)
def test_types(kind: ValueType, words: list[int], value: float) -> None:
    """Each type is read and written, in both orders of its words."""
    big = Register(address=0, type=kind)
    little = Register(address=0, type=kind, word_order=WordOrder.LITTLE)
    assert big.count == len(words)
    assert big.decode(words) == little.decode(words[::-1]) == value
    assert big.encode(value) == words
    assert little.encode(value) == words[::-1]


def test_the_table_is_complete() -> None:
    """A new type fails here until it has its row."""
    assert [row[0] for row in TYPES] == list(ValueType)


@given(st.integers(0, 2**32 - 1))
def test_what_is_written_is_read(value: int) -> None:
    """Encoding and decoding undo each other."""
    register = Register(address=0, type=ValueType.UINT32)
    assert register.decode(register.encode(value)) == value


@pytest.mark.parametrize("words", [[0x7FC0, 0], [0x7F80, 0], [0xFF80, 0]])
def test_what_is_no_number(words: list[int]) -> None:
    """NaN and the infinities are garbage, named by their register."""
    register = Register(address=342, table=Table.INPUT, type=ValueType.FLOAT32)
    with pytest.raises(FrameError, match="expected a number in input 342, got"):
        register.decode(words)


@pytest.mark.parametrize("value", [-1, 65536, math.inf])
def test_what_does_not_fit(value: float) -> None:
    """Nothing is cut off in silence."""
    with pytest.raises(FrameError, match="holding 5 can hold"):
        Register(address=5).encode(value)


def test_a_bit() -> None:
    """A coil is 0 or 1."""
    coil = Register(address=7, table=Table.COIL)
    assert coil.count == 1
    assert [coil.decode([bit]) for bit in (0, 1)] == [0, 1]


def test_a_register_that_cannot_be() -> None:
    """Bits have no type, and nothing lies beyond the last address."""
    with pytest.raises(ValueError, match=r"^type: leave it out, a coil is one bit"):
        Register(address=0, table=Table.COIL, type=ValueType.FLOAT32)
    with pytest.raises(ValueError, match=r"^address: the value would end beyond"):
        Register(address=65535, type=ValueType.UINT32)
