"""One run's connection to a backend, in the place of the agent's own."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from agent.domain.reports import Delivered, Delivery, Refused, Report, Retry
from agent.domain.tokens import NoAnswer, Reply, Token
from agent.errors import TransientUpstreamError
from agent.ocpi.pages import Position
from agent.ocpi.token_list import TokenPage
from tests.simulation.clock import BEGIN
from tests.simulation.upstream import Backend, Line

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from datetime import datetime

    from agent.domain.uid import Uid
    from tests.simulation.power import Life

_PUT_TAKES_AT_MOST_S: Final = 10.0
_PAGE: Final = 100
_SAYS_WHEN: Final = 0.3


class Connection:
    """What one run of the agent has of a backend; stands for an OcpiConnection."""

    def __init__(self, backend: Backend, life: Life) -> None:
        self.name = backend.name
        self._backend = backend
        self._life = life
        self._chance = random.Random(life.number)  # noqa: S311 - no secret

    async def close(self) -> None:
        """Close nothing."""

    async def origin(self) -> str:
        """Always the same."""
        return self.name

    async def probe(self, timeout: timedelta) -> bool:  # noqa: ASYNC109 - as the port's
        """Whether the backend says anything."""
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                return await self._backend.travel() is not Line.REFUSING
        except TimeoutError:
            return False

    async def authorize(
        self,
        uid: Uid,
        token: Token | None,
        evse_uids: Sequence[str],
        timeout: timedelta,  # noqa: ASYNC109 - as the port's
    ) -> Reply:
        """Ask about a card."""
        del token, evse_uids
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                line = await self._backend.travel()
                if line is not Line.UP:
                    return NoAnswer(line.value, silent=line is Line.REFUSING)
                answer = self._backend.authorize(uid)
                if not await self._backend.answer_back():
                    return NoAnswer("connection lost", silent=True)
                return answer
        except TimeoutError:
            return NoAnswer("no answer", silent=True)

    async def token_pages(
        self, date_from: datetime | None = None, start: Position | None = None
    ) -> AsyncGenerator[TokenPage]:
        """Crawl the list."""
        first = start.offset if start else 0
        while True:
            tokens = await self._fetch(date_from)
            page = tokens[first : first + _PAGE]
            last = first + _PAGE >= len(tokens)
            first += _PAGE
            yield TokenPage(
                tokens=page,
                problems=[],
                listed=len(page),
                total=len(tokens),
                resume=None if last else Position(first),
                served_at=BEGIN + timedelta(seconds=self._life.world.now()),
            )
            if last:
                return

    async def _fetch(self, date_from: datetime | None) -> list[Token]:
        try:
            async with asyncio.timeout(_PUT_TAKES_AT_MOST_S):
                line = await self._backend.travel()
                if line is Line.UP and await self._backend.answer_back():
                    return self._backend.listed(date_from)
        except TimeoutError as err:
            raise TransientUpstreamError("no answer") from err
        raise TransientUpstreamError(line.value)

    async def deliver(self, report: Report) -> Delivery:
        """Tell of a session; it may be taken although nobody hears of it."""
        try:
            async with asyncio.timeout(_PUT_TAKES_AT_MOST_S):
                line = await self._backend.travel()
                if line is Line.FAILING and self._chance.random() < _SAYS_WHEN:
                    return Retry("503", timedelta(seconds=self._chance.choice((0, 60))))
                if line is not Line.UP:
                    return Retry(line.value)
                if report.session.upstream != self.name:
                    return Refused("not ours")
                self._backend.put(report, self._life.since)
                if not await self._backend.answer_back():
                    return Retry("answer lost")
        except TimeoutError:
            return Retry("no answer")
        return Delivered()
