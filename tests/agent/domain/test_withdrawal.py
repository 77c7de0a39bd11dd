"""Taking back: by the card itself, and by an operator or a backend."""

from __future__ import annotations

from typing import Any

import pytest

from agent.domain.outcomes import DecidedBy, EventKind, Signal, StopReason
from agent.domain.tokens import WhitelistType
from tests.agent.domain.story import LOCKOUT_S, TWO_EVSES, TWO_READERS, Story
from tests.fakes.cards import token_of, uid_of

NEVER = WhitelistType.NEVER
ASKED = {card: token_of(card, NEVER) for card in "ABCW"}
NOTHING = (0, 0, 0)
WHICH = [
    pytest.param({}, id="everything"),
    pytest.param({"evse_uid": "E1"}, id="by EVSE"),
    pytest.param({"uid": uid_of("A")}, id="by card"),
    pytest.param({"evse_uid": "E1", "uid": uid_of("A")}, id="by both"),
]
ELSE = [
    pytest.param({"evse_uid": "E2"}, id="another EVSE"),
    pytest.param({"uid": uid_of("B")}, id="another card"),
    pytest.param({"evse_uid": "E1", "uid": uid_of("B")}, id="another card here"),
    pytest.param({"evse_uid": "E2", "uid": uid_of("A")}, id="elsewhere"),
    pytest.param({"session_id": "S9"}, id="another session"),
]


# ---- by an operator


@pytest.mark.parametrize("which", WHICH)
def test_41_withdraw_a_grant(which: dict[str, Any]) -> None:
    """It ends once, at once, and a plug-in finds nothing."""
    story = Story(TWO_READERS)
    story.tap("A", "left")
    assert story.withdraw(**which) == (0, 1, 0)
    story.plug("E1")
    story.pass_time(3600)
    assert story.told("A") == ["granted", "withdrawn"]
    assert not story.enabled("E1")


def test_41_withdrawn_grant_is_told_at_its_reader() -> None:
    """The driver sees it, and the event says who and why."""
    story = Story(TWO_READERS)
    story.tap("A", "left")
    story.pass_time(LOCKOUT_S)
    story.withdraw(StopReason.REMOTE)
    event = story.events[-1]
    assert event.kind is EventKind.TOKEN_WITHDRAWN
    assert (event.tap_id, event.grant_id) == (None, "T1")
    assert (event.reason, event.reader) == (StopReason.REMOTE, "left")
    assert story.signal("left") is Signal.REFUSED
    story.pass_time(LOCKOUT_S)
    assert story.signal("left") is Signal.READY


def test_41_floating_grant_is_meant_by_each_of_its_evses() -> None:
    """It could have been used at either."""
    story = Story(TWO_EVSES)
    story.tap("A")
    assert story.withdraw(evse_uid="E2") == (0, 1, 0)
    assert story.told("A") == ["granted", "withdrawn"]


@pytest.mark.parametrize("which", WHICH)
def test_42_withdraw_a_waiting_card(which: dict[str, Any]) -> None:
    """The card that is being checked is told, and its answer comes to nothing."""
    story = Story(TWO_READERS, cards=ASKED)
    story.plug("E1")
    story.tap("A", "left")
    assert story.withdraw(**which) == (1, 0, 0)
    assert story.signal("left") is Signal.REFUSED
    assert story.events[-1].decided_by is DecidedBy.LOCAL
    story.answer("A")
    story.pass_time(3600)
    assert story.told("A") == ["withdrawn"]
    assert not story.enabled("E1")
    assert story.signal("left") is Signal.LOCKED


@pytest.mark.parametrize("which", ELSE)
def test_43_withdraw_something_else(which: dict[str, Any]) -> None:
    """It is said not to be there, and the grant goes on."""
    story = Story(TWO_READERS)
    story.tap("A", "left")
    assert story.withdraw(**which) == NOTHING
    story.plug("E1")
    assert story.told("A") == ["granted", "started E1"]


@pytest.mark.parametrize("which", ELSE)
def test_43_withdraw_something_else_than_a_waiting_card(which: dict[str, Any]) -> None:
    """It is said not to be there, and the card goes on waiting."""
    story = Story(TWO_READERS, cards=ASKED)
    story.plug("E1")
    story.tap("A", "left")
    assert story.withdraw(**which) == NOTHING
    story.answer("A")
    assert story.told("A") == ["started E1"]


@pytest.mark.parametrize("which", ELSE)
def test_43_withdraw_something_else_than_a_session(which: dict[str, Any]) -> None:
    """It is said not to be there, and the session goes on."""
    story = Story(TWO_READERS)
    story.charge("A", "E1", "left")
    assert story.withdraw(**which) == NOTHING
    assert story.enabled("E1")


@pytest.mark.parametrize("reason", [StopReason.OPERATOR, StopReason.REMOTE])
@pytest.mark.parametrize(
    "which", [*WHICH, pytest.param({"session_id": "S1"}, id="by session")]
)
def test_44_withdraw_a_session(which: dict[str, Any], reason: StopReason) -> None:
    """It stops by the same path as every other stop, for its own reason."""
    story = Story(TWO_READERS)
    story.charge("A", "E1", "left")
    story.shell.effects.clear()
    assert story.withdraw(reason, **which) == (0, 0, 1)
    assert story.ends == [f"E1 {reason}"]
    assert story.told("A") == []
    assert not story.enabled("E1")
    trail = ["record stop E1", "disable E1", "record end E1", "session.stopped"]
    assert story.trail == trail


