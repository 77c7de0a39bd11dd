"""The station as a value: restored, stepped and never changed in place."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import TYPE_CHECKING, get_args

import pytest

from agent.domain.messages import (
    CardLifted,
    ChargerLost,
    Context,
    DisableFailed,
    Input,
    Reloaded,
    Tick,
    VehicleDisconnected,
)
from agent.domain.signals import PATIENCE, VERDICT_LASTS
from agent.domain.station import Station, restore, unreachable
from agent.domain.step import step
from agent.domain.tokens import WhitelistType
from tests.agent.domain.story import TWO_EVSES, Story
from tests.fakes.cards import token_of

if TYPE_CHECKING:
    from msgspec import Struct

NEVER = WhitelistType.NEVER


def _busy() -> Story:
    """Bring about a session, a waiting grant and a card that is checked."""
    story = Story({"front": ("E1", "E2", "E3")}, cards={"C": token_of("C", NEVER)})
    story.plug("E1")
    story.tap("A")
    story.pass_time(1)
    story.tap("B")
    story.pass_time(1)
    story.lay("C")
    return story


def test_restored_station_knows_only_its_open_sessions() -> None:
    """Grants, checks and cards in the field are gone; no charger was heard yet."""
    story = _busy()
    station = restore(("E1", "E2", "E3"), story.rows)
    assert station == Station(evses=station.evses)
    assert station.evses["E1"].session == story.rows[0]
    assert station.evses["E2"].session is None
    assert not any(evse.reachable for evse in station.evses.values())


def test_unreachable_station_forgets_only_the_link() -> None:
    """Sessions, grants and checks go on; no card starts until chargers are heard."""
    story = _busy()
    before = story.shell.station
    story.shell.station = unreachable(before)
    story.tap("D")
    assert story.told("D") == ["refused no_evse_available"]
    story.lift()
    for evse_uid in before.evses:
        story.find(evse_uid)
    after = story.shell.station
    assert [evse.plugged_at for evse in after.evses.values()] == [
        evse.plugged_at for evse in before.evses.values()
    ]
    assert [row.is_open for row in story.rows] == [True]
    assert all(evse.reachable for evse in after.evses.values())
    assert (after.grants, after.checks) == (before.grants, before.checks)


def test_next_deadline_is_the_earliest() -> None:
    """Checks, grants and signals want a Tick; sessions and lockouts do not."""
    story = _busy()
    now, settings = story.shell.clock.monotonic, story.shell.settings
    assert story.shell.deadline() == now + PATIENCE
    story.pass_time(PATIENCE.total_seconds())
    assert story.shell.deadline() == now + settings.deadline
    story.pass_time(2)
    decided_at = now + settings.deadline
    assert story.shell.deadline() == decided_at + VERDICT_LASTS
    story.pass_time(3)
    granted_at = now - timedelta(seconds=1)
    expires = granted_at + settings.connection_timeout
    assert story.shell.deadline() == expires
    story.pass_time(3600)
    assert story.shell.deadline() is None


@pytest.mark.parametrize(
    "message",
    [
        CardLifted("front", "0"),
        VehicleDisconnected("E1"),
        ChargerLost("E1"),
        DisableFailed("E1", "S1", "no link"),
        Reloaded(),
        Tick(),
    ],
    ids=lambda message: type(message).__name__,
)
def test_step_changes_no_argument_and_gives_the_same_again(message: Input) -> None:
    """A step can be taken back and decided anew from the same old state."""
    shell = _busy().shell
    shell.clock.move(timedelta(hours=1))
    context = Context(now=shell.clock.now(), new_id=lambda: "S-new")
    before = copy.deepcopy(shell.station)
    first = step(shell.station, message, shell.settings, context)
    assert shell.station == before
    assert step(shell.station, message, shell.settings, context) == first


def test_tick_with_nothing_due_does_nothing() -> None:
    """A Tick that comes too early is harmless."""
    story = _busy()
    before = story.shell.station
    story.shell.effects.clear()
    story.shell.send(Tick())
    assert story.shell.station == before
    assert story.trail == []


def test_what_is_overdue_comes_first() -> None:
    """A plug-in that arrives before a late Tick finds no lapsed grant."""
    story = Story()
    story.tap("A")
    story.shell.clock.move(timedelta(seconds=61))
    story.plug()
    assert story.told("A") == ["granted", "timed_out"]
    assert not story.enabled()


def test_late_answer_is_too_late_even_before_the_tick() -> None:
    """An answer after the deadline cannot overrule the offline rules."""
    story = Story(cards={"A": token_of("A", NEVER)})
    story.plug()
    story.tap("A")
    story.shell.clock.move(timedelta(seconds=3))
    story.answer("A")
    assert story.told("A") == ["refused offline_not_permitted"]


def test_each_evse_has_its_own_life() -> None:
    """Inputs of one EVSE leave the other alone."""
    story = Story(TWO_EVSES)
    before = story.shell.station.evses["E2"]
    story.plug("E1")
    story.tap("A")
    story.fault("E1")
    story.unplug("E1")
    assert story.shell.station.evses["E2"] == before


@pytest.mark.parametrize("kind", get_args(Input), ids=lambda kind: kind.__name__)
def test_inputs_are_frozen_values(kind: type[Struct]) -> None:
    """Every input can be logged, compared and sent twice."""
    assert kind.__struct_config__.frozen
