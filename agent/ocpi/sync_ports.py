"""What a synchronisation needs: where tokens come from, and where they go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from datetime import datetime

    from agent.domain.tokens import Token
    from agent.ocpi.pages import Position
    from agent.ocpi.token_list import TokenPage


class Source(Protocol):
    """The connection, as far as a synchronisation needs it."""

    async def origin(self) -> str:
        """Tell one backend, version or account from another that takes its place."""

    def token_pages(
        self, date_from: datetime | None = None, start: Position | None = None
    ) -> AsyncGenerator[TokenPage]:
        """Crawl the list; complete if it ends without an error."""


class Staging(Protocol):
    """The next list in the making."""

    position: str | None
    seen: int

    def append(
        self,
        tokens: Sequence[Token],
        position: str | None,
        *,
        listed: int,
        served_at: datetime | None,
    ) -> None:
        """Add a page and remember where the next one begins."""

    def is_empty(self) -> bool:
        """Say whether not one token could be read so far."""

    def count(self) -> int:
        """How many readable tokens are staged."""

    def count_distinct(self) -> int:
        """How many they are without those that came twice; takes its time."""


class SyncState(Protocol):
    """What is known about an upstream's list."""

    @property
    def cursor(self) -> datetime | None:
        """The newest `last_updated` up to which everything is stored."""

    @property
    def origin(self) -> str | None:
        """Where the list came from."""

    @property
    def swept_at(self) -> datetime | None:
        """When a whole list was put in force last, None if never."""


class Whitelist(Protocol):
    """The whitelist, as far as a synchronisation needs it; may block on the disk."""

    def sync_state(self, upstream: str) -> SyncState:
        """Say how far the list is known."""

    def count_of(self, upstream: str) -> int:
        """Count this upstream's tokens in force."""

    def upsert(self, tokens: Sequence[Token]) -> None:
        """Add or replace tokens."""

    def finish_incremental(self, upstream: str, cursor: datetime | None) -> None:
        """Move the cursor."""

    def stage(self, upstream: str, origin: str) -> Staging:
        """Begin the next list from this origin, or go on with it."""

    def abandon(self, upstream: str) -> None:
        """Throw the next list away."""

    def swap(self, upstream: str) -> None:
        """Put the next list in force."""
