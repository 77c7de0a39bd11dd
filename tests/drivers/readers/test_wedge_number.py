"""How keyboard-wedge readers write numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import FrameError
from drivers.readers.wedge_number import Number, NumberFormat

H, D = NumberFormat.HEX, NumberFormat.DECIMAL


@pytest.mark.parametrize(
    ("number", "text", "uid"),
    [
        (Number(H), "04A1B2C3D4E5F6", "04A1B2C3D4E5F6"),
        (Number(H), "04a1b2c3", "04A1B2C3"),
        (Number(H), "04:A1-B2.C3 D4", "04A1B2C3D4"),
        (Number(H), "A1B2C3", "A1B2C3"),
        (Number(H, 4), "04A1B2C3", "04A1B2C3"),
        (Number(D, 4), "0077705923", "04A1B2C3"),
        (Number(D, 4), "77705923", "04A1B2C3"),
        (Number(D, 4), "00000077705923", "04A1B2C3"),
        (Number(D, 5), "77705923", "0004A1B2C3"),
        (Number(D, 4), "4294967295", "FFFFFFFF"),
        (Number(D, 3), "16777215", "FFFFFF"),
    ],
)
def test_numbers_are_read(number: Number, text: str, uid: str) -> None:
    """In hex as typed, in decimal with the zeros that its length asks for."""
    assert number.parse(text) == bytes.fromhex(uid)


@pytest.mark.parametrize(
    ("number", "text", "says"),
    [
        (Number(H), "04A1B", "expected 6 to 20 hex digits in pairs, got 5"),
        (Number(H), "04A1B2C", "expected 6 to 20 hex digits in pairs, got 7"),
        (Number(H), "04A1", "expected 6 to 20 hex digits in pairs, got 4"),
        (Number(H), "0" * 22, "expected 6 to 20 hex digits in pairs, got 22"),
        (Number(H), "-", "expected 6 to 20 hex digits in pairs, got 0"),
        (Number(H, 4), "04A1B2", "expected 8 hex digits, got 6"),
        (Number(H, 4), "04A1B2C3D4E5F6", "expected 8 hex digits, got 14"),
        (Number(D, 4), "4294967296", "expected a number of 4 bytes, got a larger one"),
        (Number(D, 4), "04A1B2C3", "expected decimal digits only"),
        (Number(D, 4), "0077-705923", "expected decimal digits only"),
        (Number(D, 4), "\u0661\u0662", "expected decimal digits only"),
        (Number(H), "\u0661" * 8, "expected hex digits only"),
    ],
)
def test_other_numbers_are_refused(number: Number, text: str, says: str) -> None:
    """The message counts what came, and does not repeat it."""
    with pytest.raises(FrameError) as caught:
        number.parse(text)
    assert str(caught.value) == says


@pytest.mark.parametrize("length", [1, 2, 11])
@pytest.mark.parametrize("number", NumberFormat)
def test_impossible_lengths(number: NumberFormat, length: int) -> None:
    """No card has such a number."""
    with pytest.raises(ValueError, match="expected 3 to 10"):
        Number(number, length)


def test_decimal_needs_a_length() -> None:
    """Else the zeros in front would be a guess."""
    with pytest.raises(ValueError, match="bytes = 4"):
        Number(D)


@given(st.binary(min_size=3, max_size=10))
def test_every_uid_can_be_typed(uid: bytes) -> None:
    """In hex and in decimal."""
    assert Number(H).parse(uid.hex()) == uid
    assert Number(H, len(uid)).parse(uid.hex(":")) == uid
    assert Number(D, len(uid)).parse(str(int.from_bytes(uid))) == uid
