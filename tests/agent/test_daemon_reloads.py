"""A reload comes to its end, whatever the parts and the new file are like."""

from __future__ import annotations

import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from agent.ending import EXIT_DISORDERLY
from agent.errors import ConfigError
from tests.fakes.wicked import ENDS_WITHIN_S, Wicked, resist

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
def wicked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wicked:
    """Give a daemon that is not yet running."""
    return Wicked(tmp_path, monkeypatch)


def test_a_reload_over_a_part_that_hangs_is_a_restart(wicked: Wicked) -> None:
    """Two drivers on one device would be worse; systemd starts the agent anew."""
    wicked.chargers[0].closes = resist

    async def story() -> None:
        assert await wicked.end(signal.SIGHUP) < ENDS_WITHIN_S

    wicked.play(story)
    assert wicked.told.count("READY=1") == 1
    assert wicked.exit_codes == [EXIT_DISORDERLY]


def test_a_slow_reload_is_not_taken_for_a_hanging_one(wicked: Wicked) -> None:
    """The watchdog, whose own part has ended, is fed on the way."""

    async def story() -> None:
        signal.raise_signal(signal.SIGHUP)
        await wicked.until(lambda: wicked.told.count("READY=1") == 2)
        await wicked.end()

    wicked.play(story)
    begin = wicked.told.index("RELOADING=1")
    again = wicked.told.index("READY=1", begin)
    assert wicked.told[begin:again].count("WATCHDOG=1") == 2


def test_two_reloads_and_an_order_to_stop_at_once(wicked: Wicked) -> None:
    """The order counts."""

    async def story() -> None:
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
        assert await wicked.end() < 1

    wicked.play(story)
    assert wicked.told.count("READY=1") == 1
    assert wicked.exit_codes == []


def test_a_reload_that_cannot_be_is_taken_back(
    wicked: Wicked, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A port that is taken is no reason to charge nobody until a person comes."""
    openings = ["fine", "taken", "fine"]

    @asynccontextmanager
    async def listen(_: object) -> AsyncIterator[None]:
        if openings.pop(0) == "taken":
            raise ConfigError("another program uses this port")
        yield

    monkeypatch.setattr("agent.reception.Reception.open", listen)

    async def story() -> None:
        signal.raise_signal(signal.SIGHUP)
        await wicked.until(lambda: wicked.told.count("READY=1") == 2)
        await wicked.end()
        assert wicked.failure is None

    wicked.play(story)
    assert openings == []
    assert "going back: another program uses this port" in caplog.text
