"""The journal, away from the event loop: an fsync on an SD card takes its time."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from agent.domain.messages import Record
    from agent.domain.reports import Report
    from agent.domain.sessions import Session
    from agent.store.journal import Journal

P = ParamSpec("P")
R = TypeVar("R")


class JournalThread:
    """One thread owns the journal, so calls take effect in the order they are made."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="journal")

    async def record(self, records: Sequence[tuple[Record, str]]) -> None:
        """Make several changes durable at once; each has its correlation id."""
        await self._call(self._journal.record, records)

    async def open_sessions(self) -> list[Session]:
        """Every session that has not ended."""
        return await self._call(self._journal.open_sessions)

    async def with_cards(self) -> list[Session]:
        """Every session whose card is still known."""
        return await self._call(self._journal.with_cards)

    async def forget_cards(self, now: datetime) -> int:
        """Forget the cards of told sessions that ended long enough ago."""
        return await self._call(self._journal.forget_cards, now)

    async def due(self, sink: str, limit: int, busy: Iterable[str]) -> list[Report]:
        """The oldest report of each session that is not busy."""
        return await self._call(self._journal.outbox.due, sink, limit, list(busy))

    async def seal(self, report: Report, session: Session) -> Session:
        """Make the final form of a session durable before its CDR is first sent."""
        return await self._call(self._journal.outbox.seal, report, session)

    async def delivered(self, report: Report, url: str | None = None) -> None:
        """Forget a delivered report."""
        await self._call(self._journal.outbox.delivered, report, url)

    async def refused(self, report: Report, why: str) -> None:
        """Keep a report that will never be taken."""
        await self._call(self._journal.outbox.refused, report, why)

    async def postponed(self, report: Report, why: str) -> None:
        """Note why a report waits."""
        await self._call(self._journal.outbox.postponed, report, why)

    async def retry_refused(self, number: int | None) -> int:
        """Let one refused report, or all, be tried again."""
        return await self._call(self._journal.outbox.retry_refused, number)

    async def drop_refused(self, number: int | None) -> int:
        """Give a refused report up, or none."""
        if number is None:
            return 0
        return await self._call(self._journal.outbox.drop_refused, number)

    async def sinks(self) -> list[str]:
        """Everybody who has still to be told something."""
        return await self._call(self._journal.outbox.sinks)

    async def depth(self) -> tuple[int, int]:
        """How many reports wait, and how many were refused."""
        return await self._call(self._journal.outbox.depth)

    async def bases(self) -> dict[str, datetime]:
        """When each boot began that was synchronized."""
        return await self._call(self._journal.times.bases)

    async def learn_base(self, boot_id: str, base: datetime) -> None:
        """Remember when this boot began."""
        await self._call(self._journal.times.learn_base, boot_id, base)

    async def last_known(self) -> datetime | None:
        """The latest moment that the journal speaks of."""
        return await self._call(self._journal.times.last_known)

    async def note_time(self, now: datetime) -> None:
        """Keep how far time has come."""
        await self._call(self._journal.times.note, now)

    async def close(self) -> None:
        """Finish what was begun and close the file."""
        await self._call(self._journal.close)
        self._executor.shutdown(wait=False)

    async def _call(
        self, method: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._executor, partial(method, *args, **kwargs)
        )
