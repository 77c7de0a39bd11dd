"""Card numbers: one canonical form, every spelling rebuilt, none printed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.uid import (
    Alias,
    Technology,
    Uid,
    UidProblem,
    aliases_of,
    find_problem,
    respell,
    spelling_of,
)

CANONICAL = "04A1B2C3D4E5F6"
SAME_CARD = [
    "04A1B2C3D4E5F6",
    "04a1b2c3d4e5f6",
    "04:a1:b2:c3:d4:e5:f6",
    "04-A1-B2-C3-D4-E5-F6",
    "04 A1 B2 C3 D4 E5 F6",
    "04.a1.b2.c3.d4.e5.f6",
    "04A1:B2c3 d4-E5.f6",
]

RANDOM, WRONG = UidProblem.RANDOM, UidProblem.WRONG_LENGTH
ISO14443, ISO15693 = Technology.ISO14443, Technology.ISO15693
EM4100 = Technology.EM4100
PROBLEMS = [
    # technology, uid, problem
    (ISO14443, "01020304", None),
    (ISO14443, "04A1B2C3D4E5F6", None),
    (ISO14443, "04A1B2C3D4E5F6071829", None),
    (ISO14443, "08A1B2C3", RANDOM),
    (ISO14443, "80A1B2C3", None),
    (ISO14443, "08A1B2C3D4E5F6", None),
    (ISO14443, "08A1B2C3D4E5F6071829", None),
    (ISO14443, "", WRONG),
    (ISO14443, "08", WRONG),
    (ISO14443, "04A1B2", WRONG),
    (ISO14443, "04A1B2C3D4", WRONG),
    (ISO14443, "04A1B2C3D4E5", WRONG),
    (ISO14443, "04A1B2C3D4E5F607", WRONG),
    (ISO14443, "04A1B2C", WRONG),
    (ISO14443, "SE-EMS-1", WRONG),
    (ISO15693, "E004010203040506", None),
    (ISO15693, "0804010203040506", None),
    (ISO15693, "E0040102030405", WRONG),
    (ISO15693, "08A1B2C3", WRONG),
    (EM4100, "0102030405", None),
    (EM4100, "0802030405", None),
    (EM4100, "08020304", WRONG),
]

raw_uids = st.binary(min_size=1, max_size=10)
separators = st.sampled_from(["", ":", "-", ".", " "])


@pytest.mark.parametrize("text", SAME_CARD)
def test_every_spelling_is_one_card(text: str) -> None:
    """65: case and separators never make another card."""
    assert Uid.parse(text).value == CANONICAL
    assert Uid.parse(text) == Uid.from_bytes(bytes.fromhex(CANONICAL))
    assert len({Uid.parse(text), Uid(CANONICAL)}) == 1


@given(raw_uids)
def test_canonical_form_is_upper_hex_byte_0_first(raw: bytes) -> None:
    """What a reader gives is written in its own order and can be read back."""
    uid = Uid.from_bytes(raw)
    assert uid.value == uid.value.upper()
    assert bytes.fromhex(uid.value) == raw
    assert Uid.parse(uid.value) == uid


@given(raw_uids, raw_uids)
def test_different_bytes_are_different_cards(one: bytes, other: bytes) -> None:
    """Equality and hash follow the bytes."""
    assert (Uid.from_bytes(one) == Uid.from_bytes(other)) is (one == other)
    assert (hash(Uid.from_bytes(one)) == hash(Uid.from_bytes(other))) is (one == other)


def test_uid_never_equals_a_string() -> None:
    """Comparing with raw text is a mistake and finds nothing."""
    assert Uid(CANONICAL) != CANONICAL


@pytest.mark.parametrize(("technology", "text", "problem"), PROBLEMS)
def test_numbers_that_identify_nobody(
    technology: Technology, text: str, problem: UidProblem | None
) -> None:
    """67 and 68: each technology has its lengths; 08 is random with 4 bytes only."""
    assert find_problem(Uid(text), technology) is problem


def test_every_technology_and_problem_is_in_the_table() -> None:
    """A new member fails here until the table has a row for it."""
    assert {row[0] for row in PROBLEMS} == set(Technology)
    assert {row[2] for row in PROBLEMS} == {*UidProblem, None}


@given(raw_uids, separators, st.booleans())
def test_spelling_round_trip(raw: bytes, separator: str, upper: bool) -> None:  # noqa: FBT001 - given by hypothesis
    """A tapped card is written back exactly as its eMSP lists it."""
    listed = separator.join(f"{byte:02X}" if upper else f"{byte:02x}" for byte in raw)
    assert respell(Uid.from_bytes(raw), spelling_of(listed)) == listed


@given(st.text(alphabet="0123456789abcdefABCDEF:-. ", max_size=36))
def test_mixed_spelling_round_trip(listed: str) -> None:
    """Even a spelling without any system is rebuilt."""
    assert respell(Uid.parse(listed), spelling_of(listed)) == listed


@given(st.text(alphabet="0123456789abcdefABCDEF:-. ", max_size=36))
def test_spelling_holds_no_digit_of_the_card(listed: str) -> None:
    """What is stored about the spelling tells nothing about the number."""
    assert set(spelling_of(listed)) <= set("xX:-. ")


@pytest.mark.parametrize(
    ("number", "kinds", "aliases"),
    [
        ("01020304", [], []),
        ("01020304", [Alias.REVERSED], ["04030201"]),
        ("01020304", [Alias.DECIMAL], ["16909060", "0016909060"]),
        ("0041A1B2C3", [Alias.DECIMAL], ["1101116099"]),
        ("04A1B2C3D4E5F6", [Alias.DECIMAL], [str(0x04A1B2C3D4E5F6)]),
        (
            "04A1B2C3D4E5F6",
            [Alias.DECIMAL, Alias.REVERSED],
            ["F6E5D4C3B2A104", str(0x04A1B2C3D4E5F6), str(0xF6E5D4C3B2A104)],
        ),
        ("01020101", [Alias.REVERSED], ["01010201"]),
        ("01020201", [Alias.REVERSED], []),
        ("SE-EMS-1", [Alias.DECIMAL, Alias.REVERSED], []),
    ],
)
def test_other_numbers_of_a_card(
    number: str, kinds: list[Alias], aliases: list[str]
) -> None:
    """65: the likeliest first, each once, and never the card's own."""
    assert [uid.value for uid in aliases_of(Uid(number), kinds)] == aliases


def test_digits_follow_the_first_letter() -> None:
    """Numbers listed the same way share one spelling, whatever their digits."""
    assert spelling_of("04:a1:b2") == "xx:xx:xx"
    assert spelling_of("04:A1:22") == "XX:XX:XX"
    assert spelling_of("0412") == "XXXX"


@pytest.mark.parametrize("spelling", ["", "xx", "XX:XX", "X" * 20])
def test_spelling_of_another_length_is_not_used(spelling: str) -> None:
    """A spelling that does not fit gives the canonical form, never a cut number."""
    assert respell(Uid(CANONICAL), spelling) == CANONICAL


@given(raw_uids.filter(lambda raw: len(raw) > 1))
def test_uid_is_silent_wherever_it_could_be_printed(raw: bytes) -> None:
    """Only `value` tells the number."""
    uid = Uid.from_bytes(raw)
    for text in (repr(uid), str(uid), f"{uid}", f"{uid!r}", "%s" % uid, repr([uid])):  # noqa: UP031 - as logging does
        assert text.strip("[]") == "Uid(…)"
