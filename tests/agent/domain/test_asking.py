"""Asking a backend while a driver waits."""

from __future__ import annotations

import pytest

from agent.domain.policy import Modes, OfflineMode, OnlineMode
from agent.domain.settings import Owner
from agent.domain.tokens import Verdict, WhitelistType
from tests.agent.domain.story import Story
from tests.fakes.cards import token_of

ALLOWED_OFFLINE = token_of("A", WhitelistType.ALLOWED_OFFLINE)
NEVER = token_of("A", WhitelistType.NEVER)
ALLOWED = token_of("A", WhitelistType.ALLOWED)


def test_59_driver_hears_within_the_deadline() -> None:
    """The offline rules decide at the deadline, and that tap has its outcome."""
    story = Story(cards={"A": ALLOWED_OFFLINE, "B": NEVER})
    story.plug()
    story.tap("B")
    story.tap("A")
    story.pass_time(1.9)
    assert story.told("A") == story.told("B") == []
    story.pass_time(0.1)
    assert story.told("B") == ["refused offline_not_permitted"]
    assert story.told("A") == ["started E1"]
    story.answer("B")
    story.answer("A")
    assert len(story.told("A") + story.told("B")) == 2
    assert story.enabled()


def test_no_answer_decides_before_the_deadline() -> None:
    """A backend that is known to be down costs the driver no wait."""
    story = Story(cards={"A": ALLOWED_OFFLINE})
    story.plug()
    story.tap("A")
    story.no_answer("A")
    assert story.told("A") == ["started E1"]


def test_63_misconfigured_backend_is_not_offline() -> None:
    """A card that offline rules would allow is refused by a 401."""
    modes = Modes(offline=OfflineMode.ALLOW_UNKNOWN)
    story = Story(cards={"A": ALLOWED_OFFLINE, "X": None}, modes=modes)
    story.plug()
    for card in "AX":
        story.tap(card)
        story.misconfigured(card)
        assert story.told(card) == ["refused misconfigured"]


def test_second_answer_changes_nothing() -> None:
    """Only the first reply to a question counts."""
    story = Story(cards={"A": NEVER})
    story.plug()
    story.tap("A")
    story.answer("A", Verdict.EXPIRED)
    story.answer("A")
    assert story.told("A") == ["refused expired"]
    assert not story.enabled()


@pytest.mark.parametrize("verdict", [one for one in Verdict if one != Verdict.ALLOWED])
def test_refusing_answer_leaves_nothing_behind(verdict: Verdict) -> None:
    """After a refusal the same card may try again at once."""
    story = Story(cards={"A": NEVER})
    story.plug()
    story.tap("A")
    story.answer("A", verdict)
    story.tap("A")
    story.answer("A")
    assert story.told("A")[-1] == "started E1"


def test_local_first_asks_in_the_background() -> None:
    """A listed card starts at once, and its eMSP is asked without anybody waiting."""
    story = Story(cards={"A": ALLOWED})
    story.plug()
    story.tap("A")
    assert story.trail == [
        "tap.received",
        "record start E1",
        "enable E1",
        "revalidate A",
        "A started E1",
    ]


def test_online_first_asks_before_it_starts() -> None:
    """The same card waits for its answer when the mode says so."""
    story = Story(cards={"A": ALLOWED}, modes=Modes(OnlineMode.ONLINE_FIRST))
    story.plug()
    story.tap("A")
    assert story.trail == ["tap.received", "ask about A"]
    story.answer("A")
    assert story.told("A") == ["started E1"]


def test_question_names_the_available_evses() -> None:
    """The backend is asked about the EVSEs that could take a session."""
    story = Story({"front": ("E1", "E2", "E3")}, cards={"A": NEVER})
    story.fault("E2")
    story.tap("A")
    assert story.asked[0].evse_uids == ("E1", "E3")
    deadline = story.shell.clock.monotonic + story.shell.settings.deadline
    assert story.asked[0].deadline == deadline


def test_unknown_card_allowed_by_policy_is_flagged() -> None:
    """An unknown card starts offline only where the mode says so, and is marked."""
    modes = Modes(offline=OfflineMode.ALLOW_UNKNOWN)
    owner = Owner("cpo", "SE", "ABC")
    story = Story(cards={"X": None}, modes=modes, unknown_owner=owner)
    story.plug()
    story.tap("X")
    story.no_answer("X")
    assert story.told("X") == ["started E1"]
    assert story.rows[0].flagged
    assert (story.rows[0].upstream, story.rows[0].token.party_id) == ("cpo", "ABC")


def test_card_that_is_checked_is_not_checked_at_another_reader() -> None:
    """One question at a time, wherever its driver tries."""
    story = Story({"left": ("E1",), "right": ("E2",)}, cards={"A": NEVER})
    story.tap("A", "left")
    story.tap("A", "right")
    assert story.told("A") == ["ignored already_in_process"]
    assert len(story.asked) == 1


def test_two_cards_are_checked_at_the_same_time() -> None:
    """Nobody waits for somebody else's answer, and answers may overtake."""
    cards = {card: token_of(card, WhitelistType.NEVER) for card in "AB"}
    story = Story({"front": ("E1", "E2")}, cards=cards)
    story.tap("A")
    story.tap("B")
    story.answer("B")
    story.answer("A", Verdict.NO_CREDIT)
    story.plug("E1")
    assert story.told("B") == ["granted", "started E1"]
    assert story.told("A") == ["refused no_credit"]
