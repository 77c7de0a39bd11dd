"""Crawling a paginated list (OCPI 2.2.1 transport, pagination), garbage included.

The `Link` of a page is followed as it stands, because hubs make opaque ones, but
never to another server, and only while it works; offsets are the way out.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

import httpx
from msgspec import Raw, Struct
from msgspec.structs import replace

from agent.errors import TransientUpstreamError
from agent.ocpi.envelope import read_date
from agent.ocpi.page_requests import PageRequests, read_count
from agent.ocpi.urls import is_same_origin, resolve_url

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from agent.ocpi.page_requests import Answer, Delays, Fetch, Sleep
    from agent.ocpi.transport import Response

PAGE_SIZE: Final = 1000
MAX_PAGES: Final = 100_000
_MAX_LINK_LENGTH: Final = 4096


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

    `origins` are other servers that may serve a next page, and see our token there.

    `fetch` takes a URL and the query to add to it; `pauses` and `sleep` say how long to
    wait, and do it, before a page that failed is asked for again.
    """

    def __init__(  # noqa: PLR0913 - where from, limits, and the clock
        self,
        fetch: Fetch,
        page_size: int = PAGE_SIZE,
        max_pages: int = MAX_PAGES,
        *,
        origins: Sequence[str] = (),
        pauses: Delays | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._max_pages = max_pages
        self._origins = tuple(httpx.URL(origin) for origin in origins)
        self._requests = PageRequests(fetch, page_size, pauses=pauses, sleep=sleep)

    async def crawl(
        self, url: str, filters: Mapping[str, str], start: Position
    ) -> AsyncGenerator[Page]:
        """Yield the pages from `start` on; complete if it ends without an error.

        Items may come twice, after the list shrank. Compare the items seen with
        `total` before concluding from absence: a server may end its list early.
        """
        self._requests.begin()
        trusted = (httpx.URL(url), *self._origins)
        course = _Course(trusted, self._requests)
        position = _check_start(start, trusted)
        for _ in range(self._max_pages):
            answer = await self._requests.ask(
                url, filters, position.offset, position.next_url
            )
            page = course.follow(answer, position.offset)
            yield page
            if page.resume is None:
                return
            self._requests.note_cap(answer)
            position = page.resume
        raise TransientUpstreamError(
            f"expected at most {self._max_pages} pages, got more"
        )


class _Course:
    """Where one crawl goes next, and enough memory not to be led in circles."""

    def __init__(self, trusted: Sequence[httpx.URL], requests: PageRequests) -> None:
        self._trusted = trusted
        self._requests = requests
        # Hashes, because a server may make its links as long as it likes.
        self._visited: set[int] = set()
        self._lowest_total: int | None = None
        self._last_page: Raw | None = None

    def follow(self, answer: Answer, offset: int) -> Page:
        """Take the page at `offset` and find the next; raise if that leads nowhere."""
        headers = answer.response.headers
        total = read_count(headers, "x-total-count")
        page = Page(answer.data, answer.listed, total, None, _read_served_at(headers))
        return replace(page, resume=self._find_resume(answer.response, offset, page))

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
        self._visited.add(hash(response.url))
        end = offset + page.listed
        link = self._find_link(response)
        if is_repetition or (link is None and not _has_more(response, end, page.total)):
            return None
        return Position(end, link)

    def _find_link(self, response: Response) -> str | None:
        """Read the link to the next page; None if there is none worth following."""
        link = response.links.get("next", {}).get("url")
        if link is None or self._requests.links_broken:
            return None
        target = resolve_url(response.url, link[: _MAX_LINK_LENGTH + 1])
        if target is None or not self._is_ours(target) or str(target) == response.url:
            self._requests.distrust_links(response.call.name)
            return None
        if hash(str(target)) in self._visited:
            # Items were counted twice, so the offset is wrong from here on.
            self._requests.distrust_links(response.call.name)
            raise TransientUpstreamError(
                f"{response.call.name}: expected a new page, got a link back"
            )
        return str(target)

    def _is_ours(self, target: httpx.URL) -> bool:
        """Whether a link stays with servers that may see our token.

        Some servers print the filters that we did not send, which leads nowhere.
        """
        filters = parse_qsl(target.query.decode())
        return (
            len(str(target)) <= _MAX_LINK_LENGTH
            and _is_one_of(self._trusted, target)
            and "None" not in dict(filters).values()
        )

    def _count_lost(self, total: int | None) -> int:
        """Compare with the lowest total so far, which cannot fall for ever."""
        lowest = self._lowest_total
        if total is None:
            return 0
        self._lowest_total = total if lowest is None else min(total, lowest)
        return 0 if lowest is None else max(lowest - total, 0)


def _check_start(start: Position, trusted: Sequence[httpx.URL]) -> Position:
    """Drop a stored link that stems from another configuration."""
    target = resolve_url(start.next_url or "", "")
    is_home = target is not None and _is_one_of(trusted, target)
    return start if is_home else Position(start.offset)


def _is_one_of(trusted: Sequence[httpx.URL], target: httpx.URL) -> bool:
    return any(is_same_origin(target, origin) for origin in trusted)


def _read_served_at(headers: httpx.Headers) -> datetime | None:
    """Read the server's own time; a zone it does not know is UTC, as HTTP demands."""
    served_at = read_date(headers)
    is_naive = served_at is not None and served_at.tzinfo is None
    return served_at.replace(tzinfo=UTC) if served_at and is_naive else served_at


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
