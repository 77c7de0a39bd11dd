"""Other settings while cards wait and vehicles charge."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from agent.domain.messages import Closing
from agent.domain.outcomes import Signal
from agent.domain.station import unreachable
from agent.domain.tokens import WhitelistType
from tests.agent.domain.story import (
    Story,
    charging,
)
from tests.fakes.cards import token_of

ALLOWED, NEVER = WhitelistType.ALLOWED, WhitelistType.NEVER
MINUTES_5 = 300


@pytest.mark.parametrize("asked", [True, False], ids=["checked", "granted"])
@pytest.mark.parametrize("took_s", [0, 3, 100])
def test_reload_without_the_reader_of_a_waiting_card(
    asked: bool,  # noqa: FBT001 - a table
    took_s: float,
) -> None:
    """What was wanted there is over, once, however long the reload took."""
    cards = {"A": token_of("A", WhitelistType.ALLOWED_OFFLINE)} if asked else {}
    story = Story({"left": ("E1",), "right": ("E1",)}, cards=cards)
    story.tap("A", "left")
    story.shell.clock.move(timedelta(seconds=took_s))
    story.shell.reload(replace(story.shell.settings, readers={"right": ("E1",)}))
    story.plug()
    story.pass_time(100)
    assert len(story.told("A")) == (1 if asked else 2)
    assert story.rows == []


def test_reload_where_a_reader_serves_other_evses() -> None:
    """A grant for an EVSE that the reader has lost is over."""
    story = Story({"left": ("E1", "E2"), "right": ("E1",)})
    story.tap("A", "left")
    readers = {"left": ("E2",), "right": ("E1",)}
    story.shell.reload(replace(story.shell.settings, readers=readers))
    story.plug("E1")
    assert story.told("A") == ["granted", "withdrawn"]


def test_reload_keeps_what_still_has_its_place() -> None:
    """Sessions, grants and questions go on."""
    story = Story({"front": ("E1", "E2", "E3")}, cards={"C": token_of("C", NEVER)})
    story.charge("A", "E1")
    story.tap("B")
    story.tap("C")
    story.shell.reload(story.shell.settings)
    story.answer("C")
    story.plug("E2")
    story.plug("E3")
    assert story.told("B") == ["granted", "started E2"]
    assert story.told("C") == ["granted", "started E3"]
    assert story.enabled("E1")


def test_reload_shows_every_signal_anew() -> None:
    """The indicators are new, and know nothing."""
    story = charging()
    story.pass_time(10)
    story.shell.effects.clear()
    story.shell.reload(story.shell.settings)
    assert story.signal() is Signal.CHARGING


def test_unreachable_station_shows_every_signal_anew() -> None:
    """Also when nothing has changed in the meantime."""
    story = Story()
    story.shell.effects.clear()
    story.shell.ledger.shown.clear()
    story.shell.station = unreachable(story.shell.station)
    story.find()
    assert story.shown == [Signal.READY]


@pytest.mark.parametrize(
    ("whitelist", "outcome"),
    [
        (WhitelistType.ALLOWED_OFFLINE, "started E1"),
        (NEVER, "refused offline_not_permitted"),
    ],
)
def test_station_that_stops_answers_whoever_waits(
    whitelist: WhitelistType, outcome: str
) -> None:
    """Nobody is left without an outcome, and a late answer finds nobody."""
    story = Story(cards={"A": token_of("A", whitelist)})
    story.plug()
    story.tap("A")
    story.shell.send(Closing())
    while story.shell.boxes["E1"].commands:
        story.obey()
    assert story.told("A") == [outcome]
    assert story.shell.station.checks == {}


def test_card_lifted_during_a_reload_is_read_at_its_next_tap() -> None:
    """The reader was closed when it left, so that nobody has seen it go."""
    story = Story()
    story.plug()
    story.lay("A")
    story.pass_time(60)
    story.shell.reload(story.shell.settings)
    story.tap("A")
    assert story.told("A") == ["started E1", "stopped E1"]


@pytest.mark.parametrize("plugged", [True, False], ids=["charging", "granted"])
def test_card_lying_on_a_reader_through_a_reload_does_nothing(plugged: bool) -> None:  # noqa: FBT001 - a table
    """Neither its session nor its grant is taken for tapped again."""
    story = Story()
    if plugged:
        story.plug()
    story.lay("A")
    story.pass_time(30)
    story.shell.reload(story.shell.settings)
    story.lay("A", lying=True)
    assert story.told("A")[1:] == ["ignored lockout"]
