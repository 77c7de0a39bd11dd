"""Telling a backend of sessions: a PUT of the whole Session, a POST of its CDR.

OCPI would have us not repeat what failed; what goes out here late is the present state
of an object under its own id, which cannot do harm (OCPI 2.2.1 mod_sessions, mod_cdrs).
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

from agent.domain.reports import (
    Delivered,
    Delivery,
    Document,
    Refused,
    Report,
    Retry,
)
from agent.errors import (
    CredentialsError,
    RefusedUpstreamError,
    TransientUpstreamError,
)
from agent.ocpi.station import Party
from agent.ocpi.transport import Call
from agent.ocpi.urls import join_url, resolve_url

if TYPE_CHECKING:
    from agent.domain.sessions import Session
    from agent.ocpi.backend import Backend
    from agent.ocpi.discovery import Endpoints
    from agent.ocpi.transport import Response

_LOGGER = logging.getLogger(__name__)
_CONFLICT: Final = 409
#: How servers refuse a CDR of an id that they have, for which OCPI has no code. No
#: looser: that a tariff is over already, or no token exists, is no reason to stop.
_KNOWN_ALREADY: Final = re.compile(
    r"\bduplicate|\balready (?:been )?(?:exist|stored|received|processed|known|posted)"
    r"|\b(?:exists|known|received|processed) already\b",
    re.IGNORECASE,
)
_BAD_REQUESTS: Final = (400, 422)
_MAX_URL_CHARS: Final = 255


class Reports:
    """Delivers to one backend; every failure is a result."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._told_missing: set[Document] = set()

    async def deliver(self, report: Report) -> Delivery:
        """Try once."""
        try:
            endpoints = await self._backend.endpoints()
        except RefusedUpstreamError as err:
            # The connection is at fault, and no report is given up for that.
            return Retry(str(err), pause=True)
        except TransientUpstreamError as err:
            return Retry(str(err), err.retry_after)
        except CredentialsError as err:
            return Retry(str(err), pause=True)
        is_cdr = report.document is Document.CDR
        url = endpoints.cdrs if is_cdr else endpoints.sessions
        if url is None:
            self._tell_missing(report.document)
            return Delivered()
        try:
            call = self._build(endpoints, url, report)
        except ValueError as err:
            # Only another configuration can change that, and then a person's retry.
            return Refused(f"OCPI {endpoints.version} cannot tell it: {err}")
        return await self._send(endpoints, call, is_cdr=is_cdr)

    async def _send(
        self, endpoints: Endpoints, call: Call, *, is_cdr: bool
    ) -> Delivery:
        try:
            response, _ = await self._backend.exchange(endpoints, call)
        except TransientUpstreamError as err:
            self._backend.forget_if_moved(err)
            return Retry(str(err), err.retry_after)
        except CredentialsError as err:
            return Retry(str(err), pause=True)
        except RefusedUpstreamError as err:
            if is_cdr and _is_known_already(err):
                # An answer was lost on the way: the first attempt had worked.
                return Delivered()
            self._backend.forget_if_moved(err)
            return Refused(str(err))
        return Delivered(url=_location_of(response) if is_cdr else None)

    def _build(self, endpoints: Endpoints, url: str, report: Report) -> Call:
        """Write the request; raise ValueError for what this version cannot say."""
        session, upstream = report.session, self._backend.upstream
        wire = self._backend.wire(endpoints)
        if report.document is Document.CDR:
            method, shown = "POST", "cdrs"
            body = wire.encode_cdr(session, upstream.station, upstream.quirks)
        else:
            method, shown = "PUT", f"sessions/…/{session.id}"
            body = wire.encode_session(session, upstream.station, upstream.quirks)
            ours = upstream.station.party
            url = join_url(url, ours.country_code, ours.party_id, session.id)
        return Call(
            method=method,
            url=url,
            shown=shown,
            body=body,
            routing=self._backend.routing(endpoints, self._receiver(session)),
            correlation_id=report.correlation_id,
            private=(session.card, session.token.uid, session.token.contract_id),
        )

    def _receiver(self, session: Session) -> Party | None:
        """Whom it concerns: the card's owner, if that is behind this connection."""
        if session.upstream != self._backend.upstream.name:
            return self._backend.their_party
        return Party(session.token.country_code, session.token.party_id)

    def _tell_missing(self, document: Document) -> None:
        """Say once that a backend without a receiver fetches them itself."""
        if document not in self._told_missing:
            self._told_missing.add(document)
            _LOGGER.warning(
                "%s: takes no %ss, so none are sent",
                self._backend.upstream.name,
                document.value,
            )


def _is_known_already(err: RefusedUpstreamError) -> bool:
    if err.http_status == _CONFLICT:
        return True
    is_bad_request = err.http_status in _BAD_REQUESTS or (
        (err.ocpi_status or 0) // 1000 == 2  # noqa: PLR2004 - 2xxx
    )
    return is_bad_request and _KNOWN_ALREADY.search(str(err)) is not None


def _location_of(response: Response) -> str | None:
    """Read where the CDR is kept; servers forget it, or name a place that is not."""
    location = response.headers.get("location", "").strip()
    url = resolve_url(response.url, location)
    if not location or url is None:
        return None
    return str(url) if len(str(url)) <= _MAX_URL_CHARS else None
