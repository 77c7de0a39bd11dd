"""An outbox after a long outage: how it drains to a server that takes its time."""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing
from datetime import timedelta
from time import perf_counter
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from agent.backoff import Backoff
from agent.clock import SystemClock
from agent.domain.messages import Change, Record
from agent.domain.outcomes import AuthMethod, DecidedBy, StopReason
from agent.domain.reports import Delivered, Delivery, Report
from agent.domain.sessions import CdrToken, Session, end, request_stop
from agent.domain.tokens import TokenType
from agent.health import Health
from agent.report.delivery import PARALLEL_SESSIONS, DeliveryLoop
from agent.store.journal import FILE, Journal
from agent.store.journal_thread import JournalThread
from benchmarks.synchronisation import resident_mib
from benchmarks.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SINK: Final = "cpo"
_BATCH: Final = 1000
_ANSWERS_AFTER_S: Final = 0.005  # A server nearby
_ADDED_AT_MOST_MIB: Final = 8


class _Server:
    """Takes everything after a while, and checks the order within each session."""

    name = _SINK

    def __init__(self, expected: int) -> None:
        self.left = expected
        self.done = asyncio.Event()
        self.most_mib = resident_mib()
        self._begun: set[str] = set()

    async def deliver(self, report: Report) -> Delivery:
        """Take a report."""
        await asyncio.sleep(_ANSWERS_AFTER_S)
        session = report.session
        if session.is_open == (session.id in self._begun):
            raise RuntimeError(f"session {session.id} was told out of order")
        # An end needs not be remembered, and so nothing grows but our own books.
        (self._begun.add if session.is_open else self._begun.discard)(session.id)
        self.left -= 1
        if self.left % _BATCH == 0:
            self.most_mib = max(self.most_mib, resident_mib())
        if not self.left:
            self.done.set()
        return Delivered()


class _Calendar:
    """Knows every date already."""

    def correct(self, session: Session) -> Session:
        """Leave it."""
        return session

    def hold_back(self, session: Session) -> timedelta:
        """Wait for nothing."""
        del session
        return timedelta()


def measure(directory: Path, reports: int) -> Iterator[Verdict]:
    """Fill an outbox and drain it."""
    directory.mkdir()
    with closing(Journal(directory / FILE)) as journal:
        _fill(journal, reports)
    logging.disable(logging.INFO)
    try:
        seconds, added_mib = asyncio.run(_drain(directory, reports))
    finally:
        logging.disable(logging.NOTSET)
    bare = reports * _ANSWERS_AFTER_S / PARALLEL_SESSIONS
    yield Verdict(
        f"backlog of {reports:,} reports / the server's own time",
        seconds / bare,
        3.0,
        "x",
        note=f"{reports / seconds:.0f} per second, {PARALLEL_SESSIONS} at a time",
    )
    yield Verdict("memory added by draining it", added_mib, _ADDED_AT_MOST_MIB, "MiB")


def _fill(journal: Journal, reports: int) -> None:
    """Let so many sessions as are needed start and end while nobody listens."""
    batch: list[tuple[Record, str]] = []
    clock = SystemClock()
    for number in range(reports // 2):
        now = clock.now()
        session = Session(
            id=str(uuid4()),
            evse_uid=f"SE*ABC*E{number % 8}",
            reader="front",
            card=f"{number:014X}",
            token=CdrToken(
                country_code="NL",
                party_id="TNM",
                uid=f"{number:014X}",
                type=TokenType.RFID,
                contract_id=f"NL-TNM-C{number:08d}",
            ),
            upstream=_SINK,
            auth_method=AuthMethod.WHITELIST,
            decided_by=DecidedBy.WHITELIST,
            started_at=now,
            updated_at=now,
        )
        ended = end(request_stop(session, StopReason.LOCAL, now), now)
        batch += [
            (Record(Change.START, session), str(uuid4())),
            (Record(Change.END, ended), str(uuid4())),
        ]
        if len(batch) >= _BATCH:
            journal.record(batch)
            batch.clear()
    journal.record(batch)


async def _drain(directory: Path, reports: int) -> tuple[float, float]:
    """Deliver everything; return how long that took and the memory it added."""
    journal = JournalThread(Journal(directory / FILE))
    server = _Server(reports)
    backoff = Backoff(first=timedelta(seconds=1), cap=timedelta(minutes=5))
    loop = DeliveryLoop(server, journal, _Calendar(), backoff, Health(SystemClock()))
    await journal.depth()
    before = resident_mib()
    begin = perf_counter()
    task = asyncio.create_task(loop.run())
    await server.done.wait()
    seconds = perf_counter() - begin
    task.cancel()
    await asyncio.wait({task})
    await journal.close()
    return seconds, server.most_mib - before
