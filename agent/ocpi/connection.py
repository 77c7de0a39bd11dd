"""A backend as the ports of the domain see it: errors become results here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.ocpi.backend import Backend
from agent.ocpi.hearing import is_heard
from agent.ocpi.questions import Questions
from agent.ocpi.reporting import Reports
from agent.ocpi.token_list import TokenList
from agent.ocpi.transport import new_uuid

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from datetime import datetime, timedelta

    import httpx

    from agent.domain.reports import Delivery, Report
    from agent.domain.tokens import Reply, Token
    from agent.domain.uid import Uid
    from agent.errors import AgentError
    from agent.ocpi.discovery import Endpoints
    from agent.ocpi.memory import Memory
    from agent.ocpi.pages import Position
    from agent.ocpi.token_list import TokenPage
    from agent.ocpi.upstream import Upstream


class OcpiConnection:
    """Asks one backend about cards, reads its whitelist and tells it of sessions.

    With a token that both sides know, nobody needs to reach us; after a handshake the
    tokens are those in `memory`.
    """

    def __init__(  # noqa: PLR0913 - the configuration, and the outside world
        self,
        upstream: Upstream,
        memory: Memory | None = None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        new_id: Callable[[], str] = new_uuid,
        clock_is_synchronized: Callable[[], bool] = lambda: True,
        on_change: Callable[[AgentError | None], None] = lambda _: None,
    ) -> None:
        self.name = upstream.name
        self.backend = Backend(
            upstream,
            memory,
            transport=transport,
            new_id=new_id,
            clock_is_synchronized=clock_is_synchronized,
            on_change=on_change,
        )
        self._questions = Questions(self.backend)
        self._tokens = TokenList(self.backend)
        self._reports = Reports(self.backend)

    async def close(self) -> None:
        """Close the network connections."""
        await self.backend.close()

    async def endpoints(self) -> Endpoints:
        """Return where the backend serves what; raise the agent's upstream errors."""
        return await self.backend.endpoints()

    async def origin(self) -> str:
        """Tell one list from another that takes its place; raise upstream errors."""
        return await self.backend.origin()

    async def check(self) -> list[str]:
        """Discover afresh and tell a person what was found; raise what was not."""
        self.backend.forget_endpoints()
        found = await self.endpoints()
        upstream = self.backend.upstream
        lines = [f"OCPI {found.version}, credentials token read {found.encoding.value}"]
        if upstream.has_tokens:
            lines.append(f"tokens: {found.tokens}")
        lines.append(
            f"sessions: {found.sessions or 'not taken here, so none will be sent'}"
        )
        if found.cdrs:
            lines.append(f"cdrs: {found.cdrs}")
        trap = None if upstream.handshake else upstream.token.find_encoding_trap()
        return [*lines, trap] if trap else lines

    async def authorize(
        self,
        uid: Uid,
        token: Token | None,
        evse_uids: Sequence[str],
        timeout: timedelta,  # noqa: ASYNC109 - the port hands over what is left
    ) -> Reply:
        """Ask about a card, listed as `token` or not at all."""
        return await self._questions.authorize(uid, token, evse_uids, timeout)

    async def probe(self, timeout: timedelta) -> bool:  # noqa: ASYNC109 - as above
        """Whether the backend says anything at all in the time given."""
        return await is_heard(self.backend, timeout)

    def token_pages(
        self, date_from: datetime | None = None, start: Position | None = None
    ) -> AsyncGenerator[TokenPage]:
        """Crawl the whitelist; complete only if it ends without an error."""
        return self._tokens.pages(date_from, start)

    async def deliver(self, report: Report) -> Delivery:
        """Tell of a session; every failure is a result."""
        return await self._reports.deliver(report)
