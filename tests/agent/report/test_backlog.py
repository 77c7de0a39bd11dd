"""A long backlog on the real journal: in order, side by side, in bounded memory."""

from __future__ import annotations

import asyncio
import logging
import tracemalloc
from collections import defaultdict
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from agent.backoff import Backoff
from agent.domain.reports import Delivered, Delivery, Report
from agent.health import Health
from agent.report.delivery import PARALLEL_SESSIONS, DeliveryLoop
from agent.store.journal import FILE, Journal
from agent.store.journal_thread import JournalThread
from tests.fakes.clock import FakeClock
from tests.fakes.sessions import ended_record, session_of, started_record

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from agent.domain.sessions import Session

SESSIONS = 2000
MIB = 2**20


class Server:
    """Takes everything, and notes in what order."""

    name = "cpo"

    def __init__(self) -> None:
        self.told: defaultdict[str, list[str]] = defaultdict(list)
        self.most_at_once = 0
        self.done = asyncio.Event()
        self._at_once = 0
        self._left = 2 * SESSIONS

    async def deliver(self, report: Report) -> Delivery:
        """Take a report, while others come."""
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        for _ in range(5):
            await asyncio.sleep(0)
        self._at_once -= 1
        self.told[report.session.id].append(report.session.status.value)
        self._left -= 1
        if not self._left:
            self.done.set()
        return Delivered()


class Calendar:
    """Knows every date."""

    def correct(self, session: Session) -> Session:
        """Leave it."""
        return session

    def hold_back(self, session: Session) -> timedelta:
        """Wait for nothing."""
        del session
        return timedelta()


def test_a_long_backlog_drains_in_order_and_in_bounded_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each session's start comes before its end, several sessions at a time."""
    # What the test runner keeps of the log is no memory of ours.
    caplog.set_level(logging.WARNING, "agent.report.delivery")
    with closing(Journal(tmp_path / FILE)) as journal:
        sessions = [session_of(f"S{number}") for number in range(SESSIONS)]
        journal.record([started_record(one) for one in sessions])
        journal.record([ended_record(one) for one in sessions])
    del sessions

    async def drain() -> tuple[Server, int]:
        thread = JournalThread(Journal(tmp_path / FILE))
        server = Server()
        backoff = Backoff(first=timedelta(seconds=1), cap=timedelta(minutes=5))
        health = Health(FakeClock())
        loop = DeliveryLoop(server, thread, Calendar(), backoff, health)
        tracemalloc.start()
        try:
            task = asyncio.create_task(loop.run())
            await server.done.wait()
            _, most_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        await thread.depth()
        task.cancel()
        await asyncio.wait({task})
        await thread.close()
        return server, most_bytes

    server, most_bytes = asyncio.run(drain())

    assert set(map(tuple, server.told.values())) == {("ACTIVE", "COMPLETED")}
    assert len(server.told) == SESSIONS
    assert 1 < server.most_at_once <= PARALLEL_SESSIONS
    # What the test itself notes down is a part of it.
    assert most_bytes < 2 * MIB
