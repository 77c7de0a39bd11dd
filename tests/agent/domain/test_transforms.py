"""What readers do to card numbers, and how it is undone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.transforms import CANDIDATES, NOTHING, Keep, UidTransform
from agent.domain.uid import Technology

CARD = "04A1B2C3D4E5F6"
STEPS = [
    # what is asked for, what the reader gives, the card's number
    (UidTransform(), CARD, CARD),
    (UidTransform(reverse=True), "F6E5D4C3B2A104", CARD),
    (UidTransform(strip="3B00"), f"3B00{CARD}", CARD),
    (UidTransform(strip="3b00"), f"3B00{CARD}", CARD),
    (UidTransform(strip="3B00"), CARD, CARD),
    # Half a byte cannot be stripped.
    (UidTransform(strip="3B0"), f"3B0{CARD}0", f"3B0{CARD}0"),
    (UidTransform(cut=7), f"{CARD}0000", CARD),
    (UidTransform(cut=4, keep=Keep.LAST), "1362E3086C", "62E3086C"),
    (UidTransform(pad=7), "04A1B2C3", "04A1B2C3000000"),
    (UidTransform(decimal_bytes=4), "1659045996", "62E3086C"),
    (UidTransform(decimal_bytes=4), "0000000255", "000000FF"),
    (UidTransform(decimal_bytes=4, reverse=True), "1659045996", "6C08E362"),
    (UidTransform(reverse=True, cut=4), "6C08E36213", "1362E308"),
    (UidTransform(strip="AA", reverse=True, cut=2, pad=4), "AA010203", "03020000"),
]


@pytest.mark.parametrize(("transform", "given_", "expected"), STEPS)
def test_steps(transform: UidTransform, given_: str, expected: str) -> None:
    """Strip, decimal, reverse, cut, pad: in this order, and only what is asked for."""
    assert transform.apply(bytes.fromhex(given_)).hex().upper() == expected


@pytest.mark.parametrize("raw", ["04A1B2C3", "4294967296", "9999999999"])
def test_digits_that_cannot_be_decimal_are_named(raw: str) -> None:
    """Hex digits, or more than fits, are no card; the message says no digit of it."""
    with pytest.raises(ValueError, match="expected") as caught:
        UidTransform(decimal_bytes=4).apply(bytes.fromhex(raw))
    assert raw not in str(caught.value)


@given(st.binary(max_size=12))
def test_nothing_does_nothing(raw: bytes) -> None:
    """A reader without settings gives what it reads."""
    assert NOTHING.apply(raw) == raw


@given(st.binary(min_size=1, max_size=12))
def test_reversing_twice_is_nothing(raw: bytes) -> None:
    """No byte is lost."""
    once = UidTransform(reverse=True).apply(raw)
    assert UidTransform(reverse=True).apply(once) == raw


@given(st.integers(0, 2**32 - 1))
def test_decimal_prints_are_read_back(number: int) -> None:
    """Ten digits are four bytes, leading zeros included."""
    printed = bytes.fromhex(f"{number:010d}")
    assert UidTransform(decimal_bytes=4).apply(printed) == number.to_bytes(4)


def test_only_what_loses_digits_may_collide() -> None:
    """Whoever cuts is warned; turning around loses nothing."""
    assert UidTransform(cut=4).may_collide
    assert UidTransform(strip="04").may_collide
    assert not UidTransform(reverse=True, pad=7).may_collide


def test_the_kind_of_card_may_be_corrected() -> None:
    """Four bytes of a 125 kHz card are no EM4100 number any more."""
    corrected = UidTransform(cut=4, technology=Technology.ISO14443)
    assert corrected.technology_of(Technology.EM4100) is Technology.ISO14443
    assert NOTHING.technology_of(Technology.EM4100) is Technology.EM4100


def test_candidates_are_different() -> None:
    """Each stands for something of its own."""
    assert len(set(CANDIDATES.values())) == len(CANDIDATES)
