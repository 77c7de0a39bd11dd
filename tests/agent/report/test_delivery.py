"""The delivery loop: order, patience, and nobody held up by another's trouble."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from agent.backoff import JITTER, Backoff
from agent.domain.reports import Refused, Retry
from agent.errors import StoreBusyError, StoreCorruptError, StoreFailedError
from agent.health import Health
from agent.report.delivery import LONGEST_WISH, PARALLEL_SESSIONS, DeliveryLoop
from agent.store.journal import FILE, Journal
from agent.store.journal_thread import JournalThread
from tests.fakes.clock import FakeClock
from tests.fakes.reporting import MemoryOutbox, ScriptedSink
from tests.fakes.sessions import ended_record, session_of, started_record
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from agent.domain.sessions import Session

FIRST_S, CAP_S = 1.0, 300.0
BACKOFF = Backoff(timedelta(seconds=FIRST_S), timedelta(seconds=CAP_S))
AGAIN = Retry("no answer")


class Dated:
    """Sessions are as well dated as they can be, unless a test says otherwise."""

    def __init__(self) -> None:
        self.waits_s: dict[str, float] = {}
        self.later = timedelta()

    def correct(self, session: Session) -> Session:
        """Move the start by what was learned of the clock."""
        started = session.started_at
        return replace(
            session, started_at=replace(started, wall=started.wall + self.later)
        )

    def hold_back(self, session: Session) -> timedelta:
        """Let a session wait as the test says."""
        return timedelta(seconds=self.waits_s.pop(session.id, 0.0))


class Bench:
    """A delivery loop with everything around it."""

    def __init__(self) -> None:
        self.sink = ScriptedSink()
        self.outbox = MemoryOutbox()
        self.calendar = Dated()
        self.health = Health(FakeClock())
        self.loop = DeliveryLoop(
            self.sink, self.outbox, self.calendar, BACKOFF, self.health
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the loop until the context is left."""
        task = asyncio.create_task(self.loop.run())
        try:
            yield
            assert not task.done(), "the loop ended"
        finally:
            task.cancel()
            await asyncio.wait({task})


def deliver(bench: Bench, for_s: float) -> None:
    """Let the loop run for a while."""

    async def main() -> None:
        async with bench.running():
            await asyncio.sleep(for_s)

    run_virtual(main())


def play(bench: Bench, story: Callable[[], Awaitable[None]]) -> None:
    """Run the loop beside a story."""

    async def main() -> None:
        async with bench.running():
            await story()

    run_virtual(main())


@pytest.fixture
def bench() -> Bench:
    """Set up a loop with nothing to deliver."""
    return Bench()


def test_what_waited_is_delivered_at_once(bench: Bench) -> None:
    """At the start nobody has to notify: the outbox is looked at."""
    bench.outbox.add("S1")

    deliver(bench, 0.001)

    assert bench.sink.reports() == ["S1-start"]
    assert bench.outbox.waiting == []
    assert bench.health.is_good("reporting to cpo")


def test_a_session_is_told_in_order(bench: Bench) -> None:
    """The end is sent after the start was taken, also when the start fails first."""
    bench.outbox.add_whole("S1")
    bench.sink.takes_s = 5
    bench.sink.scripts["S1"] = [AGAIN, AGAIN]

    deliver(bench, 60)

    assert bench.sink.reports() == ["S1-start"] * 3 + ["S1-end"]
    assert bench.sink.most_at_once == 1


def test_several_sessions_are_told_at_once_but_not_too_many(bench: Bench) -> None:
    """A slow server is told of four sessions at a time, and of none twice at once."""
    names = [f"S{number}" for number in range(1, 11)]
    bench.outbox.add_whole(*names)
    bench.sink.takes_s = 10

    deliver(bench, 60)

    assert bench.sink.most_at_once == PARALLEL_SESSIONS == 4
    assert bench.outbox.waiting == []
    for name in names:
        [start], [end] = (
            bench.sink.times(f"{name}-start"),
            bench.sink.times(f"{name}-end"),
        )
        assert end >= start + 10


def test_a_slow_session_does_not_hold_up_the_next(bench: Bench) -> None:
    """A free place is used as soon as it is free, not when all four are."""
    bench.outbox.add("S1", "S2", "S3", "S4", "S5")

    async def slow(report: object) -> object:
        await asyncio.sleep(1000 if "S1" in repr(report) else 1)
        return await ScriptedSink.deliver(bench.sink, report)  # type: ignore[arg-type] # what it was given

    bench.sink.deliver = slow  # type: ignore[method-assign,assignment] # a slow one
    deliver(bench, 10)

    assert sorted(bench.sink.reports()) == [f"S{n}-start" for n in (2, 3, 4, 5)]


