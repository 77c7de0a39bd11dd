"""What readers do to card numbers, and how it is undone."""

from __future__ import annotations

import contextlib

import msgspec
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


@pytest.mark.parametrize(
    "table",
    [
        {"cut": -1},
        {"cut": 11},
        {"pad": -1},
        {"pad": 10**9},
        {"decimal_bytes": -4},
        {"decimal_bytes": 11},
        {"strip": "3B0"},
        {"strip": "0x"},
        {"strip": "3B\n"},
    ],
)
def test_what_cannot_be_is_refused(table: dict[str, object]) -> None:
    """The configuration is wrong, and not each card at its reader."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(table, UidTransform)


def test_what_can_be_is_read() -> None:
    """Every key, up to its limits."""
    table = {
        "strip": "3b00",
        "decimal_bytes": 10,
        "reverse": True,
        "cut": 10,
        "keep": "last",
        "pad": 10,
        "technology": "EM4100",
    }
    assert msgspec.convert(table, UidTransform) == UidTransform(
        strip="3b00",
        decimal_bytes=10,
        reverse=True,
        cut=10,
        keep=Keep.LAST,
        pad=10,
        technology=Technology.EM4100,
    )


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


@pytest.mark.parametrize(
    ("given_", "card"),
    [
        ("F6E5D4C3B2A104", CARD),
        ("13A1B2C3D4", "A1B2C3D4"),
        ("13D4C3B2A1", "A1B2C3D4"),
        (f"{CARD}000000", CARD),
        (f"000000{CARD}", CARD),
        ("A1B2C3D40000", "A1B2C3D4"),
        # Zeros behind, and the bytes of the card turned round before them.
        ("D4C3B2A100000000", "A1B2C3D4"),
        ("F6E5D4C3B2A10400", CARD),
        ("2711802836", "A1A2D3D4"),
        ("0004", "00000004"),
    ],
)
def test_what_readers_do_is_among_the_candidates(given_: str, card: str) -> None:
    """Whoever holds a card to such a reader is shown its number."""
    shown = []
    for transform in CANDIDATES.values():
        with contextlib.suppress(ValueError):
            shown.append(transform.apply(bytes.fromhex(given_)).hex().upper())
    assert card in shown


def test_candidates_are_different() -> None:
    """Each stands for something of its own."""
    assert len(set(CANDIDATES.values())) == len(CANDIDATES)
