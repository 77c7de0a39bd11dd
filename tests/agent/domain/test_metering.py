"""How a session is measured."""

from __future__ import annotations

import pytest

from agent.domain.messages import ChargerFound
from agent.domain.outcomes import EventKind
from tests.agent.domain.story import LOCKOUT_S, Story, charging

MINUTE = 60


def test_readings_become_durable_at_most_every_minute() -> None:
    """A reading each second writes one row a minute."""
    story = charging()
    for wh in range(1001, 1241):
        story.pass_time(1)
        story.meter(wh)
    assert story.trail == ["record reading E1"] * 4
    assert story.rows[0].energy_wh >= 180


def test_readings_are_reported_at_most_every_five_minutes() -> None:
    """Every fifth of the minute's readings is an update for the backend as well."""
    story = charging()
    for wh in range(1001, 1595):
        story.pass_time(1)
        story.meter(wh)
    assert story.trail == [*["record reading E1"] * 4, "record update E1"] * 2


def test_reading_that_adds_nothing_is_not_written() -> None:
    """A vehicle that pauses for hours costs no disk write."""
    story = charging()
    for _ in range(100):
        story.pass_time(MINUTE)
        story.meter(1000)
    assert story.trail == []


def test_next_session_begins_to_count_at_nothing() -> None:
    """What the last one had written and told is not taken for its own."""
    story = charging()
    story.pass_time(600)
    story.meter(1600)
    story.tap("A")
    story.tap("B")
    story.shell.effects.clear()
    story.pass_time(3600)
    story.meter(1600)
    assert story.trail == []


def test_reading_is_written_even_if_it_is_the_last() -> None:
    """A vehicle that pauses for good leaves nothing unwritten behind."""
    story = charging()
    story.pass_time(60)
    story.meter(1100)
    story.pass_time(1)
    story.meter(1200)
    story.pass_time(59)
    assert story.rows[0].energy_wh == 200
    story.pass_time(300)
    assert story.trail == ["record reading E1"] * 2 + ["record update E1"]


def test_session_that_is_being_stopped_is_written_when_it_ends() -> None:
    """Its stop is on disk, and its end will be."""
    story = charging()
    story.obedient = False
    story.tap("A")
    story.meter(1100)
    story.pass_time(3600)
    assert story.trail == ["tap.received", "record stop E1", "disable E1"]
    story.shell.boxes["E1"].wh = 1200
    story.obey()
    assert story.rows[0].energy_wh == 200


def test_register_that_runs_backwards_adds_nothing() -> None:
    """Energy is kept when the register falls, and counted on from there."""
    story = charging()
    for wh in (1500, 200, 300):
        story.pass_time(MINUTE)
        story.meter(wh)
    story.tap("A")
    assert story.rows[0].energy_wh == 600


def test_last_reading_is_the_one_after_energy_was_off() -> None:
    """What flowed between the tap and the contactor counts."""
    story = charging()
    story.shell.boxes["E1"].wh = 1750
    story.tap("A")
    assert story.rows[0].energy_wh == 750
    assert story.events[-1].energy_wh == 750


def test_reading_without_a_session_is_only_remembered() -> None:
    """It becomes the start of the next session."""
    story = Story()
    story.meter(5000)
    assert story.trail == []
    story.plug()
    story.tap("A")
    assert story.rows[0].meter_start_wh == 5000


# ---- registers that cannot be right


@pytest.mark.parametrize(
    ("wh", "counts"),
    [
        (1000 + 367, True),  # 22 kW for a minute
        (1000 + 367 + 1000, True),  # the register moves in steps
        (1000 + 367 + 1001, False),
        (1_000_000, False),
        (999, False),
        (0, False),
    ],
)
def test_only_what_can_have_been_delivered_counts(wh: int, counts: bool) -> None:  # noqa: FBT001 - a table
    """More than the EVSE can deliver, or less than nothing, is flagged and left out."""
    story = Story(max_power_w={"E1": 22_020})
    story.meter(1000)
    story.plug()
    story.tap("A")
    story.pass_time(MINUTE)
    story.meter(wh)
    session = story.session()
    assert session is not None
    assert session.energy_wh == (wh - 1000 if counts else 0)
    assert session.meter_suspect is not counts


def test_suspect_register_is_counted_from_anew() -> None:
    """Whatever it says after its jump is believed again, and the flag stays."""
    story = Story(max_power_w={"E1": 22_000})
    story.meter(1000)
    story.charge("A")
    for wh in (1100, 5_000_000, 5_000_200, 7, 107):
        story.pass_time(MINUTE)
        story.meter(wh)
    story.tap("A")
    (row,) = story.rows
    assert (row.energy_wh, row.meter_suspect) == (400, True)


def test_jump_at_the_end_is_flagged_as_well() -> None:
    """The reading that the charger gives with its confirmation is no better."""
    story = Story(max_power_w={"E1": 22_000})
    story.meter(1000)
    story.charge("A")
    story.shell.boxes["E1"].wh = 900_000
    story.tap("A")
    (row,) = story.rows
    assert (row.energy_wh, row.meter_suspect) == (0, True)
    assert EventKind.METER_IMPLAUSIBLE in [event.kind for event in story.events]


def test_what_flowed_while_the_power_was_away_counts() -> None:
    """The clock may have stood still meanwhile, so that a day is believed."""
    story = Story(max_power_w={"E1": 22_000})
    story.meter(1000)
    story.charge("A")
    story.shell.boxes["E1"].wh = 1000 + 24 * 22_000
    story.restart(dark_s=1)
    session = story.session()
    assert session is not None
    assert (session.energy_wh, session.meter_suspect) == (24 * 22_000, False)


def test_evse_without_a_limit_of_its_own_has_a_high_one() -> None:
    """No vehicle draws 400 kW and more."""
    story = Story(max_power_w={})
    story.meter(0)
    story.charge("A")
    story.pass_time(3600 - LOCKOUT_S)
    story.meter(401_001)
    session = story.session()
    assert session is not None
    assert session.meter_suspect


def test_register_that_comes_later_counts_from_its_first_reading() -> None:
    """A charger that was found without a register has one now."""
    story = Story()
    found = ChargerFound(
        evse_uid="E1", connected=True, enabled=False, wh=None, fault=None
    )
    story.shell.send(found)
    story.tap("A")
    assert story.rows[0].meter_start_wh is None
    story.pass_time(MINUTE)
    story.meter(5000)
    story.pass_time(MINUTE)
    story.meter(5100)
    session = story.session()
    assert session is not None
    assert (session.meter_start_wh, session.energy_wh) == (5000, 100)


def test_what_a_mute_meter_has_missed_is_not_the_next_drivers() -> None:
    """The register is unknown until it is read again, and counts from there."""
    story = charging()
    story.shell.boxes["E1"].mute = True
    story.tap("A")
    story.unplug()
    story.pass_time(MINUTE)
    story.plug()
    story.tap("B")
    story.pass_time(3600)
    story.meter(6000)
    story.meter(6100)
    session = story.session()
    assert session is not None
    assert (session.meter_start_wh, session.energy_wh) == (6000, 100)
