"""CDRs on their way: sealed before the first attempt, and the same ever after."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from agent.backoff import Backoff
from agent.domain.messages import Change, Record
from agent.domain.reports import Delivered, Document, Refused, Retry, Scope, Subscriber
from agent.domain.tariffs import Tariff
from agent.domain.timeline import correct
from agent.errors import StoreFailedError
from agent.health import Health
from agent.report.delivery import DeliveryLoop
from agent.store.journal import FILE, Journal
from agent.store.journal_thread import JournalThread
from tests.fakes.clock import FakeClock
from tests.fakes.reporting import MemoryOutbox, ScriptedSink
from tests.fakes.sessions import (
    NOON,
    ended,
    session_of,
    started_record,
)
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from agent.domain.reports import Report
    from agent.domain.sessions import Session
    from agent.report.delivery import Outbox

BACKOFF = Backoff(timedelta(seconds=1), timedelta(seconds=300))
AGAIN = Retry("no answer")
URL = "https://cpo.example/cdrs/1"
#: When the boot began: what the clock said, and what it learns later.
FIRST, LATER = NOON - timedelta(hours=1), NOON + timedelta(days=40)
FULL = StoreFailedError("journal.db: disk full")


def undated(name: str = "S1") -> Session:
    """Start a session with a price on a clock that nobody has set."""
    started = replace(session_of(name).started_at, synchronized=False)
    return session_of(
        name, started_at=started, updated_at=started, meter_at=started, tariff=Tariff()
    )


def over(name: str = "S1") -> Session:
    """End it, on the same clock."""
    session = ended(undated(name))
    moments = {
        moment: replace(getattr(session, moment), synchronized=False)
        for moment in ("stop_at", "ended_at", "updated_at")
    }
    return replace(session, **moments)


class Calendar:
    """Knows when the boot began, as soon as a test says so."""

    def __init__(self) -> None:
        self.bases: dict[str, datetime] = {}
        self.waits_s: list[float] = []
        self.asked: list[Session] = []

    def correct(self, session: Session) -> Session:
        """Date a session by all that is known now."""
        return correct(session, self.bases)

    def hold_back(self, session: Session) -> timedelta:
        """Let it wait as the test says."""
        self.asked.append(session)
        return timedelta(seconds=self.waits_s.pop(0) if self.waits_s else 0)


class Bench:
    """A delivery loop to one sink, with everything around it."""

    def __init__(self, outbox: Outbox, calendar: Calendar, name: str = "cpo") -> None:
        self.sink = ScriptedSink()
        self.sink.name = name
        self.calendar = calendar
        self.health = Health(FakeClock())
        self.loop = DeliveryLoop(self.sink, outbox, calendar, BACKOFF, self.health)

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

    def cdrs(self) -> list[Session]:
        """What was in each CDR that was tried, in order."""
        return [one.session for one in self.sink.told if one.document is Document.CDR]


def run(bench: Bench, for_s: float) -> None:
    """Let the loop run for a while."""

    async def main() -> None:
        async with bench.running():
            await asyncio.sleep(for_s)

    run_virtual(main())


@pytest.fixture
def outbox() -> MemoryOutbox:
    """Set up an outbox in memory."""
    return MemoryOutbox()


@pytest.fixture
def bench(outbox: MemoryOutbox) -> Bench:
    """Set up a loop with nothing to deliver."""
    return Bench(outbox, Calendar())


# ---- dates ---------------------------------------------------------------------------


def test_a_clock_that_is_corrected_between_attempts_changes_no_cdr(
    bench: Bench, outbox: MemoryOutbox
) -> None:
    """The first attempt may have arrived: the second must be the same."""
    outbox.add_cdr(over())
    bench.calendar.bases = {"boot-1": FIRST}
    bench.sink.scripts["S1"] = [AGAIN, AGAIN]

    async def main() -> None:
        async with bench.running():
            await asyncio.sleep(0.5)
            bench.calendar.bases = {"boot-1": LATER}
            await asyncio.sleep(60)

    run_virtual(main())

    first, *others = bench.cdrs()
    assert others == [first, first]
    assert first.started_at.wall == FIRST + first.started_at.monotonic
    assert outbox.waiting == []


def test_a_session_is_dated_anew_at_every_attempt(
    bench: Bench, outbox: MemoryOutbox
) -> None:
    """It is replaced as a whole, so the better date counts."""
    outbox.add(over())
    bench.sink.scripts["S1"] = [AGAIN]

    async def main() -> None:
        async with bench.running():
            await asyncio.sleep(0.5)
            bench.calendar.bases = {"boot-1": LATER}
            await asyncio.sleep(60)

    run_virtual(main())

    before, after = [report.session for report in bench.sink.told]
    assert after.started_at.wall - before.started_at.wall > timedelta(days=39)


def test_a_cdr_waits_for_a_date_before_it_is_sealed(
    bench: Bench, outbox: MemoryOutbox
) -> None:
    """Only once nobody waits any longer are its dates final."""
    outbox.add_cdr(over())
    bench.calendar.waits_s = [120]

    async def main() -> None:
        async with bench.running():
            await asyncio.sleep(60)
            assert outbox.waiting[0].session == over()
            bench.calendar.bases = {"boot-1": LATER}
            await asyncio.sleep(61)

    run_virtual(main())

    [sent] = bench.cdrs()
    assert sent.started_at.wall == LATER + sent.started_at.monotonic


def test_a_cdr_that_was_always_dated_is_not_written_again(
    bench: Bench, outbox: MemoryOutbox
) -> None:
    """What is final need not be sealed: no write to the SD card."""
    session = ended(session_of(tariff=Tariff()))
    outbox.add_cdr(session)
    outbox.failures["seal"] = [FULL]
    run(bench, 1)
    assert bench.cdrs() == [session]
    assert outbox.failures["seal"] == [FULL]


# ---- storage that fails --------------------------------------------------------------


def test_a_cdr_that_cannot_be_sealed_is_not_sent(
    bench: Bench, outbox: MemoryOutbox
) -> None:
    """Durable first; it goes out as soon as there is room."""
    outbox.add_cdr(over())
    outbox.failures["seal"] = [FULL] * 3

    async def main() -> None:
        async with bench.running():
            await asyncio.sleep(2)
            assert bench.cdrs() == []
            await asyncio.sleep(60)

    run_virtual(main())

    assert len(bench.cdrs()) == 1
    assert outbox.waiting == []


def test_a_cdr_that_was_told_and_not_noted_is_told_again_the_same(
    bench: Bench, outbox: MemoryOutbox
) -> None:
    """Under the same correlation id, so that it can be recognised."""
    outbox.add_cdr(over())
    outbox.failures["delivered"] = [FULL]

    async def main() -> None:
        async with bench.running():
            await asyncio.sleep(0.5)
            bench.calendar.bases = {"boot-1": LATER}
            await asyncio.sleep(60)

    run_virtual(main())

    first, second = bench.sink.told
    assert first == replace(second, id=first.id)
    assert first.correlation_id == second.correlation_id


# ---- what the sink says --------------------------------------------------------------


def test_the_url_of_a_cdr_is_handed_on(bench: Bench, outbox: MemoryOutbox) -> None:
    """Where the backend keeps it; the sealed form does not lose its report."""
    outbox.add_cdr(over())
    bench.sink.answer = Delivered(URL)
    run(bench, 1)
    assert outbox.urls == [URL]
    assert outbox.waiting == []


@pytest.mark.parametrize(
    ("add", "session", "what"),
    [
        (MemoryOutbox.add_cdr, over(), "CDR"),
        (MemoryOutbox.add, over(), "COMPLETED"),
        (MemoryOutbox.add, undated(), "ACTIVE"),
    ],
)
def test_the_log_says_what_was_reported(
    caplog: pytest.LogCaptureFixture,
    add: Callable[[MemoryOutbox, Session], None],
    session: Session,
    what: str,
) -> None:
    """And never the card."""
    caplog.set_level(logging.DEBUG)
    outbox = MemoryOutbox()
    add(outbox, session)
    run(Bench(outbox, Calendar()), 1)
    assert f"session S1: {what} reported to cpo" in caplog.text
    assert session.card not in caplog.text
    assert session.token.contract_id not in caplog.text


# ---- with a journal ------------------------------------------------------------------

SUBSCRIBERS = (
    Subscriber(name="cpo", cdrs=True),
    Subscriber(name="hub", sessions=Scope.ALL, cdrs=True),
)


class Station:
    """A journal on disk with two backends, started anew as often as a test likes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.calendar = Calendar()
        self.benches = {
            one.name: Bench(MemoryOutbox(), self.calendar) for one in SUBSCRIBERS
        }
        for name, bench in self.benches.items():
            bench.sink.name = name

    def record(self, *names: str) -> None:
        """Write sessions down, from start to end."""
        journal = Journal(self._path, subscribers=SUBSCRIBERS)
        journal.record([started_record(undated(name)) for name in names])
        journal.record([(Record(Change.END, over(name)), name) for name in names])
        journal.close()

    def run(self, *stories: Coroutine[None, None, None]) -> list[Session]:
        """Deliver while the stories run, and say what is in the journal then."""

        async def main() -> list[Session]:
            journal = Journal(self._path, subscribers=SUBSCRIBERS)
            thread = JournalThread(journal)
            for bench in self.benches.values():
                bench.loop = DeliveryLoop(
                    bench.sink, thread, self.calendar, BACKOFF, bench.health
                )
            first, second = self.benches.values()
            async with first.running(), second.running():
                for story in stories:
                    await story
            sessions = [session for session, _ in journal.sessions(9)]
            await thread.close()
            return sessions

        return run_virtual(main())

    def words(self, sink: str) -> list[str]:
        """What a sink was told, in order."""
        return [said(report) for report in self.benches[sink].sink.told]


