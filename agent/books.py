"""What backends may look up and change when they call us: tokens, sessions, CDRs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from agent.domain.timeline import settle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from agent.domain.reports import Subscriber
    from agent.domain.sessions import Session
    from agent.domain.tokens import Token, TokenType
    from agent.store.whitelist import Whitelist


class Calendar(Protocol):
    """What is known of one backend's dates."""

    def correct(self, session: Session) -> Session:
        """Date a session by all that is known now."""

    def hold_back(self, session: Session) -> timedelta:
        """Say how long to wait for a better date than the session has."""


class Sessions(Protocol):
    """What is needed of the journal."""

    async def with_cards(self) -> list[Session]:
        """Every session whose card is still known, oldest first."""


class TokenBook:
    """The whitelist, as far as its owners may read and change it; blocks on disk."""

    def __init__(self, whitelist: Whitelist) -> None:
        self._whitelist = whitelist

    def find(
        self,
        upstream: str,
        country_code: str,
        party_id: str,
        uid: str,
        type: TokenType,  # noqa: A002 - OCPI's own word
    ) -> Token | None:
        """Look one token of this upstream up."""
        return self._whitelist.find_token(upstream, country_code, party_id, uid, type)

    def learn(self, token: Token) -> None:
        """Take what its owner says now; durable when it returns."""
        self._whitelist.learn(token)
        self._whitelist.make_durable()


class SessionBook:
    """Sessions and CDRs as each backend has been told of them, or will be.

    Those whose cards are forgotten are left out: half of one would be a false one.
    """

    def __init__(
        self,
        journal: Sessions,
        subscribers: Sequence[Subscriber],
        calendars: Mapping[str, Calendar],
    ) -> None:
        self._journal = journal
        self._subscribers = {one.name: one for one in subscribers}
        self._calendars = calendars

    async def sessions(self, upstream: str) -> list[Session]:
        """Every session that concerns a backend and has a date."""
        subscriber = self._subscribers[upstream]
        calendar = self._calendars[upstream]
        return [
            calendar.correct(session)
            for session in await self._journal.with_cards()
            if subscriber.concerns(session) and not calendar.hold_back(session)
        ]

    async def cdrs(self, upstream: str) -> list[Session]:
        """Every session of these that has a CDR, in the form it will keep."""
        subscriber = self._subscribers[upstream]
        return [
            settle(session)
            for session in await self.sessions(upstream)
            if subscriber.wants_cdr(session)
        ]