def test_pauses_double_up_to_the_cap(bench: Bench) -> None:
    """One failing session is tried later and later, with jitter, for ever."""
    bench.outbox.add("S1")
    bench.sink.answer = AGAIN

    deliver(bench, 3600)

    times = bench.sink.times("S1-start")
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert len(pauses) > 12
    for number, pause in enumerate(pauses):
        expected = min(FIRST_S * 2**number, CAP_S)
        assert expected - 1e-6 <= pause <= expected * (1 + JITTER) + 1e-6
    assert len({round(pause, 3) for pause in pauses[-4:]}) > 1


def test_success_forgets_the_pauses(bench: Bench) -> None:
    """After an answer the next failure is followed by the shortest pause again."""
    bench.outbox.add_whole("S1")
    bench.sink.scripts["S1"] = [*[AGAIN] * 6]

    async def story() -> None:
        await asyncio.sleep(200)
        bench.sink.scripts["S1"] = [AGAIN]
        bench.outbox.add_whole("S1")
        bench.loop.notify()
        await asyncio.sleep(200)

    play(bench, story)

    retried = bench.sink.times("S1-start")[-2:]
    assert FIRST_S <= retried[1] - retried[0] <= FIRST_S * (1 + JITTER) + 1e-6
    assert bench.outbox.waiting == []


@pytest.mark.parametrize(
    "pause",
    [Retry("busy", after=timedelta(seconds=90)), Retry("no token", pause=True)],
    ids=["Retry-After", "pause"],
)
def test_a_pause_holds_the_whole_sink(bench: Bench, pause: Retry) -> None:
    """What the server says of itself is heeded by all sessions, new ones as well."""
    bench.outbox.add("S1")
    bench.sink.scripts["S1"] = [pause]

    async def story() -> None:
        await asyncio.sleep(0.5)
        bench.outbox.add("S2")
        bench.loop.notify()
        await asyncio.sleep(300)

    play(bench, story)

    first, *rest = bench.sink.attempts
    assert first.report == "S1-start"
    wait_s = 90 if pause.after else FIRST_S
    assert min(attempt.at for attempt in rest) >= wait_s - 1e-6
    assert bench.outbox.waiting == []


def test_a_servers_wish_is_capped(bench: Bench) -> None:
    """`Retry-After: a week` holds us for an hour."""
    bench.outbox.add("S1")
    bench.sink.scripts["S1"] = [Retry("busy", after=timedelta(days=7))]

    deliver(bench, 2 * LONGEST_WISH.total_seconds())

    assert bench.sink.times("S1-start") == [0.0, LONGEST_WISH.total_seconds()]


@pytest.mark.parametrize("after_s", [0, -60])
def test_a_wish_for_no_pause_does_not_drum(bench: Bench, after_s: int) -> None:
    """`Retry-After: 0` from a dead server does not send the whole outbox at once."""
    bench.outbox.add(*[f"S{number}" for number in range(500)])
    bench.sink.answer = Retry("busy", after=timedelta(seconds=after_s))

    deliver(bench, 60)

    assert len(bench.sink.attempts) < 60


def test_a_dead_sink_is_probed_one_by_one(bench: Bench) -> None:
    """When one session after another fails, hardly anything is sent, one at a time."""
    bench.outbox.add(*[f"S{number}" for number in range(100)])
    bench.sink.answer = AGAIN
    bench.sink.takes_s = 1

    async def story() -> None:
        await asyncio.sleep(1.5)
        bench.sink.most_at_once = bench.sink._at_once
        await asyncio.sleep(3600)

    play(bench, story)

    assert bench.sink.most_at_once == 1
    assert len(bench.sink.attempts) < 40


def test_a_sink_that_lives_again_gets_everything(bench: Bench) -> None:
    """The first answer ends the probing, and everything goes out."""
    names = [f"S{number}" for number in range(50)]
    bench.outbox.add_whole(*names)
    bench.sink.answer = AGAIN

    async def story() -> None:
        await asyncio.sleep(600)
        bench.sink.answer = type(bench.sink)().answer
        await asyncio.sleep(2 * CAP_S)

    play(bench, story)

    assert bench.outbox.waiting == []
    assert bench.health.is_good("reporting to cpo")


