"""A card is not read twice by mistake, and nobody else is held up."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent.domain.tokens import WhitelistType
from tests.agent.domain.story import LOCKOUT_S, TWO_EVSES, Story
from tests.fakes.cards import token_of

NEVER = token_of("A", WhitelistType.NEVER)
BLOCKED = token_of("A", valid=False)


def test_32_four_quick_taps() -> None:
    """One of them is granted and the rest are ignored."""
    story = Story()
    for _ in range(4):
        story.tap("A")
        story.pass_time(0.5)
    assert story.told("A") == ["granted", *["ignored lockout"] * 3]


def test_32_four_quick_taps_while_the_card_is_checked() -> None:
    """One of them is asked about and the rest are ignored."""
    story = Story(cards={"A": NEVER})
    for _ in range(4):
        story.tap("A")
        story.pass_time(0.1)
    story.answer("A")
    assert story.told("A") == [*["ignored already_in_process"] * 3, "granted"]
    assert len(story.asked) == 1


def test_37_card_left_lying_on_the_reader() -> None:
    """A card seen again without having been lifted does nothing, however long."""
    story = Story()
    story.plug()
    story.lay("A")
    for _ in range(5):
        story.pass_time(3600)
        story.lay("A")
    assert story.told("A") == ["started E1", *["ignored lockout"] * 5]
    assert story.enabled()


def test_37_refused_card_left_lying_on_the_reader() -> None:
    """A refused card that is seen again is not refused again."""
    story = Story(cards={"A": BLOCKED})
    story.lay("A")
    story.pass_time(3600)
    story.lay("A")
    assert story.told("A") == ["refused invalid", "ignored lockout"]


def test_38_card_seen_again_right_after_it_started() -> None:
    """A start at a plug-in opens the lockout, so that the next tap does not stop it."""
    story = Story()
    story.tap("A")
    story.pass_time(30)
    story.plug()
    story.tap("A")
    assert story.told("A") == ["granted", "started E1", "ignored lockout"]
    assert story.enabled()


@pytest.mark.parametrize(
    ("after_s", "outcome"), [(4.9, "ignored lockout"), (5, "stopped E1")]
)
def test_39_lifted_and_tapped_again(after_s: float, outcome: str) -> None:
    """The lockout ends on time and then a tap stops."""
    story = Story(stop_lockout=timedelta(seconds=5))
    story.plug()
    story.tap("A")
    story.pass_time(after_s)
    story.tap("A")
    assert story.told("A") == ["started E1", outcome]


def test_39_a_second_tap_needs_an_absence() -> None:
    """Time alone is not enough; a short absence after the lockout is."""
    story = Story()
    story.plug()
    story.lay("A")
    story.pass_time(60)
    story.lay("A")
    story.lift()
    story.lay("A")
    assert story.told("A") == ["started E1", "ignored lockout", "stopped E1"]


def test_40_another_card_within_the_lockout() -> None:
    """One person's lockout does not swallow the next person's card."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    story.tap("A")
    story.plug("E2")
    story.tap("B")
    assert story.told("B") == ["started E2"]


def test_lockout_holds_at_one_reader_only() -> None:
    """The same card is read at once by another reader."""
    story = Story({"left": ("E1",), "right": ("E2",)})
    story.plug("E1")
    story.plug("E2")
    story.tap("A", "left")
    story.tap("A", "right")
    assert story.told("A") == ["started E1", "started E2"]


# ---- nobody is locked out


def test_dead_charger_does_not_lock_its_card_out() -> None:
    """Its stop was told; the card may charge at another EVSE."""
    story = Story(TWO_EVSES)
    story.charge("A", "E1")
    story.obedient = False
    story.tap("A")
    story.disobey("E1")
    story.obedient = True
    story.pass_time(LOCKOUT_S)
    story.plug("E2")
    story.tap("A")
    assert story.told("A") == ["started E1", "stopped E1", "started E2"]


@pytest.mark.parametrize("after_s", [1, 61])
def test_card_works_again_as_soon_as_its_grant_has_ended(after_s: float) -> None:
    """The lockout of a grant does not outlive the grant."""
    story = Story(connection_timeout=timedelta(seconds=60))
    story.tap("A")
    story.pass_time(after_s)
    story.withdraw()
    story.tap("A")
    assert story.told("A")[-1] == "granted"


def test_time_out_within_the_lockout() -> None:
    """The card works again at once."""
    story = Story(connection_timeout=timedelta(seconds=3))
    story.tap("A")
    story.pass_time(3)
    story.tap("A")
    assert story.told("A") == ["granted", "timed_out", "granted"]


# ---- cards that lie on a reader through a restart


@pytest.mark.parametrize("lockout_s", [0, 5])
def test_card_lying_on_a_reader_that_opens_late(lockout_s: float) -> None:
    """However long the reader takes to open, and without any lockout, too."""
    story = Story(stop_lockout=timedelta(seconds=lockout_s))
    story.plug()
    story.lay("A")
    story.pass_time(60)
    story.restart()
    story.pass_time(60)
    story.lay("A", lying=True)
    assert story.told("A") == ["started E1", "ignored lockout"]
    assert story.enabled()
    story.lift()
    story.tap("A")
    assert story.told("A")[-1] == "stopped E1"


def test_card_laid_on_during_a_restart_starts() -> None:
    """It has no session, so that it can only mean one."""
    story = Story()
    story.plug()
    story.restart()
    story.lay("A", lying=True)
    assert story.told("A") == ["started E1"]
