"""How a session is measured."""

from __future__ import annotations

from tests.agent.domain.story import Story, charging

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