def test_a_poisoned_session_does_not_hold_up_the_others(bench: Bench) -> None:
    """A report that always fails is retried alone; everything else is delivered."""
    bench.outbox.add_whole("S1")
    bench.outbox.add_whole(*[f"S{number}" for number in range(2, 40)])
    bench.sink.scripts["S1"] = [AGAIN] * 1000

    deliver(bench, 60)

    assert {report.session.id for report in bench.outbox.waiting} == {"S1"}
    assert 3 < len(bench.sink.times("S1-start")) < 12


def test_a_refused_report_is_kept_and_told_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """It is noted with the server's words, logged once, and its session waits."""
    bench.outbox.add_whole("S1", "S2")
    bench.sink.scripts["S1"] = [Refused("2001: no such location")]

    deliver(bench, 3600)

    assert bench.sink.times("S1-start") == [0.0]
    assert bench.sink.times("S1-end") == []
    assert bench.outbox.refusals == {"S1-start": "2001: no such location"}
    told = [r for r in caplog.records if "2001: no such location" in r.getMessage()]
    assert [record.levelno for record in told] == [logging.ERROR]
    assert bench.health.is_good("reporting to cpo")


def test_a_refusal_is_an_answer(bench: Bench) -> None:
    """A server that refuses everything is alive: all is sent, nothing is paused."""
    bench.outbox.add(*[f"S{number}" for number in range(30)])
    bench.sink.answer = Refused("never")

    deliver(bench, 0.1)

    assert len(bench.outbox.refusals) == 30


def test_news_wake_the_loop(bench: Bench) -> None:
    """A report that is added later goes out at once."""

    async def story() -> None:
        await asyncio.sleep(1000)
        bench.outbox.add("S1")
        bench.loop.notify()
        await asyncio.sleep(1)

    play(bench, story)

    assert bench.sink.times("S1-start") == [1000.0]


def test_news_during_an_attempt_are_not_missed(bench: Bench) -> None:
    """What is added while the sink is busy goes out right after."""
    bench.sink.takes_s = 10
    bench.outbox.add("S1")

    async def story() -> None:
        await asyncio.sleep(5)
        bench.outbox.add("S2")
        bench.loop.notify()
        await asyncio.sleep(20)

    play(bench, story)

    assert bench.sink.times("S2-start") == [5.0]


def test_an_idle_loop_sleeps(bench: Bench) -> None:
    """Without news and without rests nothing is looked at for hours."""
    looks: list[float] = []
    due = bench.outbox.due

    async def counted(*args: object) -> object:
        looks.append(asyncio.get_running_loop().time())
        return await due(*args)  # type: ignore[arg-type] # what it was given

    bench.outbox.due = counted  # type: ignore[method-assign,assignment] # the same, counted
    deliver(bench, 24 * 3600)

    assert looks == [0.0]


def test_a_repair_forgets_every_pause(bench: Bench) -> None:
    """After `retry_now` everything is tried at once, the session in trouble as well."""
    bench.outbox.add("S1", "S2")
    bench.sink.scripts["S1"] = [Retry("no token", pause=True)] * 4
    bench.sink.scripts["S2"] = [Retry("busy", after=timedelta(minutes=50))]

    async def story() -> None:
        await asyncio.sleep(100)
        bench.sink.scripts.clear()
        before = len(bench.sink.attempts)
        bench.loop.retry_now()
        await asyncio.sleep(1)
        assert len(bench.sink.attempts) == before + 2

    play(bench, story)

    assert bench.outbox.waiting == []


