"""Asking for one page: by link or by offset, again when that fails, then for less.

What a server was found to be unable to do is remembered: links that lead nowhere, and
pages larger than it can serve or we can take.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import httpx
from msgspec import Raw

from agent.backoff import Backoff
from agent.errors import TransientUpstreamError
from agent.ocpi.envelope import open_envelope, split_items

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from agent.ocpi.transport import Response

    Fetch = Callable[[str, Mapping[str, str]], Awaitable[Response]]
    Sleep = Callable[[float], Awaitable[object]]

_LOGGER = logging.getLogger(__name__)

#: Times a page is asked for again before the crawl gives up.
RETRIES: Final = 3
#: A server that wants a longer pause gets it between two crawls.
MAX_PAUSE: Final = timedelta(minutes=1)
SMALL_PAGE_SIZE: Final = 100
#: About as many tokens as fit into the largest body we take.
MAX_ITEMS: Final = 100_000
_MAX_COMMAS: Final = 10 * MAX_ITEMS
_SHRINK_BY: Final = 10
_EMPTY_LIST: Final = Raw(b"[]")
_MAX_DIGITS: Final = 15
_BAD_REQUEST_STATUSES: Final = (400, 422)
# Client errors that say nothing about the link: who we are, and come back later.
_NOT_THE_LINK_STATUSES: Final = (401, 403, 408, 429)
_GATEWAY_TIMEOUT: Final = 504


class Delays(Protocol):
    """How long to wait after failures."""

    def delay_s(self, attempt: int) -> float:
        """Seconds to wait after failed attempt number `attempt`, from 1."""


class Answer(NamedTuple):
    """An answer that is a list: its JSON, how many items that has, how it was got."""

    response: Response
    data: Raw
    listed: int
    by_link: bool


@dataclass(slots=True)
class _Wish:
    """The page that is wanted, and how it is asked for; `link` None is by offset."""

    url: str
    filters: Mapping[str, str]
    offset: int
    size: int
    link: str | None

    def ask_for_less(self) -> None:
        """Shrink the page; a link names a size that is not ours to choose."""
        self.size, self.link = max(self.size // _SHRINK_BY, 1), None


class PageRequests:
    """Asks one server for the pages of its lists.

    `fetch` takes a URL and the query to add to it, and raises TransientUpstreamError
    if no whole answer comes; `page_size` is how many items are asked for by offset.
    """

    def __init__(
        self,
        fetch: Fetch,
        page_size: int,
        *,
        pauses: Delays | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._fetch = fetch
        self._pauses = pauses or Backoff(timedelta(seconds=0.5), MAX_PAUSE)
        self._sleep = sleep
        self._page_size = self._largest = page_size
        self.links_broken = False

    async def ask(
        self, url: str, filters: Mapping[str, str], offset: int, link: str | None
    ) -> Answer:
        """Get the page at `offset` of the list at `url`, by `link` where links work.

        Raise what the answer means if it is no list, after RETRIES of what may pass.
        """
        link = None if self.links_broken else link
        wish = _Wish(url, filters, offset, self._page_size, link)
        attempt = 0
        while True:
            attempt += 1
            response: Response | None = None
            try:
                response = await self._send(wish)
                answer = _open_list(response, by_link=wish.link is not None)
            except TransientUpstreamError as err:
                await self._pause(err, attempt)
                if _may_be_too_much(err, response):
                    wish.ask_for_less()
            else:
                # Whatever made it smaller has helped.
                self._page_size = wish.size
                return answer

    def begin(self) -> None:
        """Try a larger page again: what was too much may have been a bad moment."""
        self._page_size = min(self._page_size * _SHRINK_BY, self._largest)

    def note_cap(self, answer: Answer) -> None:
        """Learn the server's cap from a page after which there are more.

        After a link X-Limit may be but the link's own limit, and a server that sends
        more than its cap has none.
        """
        cap = read_count(answer.response.headers, "x-limit")
        if cap and not answer.by_link and answer.listed <= cap < self._page_size:
            self._limit_pages(cap)

    def distrust_links(self, name: str) -> None:
        """Go on by offset from now on; `name` is the request that showed why."""
        if not self.links_broken:
            self.links_broken = True
            _LOGGER.info(
                "%s: links to next pages do not work, going on by offset", name
            )

    async def _send(self, wish: _Wish) -> Response:
        """Fetch by link, or by offset where links do not work."""
        if wish.link is not None:
            response = await self._fetch(wish.link, {})
            if not _is_dead(response.status):
                return response
            self.distrust_links(response.call.name)
            wish.link = None
        response = await self._fetch_by_offset(wish)
        if response.status in _BAD_REQUEST_STATUSES and wish.size > SMALL_PAGE_SIZE:
            # The page size may be what the server dislikes.
            wish.size = SMALL_PAGE_SIZE
            response = await self._fetch_by_offset(wish)
            if response.status not in _BAD_REQUEST_STATUSES:
                self._limit_pages(SMALL_PAGE_SIZE)
        return response

    async def _fetch_by_offset(self, wish: _Wish) -> Response:
        place = {"offset": str(wish.offset), "limit": str(wish.size)}
        return await self._fetch(wish.url, {**wish.filters, **place})

    def _limit_pages(self, size: int) -> None:
        """Never ask for more again."""
        self._page_size = self._largest = size

    async def _pause(self, failure: TransientUpstreamError, attempt: int) -> None:
        """Wait before the next attempt; raise `failure` if there is to be none."""
        wanted = failure.retry_after or timedelta()
        if attempt > RETRIES or wanted > MAX_PAUSE:
            raise failure
        pause_s = max(self._pauses.delay_s(attempt), wanted.total_seconds())
        _LOGGER.debug("%s; asking again in %.1f s", failure, pause_s)
        await self._sleep(pause_s)


def read_count(headers: httpx.Headers, name: str) -> int | None:
    """Read a header that is a number; None if it is none."""
    text = headers.get(name, "").strip()
    is_number = text.isascii() and text.isdecimal()
    return int(text[:_MAX_DIGITS]) if is_number else None


def _open_list(response: Response, *, by_link: bool) -> Answer:
    """Take the list out of an answer; raise what the answer means if it has none."""
    data = open_envelope(response) or _EMPTY_LIST
    items = None if _is_crowded(response.body) else split_items(data)
    if items is None or len(items) > MAX_ITEMS:
        raise TransientUpstreamError(
            f"{response.call.name}: expected a list of at most {MAX_ITEMS} items, "
            "got something else"
        )
    return Answer(response, data, len(items), by_link)


def _is_crowded(body: bytes) -> bool:
    """Whether taking a body apart would cost much memory: each item costs some."""
    return len(body) > _MAX_COMMAS and body.count(b",") > _MAX_COMMAS


def _is_dead(status: int) -> bool:
    """Whether a server does not know the link that it gave us."""
    is_client_error = 400 <= status < 500  # noqa: PLR2004 - the class of client errors
    return is_client_error and status not in _NOT_THE_LINK_STATUSES


def _may_be_too_much(err: TransientUpstreamError, response: Response | None) -> bool:
    """Whether a smaller page might come through: it took too long, or was too long.

    What breaks off below HTTP has a cause there; a deadline, which is ours, and a body
    that we stopped reading have not.
    """
    if response is not None:
        return response.status == _GATEWAY_TIMEOUT
    cause = err.__cause__
    is_below = isinstance(cause, (httpx.HTTPError, OSError))
    return isinstance(cause, TimeoutError) or not is_below
