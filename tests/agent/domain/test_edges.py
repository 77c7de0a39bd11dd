"""Where two things happen at once, or in the order that nobody expects."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent.domain.messages import (
    ChargerLost,
    DisableEnergy,
    DisableFailed,
    EnergyEnabled,
    Tick,
)
from agent.domain.outcomes import Signal
from agent.domain.recovery import end_orphans
from agent.domain.sessions import SessionStatus
from agent.domain.station import Owner, Select
from agent.domain.tokens import Answer, Verdict, WhitelistType
from agent.domain.uid import Uid
from tests.agent.domain.story import TWO_EVSES, Story
from tests.fakes.cards import token_of

OFFLINE = WhitelistType.ALLOWED_OFFLINE
NEVER = WhitelistType.NEVER
TWO_READERS = {"left": ("E1",), "right": ("E2",)}
ALLOWED_BY_HUB = Answer(upstream="hub", verdict=Verdict.ALLOWED)


def test_two_deadlines_in_one_late_step_start_two_sessions() -> None:
    """Each has an id of its own, however late the clock was looked at."""
    cards = {"A": token_of("A", OFFLINE), "B": token_of("B", OFFLINE)}
    story = Story(TWO_READERS, cards=cards)
    story.plug("E1")
    story.plug("E2")
    story.tap("A", "left")
    story.tap("B", "right")
    story.shell.clock.move(timedelta(seconds=3))
    story.shell.send(Tick())
    assert len({row.id for row in story.rows}) == 2


@pytest.mark.parametrize("tap_first", [True, False], ids=["grant", "tap"])
def test_vehicle_gone_before_the_charger_confirmed(tap_first: bool) -> None:  # noqa: FBT001 - a table
    """The tap, or its grant, has its outcome all the same."""
    story = Story()
    if tap_first:
        story.tap("A")
    story.obedient = False
    story.plug()
    if not tap_first:
        story.tap("A")
    story.shell.send(ChargerLost("E1"))
    story.shell.boxes["E1"].connected = False
    story.find()
    assert story.told("A")[-1] == "started E1"
    assert not story.rows[0].is_open


def test_allowed_without_a_token_and_without_a_known_party_is_refused() -> None:
    """Nobody could be told of the session, so there is none."""
    story = Story(cards={"X": None})
    story.plug()
    story.tap("X")
    story.reply("X", ALLOWED_BY_HUB)
    assert story.told("X") == ["refused misconfigured"]


def test_allowed_without_a_token_is_booked_on_who_allowed_it() -> None:
    """Not on the party that unknown cards are booked on."""
    owners = {"hub": Owner("hub", "DE", "HUB"), "cpo": Owner("cpo", "SE", "ABC")}
    story = Story(cards={"X": None}, owners=owners, unknown_owner=owners["cpo"])
    story.plug()
    story.tap("X")
    story.reply("X", ALLOWED_BY_HUB)
    assert [row.upstream for row in story.rows] == ["hub"]


def test_grant_waits_for_a_fault_to_clear() -> None:
    """Tap, fault, plug, clear: the vehicle charges."""
    story = Story()
    story.tap("A")
    story.fault()
    story.plug()
    story.clear()
    assert story.told("A") == ["granted", "started E1"]


def test_grant_takes_a_vehicle_plugged_in_while_the_link_was_lost() -> None:
    """What the charger says when it comes back counts as a plug-in."""
    story = Story()
    story.tap("A")
    story.lose()
    story.shell.boxes["E1"].connected = True
    story.find()
    assert story.told("A") == ["granted", "started E1"]


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


def test_late_confirmation_without_a_session_is_switched_off() -> None:
    """No energy without a session, whatever has ended it meanwhile."""
    story = Story()
    story.obedient = False
    story.plug()
    story.tap("A")
    session_id = story.rows[0].id
    story.unplug()
    story.shell.send(DisableFailed("E1", "no link"))
    story.shell.boxes["E1"].commands.clear()
    story.shell.effects.clear()
    story.shell.send(EnergyEnabled("E1", session_id))
    assert DisableEnergy("E1") in story.shell.effects


def test_recovered_session_with_energy_is_completed_when_the_charger_fails() -> None:
    """What was delivered is billed; INVALID is for starts that never were."""
    story = Story()
    story.meter(1000)
    story.plug()
    story.tap("A")
    story.pass_time(61)
    story.meter(31_000)
    story.obedient = False
    story.restart()
    story.disobey()
    story.obey()
    assert story.rows[0].status is SessionStatus.COMPLETED


@pytest.mark.parametrize("decided", [True, False], ids=["stopping", "charging"])
def test_end_after_a_dark_day_is_the_last_known_moment(decided: bool) -> None:  # noqa: FBT001 - a table
    """A day without power is no day of charging, and the end is marked estimated."""
    story = Story()
    story.plug()
    story.meter(1000)
    story.tap("A")
    story.pass_time(60)
    story.meter(1500)
    if decided:
        story.obedient = False
        story.tap("A")
        story.obedient = True
    story.shell.boxes["E1"].connected = False
    story.restart(dark_s=86_400)
    row = story.rows[0]
    assert row.end_estimated
    assert row.ended_at is not None
    assert row.ended_at.since(row.started_at) == timedelta(seconds=60)


def test_end_is_recorded_before_the_charger_is_told() -> None:
    """After a power cut, too: durable first, then act."""
    story = Story()
    story.plug()
    story.tap("A")
    story.shell.boxes["E1"].connected = False
    story.shell.effects.clear()
    story.restart()
    assert story.trail.index("record end E1") < story.trail.index("disable E1")


def test_text_for_the_driver_survives_a_direct_start() -> None:
    """The eMSP's words arrive with the outcome."""
    story = Story(cards={"A": token_of("A", NEVER)})
    story.plug()
    story.tap("A")
    answer = Answer(upstream="cpo", verdict=Verdict.ALLOWED, info="Welcome")
    story.reply("A", answer)
    assert story.events[-1].info == "Welcome"


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