def said(report: Report) -> str:
    """Name a report in a word."""
    is_cdr = report.document is Document.CDR
    return "CDR" if is_cdr else str(report.session.status)


@pytest.fixture
def station(tmp_path: Path) -> Station:
    """Set up a journal with one session that has ended."""
    station = Station(tmp_path / FILE)
    station.record("S1")
    return station


def test_everybody_is_told_everything(station: Station) -> None:
    """The session, its end, its CDR; and then nobody's card is known any more."""
    station.benches["cpo"].sink.answer = Delivered(URL)
    [session] = station.run(asyncio.sleep(10))
    for sink in ("cpo", "hub"):
        assert station.words(sink) == ["ACTIVE", "COMPLETED", "CDR"]
    assert session.card == ""
    assert session.cdr_urls == {"cpo": URL}


def test_one_that_refuses_holds_up_nobody_else(station: Station) -> None:
    """Not the other backend, and not its own other sessions."""
    station.record("S2")
    cpo, hub = station.benches["cpo"].sink, station.benches["hub"].sink
    cpo.scripts["S1"] = [Refused("2001: no such location")]
    hub.scripts["S2"] = [AGAIN] * 3
    station.run(asyncio.sleep(60))
    assert station.words("hub").count("CDR") == 2
    assert [said(one) for one in cpo.told if one.session.id == "S1"] == ["ACTIVE"]
    assert [said(one) for one in cpo.told if one.session.id == "S2"][-1] == "CDR"


