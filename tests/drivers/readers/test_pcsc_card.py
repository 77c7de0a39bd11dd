"""What a card answers through PC/SC: its uid, or why there is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.readers.base import Technology
from drivers.readers.pcsc_card import read_uid, technology_of
from drivers.readers.uids import UnreadableCardError
from tests.drivers.readers.pcsc_bench import UID


def test_uid_is_the_answer_without_its_status() -> None:
    """GET DATA gives the uid, then 90 00."""
    assert read_uid(lambda _: UID + b"\x90\x00") == UID


def test_wrong_le_is_corrected() -> None:
    """A reader that wants the exact length is asked again with it."""
    answers = {
        bytes.fromhex("FFCA000000"): bytes.fromhex("6C07"),
        bytes.fromhex("FFCA000007"): UID + b"\x90\x00",
    }
    assert read_uid(answers.__getitem__) == UID


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "torn"),
        (b"\x90", "got 90"),
        (b"\x90\x00", "90 00 alone"),
        (b"\x63\x00", "got 63 00"),
        (b"\x6c\x07", "got 6C 07"),
        (UID, "got 7 other bytes"),
    ],
)
def test_answer_without_a_uid(answer: bytes, reason: str) -> None:
    """What came instead is named, but never by bytes that may be a card number."""
    with pytest.raises(UnreadableCardError, match=reason):
        read_uid(lambda _: answer)


@given(st.binary(min_size=3, max_size=12).filter(lambda a: a[-2:] != b"\x90\x00"))
def test_no_message_shows_the_answer(answer: bytes) -> None:
    """An answer that may hold a uid is in no message."""
    with pytest.raises(UnreadableCardError, match=f"got {len(answer)} other bytes$"):
        read_uid(lambda _: answer)


@pytest.mark.parametrize(
    ("atr", "technology"),
    [
        ("3B8F8001804F0CA000000306030001000000006A", Technology.ISO14443),
        ("3B8F8001804F0CA0000003060B00140000000077", Technology.ISO15693),
        ("3B8F8001804F0CA0000003060C00000000000064", Technology.ISO15693),
        ("3B8F8001804F0CA000000306", Technology.ISO14443),
        ("3B8180018080", Technology.ISO14443),
        ("", Technology.ISO14443),
    ],
)
def test_technology_of_an_atr(atr: str, technology: Technology) -> None:
    """Only a storage card's ATR names another standard than ISO/IEC 14443."""
    assert technology_of(bytes.fromhex(atr)) is technology