def test_unreadable_card_left_lying_is_refused_once() -> None:
    """The rest is silence."""
    story = Story()
    story.present(Uid("04A1B2"))
    story.present(Uid("04A1B2"))
    outcomes = [event.outcome for event in story.events if event.outcome]
    assert outcomes == ["refused", "ignored"]


def test_grant_floats_over_an_evse_that_was_busy_at_the_tap() -> None:
    """The first that becomes free and gets a vehicle is taken."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    story.tap("A")
    story.tap("B")
    story.unplug("E1")
    story.plug("E1")
    assert story.told("B") == ["granted", "started E1"]


def test_session_that_ends_by_itself_names_its_card_and_reader() -> None:
    """Whoever reads the event need not look the session up."""
    story = Story()
    story.plug()
    story.tap("A")
    story.unplug()
    event = story.events[-1]
    assert (event.reader, event.uid, event.auth_method) == (
        "front",
        Uid(story.rows[0].card),
        story.rows[0].auth_method,
    )


def test_card_lying_on_the_reader_through_a_restart_does_not_stop() -> None:
    """It is read again at start, and that is no tap."""
    story = Story()
    story.plug()
    story.lay("A")
    story.pass_time(60)
    story.restart()
    story.lay("A")
    assert story.enabled()
    story.lift()
    story.pass_time(6)
    story.tap("A")
    assert not story.enabled()


def test_answer_is_good_for_the_evses_that_were_asked_about() -> None:
    """E1 fell free meanwhile; nobody asked about E1."""
    story = Story(TWO_EVSES, cards={"B": token_of("B", NEVER)})
    story.plug("E1")
    story.tap("A")
    story.pass_time(6)
    story.tap("B")
    story.tap("A")
    story.answer("B")
    assert not story.enabled("E1")


def test_end_is_never_before_the_start() -> None:
    """The clock was set back by a day; the duration is right."""
    story = Story()
    story.plug()
    story.tap("A")
    story.pass_time(60)
    story.shell.clock.set_wall(timedelta(days=-1))
    story.tap("A")
    row = story.rows[0]
    assert row.ended_at is not None
    assert row.ended_at.wall - row.started_at.wall == timedelta(seconds=60)


def test_session_of_a_removed_evse_is_ended() -> None:
    """Its backend hears of an end, flagged as estimated."""
    story = Story(TWO_EVSES)
    story.plug("E2")
    story.tap("A")
    (record,) = end_orphans(("E1",), story.rows, story.shell.clock.now())
    assert record.session.end_estimated
    assert not record.session.is_open
    assert end_orphans(("E1", "E2"), story.rows, story.shell.clock.now()) == []
