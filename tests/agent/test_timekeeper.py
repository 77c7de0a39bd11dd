"""The time becomes known: what happened before is dated, and reports wait for it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from agent.errors import StoreFailedError
from agent.health import Health
from agent.timekeeper import PART, Timekeeper
from tests.fakes.loop_clock import LoopClock
from tests.fakes.sessions import NOON, instant, session_of
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent.domain.instant import Instant
    from agent.domain.sessions import Session

MAX_WAIT = timedelta(minutes=5)
#: How far the clock is behind before somebody tells it the time.
BEHIND = timedelta(days=40)


class LateClock:
    """A clock without a battery: right only after a while."""

    def __init__(self, right_after_s: float) -> None:
        self._right_after_s = right_after_s

    def now(self) -> Instant:
        """Tell the moment, true or not."""
        now = LoopClock().now()
        if asyncio.get_running_loop().time() >= self._right_after_s:
            return now
        return replace(now, wall=now.wall - BEHIND, synchronized=False)


class MemoryTimes:
    """Remembers until the test ends, or cannot."""

    def __init__(self, **bases: datetime) -> None:
        self.known = {name.replace("_", "-"): base for name, base in bases.items()}
        self.noted: list[datetime] = []
        self.error: Exception | None = None

    async def bases(self) -> dict[str, datetime]:
        """Tell what is known."""
        return dict(self.known)

    async def learn_base(self, boot_id: str, base: datetime) -> None:
        """Learn, or fail."""
        if self.error is not None:
            raise self.error
        self.known[boot_id] = base

    async def note_time(self, now: datetime) -> None:
        """Note the time."""
        self.noted.append(now)


class Bench:
    """A timekeeper whose clock is right after a while."""

    def __init__(self, right_after_s: float, max_wait: timedelta = MAX_WAIT) -> None:
        self.times = MemoryTimes()
        self.health = Health(LoopClock())
        self.calls = 0
        self.clock = LateClock(right_after_s)
        self.keeper = Timekeeper(
            self.clock, self.times, max_wait, self.health, self.on_synchronized
        )

    def on_synchronized(self) -> None:
        """Count the calls."""
        self.calls += 1

    def play(self, story: Callable[[], Awaitable[None]]) -> None:
        """Run the keeper beside a story."""

        async def main() -> None:
            await self.keeper.load()
            keeping = asyncio.create_task(self.keeper.run())
            try:
                await story()
                if keeping.done():
                    keeping.result()
            finally:
                keeping.cancel()
                await asyncio.wait({keeping})

        run_virtual(main())

    def session(self) -> Session:
        """Start a session now."""
        now = self.clock.now()
        return session_of(started_at=now, updated_at=now, meter_at=None)


def test_what_happened_before_is_dated_by_the_time_that_is_learned() -> None:
    """The session began when it did, not when the clock thought it did."""
    bench = Bench(right_after_s=600)

    async def story() -> None:
        await asyncio.sleep(60)
        session = bench.session()
        assert session.started_at.wall == NOON + timedelta(seconds=60) - BEHIND
        assert bench.keeper.correct(session) == session
        await asyncio.sleep(600)
        dated = bench.keeper.correct(session)
        assert dated.started_at.wall == NOON + timedelta(seconds=60)

    bench.play(story)

    assert bench.calls == 1
    assert bench.health.is_good(PART)
    assert bench.times.known == {"boot-1": NOON - timedelta(hours=1)}
    assert len(bench.times.noted) == 1


def test_a_clock_that_is_right_is_not_looked_at_again() -> None:
    """It is learned at once, and nothing keeps the loop busy."""
    bench = Bench(right_after_s=0)

    async def story() -> None:
        await asyncio.sleep(1)
        assert len(asyncio.all_tasks()) == 1

    bench.play(story)
    assert bench.calls == 1


@pytest.mark.parametrize(
    ("heard_at_s", "now_s", "wait_s"),
    [(None, 60, 300), (None, 6000, 300), (30, 60, 270), (60, 360, 0), (60, 6000, 0)],
)
def test_reports_wait_for_the_time_once_their_backend_is_heard(
    heard_at_s: float | None, now_s: float, wait_s: float
) -> None:
    """The network brings the time as well; but it is not waited for for ever."""
    bench = Bench(right_after_s=1e9)

    async def story() -> None:
        await asyncio.sleep(now_s)
        heard = None if heard_at_s is None else instant(heard_at_s).monotonic
        wait = bench.keeper.hold_back(bench.session(), heard)
        assert wait == timedelta(seconds=wait_s)

    bench.play(story)
    assert not bench.health.is_good(PART)


def test_nothing_waits_when_the_time_is_known() -> None:
    """Neither what happened before nor what happens now."""
    bench = Bench(right_after_s=600)

    async def story() -> None:
        before = bench.session()
        await asyncio.sleep(700)
        assert bench.keeper.hold_back(before, None) == timedelta()
        assert bench.keeper.hold_back(bench.session(), None) == timedelta()

    bench.play(story)


def test_what_an_earlier_run_of_this_boot_has_learned_holds() -> None:
    """A restart of the program does not forget when the machine was started."""
    bench = Bench(right_after_s=1e9)
    base = datetime(2026, 5, 1, tzinfo=UTC)
    bench.times.known = {"boot-1": base}

    async def story() -> None:
        await asyncio.sleep(1)
        session = bench.session()
        assert bench.keeper.hold_back(session, None) == timedelta()
        dated = bench.keeper.correct(session).started_at
        assert dated.wall == base + dated.monotonic

    bench.play(story)
    assert bench.health.is_good(PART)


def test_a_station_that_is_told_not_to_wait_does_not_complain() -> None:
    """Where nobody will ever set the clock, that is no fault."""
    bench = Bench(right_after_s=1e9, max_wait=timedelta())

    async def story() -> None:
        await asyncio.sleep(60)
        assert bench.keeper.hold_back(bench.session(), None) == timedelta()

    bench.play(story)
    assert bench.health.is_good(PART)


def test_a_disk_that_takes_nothing_costs_only_the_memory() -> None:
    """This run knows the time all the same."""
    bench = Bench(right_after_s=60)
    bench.times.error = StoreFailedError("database or disk is full")

    async def story() -> None:
        session = bench.session()
        await asyncio.sleep(100)
        assert bench.keeper.correct(session).started_at.wall == NOON

    bench.play(story)
    assert bench.calls == 1
