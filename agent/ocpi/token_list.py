"""Reading a backend's list of Tokens, page by page (OCPI 2.2.1 mod_tokens)."""

from __future__ import annotations

from contextlib import aclosing
from datetime import datetime  # noqa: TC003 - msgspec reads the annotation
from typing import TYPE_CHECKING

from msgspec import Struct

from agent.domain.instant import ocpi_datetime
from agent.domain.tokens import Token  # noqa: TC001 - msgspec reads it
from agent.errors import AgentError, RefusedUpstreamError
from agent.ocpi.pages import Pager, Position
from agent.ocpi.transport import Call

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from agent.ocpi.backend import Backend
    from agent.ocpi.transport import Response


class TokenPage(Struct, frozen=True, kw_only=True):
    """Some Tokens; `problems` says what was wrong with those that were skipped.

    `listed` counts all items of the page, those that can never be a card included;
    `total` is what the server says its list holds; `resume` is where the next page
    begins, None after the last; `served_at` is the server's own time.
    """

    tokens: list[Token]
    problems: list[str]
    listed: int
    total: int | None
    resume: Position | None
    served_at: datetime | None = None


class TokenList:
    """The whitelist as one backend publishes it."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        upstream = backend.upstream
        self._pager = Pager(
            self._fetch_page, upstream.page_size, origins=upstream.link_origins
        )

    async def pages(
        self, date_from: datetime | None = None, start: Position | None = None
    ) -> AsyncGenerator[TokenPage]:
        """Crawl the whitelist, or what changed since `date_from`, from `start` on.

        Complete only if it ends without an error; raise the agent's upstream errors.
        """
        backend = self._backend
        endpoints = await backend.endpoints()
        if endpoints.tokens is None:
            raise RefusedUpstreamError(
                f"{backend.upstream.name}: has no tokens module", 404
            )
        wire, source = backend.wire(endpoints), backend.source()
        filters = {"date_from": ocpi_datetime(date_from)} if date_from else {}
        crawl = self._pager.crawl(endpoints.tokens, filters, start or Position())
        try:
            async with aclosing(crawl) as pages:
                async for page in pages:
                    backend.note(None)
                    good, bad = wire.decode_tokens(page.data, source)
                    yield TokenPage(
                        tokens=good,
                        problems=bad,
                        listed=page.listed,
                        total=page.total,
                        resume=page.resume,
                        served_at=page.served_at,
                    )
        except AgentError as err:
            backend.note(err)
            backend.forget_if_moved(err)
            raise

    async def _fetch_page(self, url: str, query: Mapping[str, str]) -> Response:
        backend = self._backend
        endpoints = await backend.endpoints()
        routing = backend.routing(endpoints, backend.their_party)
        call = Call(method="GET", url=url, query=query, routing=routing)
        return await backend.send(endpoints, call)
