"""A disk that is full, and the order in which things become durable."""

from __future__ import annotations

from agent.domain.messages import (
    Event,
    Record,
)
from agent.domain.outcomes import EventKind
from tests.agent.domain.story import Story, charging


def test_78_start_refused_when_the_disk_is_full() -> None:
    """Without a durable row no energy flows, and the driver is told why."""
    story = Story()
    story.shell.disk_full = True
    story.plug()
    story.tap("A")
    assert story.trail == ["tap.received", "A refused storage_failed"]
    assert not story.enabled()


def test_78_granted_start_refused_when_the_disk_is_full() -> None:
    """A plug-in uses the grant up, and nothing starts."""
    story = Story()
    story.tap("A")
    story.shell.disk_full = True
    story.plug()
    assert story.told("A") == ["granted", "withdrawn"]
    assert not story.enabled()
    assert story.shell.station.grants == ()


def test_78_stop_works_when_the_disk_is_full() -> None:
    """Energy goes off although nothing can be written, and the end is written later."""
    story = charging()
    story.shell.disk_full = True
    story.tap("A")
    assert story.told("A") == ["stopped E1"]
    assert not story.enabled()
    story.shell.disk_full = False
    story.tap("B")
    assert [row.is_open for row in story.rows] == [False, True]


def test_78_disk_with_room_again_takes_the_same_card() -> None:
    """A refused start leaves no lockout behind."""
    story = Story()
    story.shell.disk_full = True
    story.plug()
    story.tap("A")
    story.shell.disk_full = False
    story.tap("A")
    assert story.told("A") == ["refused storage_failed", "started E1"]


def test_each_record_is_followed_by_what_it_allows() -> None:
    """No outcome of a session is told before its record."""
    story = Story()
    story.plug()
    story.tap("A")
    story.pass_time(6)
    story.tap("A")
    kinds = [
        effect.change if isinstance(effect, Record) else effect.kind
        for effect in story.shell.effects
        if isinstance(effect, (Record, Event))
    ]
    names = [kind.value for kind in kinds if kind is not EventKind.TAP_RECEIVED]
    assert names == ["start", "session.started", "stop", "end", "session.stopped"]
