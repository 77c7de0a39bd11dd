"""Keeping the whitelist what the backend says it is.

An incremental synchronisation asks for what changed since the newest `last_updated`
that is stored, and only adds. A full one stages the whole list and puts it in force in
one step, so that what the backend no longer lists is gone. Neither ever looks at our
own clock.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from agent.errors import (
    CredentialsError,
    HeldBackError,
    RefusedUpstreamError,
    StoreCorruptError,
    StoreFailedError,
    TransientUpstreamError,
)
from agent.ocpi.pages import Position

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from agent.ocpi.sync_ports import Source, Staging, Whitelist

_LOGGER = logging.getLogger(__name__)

# Servers stamp a token before they show it; asking a little further back costs
# nothing and finds those that were late.
OVERLAP: Final = timedelta(minutes=5)
MAX_SHRINK_PERCENT: Final = 50
_SHOWN_PROBLEMS: Final = 5
_UPSTREAM_ERRORS: Final = (
    TransientUpstreamError,
    RefusedUpstreamError,
    CredentialsError,
)


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

    A full list that has lost more than `max_shrink_percent` of what is in force is held
    back, 100 being no limit; an empty one is held back in any case.
    """

    def __init__(
        self,
        upstream: str,
        source: Source,
        whitelist: Whitelist,
        *,
        max_shrink_percent: int = MAX_SHRINK_PERCENT,
    ) -> None:
        self._upstream = upstream
        self._max_shrink_percent = max_shrink_percent
        self._source = source
        self._whitelist = whitelist
        self._running = asyncio.Lock()

    async def run(
        self,
        *,
        full: bool,
        accept_shrink: bool = False,
        on_progress: Callable[[Progress], None],
    ) -> SyncResult:
        """Synchronise; raise the agent's upstream or store errors.

        An interrupted full run goes on where it was. The first run is always full, and
        so are the first from another origin and one that is to `accept_shrink`, which
        takes the list however short it is. Raise HeldBackError for a full list that is
        too short to be believed; what has changed is taken all the same.
        """
        async with self._running:
            origin = await self._source.origin()
            state = await asyncio.to_thread(self._whitelist.sync_state, self._upstream)
            is_known = state.origin == origin
            cursor = state.cursor if is_known else None
            if cursor is not None and not (full or accept_shrink):
                return await self._run_incremental(cursor, on_progress)
            is_first = state.swept_at is None
            try:
                return await self._run_full_or_abandon(
                    origin, on_progress, is_believed=accept_shrink or is_first
                )
            except HeldBackError:
                if cursor is not None:
                    with suppress(*_UPSTREAM_ERRORS):
                        await self._run_incremental(cursor, on_progress)
                raise

    async def _run_incremental(
        self, cursor: datetime, on_progress: Callable[[Progress], None]
    ) -> SyncResult:
        received = skipped = listed = 0
        total: int | None = None
        newest = cursor
        begun_at: datetime | None = None
        pages = self._source.token_pages(date_from=_step_back(cursor))
        async with aclosing(pages):
            async for page in pages:
                self._report(page.problems)
                await asyncio.to_thread(self._whitelist.upsert, page.tokens)
                newest = max([newest, *(token.last_updated for token in page.tokens)])
                begun_at = begun_at or page.served_at
                received += len(page.tokens)
                skipped += len(page.problems)
                listed, total = listed + page.listed, page.total
                on_progress(Progress(self._upstream, received, total))
        # What changed while we were reading may be on a page that was read before.
        reached = max(min(newest, begun_at or newest), cursor)
        if total is not None and listed < total:
            # Either the list ended early, and the rest is asked for again, or the
            # total counts more than what was asked for.
            reached = cursor
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
        self,
        origin: str,
        on_progress: Callable[[Progress], None],
        *,
        is_believed: bool,
    ) -> SyncResult:
        try:
            return await self._run_full(origin, on_progress, is_believed=is_believed)
        except (StoreCorruptError, StoreFailedError):
            # What is staged would be damaged at every attempt, or takes the space that
            # is missing.
            await asyncio.to_thread(self._whitelist.abandon, self._upstream)
            raise

    async def _run_full(
        self,
        origin: str,
        on_progress: Callable[[Progress], None],
        *,
        is_believed: bool,
    ) -> SyncResult:
        staging = await asyncio.to_thread(self._whitelist.stage, self._upstream, origin)
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
        if total is not None and staging.seen < total:
            await asyncio.to_thread(self._whitelist.abandon, self._upstream)
            raise TransientUpstreamError(
                f"{self._upstream}: the list ended after {staging.seen} of {total} "
                "tokens; the old one stays"
            )
        if not is_believed:
            await self._check_size(staging, total)
        await asyncio.to_thread(self._whitelist.swap, self._upstream)
        result = SyncResult(
            upstream=self._upstream, full=True, received=staging.seen, skipped=skipped
        )
        self._log(result, logging.INFO)
        return result

    async def _check_size(self, staging: Staging, total: int | None) -> None:
        """Hold a list back that lost so much that it is more likely a mistake."""
        before = await asyncio.to_thread(self._whitelist.count_of, self._upstream)
        # What was learned from answers meanwhile is no sign of a list.
        is_empty = staging.is_empty()
        now = 0 if is_empty else await asyncio.to_thread(_count, staging, total)
        least = before * (100 - self._max_shrink_percent) / 100
        if now >= least and not (is_empty and before):
            return
        await asyncio.to_thread(self._whitelist.abandon, self._upstream)
        raise HeldBackError(
            f"{self._upstream}: the list has {now} readable tokens, where {before} are "
            "in force; the old one stays. If so many are really gone, run: "
            f"rfid-agent sync --full --accept-shrink --upstream {self._upstream}"
        )

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


def _count(staging: Staging, total: int | None) -> int:
    """Count tokens; only if there are more than announced some have come twice."""
    rows = staging.count()
    is_doubtful = total is not None and rows > total
    return staging.count_distinct() if is_doubtful else rows


def _step_back(cursor: datetime) -> datetime:
    """Ask a little further back, unless that is before the calendar begins."""
    try:
        return cursor - OVERLAP
    except OverflowError:
        return cursor


def _encode(position: Position | None) -> str | None:
    return None if position is None else msgspec.json.encode(position).decode()


def _decode(position: str | None) -> Position | None:
    return None if position is None else msgspec.json.decode(position, type=Position)
