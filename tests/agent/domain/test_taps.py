"""What a tap means: one outcome each, by the first rule that fits."""

from __future__ import annotations

import pytest

from agent.domain.messages import (
    CardUnread,
)
from agent.domain.outcomes import Signal
from agent.domain.tokens import Token, WhitelistType
from agent.domain.uid import Technology, Uid
from tests.agent.domain.story import TWO_EVSES, Story
from tests.fakes.cards import token_of

NEVER = token_of("A", WhitelistType.NEVER)
BLOCKED = token_of("A", valid=False)
RANDOM, WRONG_LENGTH = "refused random_uid", "refused unreadable"


def test_18_same_card_stops() -> None:
    """The card that started a session stops it, and is told when energy is off."""
    story = Story()
    story.plug()
    story.tap("A")
    story.pass_time(6)
    story.tap("A")
    assert story.told("A") == ["started E1", "stopped E1"]
    assert story.ends == ["E1 local"]
    assert not story.enabled()


@pytest.mark.parametrize("order", ["AB", "BA"])
def test_19_20_each_card_stops_its_own(order: str) -> None:
    """Two sessions stop in any order, each by its own card."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    story.tap("A")
    story.plug("E2")
    story.tap("B")
    story.pass_time(6)
    for card in order:
        story.tap(card)
    assert story.told("A") == ["started E1", "stopped E1"]
    assert story.told("B") == ["started E2", "stopped E2"]
    assert story.ends == [f"{'E1' if card == 'A' else 'E2'} local" for card in order]


def test_24_tap_to_stop_off() -> None:
    """Every further tap says that the card is charging already."""
    story = Story(tap_to_stop=False)
    story.plug()
    story.tap("A")
    for _ in range(3):
        story.pass_time(6)
        story.tap("A")
    assert story.told("A") == ["started E1", *["ignored already_charging"] * 3]
    assert story.enabled()


@pytest.mark.parametrize(
    "now_listed",
    [BLOCKED, token_of("A", WhitelistType.NEVER, valid=False), None],
    ids=["blocked", "expired and never offline", "gone from the list"],
)
def test_30_card_that_may_no_longer_charge_still_stops(
    now_listed: Token | None,
) -> None:
    """Stopping one's own session needs no valid token and asks nobody."""
    story = Story()
    story.plug()
    story.tap("A")
    story.pass_time(6)
    story.cards["A"] = now_listed
    story.tap("A")
    assert story.told("A") == ["started E1", "stopped E1"]
    assert story.asked == []


def test_31_stop_with_the_network_down_and_the_whitelist_damaged() -> None:
    """A stop looks at nothing but the session."""
    story = Story(cards={"A": NEVER})
    story.plug()
    story.tap("A")
    story.answer("A")
    story.pass_time(6)
    story.lookup_fails = True
    story.shell.disk_full = True
    story.tap("A")
    assert story.told("A") == ["started E1", "stopped E1"]
    assert len(story.asked) == 1


@pytest.mark.parametrize(
    ("number", "technology", "outcome"),
    [
        ("08A1B2C3", Technology.ISO14443, RANDOM),
        ("04A1B2", Technology.ISO14443, WRONG_LENGTH),
        ("04A1B2C3", Technology.ISO15693, WRONG_LENGTH),
        ("04A1B2C3", Technology.EM4100, WRONG_LENGTH),
    ],
)
def test_67_68_numbers_that_identify_nobody(
    number: str, technology: Technology, outcome: str
) -> None:
    """They are refused even if listed, before anybody is asked."""
    story = Story()
    story.plug()
    story.present(Uid(number), token_of("A"), technology=technology)
    assert story.trail == ["tap.received", f"? {outcome}"]


def test_card_that_gave_no_number() -> None:
    """Something unreadable is a tap, too, and is refused."""
    story = Story()
    story.shell.send(CardUnread(tap_id="T1", reader="front"))
    assert [event.reason for event in story.events] == [None, "unreadable"]
    assert story.shown == [Signal.REFUSED]


def test_damaged_whitelist_never_allows() -> None:
    """A card that could not be looked up is refused and nobody is asked."""
    story = Story()
    story.lookup_fails = True
    story.plug()
    story.tap("A")
    assert story.told("A") == ["refused storage_failed"]
    assert story.asked == []


def test_unreadable_card_left_lying_is_refused_once() -> None:
    """The rest is silence."""
    story = Story()
    story.present(Uid("04A1B2"))
    story.present(Uid("04A1B2"))
    outcomes = [event.outcome for event in story.events if event.outcome]
    assert outcomes == ["refused", "ignored"]
