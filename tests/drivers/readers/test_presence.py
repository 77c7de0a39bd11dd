"""Which card lies on a reader: told once, whatever the reader repeats or misses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.readers.base import (
    CardArrived,
    CardLeft,
    CardUnreadable,
    ReaderEvent,
    Technology,
)
from drivers.readers.formats.framing import CardReport
from drivers.readers.presence import Presence

A = CardReport(b"\x04\x01\x02\x03\x04\x05\x06", Technology.ISO14443)
B = CardReport(b"\x0b\x01\x02\x03\x04", Technology.EM4100)


def arrived(card: CardReport, at: float, *, lying: bool = False) -> CardArrived:
    """Name the arrival of a card."""
    return CardArrived(card.uid, card.technology, at, lying=lying)


def started() -> Presence:
    """Start a reader whose first second is long over."""
    presence = Presence(1.0)
    presence.connected(-100)
    return presence


def test_a_held_card_is_told_of_once() -> None:
    """It leaves when it was unseen for the time, and not before."""
    presence = started()
    assert presence.saw(A, 10) == [arrived(A, 10)]
    assert presence.saw(A, 10.2) == []
    assert presence.unseen(10.4) == []
    assert presence.leaves_at() == 11.4
    assert presence.unseen(11.3) == []
    assert presence.saw(A, 11.35) == []
    assert presence.leaves_at() is None
    assert presence.unseen(12) == []
    assert presence.unseen(13) == [CardLeft(13)]
    assert presence.leaves_at() is None
    assert presence.unseen(20) == []
    assert presence.saw(A, 30) == [arrived(A, 30)]


def test_a_reader_that_was_not_asked_did_not_miss_a_card() -> None:
    """Only from the first look that finds nothing on is a card unseen."""
    presence = started()
    presence.saw(A, 10)
    assert presence.unseen(15) == []
    assert presence.unseen(15.9) == []
    assert presence.unseen(16) == [CardLeft(16)]


def test_another_card_replaces_it_at_once() -> None:
    """The first one leaves before the second arrives."""
    presence = started()
    presence.saw(A, 10)
    assert presence.saw(B, 10.1) == [CardLeft(10.1), arrived(B, 10.1)]


def test_two_cards_together_do_not_take_turns() -> None:
    """A reader that reports both again and again makes two arrivals, not hundreds."""
    presence = started()
    events: list[ReaderEvent] = []
    for turn in range(100):
        events += presence.saw((A, B)[turn % 2], 10 + turn / 5)
    assert events == [arrived(A, 10), CardLeft(10.2), arrived(B, 10.2)]
    assert presence.saw(A, 30) == []
    assert presence.saw(A, 30.9) == []
    assert presence.saw(A, 31) == [CardLeft(31)]
    assert presence.saw(A, 32) == []


def test_a_card_that_comes_back_after_another_is_new() -> None:
    """Nobody is locked out by the card that was there in between."""
    presence = started()
    presence.saw(A, 10)
    presence.saw(B, 10.5)
    assert presence.unseen(11) == []
    assert presence.unseen(12) == [CardLeft(12)]
    assert presence.saw(A, 12.1) == [arrived(A, 12.1)]


def test_a_card_that_was_missed_once_and_then_not_looked_for() -> None:
    """One look that finds nothing proves nothing, however long ago it was."""
    presence = started()
    presence.saw(A, 10)
    presence.unseen(10.2)
    assert presence.saw(A, 15) == []


def test_what_lies_there_at_the_start_may_have_lain_there() -> None:
    """Whoever looks for the first time cannot know when a card came."""
    presence = Presence(1.0)
    presence.connected(5)
    assert presence.saw(A, 5.9) == [arrived(A, 5.9, lying=True)]
    assert presence.saw(B, 6) == [CardLeft(6), arrived(B, 6)]


def test_a_reader_that_was_away_knows_its_card() -> None:
    """A bad plug is no tap: the card that still lies there is no news."""
    presence = started()
    presence.saw(A, 10)
    presence.connected(60)
    assert presence.saw(A, 60.5) == []
    presence.connected(90)
    assert presence.unseen(90.9) == []
    assert presence.unseen(91) == [CardLeft(91)]
    presence.connected(120)
    assert presence.saw(A, 120.1) == [arrived(A, 120.1)]
    presence.connected(150)
    assert presence.saw(B, 150.1) == [CardLeft(150.1), arrived(B, 150.1)]


def test_an_unreadable_card_is_told_of_once() -> None:
    """And not at all while another card was told of, which it may be."""
    presence = started()
    torn = [CardUnreadable("torn", 10), CardLeft(10)]
    assert presence.unreadable("torn", 10) == torn
    assert presence.unreadable("torn", 10.2) == []
    assert presence.saw(A, 10.4) == [arrived(A, 10.4)]
    assert presence.unreadable("torn", 10.6) == []
    assert presence.saw(A, 10.8) == []
    presence.unseen(11)
    presence.unseen(12)
    assert presence.unreadable("torn", 13) != []
    presence.unseen(13.2)
    assert presence.unreadable("torn", 13.4) != []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["saw A", "saw B", "unseen", "torn", "connected"]),
            st.floats(0, 2),
        )
    )
)
def test_arrivals_and_leavings_alternate(steps: list[tuple[str, float]]) -> None:
    """Whatever is seen and missed, and whenever."""
    presence = Presence(1.0)
    at = 0.0
    events: list[ReaderEvent] = []
    for step, later in steps:
        at += later
        match step:
            case "saw A":
                events += presence.saw(A, at)
            case "saw B":
                events += presence.saw(B, at)
            case "unseen":
                events += presence.unseen(at)
            case "torn":
                events += presence.unreadable("torn", at)
            case _:
                presence.connected(at)
    events += presence.unseen(at)
    events += presence.unseen(at + 1)
    assert len(events) % 2 == 0
    for came, left in zip(events[::2], events[1::2], strict=True):
        assert isinstance(came, CardArrived | CardUnreadable)
        assert isinstance(left, CardLeft)
