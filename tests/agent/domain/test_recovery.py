"""Power cuts and restarts: what is on disk meets what the charger does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent.domain.messages import Change
from agent.domain.outcomes import EventKind, StopReason
from agent.domain.recovery import end_orphans
from agent.domain.sessions import Session, SessionStatus
from agent.domain.station import restore
from tests.agent.domain.story import TWO_EVSES, Story
from tests.fakes.sessions import session_of


def _pending(name: str) -> Session:
    return session_of(name, status=SessionStatus.PENDING)


def _charging() -> Story:
    story = Story()
    story.meter(1000)
    story.plug()
    story.tap("A")
    story.pass_time(60)
    story.meter(1600)
    story.shell.effects.clear()
    return story


@pytest.mark.parametrize("enabled", [False, True], ids=["off", "delivering"])
def test_71_cut_before_the_start_row(enabled: bool) -> None:  # noqa: FBT001 - a table
    """There is no session, and energy is off whatever the charger did."""
    story = Story()
    story.plug()
    box = story.shell.boxes["E1"]
    box.enabled = box.runaway = enabled
    story.restart()
    assert story.rows == []
    assert not story.enabled()


def test_72_cut_between_row_and_enable() -> None:
    """The recorded session goes on and its charger is told now."""
    story = Story()
    story.obedient = False
    story.plug()
    story.tap("A")
    story.obedient = True
    story.restart()
    assert [row.is_open for row in story.rows] == [True]
    assert story.enabled()


def test_73_cut_while_charging() -> None:
    """The same session goes on and counts what flowed in the meantime."""
    story = _charging()
    story.shell.boxes["E1"].wh = 1900
    story.restart()
    session = story.session()
    assert session is not None
    assert session.id == story.rows[0].id
    assert session.energy_wh == 900
    assert story.events[-1].kind is EventKind.SESSION_RECOVERED
    assert story.trail == ["record reading E1", "enable E1", "session.recovered"]
    assert story.rows[0].energy_wh == 900


def test_74_cut_between_the_decision_to_stop_and_the_end() -> None:
    """A stop that was decided is carried out, and no energy flows again."""
    story = _charging()
    story.obedient = False
    story.tap("A")
    story.obedient = True
    story.restart()
    assert "enable E1" not in story.trail
    assert not story.enabled()
    (row,) = story.rows
    assert row.stop_reason is StopReason.LOCAL
    assert row.status is SessionStatus.COMPLETED


def test_74_cut_before_the_decision_to_stop_was_written() -> None:
    """A stop that nobody was told about has not happened; the card stops again."""
    story = _charging()
    story.obedient = False
    story.shell.disk_full = True
    story.tap("A")
    story.obedient = True
    story.shell.disk_full = False
    story.restart()
    assert story.enabled()
    story.pass_time(6)
    story.tap("A")
    assert story.ends == ["E1 local"]


def test_75_restart_with_the_vehicle_still_there() -> None:
    """The card that started still stops the same session."""
    story = _charging()
    story.restart()
    story.pass_time(6)
    story.tap("A")
    assert story.told("A") == ["stopped E1"]
    (row,) = story.rows
    assert (row.stop_reason, row.end_estimated) == (StopReason.LOCAL, False)


def test_75_restarted_evse_is_not_free() -> None:
    """Another card cannot take the EVSE of a session that goes on."""
    story = _charging()
    story.restart()
    story.tap("B")
    assert story.told("B") == ["refused no_evse_available"]


def test_76_vehicle_gone_after_the_restart() -> None:
    """The session ends with its last durable reading, and says that it guesses."""
    story = _charging()
    story.shell.boxes["E1"].connected = False
    story.shell.boxes["E1"].wh = 9000
    story.restart()
    assert story.ends == ["E1 power_loss"]
    (row,) = story.rows
    assert (row.energy_wh, row.end_estimated) == (600, True)
    assert row.status is SessionStatus.COMPLETED
    assert not story.enabled()


def test_76_charger_was_reset() -> None:
    """A register that starts anew ends the session, though the vehicle is there."""
    story = _charging()
    story.shell.boxes["E1"].wh = 0
    story.restart()
    assert story.ends == ["E1 power_loss"]
    assert story.rows[0].energy_wh == 600
    assert story.rows[0].end_estimated
    assert not story.enabled()


def test_fault_found_after_the_restart() -> None:
    """A charger that came back faulted stops its session for that reason."""
    story = _charging()
    story.shell.boxes["E1"].fault = "GFCI"
    story.restart()
    assert story.ends == ["E1 fault"]
    assert not story.enabled()


def test_77_delivering_without_a_session() -> None:
    """A charger that delivers for nobody is switched off, at any time."""
    story = Story()
    story.lose()
    box = story.shell.boxes["E1"]
    box.enabled = box.runaway = True
    story.find()
    assert story.trail == ["disable E1"]
    assert not story.enabled()


def test_grants_do_not_survive() -> None:
    """After a power cut a plug-in finds no permission, and nothing times out."""
    story = Story()
    story.tap("A")
    story.restart()
    story.plug()
    story.pass_time(3600)
    assert story.told("A") == ["granted"]
    assert not story.enabled()


def test_vehicle_found_at_the_start_can_be_used() -> None:
    """A vehicle that was plugged in without power starts at the first tap."""
    story = Story()
    story.plug()
    story.restart()
    story.tap("A")
    assert story.told("A") == ["started E1"]


def test_evse_that_was_never_found_takes_no_card() -> None:
    """Nobody starts at a charger whose state is unknown."""
    story = Story(TWO_EVSES)
    story.shell.restart(story.shell.settings.deadline)
    story.tap("A")
    assert story.told("A") == ["refused no_evse_available"]


def test_session_survives_a_lost_link() -> None:
    """A charger that is found again goes on with its session, told again."""
    story = _charging()
    story.lose()
    story.pass_time(600)
    story.shell.effects.clear()
    story.find()
    assert story.enabled()
    assert story.ends == []
    assert story.trail == ["enable E1", "session.recovered"]


def test_found_twice_starts_nothing_twice() -> None:
    """Meeting the same state again leaves one session."""
    story = _charging()
    story.restart()
    story.find()
    assert len(story.rows) == 1
    story.pass_time(6)
    story.tap("A")
    assert story.ends == ["E1 local"]


def test_sessions_of_several_evses_are_told_apart() -> None:
    """One goes on, the other has lost its vehicle."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    story.tap("A")
    story.plug("E2")
    story.tap("B")
    story.shell.boxes["E1"].connected = False
    story.restart()
    assert story.ends == ["E1 power_loss"]
    assert (story.enabled("E1"), story.enabled("E2")) == (False, True)


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


