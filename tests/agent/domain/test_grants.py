"""Permissions: which EVSE a card gets, and what becomes of a grant."""

from __future__ import annotations

import pytest

from agent.domain.outcomes import EventKind
from agent.domain.station import Select
from agent.domain.tokens import Verdict, WhitelistType
from tests.agent.domain.story import TWO_EVSES, Story
from tests.fakes.cards import token_of

NEVER = token_of("A", WhitelistType.NEVER)
BLOCKED = token_of("B", valid=False)
THREE_READERS = {"front": ("E1",), "back": ("E2",), "both": ("E1", "E2")}


def test_1_plugged_then_tap_starts_there_only() -> None:
    """A card starts where its reader and the vehicle are."""
    story = Story({"left": ("E1",), "right": ("E2",)})
    story.plug("E1")
    story.plug("E2")
    story.tap("A", "right")
    assert story.told("A") == ["started E2"]
    assert not story.enabled("E1")


def test_2_card_allowed_on_two_evses_and_one_plugged() -> None:
    """The vehicle decides among the EVSEs the card may use."""
    story = Story(TWO_EVSES, cards={"A": NEVER})
    story.plug("E2")
    story.tap("A")
    story.answer("A", Verdict.ALLOWED, "E1", "E2")
    assert story.told("A") == ["started E2"]
    assert not story.enabled("E1")


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


def test_7_two_plug_ins_then_two_cards() -> None:
    """Each card takes a vehicle that has none yet."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    story.pass_time(1)
    story.plug("E2")
    story.tap("A")
    story.tap("B")
    assert story.told("A") == ["started E1"]
    assert story.told("B") == ["started E2"]


def test_8_plug_unplug_tap_plug_elsewhere() -> None:
    """A plug-in that is over attracts nothing."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    story.unplug("E1")
    story.tap("A")
    story.plug("E2")
    assert story.told("A") == ["granted", "started E2"]
    assert not story.enabled("E1")


def test_9_valid_then_invalid_card() -> None:
    """A refused card leaves the running session alone."""
    story = Story(TWO_EVSES, cards={"B": BLOCKED})
    story.plug("E1")
    story.tap("A")
    story.plug("E2")
    story.tap("B")
    assert story.told("A") == ["started E1"]
    assert story.told("B") == ["refused invalid"]
    assert (story.enabled("E1"), story.enabled("E2")) == (True, False)


@pytest.mark.parametrize(
    ("select", "evse_uid"),
    [
        (Select.PLUGGED_FIRST, "E2"),
        (Select.LAST_PLUGGED, "E1"),
        (Select.FIXED, "E3"),
    ],
)
def test_10_11_which_of_several_plugged_evses(select: Select, evse_uid: str) -> None:
    """The longest plugged, the last plugged, or the first configured."""
    story = Story({"front": ("E3", "E2", "E1")}, select=select)
    for plugged in ("E2", "E3", "E1"):
        story.plug(plugged)
        story.pass_time(10)
    story.tap("A")
    assert story.told("A") == [f"started {evse_uid}"]


def test_10_repeated_plug_in_does_not_count_anew() -> None:
    """A vehicle that pauses is reported again and keeps its place."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    story.pass_time(10)
    story.plug("E2")
    story.pass_time(10)
    story.plug("E1")
    story.tap("A")
    assert story.told("A") == ["started E1"]


def test_every_select_is_tested() -> None:
    """A new Select fails here until it has its case above."""
    assert set(Select) == {Select.PLUGGED_FIRST, Select.LAST_PLUGGED, Select.FIXED}


def test_12_one_evse_busy() -> None:
    """The card goes to the other."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    story.tap("A")
    story.tap("B")
    story.plug("E2")
    assert story.told("B") == ["granted", "started E2"]


def test_13_all_faulted() -> None:
    """A card that no EVSE could serve is refused and nobody is asked."""
    story = Story(TWO_EVSES, cards={"A": NEVER})
    story.fault("E1")
    story.fault("E2")
    story.plug("E1")
    story.tap("A")
    assert story.told("A") == ["refused no_evse_available"]
    assert story.asked == []


def test_13_all_charging_or_out_of_reach() -> None:
    """Neither a busy EVSE nor one that nobody can talk to takes a card."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    story.tap("A")
    story.plug("E2")
    story.lose("E2")
    story.tap("B")
    assert story.told("B") == ["refused no_evse_available"]


def test_14_evse_granted_to_another_card() -> None:
    """The second card is refused without a question, the first is unharmed."""
    story = Story(cards={"B": NEVER})
    story.tap("A")
    story.tap("B")
    story.plug()
    assert story.told("B") == ["refused no_evse_available"]
    assert story.told("A") == ["granted", "started E1"]
    assert story.asked == []


def test_15_answer_allows_another_evse_than_the_plugged_one() -> None:
    """Nothing starts on EVSE 1; the grant waits for a vehicle on EVSE 2."""
    story = Story(TWO_EVSES, cards={"A": NEVER})
    story.plug("E1")
    story.tap("A")
    story.answer("A", Verdict.ALLOWED, "E2")
    assert story.told("A") == ["granted"]
    assert not story.enabled("E1")
    story.plug("E2")
    assert story.told("A") == ["granted", "started E2"]
    assert not story.enabled("E1")


def test_15_answer_allows_no_evse_of_this_reader() -> None:
    """An allowed card at the wrong place is refused with that reason."""
    story = Story(cards={"A": NEVER})
    story.plug()
    story.tap("A")
    story.answer("A", Verdict.ALLOWED, "E7")
    assert story.told("A") == ["refused wrong_evse"]
    assert not story.enabled()


def test_15_evse_uids_differ_in_case() -> None:
    """The backend may spell an EVSE uid in another case."""
    story = Story(cards={"A": NEVER})
    story.plug()
    story.tap("A")
    story.answer("A", Verdict.ALLOWED, "e1")
    assert story.told("A") == ["started E1"]


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


def test_45_card_works_again_after_it_was_withdrawn() -> None:
    """Tap again to cancel, and once more to ask again."""
    story = Story()
    story.tap("A")
    story.pass_time(6)
    story.tap("A")
    assert story.told("A") == ["granted", "withdrawn"]
    story.plug()
    assert not story.enabled()
    story.tap("A")
    assert story.told("A") == ["granted", "withdrawn", "started E1"]


def test_withdrawal_ends_the_tap_and_the_grant_in_one_event() -> None:
    """The event names both, and the time-out never comes."""
    story = Story()
    story.tap("A")
    story.pass_time(6)
    story.tap("A")
    story.pass_time(3600)
    withdrawn = story.events[-1]
    assert withdrawn.kind is EventKind.TOKEN_WITHDRAWN
    assert (withdrawn.tap_id, withdrawn.grant_id) == ("T2", "T1")


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
