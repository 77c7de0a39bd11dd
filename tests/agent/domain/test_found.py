"""A charger that is met again: what it says is believed, and nothing else is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from agent.domain.messages import ChargerFound
from agent.domain.outcomes import EventKind, StopReason
from agent.domain.recovery import end_orphans
from agent.domain.sessions import request_stop
from tests.agent.domain.story import LOCKOUT_S, TWO_EVSES, Story, charging
from tests.fakes.cards import uid_of
from tests.fakes.sessions import instant, session_of


def _found(**state: object) -> ChargerFound:
    known = {"connected": True, "enabled": False, "wh": 1000, "fault": None}
    return ChargerFound(evse_uid="E1", **known | state)  # type: ignore[arg-type] # the fields above


# ---- its state


def test_register_of_a_charger_that_is_found_counts_for_the_next_session() -> None:
    """It has gone on while nobody was looking."""
    story = Story()
    story.plug()
    story.shell.boxes["E1"].wh = 5000
    story.restart()
    story.tap("A")
    assert story.rows[0].meter_start_wh == 5000


def test_fault_of_a_charger_that_is_found_keeps_it_out_of_use() -> None:
    """As if it had been reported in the meantime."""
    story = Story()
    story.lose()
    story.shell.boxes["E1"].fault = "GFCI"
    story.find()
    story.tap("A")
    assert story.told("A") == ["refused no_evse_available"]


@pytest.mark.parametrize("drawing", [True, False])
def test_vehicle_that_is_found_drawing_energy_is_known_to(drawing: bool) -> None:  # noqa: FBT001 - a table
    """For whoever asks how things are."""
    story = charging()
    story.shell.send(_found(enabled=True, drawing=drawing))
    assert story.shell.station.evses["E1"].drawing is drawing


@pytest.mark.parametrize("lost", [True, False], ids=["link lost", "restarted"])
def test_vehicle_that_was_served_is_still_somebody_elses(lost: bool) -> None:  # noqa: FBT001 - a table
    """A charges at E1, the charger is met again, A is done; B means another EVSE."""
    story = Story(TWO_EVSES)
    story.charge("A", "E1")
    if lost:
        story.tap("A")
        story.lose("E1")
        story.find("E1")
    else:
        story.restart()
        story.tap("A")
    story.tap("B")
    assert story.told("B") == ["granted"]


# ---- its session


def test_recovered_session_is_told_with_all_that_is_known_of_it() -> None:
    """Whoever reads the event need not look the session up."""
    story = charging()
    story.pass_time(60)
    story.meter(1500)
    story.restart()
    event = story.events[-1]
    assert event.kind is EventKind.SESSION_RECOVERED
    assert (event.evse_uid, event.session_id) == ("E1", "S1")
    assert (event.reader, event.uid) == ("front", uid_of("A"))
    assert event.energy_wh == 500


@pytest.mark.parametrize("without", ["before", "after"])
def test_session_goes_on_with_a_register_on_one_side_only(without: str) -> None:
    """Whether the charger has one may change, and nothing can be compared then."""
    story = Story()
    story.shell.send(_found(wh=None if without == "before" else 1000))
    story.tap("A")
    story.lose()
    story.shell.send(_found(enabled=True, wh=None if without == "after" else 3000))
    session = story.session()
    assert session is not None
    assert (session.energy_wh, session.stop_reason) == (0, None)


def test_report_after_a_restart_waits_its_time() -> None:
    """Stations that had the same power cut do not all report at once, at once."""
    story = charging()
    story.restart()
    story.shell.effects.clear()
    story.meter(1500)
    story.pass_time(299)
    assert "record update E1" not in story.trail
    story.pass_time(1)
    assert story.trail[-1] == "record update E1"


def test_stop_of_a_vehicle_that_paused_all_the_time_ends_when_it_is_confirmed() -> None:
    """Energy could flow until then, although none did."""
    story = charging()
    story.obedient = False
    story.tap("A")
    story.disobey()
    story.pass_time(600)
    story.obedient = True
    story.find()
    (row,) = story.rows
    assert (row.ended_at, row.end_estimated) == (story.shell.clock.now(), False)


def test_charger_that_is_found_twice_while_it_stops_ends_its_session_once() -> None:
    """Each time it is told again; the first answer counts."""
    story = charging()
    story.obedient = False
    story.tap("A")
    story.find()
    story.find()
    story.obedient = True
    story.obey()
    assert story.ends == ["E1 local"]
    assert story.told("A") == ["stopped E1"]


def test_charger_found_with_its_vehicle_gone_twice_ends_at_the_last_reading() -> None:
    """What was estimated first is not estimated anew."""
    story = charging()
    story.pass_time(60)
    story.meter(1500)
    read_at = story.shell.clock.now()
    story.obedient = False
    story.shell.boxes["E1"].connected = False
    story.pass_time(600)
    story.find()
    story.pass_time(600)
    story.find()
    story.obedient = True
    story.obey()
    (row,) = story.rows
    assert (row.ended_at, row.stop_reason) == (read_at, StopReason.POWER_LOSS)
    assert row.end_estimated


# ---- sessions without an EVSE


@pytest.mark.parametrize("metered", [True, False])
def test_orphan_ends_with_its_last_reading(metered: bool) -> None:  # noqa: FBT001 - a table
    """Or with its start, if there never was one."""
    session = session_of("S1", meter_at=instant(90) if metered else None)
    [record] = end_orphans([], [session])
    assert record.session.ended_at == (instant(90) if metered else session.started_at)
    assert record.session.stop_reason is StopReason.POWER_LOSS


def test_orphan_that_was_being_stopped_keeps_its_reason() -> None:
    """That was decided, and when."""
    session = request_stop(session_of("S1"), StopReason.LOCAL, instant(100))
    [record] = end_orphans([], [session])
    assert record.session.stop_reason is StopReason.LOCAL
    assert record.session.stop_at == instant(100)


def test_reload_keeps_a_card_that_is_asked_about_everywhere() -> None:
    """All EVSEs of its reader are still there."""
    story = charging()
    story.unplug()
    story.cards["B"] = None
    story.tap("B")
    story.shell.reload(replace(story.shell.settings, deadline=timedelta(seconds=9)))
    story.answer("B")
    assert story.told("B") == ["granted"]


def test_card_is_free_to_go_on_after_its_charger_was_found() -> None:
    """Everything above leaves nothing behind."""
    story = charging()
    story.restart()
    story.tap("A")
    story.pass_time(LOCKOUT_S)
    story.tap("A")
    assert story.told("A") == ["stopped E1", "started E1"]
