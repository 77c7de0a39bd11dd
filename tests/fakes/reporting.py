"""A sink that answers by script, and an outbox in memory."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from agent.domain.reports import Delivered, Delivery, Document, Report
from tests.fakes.sessions import ended, session_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.domain.sessions import Session


class Attempt(NamedTuple):
    """One call of the sink: when, and with which report."""

    at: float
    report: str


class ScriptedSink:
    """Takes everything, unless a session's script says otherwise, in order.

    `answer` is for all sessions without a script; an exception is raised.
    """

    name = "cpo"

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.told: list[Report] = []
        self.scripts: dict[str, list[Delivery | BaseException]] = {}
        self.answer: Delivery | Exception = Delivered()
        self.takes_s = 0.0
        self.most_at_once = 0
        self._at_once = 0

    async def deliver(self, report: Report) -> Delivery:
        """Try once."""
        now = asyncio.get_running_loop().time()
        self.attempts.append(Attempt(now, report.correlation_id))
        self.told.append(report)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await asyncio.sleep(self.takes_s)
        self._at_once -= 1
        script = self.scripts.get(report.session.id)
        answer = script.pop(0) if script else self.answer
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def times(self, report: str) -> list[float]:
        """Say when this report was tried."""
        return [attempt.at for attempt in self.attempts if attempt.report == report]

    def reports(self) -> list[str]:
        """Name what was tried, in order."""
        return [attempt.report for attempt in self.attempts]


class MemoryOutbox:
    """Does what the journal's outbox does, without a disk.

    Each call raises the next of `failures`, if there is one.
    """

    def __init__(self) -> None:
        self.waiting: list[Report] = []
        self.refusals: dict[str, str] = {}
        self.notes: list[tuple[str, str]] = []
        #: Where the sink says it keeps what was delivered, report by report.
        self.urls: list[str | None] = []
        self.failures: dict[str, list[Exception]] = defaultdict(list)
        self._number = 0

    def add(self, *sessions: Session | str) -> None:
        """Add a report of each; a name stands for the start of that session."""
        for given in sessions:
            session = session_of(given) if isinstance(given, str) else given
            self._number += 1
            kind = "start" if session.is_open else "end"
            self.waiting.append(
                Report(
                    id=self._number,
                    correlation_id=f"{session.id}-{kind}",
                    session=session,
                )
            )

    def add_cdr(self, *sessions: Session) -> None:
        """Add a CDR of each."""
        for session in sessions:
            self._number += 1
            self.waiting.append(
                Report(
                    id=self._number,
                    correlation_id=f"{session.id}-cdr",
                    session=session,
                    document=Document.CDR,
                )
            )

    def add_whole(self, *names: str) -> None:
        """Add start and end of each session."""
        for name in names:
            self.add(name, ended(session_of(name)))

    async def due(self, sink: str, limit: int, busy: Iterable[str]) -> list[Report]:
        """The oldest report of each session that is not busy."""
        assert sink == "cpo"
        self._fail("due")
        oldest: dict[str, Report] = {}
        for report in self.waiting:
            oldest.setdefault(report.session.id, report)
        left_out = set(busy)
        return [
            report
            for session, report in oldest.items()
            if session not in left_out and report.correlation_id not in self.refusals
        ][:limit]

    async def seal(self, report: Report, session: Session) -> Session:
        """Keep its final form, or the one that was kept before."""
        self._fail("seal")
        [number] = [n for n, one in enumerate(self.waiting) if one.id == report.id]
        if self.waiting[number].session != report.session:
            return self.waiting[number].session
        self.waiting[number] = replace(report, session=session)
        return session

    async def delivered(self, report: Report, url: str | None = None) -> None:
        """Forget it."""
        self._fail("delivered")
        self.urls.append(url)
        self.waiting.remove(next(one for one in self.waiting if one.id == report.id))

    async def refused(self, report: Report, why: str) -> None:
        """Keep it for a person."""
        self._fail("refused")
        self.refusals[report.correlation_id] = why

    async def postponed(self, report: Report, why: str) -> None:
        """Note why it waits."""
        self._fail("postponed")
        self.notes.append((report.correlation_id, why))

    def _fail(self, call: str) -> None:
        if self.failures[call]:
            raise self.failures[call].pop(0)
