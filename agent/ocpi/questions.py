"""Asking a backend about a card (OCPI 2.2.1 mod_tokens, real-time authorization)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from msgspec import Raw

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
    CredentialsError,
    RefusedUpstreamError,
    TransientUpstreamError,
)
from agent.ocpi.envelope import unwrap_single
from agent.ocpi.hearing import was_heard
from agent.ocpi.station import Party
from agent.ocpi.transport import Call
from agent.ocpi.urls import join_url

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from agent.domain.uid import Uid
    from agent.ocpi.backend import Backend
    from agent.ocpi.discovery import Endpoints

_NOT_FOUND: Final = 404
_NOT_ENOUGH_INFORMATION: Final = 2002
_UNKNOWN_TOKEN: Final = 2004
#: With these a 404 is about our location or the receiver, and not about the card.
_NOT_THE_CARD: Final = (_NOT_ENOUGH_INFORMATION, 2003, 4001)


class Questions:
    """Asks, and turns every error into what it means to the driver who waits."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._name = backend.upstream.name

    async def authorize(
        self,
        uid: Uid,
        token: Token | None,
        evse_uids: Sequence[str],
        timeout: timedelta,  # noqa: ASYNC109 - the port hands over what is left
    ) -> Reply:
        """Ask about a card, listed as `token` or not at all.

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

    async def _ask_about(
        self, uid: Uid, token: Token | None, evse_uids: Sequence[str]
    ) -> Answer:
        endpoints = await self._backend.endpoints()
        if endpoints.tokens is None:
            raise TransientUpstreamError(f"{self._name}: has no tokens module")
        call = self._build(endpoints, endpoints.tokens, uid, token, evse_uids)
        try:
            data = await self._fetch_patiently(endpoints, call)
        except RefusedUpstreamError as err:
            if _is_unknown_card(err):
                return Answer(upstream=self._name, verdict=Verdict.UNKNOWN)
            raise
        info = unwrap_single(data) or Raw()
        wire = self._backend.wire(endpoints)
        return wire.decode_authorization(info, self._backend.source(), uid, token)

    def _build(
        self,
        endpoints: Endpoints,
        url: str,
        uid: Uid,
        token: Token | None,
        evse_uids: Sequence[str],
    ) -> Call:
        backend = self._backend
        location_id = backend.upstream.station.location_id
        question = Call(
            method="POST",
            url=join_url(url, uid.value, "authorize"),
            shown="tokens/…/authorize",
            body=backend.wire(endpoints).encode_location(location_id, evse_uids),
            # Of a card nobody has listed a hub finds out whose it is; an eMSP that is
            # none has to be addressed (2.2.1 transport, overview of routing headers).
            routing=backend.routing(endpoints, backend.their_emsp),
            private=(uid.value,),
        )
        if token is None:
            return question
        party = Party(token.country_code, token.party_id)
        return replace(
            question,
            url=join_url(url, token.uid, "authorize"),
            query={} if token.type is TokenType.RFID else {"type": token.type},
            routing=backend.routing(endpoints, party),
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


def _is_unknown_card(err: RefusedUpstreamError) -> bool:
    if err.ocpi_status == _UNKNOWN_TOKEN:
        return True
    return err.http_status == _NOT_FOUND and err.ocpi_status not in _NOT_THE_CARD


def _is_server_failure(err: RefusedUpstreamError) -> bool:
    """Whether the backend blames itself, which for a waiting driver is no answer."""
    return err.ocpi_status is not None and err.ocpi_status // 1000 == 3  # noqa: PLR2004 - 3xxx
