"""What works and what does not."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from agent.health import Health
from tests.fakes.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """Stand still."""
    return FakeClock()


@pytest.fixture
def health(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> Health:
    """Know nothing yet."""
    caplog.set_level(logging.INFO)
    return Health(clock)


def test_each_change_is_one_line(
    health: Health, caplog: pytest.LogCaptureFixture
) -> None:
    """The same word again is no news; another detail is."""
    for _ in range(3):
        health.bad("reader front", "no answer")
    for _ in range(3):
        health.bad("reader front", "unplugged")
    for _ in range(3):
        health.good("reader front", "ACR122U")
    health.good("charger E1")

    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("WARNING", "reader front: down: no answer"),
        ("WARNING", "reader front: down: unplugged"),
        ("INFO", "reader front: up (ACR122U)"),
        ("INFO", "charger E1: up"),
    ]


def test_a_note_is_not_logged(health: Health, caplog: pytest.LogCaptureFixture) -> None:
    """Who logs in its own words only keeps the table right."""
    health.note("upstream cpo", "HTTP 401")
    health.note("upstream hub", "")

    assert caplog.records == []
    assert not health.is_good("upstream cpo")
    assert health.is_good("upstream hub")


def test_a_condition_says_since_when(health: Health, clock: FakeClock) -> None:
    """The time is that of the change, not of the last word."""
    health.bad("journal", "full")
    began = clock.wall
    clock.move(timedelta(minutes=5))
    health.bad("journal", "full")

    [condition] = health.conditions()

    assert condition.since == began
    assert (condition.part, condition.ok, condition.detail) == (
        "journal",
        False,
        "full",
    )


def test_parts_are_listed_by_name(health: Health) -> None:
    """Each part once, with its latest state."""
    for part in ("whitelist", "charger E1", "journal", "charger E1"):
        health.good(part)

    assert [c.part for c in health.conditions()] == [
        "charger E1",
        "journal",
        "whitelist",
    ]


def test_nobody_knows_an_unheard_part(health: Health) -> None:
    """A part that said nothing is not known to work."""
    assert not health.is_good("reader front")
    assert health.conditions() == []


def test_what_is_not_configured_any_more_is_forgotten(health: Health) -> None:
    """Nobody is alarmed for ever by a charger that was taken down."""
    for part in ("charger E1", "charger E11", "synchronisation from cpo", "E1"):
        health.bad(part, "silent")

    health.forget({"E1", "cpo"})

    assert [one.part for one in health.conditions()] == ["E1", "charger E11"]
    health.forget(set())
    assert len(health.conditions()) == 2
