"""Keeping the whitelist what the backend says it is.

An incremental synchronisation asks for what changed since the newest `last_updated`
that is stored, and only adds. A full one stages the whole list and puts it in force in
one step, so that what the backend no longer lists is gone. Neither ever looks at our
own clock.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from msgspec import Struct

from agent.errors import (
    StoreCorruptError,
    StoreFailedError,
    TransientUpstreamError,
)
from agent.ocpi.pages import Position

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from datetime import datetime

    from agent.domain.tokens import Token
    from agent.ocpi.connection import TokenPage

_LOGGER = logging.getLogger(__name__)

# Servers stamp a token before they show it; asking a little further back costs
# nothing and finds those that were late.
OVERLAP: Final = timedelta(minutes=5)
_SHOWN_PROBLEMS: Final = 5


class Source(Protocol):
    """The connection, as far as a synchronisation needs it."""

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


class SyncState(Protocol):
    """What is known about an upstream's list."""

    @property
    def cursor(self) -> datetime | None:
        """The newest `last_updated` up to which everything is stored."""

    @property
    def origin(self) -> str | None:
        """Where the list came from."""


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


class Progress(Struct, frozen=True):
    """How far a synchronisation is; `total` is what the server announced."""

    upstream: str
    seen: int
    total: int | None


class SyncResult(Struct, frozen=True, kw_only=True):
    """What a synchronisation did; `skipped` counts tokens that could not be read."""

    upstream: str
    full: bool
    received: int
    skipped: int


class Synchronizer:
    """Synchronises one upstream's tokens, one run at a time.

    `origin` tells one backend from another that takes its place under the same name.
    """

    def __init__(
        self, upstream: str, source: Source, whitelist: Whitelist, origin: str = ""
    ) -> None:
        self._upstream = upstream
        self._origin = origin
        self._source = source
        self._whitelist = whitelist
        self._running = asyncio.Lock()

    async def run(
        self, *, full: bool, on_progress: Callable[[Progress], None]
    ) -> SyncResult:
        """Synchronise; raise the agent's upstream or store errors.

        An interrupted full run goes on where it was. The first run is always full, and
        so is the first from another origin.
        """
        async with self._running:
            state = await asyncio.to_thread(self._whitelist.sync_state, self._upstream)
            if full or state.cursor is None or state.origin != self._origin:
                return await self._run_full_or_abandon(on_progress)
            return await self._run_incremental(state.cursor, on_progress)

    async def _run_incremental(
        self, cursor: datetime, on_progress: Callable[[Progress], None]
    ) -> SyncResult:
        received = skipped = 0
        newest = cursor
        begun_at: datetime | None = None
        pages = self._source.token_pages(date_from=cursor - OVERLAP)
        async with aclosing(pages):
            async for page in pages:
                self._report(page.problems)
                await asyncio.to_thread(self._whitelist.upsert, page.tokens)
                newest = max([newest, *(token.last_updated for token in page.tokens)])
                begun_at = begun_at or page.served_at
                received += len(page.tokens)
                skipped += len(page.problems)
                on_progress(Progress(self._upstream, received, page.total))
        # What changed while we were reading may be on a page that was read before.
        reached = max(min(newest, begun_at or newest), cursor)
        await asyncio.to_thread(
            self._whitelist.finish_incremental, self._upstream, reached
        )
        result = SyncResult(
            upstream=self._upstream, full=False, received=received, skipped=skipped
        )
        # The log is on a disk, too: an hour without news is none to write down.
        self._log(result, logging.INFO if reached > cursor else logging.DEBUG)
        return result

    async def _run_full_or_abandon(
        self, on_progress: Callable[[Progress], None]
    ) -> SyncResult:
        try:
            return await self._run_full(on_progress)
        except (StoreCorruptError, StoreFailedError):
            # What is staged would be damaged at every attempt, or takes the space that
            # is missing.
            await asyncio.to_thread(self._whitelist.abandon, self._upstream)
            raise

    async def _run_full(self, on_progress: Callable[[Progress], None]) -> SyncResult:
        staging = await asyncio.to_thread(
            self._whitelist.stage, self._upstream, self._origin
        )
        if staging.seen:
            _LOGGER.info(
                "whitelist of %s: full synchronisation goes on after %d tokens",
                self._upstream,
                staging.seen,
            )
        skipped = 0
        total: int | None = None
        pages = self._source.token_pages(start=_decode(staging.position))
        async with aclosing(pages):
            async for page in pages:
                self._report(page.problems)
                await asyncio.to_thread(
                    staging.append,
                    page.tokens,
                    _encode(page.resume),
                    listed=page.listed,
                    served_at=page.served_at,
                )
                skipped += len(page.problems)
                total = page.total
                on_progress(Progress(self._upstream, staging.seen, total))
        await self._check_complete(staging, total)
        await asyncio.to_thread(self._whitelist.swap, self._upstream)
        result = SyncResult(
            upstream=self._upstream, full=True, received=staging.seen, skipped=skipped
        )
        self._log(result, logging.INFO)
        return result

    async def _check_complete(self, staging: Staging, total: int | None) -> None:
        """Refuse a list that lacks what it announced, or that lost everything."""
        if total is not None and staging.seen < total:
            problem = f"the list ended after {staging.seen} of {total} tokens"
        elif staging.is_empty() and await asyncio.to_thread(self._has_tokens):
            problem = "it has no readable token, which would lock every driver out"
        else:
            return
        await asyncio.to_thread(self._whitelist.abandon, self._upstream)
        raise TransientUpstreamError(f"{self._upstream}: {problem}; the old one stays")

    def _has_tokens(self) -> bool:
        return self._whitelist.count_of(self._upstream) > 0

    def _log(self, result: SyncResult, level: int) -> None:
        _LOGGER.log(
            level,
            "whitelist of %s: %s synchronisation, %d tokens received, %d skipped",
            self._upstream,
            "full" if result.full else "incremental",
            result.received,
            result.skipped,
        )

    def _report(self, problems: list[str]) -> None:
        """Name what was skipped, and no more of it than a person would read."""
        for problem in problems[:_SHOWN_PROBLEMS]:
            _LOGGER.warning("whitelist of %s: skipped %s", self._upstream, problem)
        if (rest := len(problems) - _SHOWN_PROBLEMS) > 0:
            _LOGGER.warning("whitelist of %s: skipped %d more", self._upstream, rest)


def _encode(position: Position | None) -> str | None:
    return None if position is None else msgspec.json.encode(position).decode()


def _decode(position: str | None) -> Position | None:
    return None if position is None else msgspec.json.decode(position, type=Position)
