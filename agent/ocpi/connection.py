"""A backend as the ports of the domain see it: errors become results here."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime  # noqa: TC003 - msgspec reads the annotation
from typing import TYPE_CHECKING, Final

from msgspec import Raw, Struct

from agent.domain.instant import ocpi_datetime
from agent.domain.reports import Delivered, Delivery, Refused, Report, Retry
from agent.domain.tokens import (
    Answer,
    Misconfigured,
    NoAnswer,
    Reply,
    Token,
    TokenType,
    Verdict,
)
from agent.errors import (
    AgentError,
    CredentialsError,
    RefusedUpstreamError,
    TransientUpstreamError,
)
from agent.ocpi.backend import Backend
from agent.ocpi.envelope import unwrap_single
from agent.ocpi.hearing import is_heard, was_heard
from agent.ocpi.pages import Pager, Position
from agent.ocpi.station import Party
from agent.ocpi.transport import Call, Routing, new_uuid
from agent.ocpi.urls import join_url
from agent.ocpi.wire import SUPPORTED

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
    from datetime import timedelta

    import httpx

    from agent.domain.uid import Uid
    from agent.ocpi.backend import Upstream
    from agent.ocpi.discovery import Endpoints
    from agent.ocpi.transport import Response

_LOGGER = logging.getLogger(__name__)

_NOT_FOUND: Final = 404
_MOVED_STATUSES: Final = (404, 405, 410)
_NOT_ENOUGH_INFORMATION: Final = 2002
_UNKNOWN_TOKEN: Final = 2004


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


class OcpiConnection:
    """Asks one backend about cards, reads its whitelist and tells it of sessions.

    Pre-provisioned: both sides know the token, and nobody needs to reach us.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        new_id: Callable[[], str] = new_uuid,
        on_change: Callable[[AgentError | None], None] = lambda _: None,
    ) -> None:
        self.name = upstream.name
        self._upstream = upstream
        self._backend = Backend(
            upstream, transport=transport, new_id=new_id, on_change=on_change
        )
        self._pager = Pager(self._fetch_page, upstream.page_size)
        self._told_pull_only = False

    async def close(self) -> None:
        """Close the network connections."""
        await self._backend.close()

    async def endpoints(self) -> Endpoints:
        """Return where the backend serves what; raise the agent's upstream errors."""
        return await self._backend.endpoints()

    async def check(self) -> list[str]:
        """Discover afresh and tell a person what was found; raise what was not."""
        self._backend.forget_endpoints()
        found = await self.endpoints()
        lines = [
            f"OCPI {found.version}, credentials token read {found.encoding.value}",
            f"tokens: {found.tokens}",
            f"sessions: {found.sessions or 'not taken here, so none will be sent'}",
        ]
        trap = self._upstream.token.find_encoding_trap()
        return [*lines, trap] if trap else lines

    # ---- authorize -----------------------------------------------------------

    async def authorize(
        self,
        uid: Uid,
        token: Token | None,
        evse_uids: Sequence[str],
        timeout: timedelta,  # noqa: ASYNC109 - the port hands over what is left
    ) -> Reply:
        """Ask about a card, listed as `token` or not at all (OCPI 2.2.1 mod_tokens).

        `timeout` covers everything, discovery included.
        """
        seconds = timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                return await self._ask_about(uid, token, evse_uids)
        except TimeoutError:
            err = TransientUpstreamError(f"no answer about a card within {seconds:g} s")
            self._backend.note(err)
            return NoAnswer(str(err), silent=True)
        except TransientUpstreamError as err:
            return NoAnswer(str(err), silent=not was_heard(err))
        except RefusedUpstreamError as err:
            if _is_server_failure(err):
                return NoAnswer(str(err))
            return Misconfigured(str(err))
        except CredentialsError as err:
            return Misconfigured(str(err))

    async def probe(self, timeout: timedelta) -> bool:  # noqa: ASYNC109 - as above
        """Whether the backend says anything at all in the time given."""
        return await is_heard(self._backend, self._upstream, timeout)

    async def _ask_about(
        self, uid: Uid, token: Token | None, evse_uids: Sequence[str]
    ) -> Answer:
        endpoints = await self.endpoints()
        wire = SUPPORTED[endpoints.version]
        call = self._build_question(endpoints, uid, token, evse_uids)
        try:
            data = await self._fetch_patiently(endpoints, call)
        except RefusedUpstreamError as err:
            if err.http_status == _NOT_FOUND or err.ocpi_status == _UNKNOWN_TOKEN:
                return Answer(upstream=self.name, verdict=Verdict.UNKNOWN)
            raise
        info = unwrap_single(data) or Raw()
        return wire.decode_authorization(info, self.name, uid, token)

    def _build_question(
        self,
        endpoints: Endpoints,
        uid: Uid,
        token: Token | None,
        evse_uids: Sequence[str],
    ) -> Call:
        station = self._upstream.station
        wire = SUPPORTED[endpoints.version]
        question = Call(
            method="POST",
            url=join_url(endpoints.tokens, uid.value, "authorize"),
            shown="tokens/…/authorize",
            body=wire.encode_location(station.location_id, evse_uids),
            # A card nobody has listed has no receiver: a hub finds out whose it is.
            routing=Routing(station.party),
            private=(uid.value,),
        )
        if token is None:
            return question
        return replace(
            question,
            url=join_url(endpoints.tokens, token.uid, "authorize"),
            query={} if token.type is TokenType.RFID else {"type": token.type},
            routing=Routing(station.party, Party(token.country_code, token.party_id)),
            private=(uid.value, token.uid, token.contract_id),
        )

    async def _fetch_patiently(self, endpoints: Endpoints, call: Call) -> Raw | None:
        """Ask once more when the backend missed the location that we did send."""
        try:
            return await self._backend.fetch(endpoints, call)
        except RefusedUpstreamError as err:
            if err.ocpi_status != _NOT_ENOUGH_INFORMATION:
                raise
            return await self._backend.fetch(endpoints, call)

    # ---- whitelist -----------------------------------------------------------

    async def token_pages(
        self, date_from: datetime | None = None, start: Position | None = None
    ) -> AsyncGenerator[TokenPage]:
        """Crawl the whitelist, or what changed since `date_from`, from `start` on.

        Complete only if it ends without an error; raise the agent's upstream errors.
        """
        endpoints = await self.endpoints()
        wire = SUPPORTED[endpoints.version]
        filters = {"date_from": ocpi_datetime(date_from)} if date_from else {}
        crawl = self._pager.crawl(endpoints.tokens, filters, start or Position())
        try:
            async with aclosing(crawl) as pages:
                async for page in pages:
                    self._backend.note(None)
                    good, bad = wire.decode_tokens(page.data, self.name)
                    yield TokenPage(
                        tokens=good,
                        problems=bad,
                        listed=page.listed,
                        total=page.total,
                        resume=page.resume,
                        served_at=page.served_at,
                    )
        except AgentError as err:
            self._backend.note(err)
            self._forget_if_moved(err)
            raise

    async def _fetch_page(self, url: str, query: Mapping[str, str]) -> Response:
        upstream = self._upstream
        routing = Routing(upstream.station.party, upstream.their_party)
        call = Call(method="GET", url=url, query=query, routing=routing)
        return await self._backend.send(await self.endpoints(), call)

    # ---- sessions ------------------------------------------------------------

    async def deliver(self, report: Report) -> Delivery:
        """PUT the session as it is now (OCPI 2.2.1 mod_sessions)."""
        try:
            return await self._put_session(report)
        except TransientUpstreamError as err:
            return Retry(str(err), err.retry_after)
        except CredentialsError as err:
            return Retry(str(err), pause=True)

    async def _put_session(self, report: Report) -> Delivery:
        try:
            endpoints = await self.endpoints()
        except RefusedUpstreamError as err:
            # The connection is at fault, and no report is given up for that.
            return Retry(str(err), pause=True)
        if endpoints.sessions is None:
            self._tell_pull_only()
            return Delivered()
        session, station = report.session, self._upstream.station
        token = session.token
        call = Call(
            method="PUT",
            url=join_url(
                endpoints.sessions, station.country_code, station.party_id, session.id
            ),
            body=SUPPORTED[endpoints.version].encode_session(session, station),
            routing=Routing(station.party, Party(token.country_code, token.party_id)),
            correlation_id=report.correlation_id,
            private=(session.card, token.uid, token.contract_id),
        )
        try:
            await self._backend.fetch(endpoints, call)
        except RefusedUpstreamError as err:
            self._forget_if_moved(err)
            return Refused(str(err))
        return Delivered()

    def _tell_pull_only(self) -> None:
        """Say once that a backend without a sessions receiver fetches them itself."""
        if not self._told_pull_only:
            self._told_pull_only = True
            _LOGGER.warning("%s: takes no sessions, so none are sent", self.name)

    def _forget_if_moved(self, err: AgentError) -> None:
        """Look for the endpoints again if one is gone: the backend was rebuilt."""
        gone = isinstance(err, RefusedUpstreamError) and (
            err.http_status in _MOVED_STATUSES
        )
        # A host that is silent may be an old one; the versions know the new one.
        if gone or not was_heard(err):
            self._backend.forget_endpoints()


def _is_server_failure(err: RefusedUpstreamError) -> bool:
    """Whether the backend blames itself, which for a waiting driver is no answer."""
    return err.ocpi_status is not None and err.ocpi_status // 1000 == 3  # noqa: PLR2004 - 3xxx