def test_end_is_recorded_once_the_charger_has_confirmed() -> None:
    """After a power cut, too: decided, energy off for sure, and then it is over."""
    story = Story()
    story.plug()
    story.tap("A")
    story.shell.boxes["E1"].connected = False
    story.shell.effects.clear()
    story.restart()
    trail = ["record stop E1", "disable E1", "record end E1", "session.stopped"]
    assert story.trail == trail


def test_session_of_a_removed_evse_is_ended() -> None:
    """Its backend hears of an end, flagged as estimated."""
    story = Story(TWO_EVSES)
    story.plug("E2")
    story.tap("A")
    (record,) = end_orphans(("E1",), story.rows)
    assert record.session.end_estimated
    assert not record.session.is_open
    assert end_orphans(("E1", "E2"), story.rows) == []


def test_of_two_open_sessions_at_one_evse_the_newest_goes_on() -> None:
    """After a salvage, the older one is one whose end was lost."""
    older, newer = session_of("S1"), session_of("S2")
    (record,) = end_orphans(["E1"], [older, newer])
    assert (record.change, record.session.id) == (Change.END, "S1")
    assert restore(["E1"], [older, newer]).evses["E1"].session == newer


@pytest.mark.parametrize("evse_uids", [[], ["E1"]], ids=["EVSE gone", "EVSE there"])
def test_what_was_pending_is_over_after_a_restart(evse_uids: list[str]) -> None:
    """It was a grant; it ends as it was, and nobody saw it last."""
    pending = _pending("S1")
    (record,) = end_orphans(evse_uids, [pending])
    assert record.change is Change.END
    assert record.session.status is SessionStatus.INVALID
    assert record.session.ended_at == record.session.updated_at == pending.updated_at
    assert restore(["E1"], [pending]).evses["E1"].session is None


@pytest.mark.parametrize("names", [("S1", "S2"), ("S2", "S1")])
def test_what_is_pending_takes_no_session_away(names: tuple[str, str]) -> None:
    """The session at the same EVSE goes on, whichever of the two is older."""
    charging, pending = session_of(names[0]), _pending(names[1])
    both = sorted((charging, pending), key=lambda one: one.id)
    (record,) = end_orphans(["E1"], both)
    assert record.session.id == pending.id
    assert restore(["E1"], both).evses["E1"].session == charging
