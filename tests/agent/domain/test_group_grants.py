"""Cards of one group, and grants that are not used yet."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from agent.domain.outcomes import Signal
from agent.domain.tokens import Token, WhitelistType
from tests.agent.domain.story import LOCKOUT_S, TWO_EVSES, TWO_READERS, Story
from tests.fakes.cards import token_of

ALLOWED, NEVER = WhitelistType.ALLOWED, WhitelistType.NEVER
OFFLINE = WhitelistType.ALLOWED_OFFLINE


def _fleet(
    card: str, whitelist: WhitelistType = WhitelistType.ALWAYS, *, valid: bool = True
) -> Token:
    return token_of(card, whitelist, valid=valid, group_id="FLEET")


FLEET = {"A": _fleet("A"), "B": _fleet("B")}


def test_group_card_while_the_first_has_an_unused_grant() -> None:
    """It is said to be granted already, the grant stays, and nothing is locked."""
    story = Story(cards=FLEET)
    story.tap("A")
    story.tap("B")
    assert story.told("B") == ["ignored already_granted"]
    story.plug()
    assert story.told("A") == ["granted", "started E1"]
    story.tap("B")
    assert story.told("B")[-1] == "stopped E1"


def test_group_card_after_the_first_ones_grant_has_lapsed() -> None:
    """Nothing is left of it that would hold the group up."""
    story = Story(cards=FLEET)
    story.tap("A")
    story.tap("B")
    story.pass_time(60)
    story.tap("B")
    assert story.told("B") == ["ignored already_granted", "granted"]


def test_own_grant_comes_before_a_colleagues_session() -> None:
    """Whoever waits for his plug-in and taps again cancels, and stops nobody."""
    story = Story(TWO_EVSES, cards=FLEET)
    story.charge("A")
    story.tap("B")
    story.pass_time(LOCKOUT_S)
    story.tap("B")
    assert story.told("B") == ["granted", "withdrawn"]
    assert story.enabled("E1")


def test_first_of_several_colleagues_is_stopped() -> None:
    """One tap stops one session."""
    story = Story(TWO_EVSES, cards={card: _fleet(card) for card in "ABC"})
    story.charge("A", "E1")
    story.charge("B", "E2")
    story.tap("C")
    assert story.ends == ["E1 local"]
    assert story.enabled("E2")


@pytest.mark.parametrize("free", [True, False], ids=["granted", "charging"])
def test_blocked_colleague_is_refused_where_tapping_does_not_stop(free: bool) -> None:  # noqa: FBT001 - a table
    """Nobody is shown green light for a card that may not charge."""
    cards = {"A": _fleet("A"), "B": replace(_fleet("B"), valid=False)}
    story = Story(cards=cards, tap_to_stop=False)
    if not free:
        story.plug()
    story.tap("A")
    story.tap("B")
    assert story.told("B") == ["refused invalid"]
    assert story.signal() is Signal.REFUSED


def test_strangers_grant_leaves_the_group_its_free_evse() -> None:
    """Who plugs in first is not known, so that the colleague is not stopped."""
    story = Story(TWO_EVSES, cards=FLEET)
    story.charge("A", "E1")
    story.tap("C")
    story.tap("B")
    assert story.told("B") == ["granted"]
    assert story.ends == []


def test_colleagues_grant_elsewhere_is_none_of_this_readers_business() -> None:
    """He waits at another EVSE, which no card of this reader could use."""
    story = Story(TWO_READERS, cards=FLEET, group_starts_first=False)
    story.tap("A", "left")
    story.tap("B", "right")
    assert story.told("B") == ["granted"]
