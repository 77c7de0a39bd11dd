"""A vehicle that has been plugged in for long attracts no card until replugged."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent.domain.tokens import WhitelistType
from tests.agent.domain.story import TWO_EVSES, Story
from tests.fakes.cards import token_of

LIMIT_S = 300  # The default where one reader serves several EVSEs
NEVER = token_of("A", WhitelistType.NEVER)
OFFLINE = token_of("A", WhitelistType.ALLOWED_OFFLINE)
NO_LIMIT = timedelta()


def test_34_plugged_but_silent_past_the_plug_in_limit() -> None:
    """The card is granted, and only plugging in anew uses the grant."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    story.pass_time(LIMIT_S)
    story.tap("A")
    assert story.told("A") == ["granted"]
    story.unplug("E1")
    story.plug("E1")
    assert story.told("A") == ["granted", "started E1"]


def test_34_just_within_the_plug_in_limit() -> None:
    """Until then the vehicle is taken at once."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    story.pass_time(LIMIT_S - 0.1)
    story.tap("A")
    assert story.told("A") == ["started E1"]


def test_34_the_same_for_a_card_that_is_asked_about() -> None:
    """The vehicle attracted nothing when the card was tapped, so it was not meant."""
    story = Story(TWO_EVSES, cards={"A": NEVER})
    story.plug("E1")
    story.pass_time(LIMIT_S)
    story.tap("A")
    story.answer("A")
    assert story.told("A") == ["granted"]
    story.plug("E2")
    assert story.told("A") == ["granted", "started E2"]


def test_34_the_other_evse_takes_the_grant() -> None:
    """Whoever plugs in next is meant, not the vehicle that has been there."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    story.pass_time(LIMIT_S)
    story.tap("A")
    story.plug("E2")
    assert story.told("A") == ["granted", "started E2"]


def test_34_a_vehicle_that_reports_itself_again_is_not_replugged() -> None:
    """Pausing and waking up are no plug-in."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    story.pass_time(LIMIT_S)
    story.plug("E1")
    story.tap("A")
    story.plug("E1")
    assert story.told("A") == ["granted"]


def test_34_a_limit_of_ones_own_holds_for_every_reader() -> None:
    """Where it is configured, one EVSE is enough."""
    story = Story(plug_in_timeout=timedelta(seconds=30))
    story.plug()
    story.pass_time(30)
    story.tap("A")
    assert story.told("A") == ["granted"]


@pytest.mark.parametrize("readers", [TWO_EVSES, {"front": ("E1",)}], ids=len)
def test_35_the_same_with_the_option_off(readers: dict[str, tuple[str, ...]]) -> None:
    """A vehicle is taken however long it has waited."""
    story = Story(readers, plug_in_timeout=NO_LIMIT)
    story.plug("E1")
    story.pass_time(24 * 3600)
    story.tap("A")
    assert story.told("A") == ["started E1"]


def test_35_one_evse_has_no_limit_by_default() -> None:
    """There the card can be meant for no other vehicle."""
    story = Story()
    story.plug()
    story.pass_time(24 * 3600)
    story.tap("A")
    assert story.told("A") == ["started E1"]


def test_35_the_default_is_the_readers_and_not_the_evses() -> None:
    """An EVSE with a reader of its own and a shared one has the limit at one."""
    story = Story({"own": ("E1",), "shared": ("E1", "E2")})
    story.plug("E1")
    story.pass_time(LIMIT_S)
    story.tap("A", "shared")
    assert story.told("A") == ["granted"]
    story.tap("B", "own")
    assert story.told("B") == ["started E1"]


def test_36_limit_passes_while_the_backend_is_thinking() -> None:
    """Nothing is granted, and the card works again at once."""
    story = Story(TWO_EVSES, cards={"A": NEVER})
    story.plug("E1")
    story.pass_time(LIMIT_S - 1)
    story.tap("A")
    story.pass_time(1.5)
    story.answer("A")
    assert story.told("A") == ["refused no_evse_available"]
    assert story.shell.station.grants == ()
    story.unplug("E1")
    story.plug("E1")
    story.tap("A")
    story.answer("A")
    assert story.told("A")[1:] == ["started E1"]


def test_36_limit_passes_before_the_deadline_does() -> None:
    """The offline rules grant nothing then, either."""
    story = Story(TWO_EVSES, cards={"A": OFFLINE})
    story.plug("E1")
    story.pass_time(LIMIT_S - 1)
    story.tap("A")
    story.pass_time(2)
    assert story.told("A") == ["refused no_evse_available"]


def test_36_another_vehicle_waits_when_the_limit_passes() -> None:
    """It is taken, as if the first had never been there."""
    story = Story(TWO_EVSES, cards={"A": NEVER})
    story.plug("E1")
    story.pass_time(100)
    story.plug("E2")
    story.pass_time(LIMIT_S - 101)
    story.tap("A")
    story.pass_time(1.5)
    story.answer("A")
    assert story.told("A") == ["started E2"]


def test_vehicle_unplugged_while_the_backend_is_thinking() -> None:
    """It has not become too old, it is gone: the grant waits for the next."""
    story = Story(TWO_EVSES, cards={"A": NEVER})
    story.plug("E1")
    story.tap("A")
    story.unplug("E1")
    story.answer("A")
    assert story.told("A") == ["granted"]


# ---- stations that take no card before the vehicle


def test_tap_before_plug_off_takes_a_vehicle_that_waits() -> None:
    """Plug in, then tap."""
    story = Story(tap_before_plug=False)
    story.plug()
    story.tap("A")
    assert story.told("A") == ["started E1"]


def test_tap_before_plug_off_grants_nothing() -> None:
    """A card without a vehicle is refused, and nobody is asked about it."""
    story = Story(TWO_EVSES, tap_before_plug=False, cards={"A": NEVER})
    story.tap("A")
    story.plug("E1")
    assert story.told("A") == ["refused no_evse_available"]
    assert story.asked == []
    assert story.rows == []


def test_tap_before_plug_off_and_the_plug_in_limit() -> None:
    """A vehicle that attracts nothing is as good as none."""
    story = Story(TWO_EVSES, tap_before_plug=False)
    story.plug("E1")
    story.pass_time(LIMIT_S)
    story.tap("A")
    assert story.told("A") == ["refused no_evse_available"]


def test_tap_before_plug_off_asks_only_about_evses_with_a_vehicle() -> None:
    """The others could not take a session."""
    story = Story(TWO_EVSES, tap_before_plug=False, cards={"A": NEVER})
    story.plug("E2")
    story.tap("A")
    assert story.asked[0].evse_uids == ("E2",)


def test_tap_before_plug_off_and_the_vehicle_gone_meanwhile() -> None:
    """An answer that finds no vehicle any more grants nothing."""
    story = Story(tap_before_plug=False, cards={"A": NEVER})
    story.plug()
    story.tap("A")
    story.unplug()
    story.answer("A")
    assert story.told("A") == ["refused no_evse_available"]


def test_faulted_evse_is_granted_where_faults_are_ignored() -> None:
    """It starts if the fault clears in time."""
    story = Story(ignore_faults=True)
    story.fault()
    story.plug()
    story.tap("A")
    assert story.told("A") == ["granted"]
    story.clear()
    assert story.told("A") == ["granted", "started E1"]


def test_ignored_faults_still_end_sessions() -> None:
    """What is ignored is the fault before a session, never one under it."""
    story = Story(ignore_faults=True)
    story.charge("A")
    story.fault()
    assert story.ends == ["E1 fault"]
    assert not story.enabled()
