"""What the readers show."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent.domain.messages import CardUnread
from agent.domain.outcomes import Signal
from agent.domain.tokens import WhitelistType
from tests.agent.domain.story import (
    LOCKOUT_S,
    TWO_EVSES,
    TWO_READERS,
    Story,
    charging,
)
from tests.fakes.cards import token_of

NEVER = token_of("A", WhitelistType.NEVER)
REFUSED = token_of("A", valid=False)


def test_driver_sees_what_happens() -> None:
    """Each stage of an asked card has its signal."""
    story = Story(cards={"A": NEVER})
    story.plug()
    story.tap("A")
    story.pass_time(0.2)
    story.answer("A")
    story.pass_time(2)
    assert story.shown == [
        Signal.LOCKED,
        Signal.READING,
        Signal.CHECKING,
        Signal.ACCEPTED,
        Signal.CHARGING,
    ]


def test_quick_answer_spares_the_driver_the_wait() -> None:
    """Nobody sees "checking" for a decision within 150 ms."""
    story = Story(cards={"A": NEVER})
    story.plug()
    story.tap("A")
    story.pass_time(0.1)
    story.answer("A")
    story.pass_time(2)
    assert Signal.CHECKING not in story.shown


def test_display_returns_after_an_ignored_tap() -> None:
    """It does not stay at `reading`."""
    story = Story()
    story.plug()
    story.lay("A")
    story.pass_time(6)
    story.lay("A")
    assert story.shown[-1] is Signal.CHARGING


def test_display_shows_the_fault_that_ended_a_session() -> None:
    """And not that a card could be presented."""
    story = Story()
    story.plug()
    story.tap("A")
    story.fault()
    assert story.shown[-1] is Signal.ERROR


# ---- verdicts


def test_verdict_lasts_two_seconds() -> None:
    """Then the reader shows how things are."""
    story = Story()
    story.plug()
    story.tap("A")
    story.pass_time(1.9)
    assert story.signal() is Signal.ACCEPTED
    story.pass_time(0.1)
    assert story.signal() is Signal.CHARGING


def test_two_refusals_in_a_row_are_both_shown() -> None:
    """The second driver must see that it is his card, too, that was refused."""
    story = Story(cards={"A": REFUSED, "B": REFUSED})
    story.tap("A")
    story.pass_time(1.5)
    story.shell.effects.clear()
    story.tap("B")
    assert story.shown == [Signal.READING, Signal.REFUSED]
    story.pass_time(1.9)
    assert story.signal() is Signal.REFUSED
    story.pass_time(0.1)
    assert story.signal() is Signal.READY


def test_two_cards_without_a_number_are_both_shown() -> None:
    """There is nothing to read between them, and still both are told."""
    story = Story()
    for number in range(2):
        story.shell.send(CardUnread(tap_id=f"U{number}", reader="front"))
    assert story.shown == [Signal.REFUSED, Signal.REFUSED]


def test_refusal_is_shown_where_nothing_works() -> None:
    """The driver hears about his card first, and then about the station."""
    story = Story()
    story.fault()
    story.tap("A")
    assert story.signal() is Signal.REFUSED
    story.pass_time(2)
    assert story.signal() is Signal.ERROR


def test_verdict_at_one_reader_is_not_shown_at_another() -> None:
    """Nobody there has tapped."""
    story = Story(TWO_READERS, cards={"A": REFUSED})
    story.tap("A", "left")
    assert story.signal("left") is Signal.REFUSED
    assert story.signal("right") is Signal.READY


def test_next_card_is_read_while_a_verdict_is_shown() -> None:
    """It does not have to wait for the last driver's light to go out."""
    story = Story(TWO_EVSES, cards={"A": REFUSED, "B": NEVER})
    story.tap("A")
    story.pass_time(0.5)
    story.tap("B")
    assert story.signal() is Signal.READING
    story.pass_time(0.15)
    assert story.signal() is Signal.CHECKING


def test_start_that_fails_is_not_shown_as_accepted() -> None:
    """The last word is what the charger did."""
    story = Story()
    story.obedient = False
    story.plug()
    story.tap("A")
    assert story.signal() is Signal.ACCEPTED
    story.disobey()
    assert story.signal() is Signal.REFUSED


def test_accepted_is_not_shown_while_the_only_evse_fails() -> None:
    """What was accepted and has failed since is not accepted any more."""
    story = Story()
    story.plug()
    story.tap("A")
    story.lose()
    assert story.signal() is Signal.ERROR