def test_two_backends_are_sent_the_same_cdr(station: Station) -> None:
    """One hears of it before the clock is set, the other one after that."""
    station.calendar.bases = {"boot-1": FIRST}
    station.benches["hub"].sink.answer = AGAIN

    async def repair() -> None:
        station.calendar.bases = {"boot-1": LATER}
        station.benches["hub"].sink.answer = Delivered()

    station.run(asyncio.sleep(10), repair(), asyncio.sleep(600))

    [mine], [theirs] = station.benches["cpo"].cdrs(), station.benches["hub"].cdrs()
    assert mine == theirs
    assert mine.started_at.wall == FIRST + mine.started_at.monotonic
    end = station.benches["hub"].sink.told[-2]
    assert end.session.ended_at == mine.ended_at


def test_two_backends_that_are_asked_at_once_are_sent_the_same_cdr(
    station: Station,
) -> None:
    """Whoever seals it second is given what the first has sealed."""
    calendar = station.calendar
    calendar.bases = {"boot-1": FIRST}

    def drift(session: Session) -> Session:
        calendar.bases = {"boot-1": calendar.bases["boot-1"] + timedelta(hours=1)}
        return correct(session, calendar.bases)

    calendar.correct = drift  # type: ignore[method-assign] # learns all the time
    station.run(asyncio.sleep(60))

    [mine], [theirs] = station.benches["cpo"].cdrs(), station.benches["hub"].cdrs()
    assert mine == theirs


def test_a_cdr_is_the_same_after_a_power_cut(station: Station) -> None:
    """It was sealed before it was sent, and no clock has a say after that."""
    station.calendar.bases = {"boot-1": FIRST}
    for bench in station.benches.values():
        bench.sink.scripts["S1"] = [Delivered(), Delivered(), *[AGAIN] * 3]
    station.run(asyncio.sleep(3))
    assert station.benches["cpo"].cdrs()
    station.calendar.bases = {"boot-1": LATER}
    station.run(asyncio.sleep(600))
    for bench in station.benches.values():
        assert len(bench.cdrs()) > 2
        assert set(map(repr, bench.cdrs())) == {repr(bench.cdrs()[0])}
        assert all(one == bench.cdrs()[0] for one in bench.cdrs())
