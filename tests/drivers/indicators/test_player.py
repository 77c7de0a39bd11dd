"""Tracks side by side: when their steps are done, and how they end."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from drivers.errors import TransientDeviceError
from drivers.indicators.player import play
from tests.drivers.serial_bench import now
from tests.fakes.virtual_loop import StandstillError, run_virtual

if TYPE_CHECKING:
    from drivers.indicators.player import Track


class Log:
    """What was done, and when."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, str]] = []
        self.closed: list[str] = []

    async def track(
        self, name: str, *rests: float | Exception | None, takes_s: float = 0
    ) -> Track:
        """Do a step before each rest."""
        try:
            for rest in rests:
                if isinstance(rest, Exception):
                    raise rest
                self.steps.append((round(now(), 3), name))
                await asyncio.sleep(takes_s)
                yield rest
        finally:
            self.closed.append(name)


def played(log: Log, *tracks: Track) -> float:
    """Play to the end; give the time of it."""

    async def main() -> float:
        async for _ in play(*tracks):
            pass
        return round(now(), 3)

    try:
        return run_virtual(main())
    finally:
        assert len(log.closed) == len(tracks)


def test_each_track_keeps_its_time() -> None:
    """The first begins; what rests for good has no step any more."""
    log = Log()
    light = log.track("light", 0.3, 0.3, None)
    assert played(log, light, log.track("tone", 0.2, 0.2)) == 0.6
    assert log.steps == [
        (0, "light"),
        (0, "tone"),
        (0.2, "tone"),
        (0.3, "light"),
        (0.6, "light"),
    ]


def test_a_step_that_lasts_holds_up_the_others() -> None:
    """One thing at a time; rests are counted from a step's end."""
    log = Log()
    light = log.track("light", 0.1, None, takes_s=0.25)
    played(log, light, log.track("tone", 0.2, None))
    assert log.steps == [
        (0, "light"),
        (0.25, "tone"),
        (0.35, "light"),
        (0.6, "tone"),
    ]


def test_a_failure_ends_all() -> None:
    """It goes to who plays, and no track is left open."""
    log = Log()
    tone = log.track("tone", 0.2, TransientDeviceError("torn off"))
    with pytest.raises(TransientDeviceError, match="torn off"):
        played(log, log.track("light", *[0.5] * 99), tone)
    assert log.steps == [(0, "light"), (0, "tone")]


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_closed_in_the_middle(steps: int) -> None:
    """Tracks that have begun are closed, and nothing is planned."""
    log = Log()

    async def main() -> None:
        tracks = [log.track(name, *[1] * 99) for name in ("light", "tone")]
        async with aclosing(play(*tracks)) as playing:
            for _ in range(steps):
                await anext(playing)
        await asyncio.Event().wait()

    with pytest.raises(StandstillError, match="no timer is set"):
        run_virtual(main())
    assert sorted(log.closed) == ["light", "tone"][: min(steps, 2)]


@pytest.mark.parametrize("takes_s", [0, 10])
def test_cancelled_in_the_middle(takes_s: float) -> None:
    """In a step and between two."""
    log = Log()

    async def main() -> None:
        async def follow() -> None:
            async for _ in play(
                log.track("light", 2, 2, takes_s=takes_s), log.track("tone", 10, None)
            ):
                pass

        task = asyncio.create_task(follow())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        assert "light" in log.closed
        await asyncio.Event().wait()

    with pytest.raises(StandstillError, match="no timer is set"):
        run_virtual(main())
