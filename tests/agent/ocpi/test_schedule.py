"""When to synchronise."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from agent.errors import (
    AgentError,
    HeldBackError,
    StoreBusyError,
    TransientUpstreamError,
)
from agent.ocpi import schedule as schedule_module
from agent.ocpi.schedule import SyncSchedule
from agent.ocpi.sync import Progress, Synchronizer, SyncResult
from tests.fakes.loop_clock import running
from tests.fakes.sessions import NOON
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
CUT = TransientUpstreamError("no answer")
HELD_BACK = HeldBackError("too short")


class Wall(datetime):
    """A wall clock that goes with the virtual loop."""

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override] # no aware subclass needed
        """Tell the moment."""
        del tz
        return NOON + timedelta(seconds=asyncio.get_running_loop().time())


class Doubling:
    """Ten seconds, then twice that, and so on."""

    def delay_s(self, attempt: int) -> float:
        """Seconds to wait after a failed attempt."""
        return 10.0 * float(2 ** (attempt - 1))


class ScriptedSynchronizer(Synchronizer):
    """Notes when it runs; fails as long as there are failures."""

    def __init__(self) -> None:
        self.runs: list[tuple[float, bool]] = []
        self.accepted: list[bool] = []
        self.failures: list[Exception] = []
        self.takes_s = 0.0

    async def run(
        self,
        *,
        full: bool,
        accept_shrink: bool = False,
        on_progress: Callable[[Progress], None],
    ) -> SyncResult:
        """Pretend to synchronise."""
        self.runs.append((asyncio.get_running_loop().time(), full))
        self.accepted.append(accept_shrink)
        await asyncio.sleep(self.takes_s)
        if self.failures:
            raise self.failures.pop(0)
        on_progress(Progress("cpo", 1, 1))
        return SyncResult(upstream="cpo", full=full, received=1, skipped=0)

    @property
    def times(self) -> list[float]:
        """When it ran."""
        return [at for at, _ in self.runs]


class Bench:
    """A schedule and what came of it."""

    def __init__(self) -> None:
        self.synchronizer = ScriptedSynchronizer()
        self.results: list[AgentError | None] = []
        self.swept_at: datetime | Exception | None = NOON
        self.schedule: SyncSchedule

    def find_sweep(self) -> datetime | None:
        """Say when the last full run was."""
        if isinstance(self.swept_at, Exception):
            raise self.swept_at
        return self.swept_at

    def run(
        self, for_s: float, story: Callable[[], Awaitable[None]] | None = None
    ) -> list[float]:
        """Run beside a story; return when it synchronised."""

        async def main() -> None:
            self.schedule = SyncSchedule(
                self.synchronizer,
                self.find_sweep,
                every=HOUR,
                full_every=DAY,
                backoff=Doubling(),
                on_result=self.results.append,
            )
            async with running(self.schedule.run()):
                if story is not None:
                    await story()
                await asyncio.sleep(for_s)

        run_virtual(main())
        return self.synchronizer.times


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Set up a schedule on virtual clocks."""
    monkeypatch.setattr(schedule_module, "datetime", Wall)
    return Bench()


def test_it_synchronises_at_the_start_and_every_hour(bench: Bench) -> None:
    """With a tenth of jitter, so that stations do not come together."""
    times = bench.run(20 * 3600)

    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert times[0] == 0
    assert 17 <= len(pauses) <= 23
    assert all(3240 <= pause <= 3960 for pause in pauses)
    assert len({round(pause) for pause in pauses}) > 5
    assert set(bench.results) == {None}


@pytest.mark.parametrize(
    ("swept_at", "full"),
    [
        (None, True),
        (NOON, False),
        (NOON - DAY + HOUR, False),
        (NOON - DAY, True),
        (NOON - 30 * DAY, True),
        (NOON + timedelta(seconds=30), False),
        (NOON + DAY, True),
    ],
    ids=["never", "now", "yesterday", "a day", "a month", "soon", "tomorrow"],
)
def test_a_full_run_is_due_once_a_day(
    bench: Bench,
    swept_at: datetime | None,
    full: bool,  # noqa: FBT001 - a table's column
) -> None:
    """Or if there was none; a sweep in the future is a clock that was wrong."""
    bench.swept_at = swept_at

    bench.run(1)

    assert bench.synchronizer.runs == [(0.0, full)]


def test_failures_are_retried_later_and_later(bench: Bench) -> None:
    """Never later than the next turn would have been; the first success ends it."""
    bench.synchronizer.failures = [CUT] * 12

    times = bench.run(12 * 3600)

    pauses = [later - earlier for earlier, later in pairwise(times)]
    for number, pause in enumerate(pauses[:12]):
        expected = min(10 * 2**number, 3600)
        assert 0.9 * expected <= pause <= 1.1 * expected
    assert pauses[12] >= 0.9 * 3600
    assert bench.results[:12] == [CUT] * 12
    assert set(bench.results[12:]) == {None}


