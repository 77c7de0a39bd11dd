"""The delivery loop of one sink: in order per session, several sessions at a time.

Nothing is ever given up: what fails is tried again, later and later, and what the
server refuses for good stays in the outbox for a person to look at.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, assert_never

from msgspec.structs import replace

from agent.cancellation import noticed
from agent.domain.reports import (
    Delivered,
    Delivery,
    Document,
    Refused,
    Report,
    Retry,
)
from agent.domain.timeline import settle
from agent.errors import STORE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.backoff import Backoff
    from agent.domain.sessions import Session
    from agent.health import Health

_LOGGER = logging.getLogger(__name__)

PARALLEL_SESSIONS = 4
LONGEST_WISH = timedelta(hours=1)  # A server's Retry-After is honoured up to this


class Sink(Protocol):
    """Somebody who must hear of sessions."""

    name: str

    async def deliver(self, report: Report) -> Delivery:
        """Try once; every failure is a result."""


class Outbox(Protocol):
    """What the loop needs of the journal."""

    async def due(self, sink: str, limit: int, busy: Iterable[str]) -> list[Report]:
        """The oldest report of each session that is not busy."""

    async def seal(self, report: Report, session: Session) -> Session:
        """Make the final form of a session durable before its CDR is first sent.

        There is one for all sinks: return what was sealed before, if anything was.
        """

    async def delivered(self, report: Report, url: str | None) -> None:
        """Forget it; `url` is where a CDR is kept."""

    async def refused(self, report: Report, why: str) -> None:
        """Keep it for a person."""

    async def postponed(self, report: Report, why: str) -> None:
        """Note why it waits."""


class Calendar(Protocol):
    """What the loop needs to know of time."""

    def correct(self, session: Session) -> Session:
        """Date a session by all that is known now."""

    def hold_back(self, session: Session) -> timedelta:
        """Say how long to wait for a better date than the session has."""


class DeliveryLoop:
    """Delivers one sink's reports.

    A session that fails backs off alone. When one after another fails, the sink is
    taken for dead and probed with one report at a time. A session without a date that
    could be trusted waits alone, too.
    """

    def __init__(
        self,
        sink: Sink,
        outbox: Outbox,
        calendar: Calendar,
        backoff: Backoff,
        health: Health,
    ) -> None:
        self._sink = sink
        self._outbox = outbox
        self._calendar = calendar
        self._backoff = backoff
        self._health = health
        self._news = asyncio.Event()
        self._failures_in_a_row = 0
        self._journal_failures = 0
        self._sink_rests_until = 0.0
        self._running: set[str] = set()
        self._attempts: dict[str, int] = {}
        self._session_rests_until: dict[str, float] = {}

    def notify(self) -> None:
        """Tell the loop that the outbox has something new."""
        self._news.set()

    def retry_now(self) -> None:
        """Forget every pause: something has been repaired."""
        self._sink_rests_until = 0.0
        self._session_rests_until.clear()
        self._news.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._news.clear()
                due = await self._find_due()
                for report in due:
                    if self._holds_back(report.session):
                        self._news.set()  # Others may be due in its place.
                        continue
                    self._running.add(report.session.id)
                    group.create_task(self._attempt(report))
                await self._wait()

    def _holds_back(self, session: Session) -> bool:
        """Let a session wait that has no date yet; say whether it does."""
        wait_s = self._calendar.hold_back(session).total_seconds()
        if wait_s <= 0:
            return False
        until = asyncio.get_running_loop().time() + wait_s
        self._session_rests_until[session.id] = until
        return True

    async def _find_due(self) -> list[Report]:
        """Look what is due; a journal that cannot be read is asked again later."""
        now = asyncio.get_running_loop().time()
        if now < self._sink_rests_until:
            return []
        try:
            due = await self._due(now)
        except STORE_ERRORS as err:
            self._journal_failures += 1
            self._rest(self._backoff.delay_s(self._journal_failures))
            self._health.bad("outbox", str(err))
            return []
        self._journal_failures = 0
        self._health.good("outbox")
        return due

    async def _due(self, now: float) -> list[Report]:
        parallel = 1 if self._failures_in_a_row else PARALLEL_SESSIONS
        free = parallel - len(self._running)
        if free <= 0:
            return []
        self._session_rests_until = {
            session: until
            for session, until in self._session_rests_until.items()
            if until > now
        }
        busy = self._running | self._session_rests_until.keys()
        return await self._outbox.due(self._sink.name, free, busy)

    async def _wait(self) -> None:
        """Sleep until there is news or a rest is over."""
        now = asyncio.get_running_loop().time()
        rests = [*self._session_rests_until.values(), self._sink_rests_until]
        timeout = min((until - now for until in rests if until > now), default=None)
        try:
            async with asyncio.timeout(timeout):
                await self._news.wait()
        except TimeoutError:
            return

    async def _attempt(self, report: Report) -> None:
        session_id = report.session.id
        try:
            dated = await self._date(report)
            delivery = await noticed(self._sink.name, self._sink.deliver(dated))
            await self._settle(report, delivery)
        except STORE_ERRORS as err:
            # Told, but not noted: it will be told again, which does no harm.
            self._failed(session_id, Retry(str(err)))
        except Exception:
            _LOGGER.exception(
                "session %s: the sink failed as it should not", session_id
            )
            self._failed(session_id, Retry("internal error"))
        finally:
            self._running.discard(session_id)
            self._news.set()

    async def _date(self, report: Report) -> Report:
        """Date a report by all that is known; a CDR's dates are final from then on."""
        session = self._calendar.correct(report.session)
        if report.document is Document.CDR:
            session = settle(session)
            if session != report.session:
                session = await self._outbox.seal(report, session)
        return replace(report, session=session)

    async def _settle(self, report: Report, result: Delivery) -> None:
        session_id = report.session.id
        match result:
            case Delivered(url):
                self._succeeded(session_id)
                await self._outbox.delivered(report, url)
                is_cdr = report.document is Document.CDR
                what = "CDR" if is_cdr else report.session.status
                _LOGGER.info(
                    "session %s: %s reported to %s", session_id, what, self._sink.name
                )
            case Refused(why):
                self._succeeded(session_id)
                await self._outbox.refused(report, why)
                _LOGGER.error(
                    "session %s: %s refuses the report for good: %s; see: "
                    "rfid-agent outbox list",
                    session_id,
                    self._sink.name,
                    why,
                )
            case Retry():
                self._failed(session_id, result)
                await self._outbox.postponed(report, result.why)
            case _:
                assert_never(result)

    def _rest(self, seconds: float) -> None:
        """Leave the sink alone for a while, or for longer if it was to rest longer."""
        until = asyncio.get_running_loop().time() + seconds
        self._sink_rests_until = max(self._sink_rests_until, until)

    def _succeeded(self, session_id: str) -> None:
        """Note that the sink answers; a refusal is an answer."""
        self._failures_in_a_row = 0
        self._attempts.pop(session_id, None)
        self._health.good(f"reporting to {self._sink.name}")

    def _failed(self, session_id: str, retry: Retry) -> None:
        now = asyncio.get_running_loop().time()
        attempts = self._attempts.get(session_id, 0) + 1
        self._attempts[session_id] = attempts
        self._failures_in_a_row += 1
        self._session_rests_until[session_id] = now + self._backoff.delay_s(attempts)
        if retry.after is not None:
            self._rest(min(retry.after, LONGEST_WISH).total_seconds())
        if retry.pause or self._failures_in_a_row > PARALLEL_SESSIONS:
            self._rest(self._backoff.delay_s(self._failures_in_a_row))
        self._health.bad(f"reporting to {self._sink.name}", retry.why)
