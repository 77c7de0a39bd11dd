"""How a session ends."""

from __future__ import annotations

from agent.domain.messages import ChargerFaulted, ChargerLost, EnergyDisabled
from agent.domain.uid import Uid
from tests.agent.domain.story import LOCKOUT_S, TWO_EVSES, Story, charging


def test_stop_is_recorded_before_energy_is_cut() -> None:
    """Decision, energy off, end, and then the driver is told."""
    story = charging()
    story.tap("A")
    assert story.trail == [
        "tap.received",
        "record stop E1",
        "disable E1",
        "record end E1",
        "A stopped E1",
    ]


def test_pausing_is_not_an_end() -> None:
    """A vehicle that reports itself connected again goes on with its session."""
    story = charging()
    story.plug()
    story.pass_time(3600)
    assert story.enabled()
    assert story.ends == []


def test_unplugging_always_ends() -> None:
    """No tap asked for it, so no tap is told; plugging again starts nothing."""
    story = charging()
    story.unplug()
    assert story.ends == ["E1 ev_disconnected"]
    assert story.told("A") == []
    story.plug()
    assert not story.enabled()


def test_unplugging_during_a_slow_start_ends_it() -> None:
    """The tap is told that it started, and energy ends up off."""
    story = Story()
    story.obedient = False
    story.plug()
    story.tap("A")
    story.unplug()
    story.obey()
    story.obey()
    assert story.told("A") == ["started E1"]
    assert story.ends == ["E1 ev_disconnected"]
    assert not story.enabled()


def test_fault_stops_and_clearing_does_not_restart() -> None:
    """The driver has to tap again after a fault."""
    story = charging()
    story.fault()
    assert story.ends == ["E1 fault"]
    story.clear()
    assert not story.enabled()
    story.tap("A")
    assert story.enabled()


def test_fault_stops_only_its_own_evse() -> None:
    """The other EVSE goes on."""
    story = Story(TWO_EVSES)
    story.plug("E1")
    story.tap("A")
    story.plug("E2")
    story.tap("B")
    story.fault("E1")
    assert story.ends == ["E1 fault"]
    assert story.enabled("E2")


def test_first_reason_to_stop_is_kept() -> None:
    """Unplugging and a fault during a stop do not stop a second time."""
    story = charging()
    story.obedient = False
    story.tap("A")
    story.unplug()
    story.shell.send(ChargerFaulted("E1", "GFCI"))
    story.obey()
    assert story.ends == ["E1 local"]
    assert story.trail.count("record end E1") == 1


def test_charger_out_of_reach_while_stopping() -> None:
    """The driver is told, and the session stays open as long as energy may flow."""
    story = charging()
    story.obedient = False
    story.tap("A")
    story.disobey()
    assert story.told("A") == ["stopped E1"]
    assert story.rows[0].is_open
    story.shell.boxes["E1"].wh = 1700
    story.pass_time(600)
    story.obedient = True
    story.find()
    (row,) = story.rows
    assert row.ended_at == story.shell.clock.now()
    assert (row.energy_wh, row.end_estimated) == (700, False)


def test_charger_that_stopped_unseen_ends_the_session_then() -> None:
    """Found switched off with no more energy, it ended when it was told."""
    story = charging()
    story.obedient = False
    story.tap("A")
    story.disobey()
    told_at = story.shell.clock.now()
    story.shell.boxes["E1"].enabled = False
    story.pass_time(600)
    story.obedient = True
    story.find()
    (row,) = story.rows
    assert (row.ended_at, row.end_estimated) == (told_at, True)


def test_charger_out_of_reach_is_told_again_when_found() -> None:
    """Until then its EVSE takes no card, and then energy goes off."""
    story = charging()
    story.obedient = False
    story.tap("A")
    story.disobey()
    story.tap("B")
    assert story.told("B") == ["refused no_evse_available"]
    story.obedient = True
    story.find()
    assert not story.enabled()


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


def test_stop_before_the_charger_has_confirmed_the_start() -> None:
    """A tap during a slow start is told: started first, then stopped."""
    story = Story()
    story.obedient = False
    story.plug()
    story.tap("A")
    story.pass_time(6)
    story.tap("A")
    assert story.told("A") == ["started E1"]
    story.obey()
    story.obey()
    assert story.told("A") == ["started E1", "stopped E1"]
    assert not story.enabled()


def test_tap_while_the_session_is_being_stopped() -> None:
    """A card whose stop is under way changes nothing and starts nothing."""
    story = Story()
    story.plug()
    story.tap("A")
    story.pass_time(6)
    story.obedient = False
    story.tap("A")
    story.tap("A")
    story.obey()
    outcomes = ["started E1", "ignored already_in_process", "stopped E1"]
    assert story.told("A") == outcomes
    assert len(story.rows) == 1


# ---- energy and the end of a session


def test_older_command_does_not_end_a_younger_session() -> None:
    """Each confirmation closes the session that it was for."""
    story = charging()
    story.obedient = False
    story.shell.boxes["E1"].connected = False
    story.shell.boxes["E1"].enabled = False
    story.restart()
    story.obey()
    story.shell.send(ChargerLost("E1"))
    story.find()
    story.plug()
    story.tap("B")
    story.pass_time(LOCKOUT_S)
    story.tap("B")
    story.shell.send(EnergyDisabled("E1", "S1", 1000))
    story.shell.send(EnergyDisabled("E1", None, 1000))
    assert story.told("B") == ["started E1"]
    assert [row.is_open for row in story.rows] == [False, True]
    story.obedient = True
    story.obey()
    assert story.told("B") == ["started E1", "stopped E1"]


def test_session_is_open_until_its_last_command_was_obeyed() -> None:
    """Start, stop, link lost and found, all before a slow charger did anything."""
    story = Story()
    story.obedient = False
    story.plug()
    story.tap("A")
    story.withdraw()
    story.lose()
    story.find()
    assert story.shell.boxes["E1"].commands
    assert [row.is_open for row in story.rows] == [True]
    while story.shell.boxes["E1"].commands:
        story.shell.obey("E1")
    assert [row.is_open for row in story.rows] == [False]
    assert not story.enabled()


def test_stop_before_a_start_that_fails() -> None:
    """The tap that started and the tap that stopped have their outcomes."""
    story = Story()
    story.obedient = False
    story.plug()
    story.tap("A")
    story.pass_time(LOCKOUT_S)
    story.tap("A")
    story.disobey()
    story.obey()
    assert story.told("A") == ["started E1", "stopped E1"]
    assert story.ends == ["E1 local"]
