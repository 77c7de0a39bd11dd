"""What looks say about the card that lies on an NFC adapter."""

from __future__ import annotations

import pytest

from drivers.readers.base import (
    CardArrived,
    CardLeft,
    CardUnreadable,
    ReaderEvent,
    Technology,
)
from drivers.readers.nfc_field import Field, Sighting

CARD = Sighting(bytes.fromhex("04A1B2C3D4E5F6"))
OTHER = Sighting(bytes.fromhex("04998877665544"))
TYPE_B = Sighting(bytes.fromhex("5A6B7C8D"), is_type_b=True)
OTHER_B = Sighting(bytes.fromhex("11223344"), is_type_b=True)
HELD_FOR_S = 1.0
EVERY_S = 0.2


def random_a(number: int) -> Sighting:
    """Draw a number as a phone does."""
    return Sighting(b"\x08" + number.to_bytes(3))


def random_b(number: int) -> Sighting:
    """Draw a PUPI as a passport does."""
    return Sighting(number.to_bytes(4), is_type_b=True)


def seen(*looks: Sighting | None, field: Field | None = None) -> list[ReaderEvent]:
    """Give the events of looks that are EVERY_S apart, ten seconds after the start."""
    if field is None:
        field = Field(HELD_FOR_S)
        field.connected(0.0)
    events = []
    for number, look in enumerate(looks):
        events += field.looked(look, 10.0 + number * EVERY_S)
    return events


def uids(events: list[ReaderEvent]) -> list[bytes]:
    """Give the numbers of those that arrived, and none of a leaving."""
    return [one.uid if isinstance(one, CardArrived) else b"" for one in events]


def test_a_card_is_told_of_once() -> None:
    """It arrives with its first look, and leaves after a second without."""
    (arrived, left) = seen(CARD, CARD, None, CARD, *[None] * 6)
    assert arrived == CardArrived(CARD.uid, Technology.ISO14443, 10.0)
    assert isinstance(left, CardLeft)
    assert left.at == pytest.approx(10.8 + HELD_FOR_S)


def test_another_card_in_its_place() -> None:
    """The first one has left when another one is there."""
    assert uids(seen(CARD, OTHER)) == [CARD.uid, b"", OTHER.uid]


def test_a_card_that_lies_there_at_the_first_look() -> None:
    """Nobody knows when it came; the next one has certainly come."""
    field = Field(HELD_FOR_S)
    field.connected(0.0)
    found = field.looked(CARD, 0.0)
    came = field.looked(OTHER, 10.0)
    assert [e.lying for e in found + came if isinstance(e, CardArrived)] == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    "uid", [bytes(range(1, 5)), bytes(range(1, 8)), bytes(range(1, 11))]
)
def test_lengths(uid: bytes) -> None:
    """Single, double and triple size, byte 0 first."""
    assert uids(seen(Sighting(uid))) == [uid]


@pytest.mark.parametrize(
    ("sighting", "reason"),
    [
        (Sighting(b""), "got 0"),
        (Sighting(bytes(range(1, 7))), "got 6"),
        (Sighting(b"\x88\x04\xa1\xb2"), "begins with 88"),
        (Sighting(b"\x01\x02", is_type_b=True), "PUPI, got 2"),
    ],
)
def test_no_number(sighting: Sighting, reason: str) -> None:
    """What is no uid is an unreadable card, told of once."""
    unread, left = seen(sighting, sighting)
    assert isinstance(unread, CardUnreadable)
    assert reason in unread.reason
    assert isinstance(left, CardLeft)


def test_a_random_uid_of_a_desfire_is_told_of_once() -> None:
    """Those that are set up so draw numbers that begin with 80."""
    looks = [Sighting(b"\x80" + number.to_bytes(3)) for number in range(20)]
    assert uids(seen(*looks)) == [looks[0].uid]


def test_a_fixed_uid_that_begins_like_a_random_one() -> None:
    """A number that was seen twice is no random one: the next is another card's."""
    first, second = (Sighting(bytes([0x80, 1, 2, last])) for last in (3, 4))
    assert uids(seen(first, first, second)) == [first.uid, b"", second.uid]


def test_a_random_uid_is_told_of_once() -> None:
    """A phone draws a number at each look; it stays one card under its first one."""
    looks = [random_a(number) for number in range(20)]
    assert uids(seen(*looks)) == [looks[0].uid]


def test_a_random_uid_leaves_and_comes_back() -> None:
    """After it has left, it is a new card under its new number."""
    looks = [random_a(1), random_a(2), *[None] * 7, random_a(3), random_a(4)]
    assert uids(seen(*looks)) == [random_a(1).uid, b"", random_a(3).uid]


def test_a_random_uid_after_a_bad_plug() -> None:
    """A reader that was away for long still holds the card that it held."""
    field = Field(HELD_FOR_S)
    field.connected(0.0)
    field.looked(random_a(1), 10.0)
    field.connected(100.0)
    assert field.looked(random_a(2), 100.0) == []


def test_a_random_pupi_is_told_of_once() -> None:
    """A passport draws a PUPI at each look."""
    looks = [random_b(number) for number in range(1, 21)]
    assert uids(seen(*looks)) == [looks[0].uid]


def test_a_fixed_pupi_is_no_random_one() -> None:
    """A number that was seen twice is the card's own: another one is another card."""
    assert uids(seen(TYPE_B, TYPE_B, OTHER_B)) == [TYPE_B.uid, b"", OTHER_B.uid]


def test_types_are_apart() -> None:
    """A random number of type A does not pass for a card of type B."""
    assert uids(seen(random_a(1), TYPE_B)) == [random_a(1).uid, b"", TYPE_B.uid]


def test_a_fixed_uid_after_a_random_one() -> None:
    """A card with a number of its own is not taken for the phone before it."""
    assert uids(seen(random_a(1), CARD)) == [random_a(1).uid, b"", CARD.uid]


def test_no_number_in_a_repr() -> None:
    """A sighting that is logged names nobody."""
    assert CARD.uid.hex() not in repr(CARD).lower()
    assert str(CARD.uid) not in repr(CARD)