@pytest.mark.parametrize(
    ("wanted_s", "pause_s"),
    [(None, 10), (1, 10), (600, 600), (86_400, 3600)],
    ids=["no wish", "soon", "later", "tomorrow"],
)
def test_a_server_is_left_alone_as_long_as_it_wants(
    bench: Bench, wanted_s: int | None, pause_s: int
) -> None:
    """Never earlier, and never later than the next turn would have been."""
    wish = None if wanted_s is None else timedelta(seconds=wanted_s)
    bench.synchronizer.failures = [TransientUpstreamError("busy", wish)]

    first, second, *_ = bench.run(2 * 3600)

    shortest = 0.9 * pause_s if pause_s == 10 else pause_s
    assert shortest <= second - first <= 1.1 * pause_s


def test_a_list_that_is_held_back_is_asked_for_at_the_next_turns(bench: Bench) -> None:
    """With the usual pauses, whole each time, until one is believed."""
    bench.synchronizer.failures = [HELD_BACK, HELD_BACK]

    times = bench.run(4 * 3600)

    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert all(3240 <= pause <= 3960 for pause in pauses)
    assert [full for _, full in bench.synchronizer.runs[:4]] == [
        False,
        True,
        True,
        False,
    ]
    assert bench.results[:4] == [HELD_BACK, HELD_BACK, None, None]


def test_a_store_that_cannot_say_is_retried(bench: Bench) -> None:
    """Not knowing the last sweep is a failure like others."""
    bench.swept_at = StoreBusyError("in use")

    async def story() -> None:
        await asyncio.sleep(5)
        assert bench.synchronizer.runs == []
        bench.swept_at = NOON

    bench.run(60, story)

    assert 9 <= bench.synchronizer.times[0] <= 11


def test_a_bug_does_not_end_the_schedule(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with its traceback and retried like a failure."""
    bench.synchronizer.failures = [ZeroDivisionError("a bug")]

    times = bench.run(60)

    assert len(times) == 2
    assert [record for record in caplog.records if record.exc_info]


def test_soon_cuts_the_rest_short(bench: Bench) -> None:
    """Once, and the next rest is a whole one."""

    async def story() -> None:
        await asyncio.sleep(100)
        bench.schedule.soon()
        bench.schedule.soon()
        await asyncio.sleep(100)

    assert bench.run(0, story) == [0, 100]


def test_soon_during_a_run_means_another_one(bench: Bench) -> None:
    """What was asked for while running may concern what was read already."""
    bench.synchronizer.takes_s = 60

    async def story() -> None:
        await asyncio.sleep(30)
        bench.schedule.soon()
        await asyncio.sleep(100)

    assert bench.run(0, story) == [0, 60]


def test_soon_after_a_failure_does_not_wait(bench: Bench) -> None:
    """Something was repaired: the pause is over."""
    bench.synchronizer.failures = [CUT] * 9

    async def story() -> None:
        await asyncio.sleep(3600)
        before = len(bench.synchronizer.runs)
        bench.schedule.soon()
        await asyncio.sleep(1)
        assert len(bench.synchronizer.runs) == before + 1

    bench.run(0, story)


@pytest.mark.parametrize("full", [True, False])
def test_now_runs_at_once_with_progress(
    bench: Bench,
    full: bool,  # noqa: FBT001 - a table's column
) -> None:
    """Whoever asks hears the steps and the result; so does `on_result`."""
    steps: list[Progress] = []

    async def story() -> None:
        await asyncio.sleep(100)
        result = await bench.schedule.now(full=full, on_progress=steps.append)
        assert result.full is full

    bench.run(0, story)

    assert bench.synchronizer.runs[-1] == (100.0, full)
    assert steps == [Progress("cpo", 1, 1)]
    assert bench.results == [None, None]


def test_now_passes_failures_on(bench: Bench) -> None:
    """To whoever asked, and to `on_result`."""

    async def story() -> None:
        await asyncio.sleep(100)
        bench.synchronizer.failures = [CUT]
        with suppress(TransientUpstreamError):
            await bench.schedule.now(full=False)

    bench.run(0, story)

    assert bench.results == [None, CUT]
    assert NOON.tzinfo is UTC


@pytest.mark.parametrize("accept_shrink", [True, False])
def test_now_passes_on_what_is_accepted(
    bench: Bench,
    accept_shrink: bool,  # noqa: FBT001 - a table's column
) -> None:
    """The turns of the schedule themselves accept nothing."""

    async def story() -> None:
        await asyncio.sleep(100)
        await bench.schedule.now(full=True, accept_shrink=accept_shrink)

    bench.run(0, story)

    assert bench.synchronizer.accepted == [False, accept_shrink]
