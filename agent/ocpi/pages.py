"""Crawling a paginated list (OCPI 2.2.1 transport, pagination), garbage included.

The `Link` of a page is followed as it stands, because hubs make opaque ones, but
never to another server, and only while it works; offsets are the way out.
"""

from __future__ import annotations

import logging
from datetime import datetime  # noqa: TC003 - msgspec reads the annotation
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

import httpx
from msgspec import Raw, Struct
from msgspec.structs import replace

from agent.errors import TransientUpstreamError
from agent.ocpi.envelope import open_envelope, read_date, split_items
from agent.ocpi.urls import is_same_origin, resolve_url

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from agent.ocpi.transport import Response

    Fetch = Callable[[str, Mapping[str, str]], Awaitable[Response]]

_LOGGER = logging.getLogger(__name__)

PAGE_SIZE: Final = 1000
SMALL_PAGE_SIZE: Final = 100
MAX_PAGES: Final = 100_000
_EMPTY_LIST: Final = Raw(b"[]")
_DEAD_LINK_STATUSES: Final = (404, 405, 422)
_BAD_REQUEST_STATUSES: Final = (400, 422)
_MAX_DIGITS: Final = 15


class Position(Struct, frozen=True):
    """Where a crawl goes on: at the server's own next URL, or by items received."""

    offset: int = 0
    next_url: str | None = None


class Page(Struct, frozen=True):
    """One page: `data` is a JSON array of `listed` items.

    `total` is what the server says there is; `resume` is where the next page begins,
    None after the last; `served_at` is the server's own time.
    """

    data: Raw
    listed: int
    total: int | None
    resume: Position | None
    served_at: datetime | None = None


class Pager:
    """Crawls one server's lists and remembers what does not work there.

    `fetch` takes a URL and the query to add to it.
    """

    def __init__(
        self, fetch: Fetch, page_size: int = PAGE_SIZE, max_pages: int = MAX_PAGES
    ) -> None:
        self._fetch = fetch
        self._max_pages = max_pages
        self._habits = _Habits(page_size)

    async def crawl(
        self, url: str, filters: Mapping[str, str], start: Position
    ) -> AsyncGenerator[Page]:
        """Yield the pages from `start` on; complete if it ends without an error.

        Items may come twice, after the list shrank. Compare the items seen with
        `total` before concluding from absence: a server may end its list early.
        """
        course = _Course(url, self._habits)
        position = _check_start(start, url)
        for _ in range(self._max_pages):
            response = await self._get(url, filters, position)
            page = course.read(response, position.offset)
            yield page
            if page.resume is None:
                return
            position = page.resume
        raise TransientUpstreamError(
            f"expected at most {self._max_pages} pages, got more"
        )

    async def _get(
        self, url: str, filters: Mapping[str, str], position: Position
    ) -> Response:
        """Fetch by link, or by offset where links do not work."""
        link = position.next_url
        if link is not None and not self._habits.links_broken:
            response = await self._fetch(link, {})
            if response.status not in _DEAD_LINK_STATUSES:
                return response
            self._habits.distrust_links(response)
        query = {**filters, "offset": str(position.offset)}
        size = self._habits.page_size
        response = await self._fetch(url, query | {"limit": str(size)})
        if response.status in _BAD_REQUEST_STATUSES and size > SMALL_PAGE_SIZE:
            # The page size may be what the server dislikes.
            response = await self._fetch(url, query | {"limit": str(SMALL_PAGE_SIZE)})
            if response.status not in _BAD_REQUEST_STATUSES:
                self._habits.page_size = SMALL_PAGE_SIZE
        return response


class _Habits:
    """What a server was found to be unable to do."""

    def __init__(self, page_size: int) -> None:
        self.page_size = page_size
        self.links_broken = False

    def distrust_links(self, response: Response) -> None:
        if not self.links_broken:
            self.links_broken = True
            _LOGGER.info(
                "%s: links to next pages do not work, going on by offset",
                response.call.name,
            )


class _Course:
    """Where one crawl goes next, and enough memory not to be led in circles."""

    def __init__(self, url: str, habits: _Habits) -> None:
        self._home = httpx.URL(url)
        self._habits = habits
        self._visited: set[str] = set()
        self._lowest_total: int | None = None
        self._last_page: Raw | None = None

    def read(self, response: Response, offset: int) -> Page:
        """Take one answer for the page at `offset`; raise what it means otherwise."""
        data = open_envelope(response) or _EMPTY_LIST
        items = split_items(data)
        if items is None:
            raise TransientUpstreamError(
                f"{response.call.name}: expected a list, got something else"
            )
        total, served_at = _read_total(response), read_date(response.headers)
        page = Page(data, len(items), total, None, served_at)
        return replace(page, resume=self._find_resume(response, offset, page))

    def _find_resume(
        self, response: Response, offset: int, page: Page
    ) -> Position | None:
        if lost := self._count_lost(page.total):
            # Items left the list while we read it, so others moved up past us.
            self._visited.clear()
            self._last_page = None
            return Position(max(offset - lost, 0))
        if page.listed == 0:
            return None
        is_repetition, self._last_page = page.data == self._last_page, page.data
        if is_repetition and not _covers(offset, page.total):
            raise TransientUpstreamError(
                f"{response.call.name}: expected the next page, got the same again"
            )
        self._visited.add(response.url)
        end = offset + page.listed
        link = self._find_link(response)
        if is_repetition or (link is None and not _has_more(response, end, page.total)):
            return None
        return Position(end, link)

    def _find_link(self, response: Response) -> str | None:
        """Read the link to the next page; None if there is none worth following."""
        link = response.links.get("next", {}).get("url")
        if link is None or self._habits.links_broken:
            return None
        target = resolve_url(response.url, link)
        if target is None or not self._is_ours(target) or str(target) == response.url:
            self._habits.distrust_links(response)
            return None
        if str(target) in self._visited:
            # Items were counted twice, so the offset is wrong from here on.
            self._habits.distrust_links(response)
            raise TransientUpstreamError(
                f"{response.call.name}: expected a new page, got a link back"
            )
        return str(target)

    def _is_ours(self, target: httpx.URL) -> bool:
        """Whether a link stays on the list's own server: nobody else gets our token.

        Some servers print the filters that we did not send, which leads nowhere.
        """
        filters = parse_qsl(target.query.decode())
        return (
            is_same_origin(target, self._home) and "None" not in dict(filters).values()
        )

    def _count_lost(self, total: int | None) -> int:
        """Compare with the lowest total so far, which cannot fall for ever."""
        lowest = self._lowest_total
        if total is None:
            return 0
        self._lowest_total = total if lowest is None else min(total, lowest)
        return 0 if lowest is None else max(lowest - total, 0)


def _check_start(start: Position, url: str) -> Position:
    """Drop a stored link that stems from another configuration."""
    target = resolve_url(start.next_url or "", "")
    is_home = target is not None and is_same_origin(target, httpx.URL(url))
    return start if is_home else Position(start.offset)


def _has_more(response: Response, end: int, total: int | None) -> bool:
    """Whether the list goes on: by its total, or by a `Link`, even an unusable one."""
    if total is not None:
        return end < total
    if "next" in response.links:
        return True
    has_text = bool(response.headers.get("link", "").strip())
    return has_text and not any("rel" in link for link in response.links.values())


def _covers(items: int, total: int | None) -> bool:
    return total is not None and items >= total


def _read_total(response: Response) -> int | None:
    text = response.headers.get("x-total-count", "").strip()
    return int(text[:_MAX_DIGITS]) if text.isdecimal() else None
