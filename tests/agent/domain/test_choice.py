"""Which EVSE a card gets."""

from __future__ import annotations

import pytest

from agent.domain.settings import Select
from agent.domain.tokens import Verdict, WhitelistType
from tests.agent.domain.story import LOCKOUT_S, TWO_EVSES, Story
from tests.fakes.cards import token_of

NEVER = token_of("A", WhitelistType.NEVER)
BLOCKED = token_of("B", valid=False)


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


@pytest.mark.parametrize("select", Select)
def test_vehicle_that_was_served_is_not_given_to_the_next_card(select: Select) -> None:
    """A is done at E1 and still plugged in; B's vehicle is at E2."""
    story = Story(TWO_EVSES, select=select)
    story.plug("E1")
    story.tap("A")
    story.pass_time(6)
    story.tap("A")
    story.plug("E2")
    story.pass_time(6)
    story.tap("B")
    assert story.told("B") == ["started E2"]


def test_served_vehicle_charges_again_when_it_is_the_only_one() -> None:
    """Stop and start again without unplugging."""
    story = Story()
    story.plug()
    for _ in range(3):
        story.tap("A")
        story.pass_time(6)
    assert story.told("A") == ["started E1", "stopped E1", "started E1"]


def test_evse_taken_while_the_backend_was_thinking() -> None:
    """An answer that finds no EVSE left starts nothing."""
    story = Story(cards={"A": NEVER})
    story.plug()
    story.tap("A")
    story.tap("B")
    story.answer("A")
    assert story.told("B") == ["started E1"]
    assert story.told("A") == ["refused no_evse_available"]


def test_answer_is_good_for_the_evses_that_were_asked_about() -> None:
    """E1 fell free meanwhile; nobody asked about E1."""
    story = Story(TWO_EVSES, cards={"B": token_of("B", WhitelistType.NEVER)})
    story.plug("E1")
    story.tap("A")
    story.pass_time(6)
    story.tap("B")
    story.tap("A")
    story.answer("B")
    assert not story.enabled("E1")


def test_evses_that_were_asked_about_are_all_taken_meanwhile() -> None:
    """E1 fell free, but nobody asked about it; E2 is busy, which is no wrong place."""
    story = Story(TWO_EVSES, cards={"B": token_of("B", WhitelistType.NEVER)})
    story.charge("A", "E1")
    story.tap("B")
    story.plug("E2")
    story.tap("C")
    story.tap("A")
    story.answer("B")
    assert story.told("C") == ["started E2"]
    assert story.told("B") == ["refused no_evse_available"]


def test_grant_floats_over_an_evse_that_was_busy_at_the_tap() -> None:
    """The first that becomes free and gets a vehicle is taken."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    story.tap("A")
    story.tap("B")
    story.unplug("E1")
    story.plug("E1")
    assert story.told("B") == ["granted", "started E1"]


# ---- somebody else's vehicle


def test_card_waits_for_its_own_plug_in_beside_a_vehicle_that_was_served() -> None:
    """A has charged and is still plugged in; B taps first and plugs in at E2."""
    story = Story(TWO_EVSES)
    story.charge("A", "E1")
    story.tap("A")
    story.tap("B")
    assert story.told("B") == ["granted"]
    story.plug("E2")
    assert story.told("B") == ["granted", "started E2"]


def test_card_that_was_asked_about_waits_beside_a_vehicle_that_was_served() -> None:
    """The same when its backend has to be asked."""
    story = Story(TWO_EVSES, cards={"B": token_of("B", WhitelistType.NEVER)})
    story.charge("A", "E1")
    story.tap("A")
    story.tap("B")
    story.answer("B")
    assert story.told("B") == ["granted"]


def test_card_goes_on_with_its_own_vehicle_after_a_restart() -> None:
    """Whose vehicle it is does not depend on the power."""
    story = Story(TWO_EVSES)
    story.charge("A", "E1")
    story.restart()
    story.tap("A")
    story.pass_time(LOCKOUT_S)
    story.tap("A")
    assert story.told("A") == ["started E1", "stopped E1", "started E1"]