@pytest.mark.parametrize(
    "error",
    [StoreFailedError("full"), StoreBusyError("locked"), StoreCorruptError("bad")],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("call", ["due", "delivered", "refused", "postponed"])
def test_a_journal_that_fails_is_asked_again(
    bench: Bench, error: Exception, call: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be noted is told again; the loop goes on and the health says so."""
    bench.outbox.add("S1", "S2")
    bench.outbox.failures[call] = [error]
    match call:
        case "refused":
            bench.sink.scripts["S1"] = [Refused("never"), Refused("never")]
        case "postponed":
            bench.sink.scripts["S1"] = [AGAIN]
        case _:
            pass

    deliver(bench, 60)

    assert f": down: {error}" in caplog.text
    assert all(condition.ok for condition in bench.health.conditions())
    left = {report.correlation_id for report in bench.outbox.waiting}
    assert left == set(bench.outbox.refusals)
    assert len(bench.sink.times("S1-start")) == (1 if call == "due" else 2)


@pytest.mark.parametrize(
    "error", [RuntimeError("a bug of the sink"), asyncio.CancelledError()], ids=repr
)
def test_a_sink_that_breaks_is_tried_again(
    bench: Bench, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    """What nobody foresaw is logged with its traceback and ends nothing."""
    bench.outbox.add("S1", "S2")
    bench.sink.scripts["S1"] = [error] * 2

    deliver(bench, 60)

    assert bench.outbox.waiting == []
    records = [record for record in caplog.records if record.exc_info]
    assert ["S1" in record.getMessage() for record in records] == [True, True]
    told = bench.sink.times("S1-start")
    assert told[1] - told[0] > 0.1  # It is not drummed at.


def test_why_it_waits_is_noted(bench: Bench) -> None:
    """Each failed attempt leaves its reason where a person looks."""
    bench.outbox.add("S1")
    bench.sink.scripts["S1"] = [Retry("no answer"), Retry("HTTP 503")]

    deliver(bench, 60)

    assert bench.outbox.notes == [("S1-start", "no answer"), ("S1-start", "HTTP 503")]


def test_stopping_leaves_what_is_not_confirmed(bench: Bench) -> None:
    """A report on its way when the agent stops is told again at the next start."""
    bench.outbox.add("S1")
    bench.sink.takes_s = 10

    deliver(bench, 5)

    assert [report.correlation_id for report in bench.outbox.waiting] == ["S1-start"]


def test_everything_is_told_over_restarts(tmp_path: Path) -> None:
    """On a real journal, cut at any time, every report arrives, in order."""
    bench = Bench()
    bench.sink.takes_s = 1
    names = [f"S{number}" for number in range(1, 7)]
    journal = Journal(tmp_path / FILE)
    journal.record([started_record(session_of(name)) for name in names])
    journal.record([ended_record(session_of(name)) for name in names])
    journal.close()

    async def run_for(seconds: float) -> tuple[int, int]:
        thread = JournalThread(Journal(tmp_path / FILE))
        bench.loop = DeliveryLoop(
            bench.sink, thread, bench.calendar, BACKOFF, bench.health
        )
        async with bench.running():
            await asyncio.sleep(seconds)
        depth = await thread.depth()
        await thread.close()
        return depth

    for seconds in (0.5, 1.5, 0.7, 1.2):
        run_virtual(run_for(seconds))
    assert run_virtual(run_for(60)) == (0, 0)

    for name in names:
        told = [
            report for report in bench.sink.reports() if report.startswith(f"{name}-")
        ]
        assert told == sorted(told, reverse=True)
        assert set(told) == {f"{name}-start", f"{name}-end"}
    assert len(bench.sink.attempts) > 12


# ---- dates


def test_a_session_without_a_date_waits_alone(bench: Bench) -> None:
    """The others go out meanwhile, and it does when its time has come."""
    bench.outbox.add("S1", "S2")
    bench.calendar.waits_s["S1"] = 120

    async def story() -> None:
        await asyncio.sleep(60)
        assert bench.sink.reports() == ["S2-start"]
        await asyncio.sleep(61)
        assert bench.sink.reports() == ["S2-start", "S1-start"]

    play(bench, story)


def test_more_sessions_than_places_can_wait_for_a_date(bench: Bench) -> None:
    """They take no place from one that is dated."""
    names = [f"S{number}" for number in range(1, 3 * PARALLEL_SESSIONS)]
    bench.outbox.add(*names, "S99")
    bench.calendar.waits_s |= dict.fromkeys(names, 120.0)

    deliver(bench, 60)

    assert bench.sink.reports() == ["S99-start"]


def test_who_waits_for_a_date_is_told_of_when_it_is_known(bench: Bench) -> None:
    """Nobody waits longer than for the clock to be set."""
    bench.outbox.add("S1")
    bench.calendar.waits_s["S1"] = 3600

    async def story() -> None:
        await asyncio.sleep(60)
        assert bench.sink.reports() == []
        bench.loop.retry_now()
        await asyncio.sleep(1)
        assert bench.sink.reports() == ["S1-start"]

    play(bench, story)


def test_reports_go_out_with_the_dates_that_are_known_then(bench: Bench) -> None:
    """The journal keeps what was noted; the sink is told what is right."""
    bench.outbox.add("S1")
    bench.calendar.later = timedelta(days=40)
    before = bench.outbox.waiting[0].session.started_at.wall

    deliver(bench, 1)

    (told,) = bench.sink.told
    assert told.session.started_at.wall == before + timedelta(days=40)
