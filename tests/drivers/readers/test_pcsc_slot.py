"""A slot of a PC/SC reader: each card once, whatever its reader does meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.readers.base import (
    CardArrived,
    CardLeft,
    CardUnreadable,
    ReaderEvent,
    Technology,
)
from drivers.readers.pcsc_slot import Slot
from tests.drivers.readers.pcsc_bench import READER, UID

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

card_events = st.one_of(
    st.sampled_from([b"\x01" * 4, b"\x02" * 4]).map(
        lambda uid: CardArrived(uid, Technology.ISO14443, 0, READER)
    ),
    st.just(CardUnreadable("mute", 0, READER)),
)
slot_inputs = st.one_of(
    st.sampled_from(["lost", "inserted", "emptied", "still_empty"]), card_events
)


def play(
    slot: Slot, inputs: Sequence[str | CardArrived | CardUnreadable]
) -> Iterator[ReaderEvent]:
    """Feed a slot as a session does, and give its events."""
    for item in inputs:
        match item:
            case "lost":
                slot.lost()
            case "inserted":
                slot.inserted()
            case "emptied":
                yield from slot.emptied(0)
            case "still_empty":
                if slot.in_doubt:
                    yield from slot.still_empty(0)
            case CardArrived() | CardUnreadable():
                if slot.reading:
                    yield from slot.read(item)


@given(st.lists(slot_inputs, max_size=20))
def test_arrivals_and_departures_alternate(
    inputs: list[str | CardArrived | CardUnreadable],
) -> None:
    """Every arrival is followed by one CardLeft before the next arrival."""
    slot = Slot(READER)
    told = list(play(slot, inputs))
    assert [isinstance(event, CardLeft) for event in told] == [
        bool(index % 2) for index in range(len(told))
    ]
    assert slot.holds_card == bool(len(told) % 2)


CARD: Final = CardArrived(UID, Technology.ISO14443, 1.0, READER)
OTHER: Final = CardArrived(UID[::-1], Technology.ISO14443, 2.0, READER)
MUTE: Final = CardUnreadable("mute", 2.0, READER)
LEFT: Final = CardLeft(2.0, READER)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (CARD, CARD, []),
        (CARD, MUTE, []),
        (CARD, OTHER, [LEFT, OTHER]),
        (MUTE, MUTE, []),
        (MUTE, OTHER, [LEFT, OTHER]),
    ],
)
def test_card_seen_again_after_the_reader_was_away(
    before: CardArrived | CardUnreadable,
    after: CardArrived | CardUnreadable,
    expected: list[ReaderEvent],
) -> None:
    """Only a card that proves to be another one is told of."""
    slot = Slot(READER)
    slot.inserted()
    assert slot.read(before) == [before]
    slot.lost()
    assert slot.emptied(1.5) == []
    slot.inserted()
    assert slot.read(after) == expected
    assert slot.emptied(3.0) == [CardLeft(3.0, READER)]


def test_card_gone_when_the_reader_is_back() -> None:
    """An empty field is believed once it stays empty."""
    slot = Slot(READER)
    slot.inserted()
    slot.read(CARD)
    slot.lost()
    assert slot.emptied(1.5) == []
    assert slot.in_doubt
    assert slot.still_empty(2.0) == [LEFT]
    assert not slot.holds_card
