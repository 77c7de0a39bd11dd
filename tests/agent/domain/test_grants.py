"""What becomes of a permission that is not used at once."""

from __future__ import annotations

from datetime import timedelta

from agent.domain.messages import (
    Tick,
)
from agent.domain.outcomes import Signal
from agent.domain.tokens import WhitelistType
from tests.agent.domain.story import TWO_EVSES, TWO_READERS, Story
from tests.fakes.cards import token_of

THREE_READERS = {"front": ("E1",), "back": ("E2",), "both": ("E1", "E2")}
OFFLINE = WhitelistType.ALLOWED_OFFLINE


def test_3_waiting_card_does_not_hold_up_another() -> None:
    """A grant on one EVSE never blocks a card on another."""
    story = Story(THREE_READERS)
    story.tap("A", "front")
    story.plug("E2")
    story.tap("B", "back")
    story.plug("E1")
    assert story.told("B") == ["started E2"]
    assert story.told("A") == ["granted", "started E1"]


def test_4_three_waiting_cards_and_one_plug_in() -> None:
    """The first card starts, two time out once, and the winner hears no time-out."""
    story = Story(TWO_EVSES)
    for card in "ABC":
        story.tap(card)
        story.pass_time(1)
    story.plug("E2")
    story.pass_time(3600)
    assert story.told("A") == ["granted", "started E2"]
    assert story.told("B") == ["granted", "timed_out"]
    assert story.told("C") == ["granted", "timed_out"]


def test_5_tap_first_plug_later() -> None:
    """A grant waits and is used up by the plug-in."""
    story = Story()
    story.tap("A")
    assert not story.enabled()
    story.pass_time(59)
    story.plug()
    assert story.told("A") == ["granted", "started E1"]
    assert story.enabled()


def test_6_two_cards_then_two_plug_ins() -> None:
    """First come, first served: two sessions."""
    story = Story(TWO_EVSES)
    story.tap("A")
    story.tap("B")
    story.plug("E2")
    story.plug("E1")
    assert story.told("A") == ["granted", "started E2"]
    assert story.told("B") == ["granted", "started E1"]


def test_33_grant_times_out_once_and_the_card_works_again() -> None:
    """A time-out is told exactly once and locks nobody out."""
    story = Story()
    story.tap("A")
    story.pass_time(60)
    story.pass_time(3600)
    assert story.told("A") == ["granted", "timed_out"]
    story.tap("A")
    story.plug()
    assert story.told("A")[2:] == ["granted", "started E1"]


def test_33_plug_in_after_the_time_out() -> None:
    """A plug-in at the moment of the time-out is too late."""
    story = Story()
    story.tap("A")
    story.pass_time(60)
    story.plug()
    assert story.told("A") == ["granted", "timed_out"]
    assert not story.enabled()


def test_time_out_frees_the_evse() -> None:
    """Nobody's grant keeps an EVSE after it has lapsed."""
    story = Story()
    story.tap("A")
    story.pass_time(60)
    story.plug()
    story.tap("B")
    assert story.told("B") == ["started E1"]


def test_waiting_card_tapped_again_with_tap_to_stop_off() -> None:
    """The grant is kept and said to be there."""
    story = Story(tap_to_stop=False)
    story.tap("A")
    story.pass_time(6)
    story.tap("A")
    story.plug()
    assert story.told("A") == ["granted", "ignored already_granted", "started E1"]


def test_plug_in_at_a_faulted_evse_uses_no_grant() -> None:
    """A grant is not wasted on an EVSE that cannot deliver."""
    story = Story(TWO_EVSES)
    story.tap("A")
    story.fault("E1")
    story.plug("E1")
    assert story.told("A") == ["granted"]
    story.plug("E2")
    assert story.told("A") == ["granted", "started E2"]


def test_grant_waits_for_a_fault_to_clear() -> None:
    """Tap, fault, plug, clear: the vehicle charges."""
    story = Story()
    story.tap("A")
    story.fault()
    story.plug()
    story.clear()
    assert story.told("A") == ["granted", "started E1"]


def test_grant_takes_a_vehicle_plugged_in_while_the_link_was_lost() -> None:
    """What the charger says when it comes back counts as a plug-in."""
    story = Story()
    story.tap("A")
    story.lose()
    story.shell.boxes["E1"].connected = True
    story.find()
    assert story.told("A") == ["granted", "started E1"]


def test_two_deadlines_in_one_late_step_start_two_sessions() -> None:
    """Each has an id of its own, however late the clock was looked at."""
    cards = {"A": token_of("A", OFFLINE), "B": token_of("B", OFFLINE)}
    story = Story(TWO_READERS, cards=cards)
    story.plug("E1")
    story.plug("E2")
    story.tap("A", "left")
    story.tap("B", "right")
    story.shell.clock.move(timedelta(seconds=3))
    story.shell.send(Tick())
    assert len({row.id for row in story.rows}) == 2


def test_grant_takes_the_vehicle_of_a_charger_found_delivering() -> None:
    """It is switched off, and then the grant is used."""
    story = Story()
    story.tap("A")
    story.lose()
    box = story.shell.boxes["E1"]
    box.connected = box.enabled = box.runaway = True
    story.find()
    assert story.told("A") == ["granted", "started E1"]
    assert story.enabled()


def test_time_out_is_shown_to_the_driver() -> None:
    """At the reader where he tapped, and once."""
    story = Story(TWO_READERS)
    story.tap("A", "left")
    story.pass_time(59)
    assert story.signal("left") is Signal.ACCEPTED
    story.pass_time(1)
    assert story.signal("left") is Signal.REFUSED
    assert story.signal("right") is Signal.READY
    story.pass_time(2)
    assert story.signal("left") is Signal.READY
