"""A reader where somebody walks through numbers."""

from __future__ import annotations

import string
from typing import Any

import pytest

from agent.domain.outcomes import EventKind, Signal
from agent.domain.tokens import Token, WhitelistType
from agent.domain.uid import Uid
from tests.agent.domain.story import LOCKOUT_S, TWO_READERS, Story
from tests.fakes.cards import token_of

GUESSES = string.ascii_lowercase
BLOCKED: dict[str, Token | None] = {
    card: token_of(card, valid=False) for card in GUESSES
}
LIMITED = "refused rate_limited"


def _story(**rules: Any) -> Story:  # noqa: ANN401 - fields of Settings
    rules = {"readers": TWO_READERS, "cards": BLOCKED} | rules
    return Story(**rules)


def _guess(story: Story, cards: str, every_s: float = 0.0) -> None:
    for card in cards:
        story.tap(card, "left")
        story.pass_time(every_s)


def _alarms(story: Story) -> int:
    kinds = [event.kind for event in story.events]
    return kinds.count(EventKind.READER_RATE_LIMITED)


def test_too_many_different_refused_cards_shut_the_reader() -> None:
    """The eleventh within a minute is one too many, and everybody is refused."""
    story = _story()
    _guess(story, GUESSES[:10])
    assert _alarms(story) == 0
    _guess(story, GUESSES[10])
    assert story.told(GUESSES[10]) == ["refused invalid"]
    assert _alarms(story) == 1
    story.tap("B", "left")
    assert story.told("B") == [LIMITED]
    assert story.signal("left") is Signal.REFUSED


def test_shut_reader_opens_after_a_minute() -> None:
    """It works as before, and starts to count anew."""
    story = _story()
    _guess(story, GUESSES[:11])
    story.pass_time(59.9)
    story.tap("A", "left")
    story.pass_time(0.1)
    story.tap("B", "left")
    assert story.told("A") == [LIMITED]
    assert story.told("B") == ["granted"]
    _guess(story, GUESSES[:10])
    assert _alarms(story) == 1


def test_asking_for_entry_does_not_keep_the_reader_shut() -> None:
    """Cards that it refuses for that reason are not counted."""
    story = _story()
    _guess(story, GUESSES[:11])
    _guess(story, GUESSES[11:], every_s=3.5)
    story.pass_time(10)
    story.tap("A", "left")
    assert story.told("A") == ["granted"]
    assert _alarms(story) == 1


def test_cards_spread_over_more_than_a_minute_are_no_attack() -> None:
    """Eleven drivers with expired cards may come in the same hour."""
    story = _story()
    _guess(story, GUESSES, every_s=6)
    assert _alarms(story) == 0


def test_one_card_tapped_again_and_again_is_no_attack() -> None:
    """Different cards are what counts."""
    story = _story()
    _guess(story, "a" * 30)
    assert _alarms(story) == 0


def test_another_reader_is_not_shut() -> None:
    """Each counts what happens there."""
    story = _story()
    _guess(story, GUESSES[:11])
    story.tap("A", "right")
    assert story.told("A") == ["granted"]


@pytest.mark.parametrize("most", [1, 3])
def test_limit_is_configured(most: int) -> None:
    """One more than so many."""
    story = _story(max_refusals=most)
    _guess(story, GUESSES[:most])
    assert _alarms(story) == 0
    _guess(story, GUESSES[most])
    assert _alarms(story) == 1


def test_limit_of_zero_is_no_limit() -> None:
    """A test bench may refuse all day."""
    story = _story(max_refusals=0)
    _guess(story, GUESSES)
    assert _alarms(story) == 0


def test_session_started_before_can_be_stopped_at_a_shut_reader() -> None:
    """Its card is known, whatever others have tried there."""
    story = _story(readers={"left": ("E1", "E2")}, max_refusals=2)
    story.charge("A", "E1", "left")
    _guess(story, GUESSES[:3])
    story.tap("B", "left")
    story.tap("A", "left")
    assert story.told("B") == [LIMITED]
    assert story.told("A") == ["started E1", "stopped E1"]


def test_own_grant_can_be_cancelled_at_a_shut_reader() -> None:
    """It is the card's own matter, too."""
    story = _story(readers={"left": ("E1", "E2")}, max_refusals=2)
    story.tap("A", "left")
    story.pass_time(LOCKOUT_S)
    _guess(story, GUESSES[:3])
    story.tap("A", "left")
    assert story.told("A") == ["granted", "withdrawn"]


def test_nobody_is_asked_about_cards_at_a_shut_reader() -> None:
    """Guesses do not reach the backend any more."""
    cards = BLOCKED | {"X": token_of("X", WhitelistType.NEVER)}
    story = _story(cards=cards, max_refusals=2)
    _guess(story, GUESSES[:3])
    story.tap("X", "left")
    assert story.told("X") == [LIMITED]
    assert story.asked == []


@pytest.mark.parametrize("verdictless", ["busy", "random", "storage"])
def test_refusals_that_tell_nothing_are_not_counted(verdictless: str) -> None:
    """A busy station, phones and a full disk are no attack."""
    story = _story(max_refusals=2, cards={})
    story.plug("E1")
    match verdictless:
        case "busy":
            story.tap("A", "left")
            _guess(story, GUESSES[:5])
        case "random":
            for number in range(5):
                story.present(Uid(f"0800000{number}"), reader="left")
        case "storage":
            story.shell.disk_full = True
            _guess(story, GUESSES[:5])
    assert _alarms(story) == 0
    refused = [event for event in story.events if event.outcome == "refused"]
    assert len(refused) == 5