def test_stop_is_accepted_and_then_the_vehicle_waits() -> None:
    """Whoever stopped may start again."""
    story = charging()
    story.tap("A")
    assert story.signal() is Signal.ACCEPTED
    story.pass_time(2)
    assert story.signal() is Signal.LOCKED


@pytest.mark.parametrize("tap_to_stop", [True, False])
def test_taps_that_change_nothing_show_no_error(tap_to_stop: bool) -> None:  # noqa: FBT001 - a table
    """What is wanted is so already, or about to be."""
    story = Story(tap_to_stop=tap_to_stop)
    story.plug()
    story.tap("A")
    story.pass_time(3 if tap_to_stop else LOCKOUT_S)
    story.shell.effects.clear()
    story.tap("A")
    assert Signal.REFUSED not in story.shown
    story.pass_time(2)
    assert story.signal() is Signal.CHARGING


def test_grant_is_shown_while_another_card_is_checked() -> None:
    """Whoever has an answer sees it, and then the other one goes on waiting."""
    cards = {card: token_of(card, WhitelistType.NEVER) for card in "AB"}
    story = Story(TWO_EVSES, cards=cards, deadline=timedelta(seconds=60))
    story.tap("A")
    story.tap("B")
    story.answer("B")
    assert story.signal() is Signal.ACCEPTED
    story.pass_time(2)
    assert story.signal() is Signal.CHECKING


# ---- checking


def test_checking_is_shown_after_150_ms() -> None:
    """Until then the driver sees that the card was read."""
    story = Story(cards={"A": NEVER})
    story.tap("A")
    story.pass_time(0.149)
    assert story.signal() is Signal.READING
    story.pass_time(0.001)
    assert story.signal() is Signal.CHECKING


def test_checking_is_shown_once() -> None:
    """A ticking clock is not a reason to say it again."""
    story = Story(cards={"A": NEVER})
    story.tap("A")
    story.pass_time(1.9)
    assert story.shown.count(Signal.CHECKING) == 1


# ---- at rest


@pytest.mark.parametrize(
    ("deeds", "signal"),
    [
        ([], Signal.READY),
        (["plug E1"], Signal.LOCKED),
        (["tap"], Signal.ACCEPTED),
        (["plug E1", "tap"], Signal.READY),
        (["plug E1", "tap", "plug E2"], Signal.LOCKED),
        (["plug E1", "plug E2", "tap", "tap B"], Signal.CHARGING),
        (["fault E1"], Signal.READY),
        (["fault E1", "fault E2"], Signal.ERROR),
        (["lose E1", "fault E2"], Signal.ERROR),
        (["plug E1", "tap", "lose E2"], Signal.CHARGING),
        (["plug E1", "fault E1"], Signal.READY),
    ],
    ids=lambda value: " then ".join(value) if isinstance(value, list) else str(value),
)
def test_reader_at_rest(deeds: list[str], signal: Signal) -> None:
    """It shows what a card would do there, or why it would do nothing."""
    story = Story(TWO_EVSES)
    for deed in deeds:
        verb, _, what = deed.partition(" ")
        getattr(story, verb)(what or "A")
    story.pass_time(LOCKOUT_S)
    assert story.signal() is signal


def test_signals_are_shown_only_when_they_change() -> None:
    """A station in which nothing happens says nothing."""
    story = charging()
    story.pass_time(10)
    story.shell.effects.clear()
    for wh in range(1001, 1050):
        story.pass_time(1)
        story.meter(wh)
    assert story.shown == []


def test_shared_evse_is_shown_at_each_of_its_readers() -> None:
    """A session started at one is seen at the other."""
    story = Story({"left": ("E1",), "right": ("E1",)})
    story.charge("A", "E1", "left")
    assert story.signal("left") is story.signal("right") is Signal.CHARGING


def test_every_signal_is_tested() -> None:
    """A new signal fails here until it has its case above."""
    assert set(Signal) == {
        Signal.READY,
        Signal.READING,
        Signal.CHECKING,
        Signal.ACCEPTED,
        Signal.REFUSED,
        Signal.CHARGING,
        Signal.LOCKED,
        Signal.ERROR,
    }


# ---- what time alone changes


def test_vehicle_that_waits_too_long_invites_nobody() -> None:
    """The reader stops asking for a card when a card would do nothing there."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    assert story.signal() is Signal.LOCKED
    story.pass_time(300)
    assert story.signal() is Signal.READY


def test_granted_card_at_a_faulted_evse_is_shown() -> None:
    """Where faults are ignored the reader works, and says so."""
    story = Story(ignore_faults=True)
    story.fault()
    story.tap("A")
    assert story.signal() is Signal.ACCEPTED
