"""Sessions and CDRs that a backend fetches (OCPI 2.2.1 mod_sessions, mod_cdrs)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from agent.ocpi.server.answers import Outcome, join_items
from agent.ocpi.server.registering import CDRS, SESSIONS
from agent.ocpi.urls import join_url

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from agent.domain.sessions import Session
    from agent.ocpi.server.ports import SessionBook
    from agent.ocpi.server.visits import Visit

_LOGGER = logging.getLogger(__name__)

PAGE_LIMIT: Final = 50
_FILTERS: Final = ("date_from", "date_to")


class Lists:
    """What has been recorded for one backend, oldest first, in pages."""

    def __init__(self, book: SessionBook, public_url: str) -> None:
        self._book = book
        self._public_url = public_url

    async def sessions(self, visit: Visit) -> Outcome:
        """Serve a page of Sessions; all of them where OCPI demands a `date_from`."""
        visit.require("GET")
        found = await self._book.sessions(visit.peer.source().upstream)
        found.sort(key=_began)
        return self._page(visit, SESSIONS, found, visit.wire.encode_session)

    async def cdrs(self, visit: Visit) -> Outcome:
        """Serve a page of CDRs."""
        visit.require("GET")
        found = await self._book.cdrs(visit.peer.source().upstream)
        found.sort(key=_ended)
        return self._page(visit, CDRS, found, visit.wire.encode_cdr)

    def _page(
        self,
        visit: Visit,
        module: str,
        found: list[Session],
        write: Callable[..., bytes],
    ) -> Outcome:
        offset = visit.read_number("offset", default=0, least=0)
        limit = visit.read_number("limit", default=PAGE_LIMIT, least=1)
        limit = min(limit, PAGE_LIMIT)
        listed = _between(visit, found)
        headers = {"X-Total-Count": str(len(listed)), "X-Limit": str(PAGE_LIMIT)}
        if offset + limit < len(listed):
            filters = {
                name: visit.query[name] for name in _FILTERS if name in visit.query
            }
            query = urlencode(filters | {"offset": offset + limit, "limit": limit})
            base = join_url(self._public_url, visit.version, module)
            headers["Link"] = f'<{base}?{query}>; rel="next"'
        items = _write_all(visit, listed[offset : offset + limit], write)
        return Outcome(data=join_items(items), headers=headers)


def _between(visit: Visit, found: list[Session]) -> list[Session]:
    """Keep those whose `last_updated` is from `date_from` on and before `date_to`."""
    date_from, date_to = (visit.read_moment(name) for name in _FILTERS)
    return [
        session
        for session in found
        if (date_from is None or date_from <= _last_updated(session))
        and (date_to is None or _last_updated(session) < date_to)
    ]


def _write_all(
    visit: Visit, sessions: list[Session], write: Callable[..., bytes]
) -> list[bytes]:
    """Write what can be written; the rest keeps its place in the count."""
    items = []
    for session in sessions:
        try:
            items.append(write(session, visit.peer.station, visit.peer.quirks))
        except ValueError as err:
            # These messages name the field and the rule, and never the value.
            _LOGGER.warning(
                "session %s cannot be shown to %s in OCPI %s: %s",
                session.id,
                visit.peer.name,
                visit.version,
                err,
            )
    return items


def _last_updated(session: Session) -> datetime:
    # As it is told, so that a receiver may ask from what it has seen.
    return session.updated_at.wall.replace(microsecond=0)


def _began(session: Session) -> tuple[datetime, str]:
    return session.started_at.wall, session.id


def _ended(session: Session) -> tuple[datetime, str]:
    return (session.ended_at or session.updated_at).wall, session.id