def test_44_withdraw_before_the_charger_has_confirmed() -> None:
    """The driver hears that it started, and the charger is switched off."""
    story = Story()
    story.obedient = False
    story.plug()
    story.tap("A")
    assert story.withdraw() == (0, 0, 1)
    story.obey()
    story.obey()
    assert story.told("A") == ["started E1"]
    assert story.ends == ["E1 operator"]
    assert not story.enabled()


def test_44_withdraw_when_the_disk_is_full() -> None:
    """Stopping needs no disk."""
    story = Story()
    story.charge("A")
    story.shell.disk_full = True
    assert story.withdraw() == (0, 0, 1)
    assert not story.enabled()


@pytest.mark.parametrize("waits", [True, False], ids=["checked", "granted"])
def test_45_card_works_again_after_a_withdrawal(waits: bool) -> None:  # noqa: FBT001 - a table
    """Nothing is kept in mind against it."""
    story = Story(cards=ASKED if waits else {})
    story.tap("A")
    story.withdraw(uid=uid_of("A"))
    story.pass_time(LOCKOUT_S)
    story.plug()
    story.tap("A")
    if waits:
        story.answer("A")
    assert story.told("A")[-1] == "started E1"


def test_45_card_works_again_after_its_session_was_withdrawn() -> None:
    """It starts anew with the next tap."""
    story = Story()
    story.charge("A")
    story.withdraw(session_id="S1")
    story.tap("A")
    assert story.told("A") == ["started E1", "started E1"]


def test_45_card_works_again_after_it_was_withdrawn_by_itself() -> None:
    """Tap again to cancel, and once more to ask again."""
    story = Story()
    story.tap("A")
    story.pass_time(LOCKOUT_S)
    story.tap("A")
    assert story.told("A") == ["granted", "withdrawn"]
    story.plug()
    assert not story.enabled()
    story.tap("A")
    assert story.told("A") == ["granted", "withdrawn", "started E1"]


def test_46_withdrawing_everything_does_not_poison_later_cards() -> None:
    """All that was there ends, and all that comes after works."""
    readers = {"left": ("E1",), "mid": ("E2",), "right": ("E3",)}
    story = Story(readers, cards={"W": ASKED["W"]})
    story.charge("A", "E1", "left")
    story.tap("B", "mid")
    story.tap("W", "right")
    assert story.withdraw() == (1, 1, 1)
    assert story.withdraw() == NOTHING
    story.pass_time(LOCKOUT_S)
    for card, evse_uid, reader in (("B", "E2", "mid"), ("C", "E3", "right")):
        story.charge(card, evse_uid, reader)
    story.tap("A", "left")
    story.tap("W", "left")
    assert story.told("A") == ["started E1", "started E1"]
    assert story.told("B") == ["granted", "withdrawn", "started E2"]
    assert story.told("C") == ["started E3"]
    assert story.told("W") == ["withdrawn", "refused no_evse_available"]


def test_46_withdrawing_nothing_at_all_is_no_order_for_later() -> None:
    """A withdrawal never outlives its target."""
    story = Story()
    assert story.withdraw() == NOTHING
    story.tap("A")
    story.plug()
    assert story.told("A") == ["granted", "started E1"]


def test_withdrawing_a_session_leaves_grants_alone() -> None:
    """Its id names it and nothing else, whatever the card has besides."""
    story = Story(TWO_READERS)
    story.charge("A", "E1", "left")
    story.tap("A", "right")
    assert story.withdraw(session_id="S1") == (0, 0, 1)
    story.plug("E2")
    assert story.told("A") == ["started E1", "granted", "started E2"]


def test_session_that_is_being_stopped_is_not_there_any_more() -> None:
    """It keeps its first reason."""
    story = Story()
    story.charge("A")
    story.obedient = False
    story.tap("A")
    assert story.withdraw() == NOTHING
    story.obey()
    assert story.ends == ["E1 local"]


# ---- by the card itself


def test_card_ends_the_tap_and_the_grant_in_one_event() -> None:
    """The event names both, and the time-out never comes."""
    story = Story()
    story.tap("A")
    story.pass_time(LOCKOUT_S)
    story.tap("A")
    story.pass_time(3600)
    event = story.events[-1]
    assert event.kind is EventKind.TOKEN_WITHDRAWN
    assert (event.tap_id, event.grant_id) == ("T2", "T1")


def test_card_cancels_only_at_a_reader_of_its_grant() -> None:
    """Elsewhere the same card means another EVSE."""
    story = Story(TWO_READERS)
    story.tap("A", "left")
    story.tap("A", "right")
    assert story.told("A") == ["granted", "granted"]
    story.plug("E1")
    story.plug("E2")
    assert story.told("A")[2:] == ["started E1", "started E2"]


def test_card_cancels_at_a_shared_reader() -> None:
    """Any reader of the EVSE will do."""
    story = Story({"left": ("E1",), "both": ("E1", "E2")})
    story.tap("A", "left")
    story.tap("A", "both")
    assert story.told("A") == ["granted", "withdrawn"]
