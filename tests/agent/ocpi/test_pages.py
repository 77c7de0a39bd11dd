"""Crawling lists of servers that page, cap, loop, shrink and lie."""

from __future__ import annotations

import json
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import (
    AgentError,
    CredentialsError,
    RefusedUpstreamError,
    TransientUpstreamError,
)
from agent.ocpi.pages import Page, Pager, Position
from agent.ocpi.transport import Call, Response
from tests.agent.ocpi.peer import envelope, respond
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

URL = "https://emsp.example/tokens"
START = Position()


class Shelf:
    """A list server: pages of at most `cap` items, `link` decides about the next.

    `link` gets offset, limit and total and returns the Link header or None.
    """

    def __init__(
        self,
        items: Sequence[int],
        link: Callable[[int, int, int], str | None],
        *,
        cap: int = 2,
        total: Callable[[int], int | None] = lambda length: length,
    ) -> None:
        self.items = list(items)
        self.cap = cap
        self.queries: list[dict[str, str]] = []
        self._link = link
        self._total = total

    async def fetch(self, url: str, query: Mapping[str, str]) -> Response:
        """Answer as Pager's `fetch`."""
        full = httpx.URL(url).copy_merge_params(query) if query else httpx.URL(url)
        self.queries.append(dict(full.params))
        return self.answer(full)

    def answer(self, url: httpx.URL) -> Response:
        """Answer one page."""
        offset = int(url.params.get("offset", 0))
        limit = min(int(url.params.get("limit", self.cap)), self.cap)
        headers = {}
        if (link := self._link(offset, limit, len(self.items))) is not None:
            headers["link"] = link
        if (total := self._total(len(self.items))) is not None:
            headers["x-total-count"] = str(total)
        page = self.items[offset : offset + limit]
        return answer(url, envelope(page, headers=headers))


def answer(url: httpx.URL, reply: httpx.Response) -> Response:
    """Let `reply` come from `url`."""
    call = Call(method="GET", url=str(url))
    return respond(reply.content, reply.status_code, reply.headers, call=call)


def conformant(offset: int, limit: int, total: int) -> str | None:
    """Link to the next page unless this is the last."""
    if offset + limit >= total:
        return None
    return f'<{URL}?date_from=X&offset={offset + limit}&limit={limit}>; rel="next"'


def no_link(offset: int, limit: int, total: int) -> str | None:
    """Never link."""
    del offset, limit, total
    return None


def always(text: str) -> Callable[[int, int, int], str | None]:
    """Link to the same place from every page."""

    def link(offset: int, limit: int, total: int) -> str:
        del offset, limit, total
        return text

    return link


def crawl(
    pager: Pager, start: Position = START, filters: Mapping[str, str] | None = None
) -> list[Page]:
    """Collect the pages of a whole crawl."""

    async def run() -> list[Page]:
        return [page async for page in pager.crawl(URL, filters or {}, start)]

    return run_virtual(run())


def items_of(pages: Sequence[Page]) -> list[int]:
    """Read all items."""
    return [item for page in pages for item in json.loads(bytes(page.data))]


@pytest.mark.parametrize(
    "total", [lambda length: length, lambda _: None], ids=["total", "no total"]
)
@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5])
def test_conformant_server(length: int, total: Callable[[int], int | None]) -> None:
    """Links are followed as they stand, until there is none."""
    shelf = Shelf(range(length), conformant, total=total)
    pages = crawl(Pager(shelf.fetch), filters={"date_from": "X"})
    assert items_of(pages) == list(range(length))
    assert [page.total for page in pages] == [total(length)] * len(pages)
    assert [page.resume is None for page in pages] == [False] * (len(pages) - 1) + [
        True
    ]
    first, *others = shelf.queries
    assert first == {"date_from": "X", "offset": "0", "limit": "1000"}
    assert [query["limit"] for query in others] == ["2"] * len(others)
    assert len(shelf.queries) == max(1, (length + 1) // 2)


BROKEN_LINKS = [
    # what is wrong with it, the header
    ("another server", '<https://evil.example/tokens?offset=2>; rel="next"'),
    ("another scheme", '<http://emsp.example/tokens?offset=2>; rel="next"'),
    ("another port", '<https://emsp.example:444/tokens?offset=2>; rel="next"'),
    ("not a URL", '<https://[>; rel="next"'),
    ("not a link", "the next page"),
    ("printed nothing", f'<{URL}?date_from=None&offset=2&limit=2>; rel="next"'),
    ("itself", f'<{URL}?offset=0&limit=1000>; rel="next"'),
]


@pytest.mark.parametrize(
    ("name", "link"), BROKEN_LINKS, ids=[name for name, _ in BROKEN_LINKS]
)
@pytest.mark.parametrize("has_total", [True, False])
def test_broken_links(
    name: str, link: str, *, has_total: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Offsets reach the end all the same; the log says so once per server."""
    total = (lambda length: length) if has_total else (lambda _: None)
    shelf = Shelf(range(5), always(link), total=total)
    pager = Pager(shelf.fetch)
    with caplog.at_level(logging.INFO):
        assert items_of(crawl(pager)) == list(range(5))
        assert items_of(crawl(pager)) == list(range(5))
    offsets = ["0", "2", "4"] if has_total else ["0", "2", "4", "5"]
    assert [query["offset"] for query in shelf.queries] == offsets * 2
    told = [record for record in caplog.records if "by offset" in record.message]
    assert len(told) == (0 if name == "not a link" else 1)


@pytest.mark.parametrize("status", [400, 404, 405, 410, 414, 422])
def test_dead_link(status: int) -> None:
    """A link that its own server does not know is given up for offsets."""
    shelf = Shelf(range(5), always('</tokens/dead>; rel="next"'))

    async def fetch(url: str, query: Mapping[str, str]) -> Response:
        if url.endswith("/dead"):
            return answer(httpx.URL(url), httpx.Response(status))
        return await shelf.fetch(url, query)

    assert items_of(crawl(Pager(fetch))) == list(range(5))


def test_opaque_and_relative_links() -> None:
    """Hubs make links of their own; they are followed as they stand."""
    pages = {
        "/tokens": ([1, 2], '</t/abc?None=1>; rel="next"'),
        "/t/abc": ([3], '<def>; rel="prev", <def>; rel=next'),
        "/t/def": ([4], '</t/abc>; rel="prev"'),
    }

    async def fetch(url: str, query: Mapping[str, str]) -> Response:
        assert bool(query) == (url == URL)
        items, link = pages[httpx.URL(url).path]
        return answer(httpx.URL(url), envelope(items, headers={"link": link}))

    assert items_of(crawl(Pager(fetch))) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("origins", "hosts"),
    [
        (("https://pages.example",), ["emsp.example", "pages.example"]),
        (("https://pages.example:444",), ["emsp.example", "emsp.example"]),
        (("http://pages.example",), ["emsp.example", "emsp.example"]),
        ((), ["emsp.example", "emsp.example"]),
    ],
    ids=["named", "another port", "another scheme", "not named"],
)
@pytest.mark.parametrize("resumed", [True, False])
def test_links_to_other_servers(
    origins: tuple[str, ...],
    hosts: list[str],
    resumed: bool,  # noqa: FBT001 - a table's column
) -> None:
    """They see our token, so they must have been named; also when we come back."""
    elsewhere = "https://pages.example/tokens?offset=2"
    asked: list[str] = []
    shelf = Shelf(range(4), always(f'<{elsewhere}>; rel="next"'))

    async def fetch(url: str, query: Mapping[str, str]) -> Response:
        asked.append(httpx.URL(url).host)
        return await shelf.fetch(url, query)

    pager = Pager(fetch, origins=origins)
    if resumed:
        assert items_of(crawl(pager, Position(2, elsewhere))) == [2, 3]
        assert asked == hosts[1:]
    else:
        assert items_of(crawl(pager)) == [0, 1, 2, 3]
        assert asked == hosts


@pytest.mark.parametrize("link", ["", "   "])
def test_empty_link_ends_the_list(link: str) -> None:
    """Some servers send an empty header on the last page."""
    shelf = Shelf(range(2), always(link), total=lambda _: None)
    assert items_of(crawl(Pager(shelf.fetch))) == [0, 1]
    assert len(shelf.queries) == 1


def test_total_without_links() -> None:
    """A total is enough to go on by offset, by what came and not by what was asked."""
    shelf = Shelf(range(5), no_link)
    pages = crawl(Pager(shelf.fetch))
    assert items_of(pages) == list(range(5))
    assert [page.resume for page in pages] == [Position(2), Position(4), None]


@pytest.mark.parametrize("total", [None, 9])
def test_limit_loop(total: int | None) -> None:
    """An empty page ends the list even if it links on for ever."""
    shelf = Shelf(
        [], always(f'<{URL}?offset=0&limit=0>; rel="next"'), total=lambda _: total
    )
    (page,) = crawl(Pager(shelf.fetch))
    assert (page.listed, page.total, page.resume) == (0, total, None)


@pytest.mark.parametrize("has_total", [True, False])
def test_repeating_page(*, has_total: bool) -> None:
    """The same page again is an error, unless the list was complete before."""

    async def fetch(url: str, query: Mapping[str, str]) -> Response:
        step = len(str(httpx.URL(url)))
        headers = {"link": f'<{URL}?{"x" * step}>; rel="next"'}
        if has_total:
            headers["x-total-count"] = "2"
        del query
        return answer(httpx.URL(url), envelope([1, 2], headers=headers))

    if has_total:
        assert items_of(crawl(Pager(fetch))) == [1, 2, 1, 2]
    else:
        with pytest.raises(TransientUpstreamError, match="the same again"):
            crawl(Pager(fetch))


def test_links_in_a_circle() -> None:
    """Going round is an error, because pages were counted twice; offsets repair it."""

    def link(offset: int, limit: int, total: int) -> str:
        del limit, total
        return f'<{URL}?offset={(offset + 2) % 6}&limit=2>; rel="next"'

    shelf = Shelf(range(8), link)
    pager = Pager(shelf.fetch)
    with pytest.raises(TransientUpstreamError, match="a link back"):
        crawl(pager)
    assert items_of(crawl(pager)) == list(range(8))


def test_endless_list() -> None:
    """There is a last page, also of a list that has none."""

    async def fetch(url: str, query: Mapping[str, str]) -> Response:
        headers = {"x-total-count": str(10**12)}
        body = [int(query["offset"])]
        return answer(httpx.URL(url), envelope(body, headers=headers))

    with pytest.raises(TransientUpstreamError, match="at most 7 pages"):
        crawl(Pager(fetch, max_pages=7))


@pytest.mark.parametrize("link", [conformant, no_link])
@pytest.mark.parametrize("gone", [0, 1, 3])
def test_shrinking_list(gone: int, link: Callable[[int, int, int], str | None]) -> None:
    """What moves up while items leave is not missed."""
    shelf = Shelf(range(8), link)

    async def fetch(url: str, query: Mapping[str, str]) -> Response:
        if len(shelf.queries) == 2:
            shelf.items.remove(gone)
        return await shelf.fetch(url, query)

    seen = items_of(crawl(Pager(fetch)))
    assert set(seen) == set(range(8))


def test_total_that_counts_down() -> None:
    """A total that means "still to come" costs some pages twice and ends."""
    shelf = Shelf(range(8), conformant)

    async def fetch(url: str, query: Mapping[str, str]) -> Response:
        response = await shelf.fetch(url, query)
        offset = int(shelf.queries[-1]["offset"])
        response.headers["x-total-count"] = str(8 - offset)
        return response

    assert set(items_of(crawl(Pager(fetch)))) == set(range(8))
    assert len(shelf.queries) < 20


def test_growing_list() -> None:
    """New items at the end are read, too."""
    shelf = Shelf(range(3), conformant)

    async def fetch(url: str, query: Mapping[str, str]) -> Response:
        if len(shelf.queries) == 1:
            shelf.items.append(3)
        return await shelf.fetch(url, query)

    assert items_of(crawl(Pager(fetch))) == [0, 1, 2, 3]


@pytest.mark.parametrize("status", [400, 422])
def test_page_size_refused(status: int) -> None:
    """A server that dislikes large pages gets small ones from then on."""
    shelf = Shelf(range(3), conformant)

    async def fetch(url: str, query: Mapping[str, str]) -> Response:
        response = await shelf.fetch(url, query)
        if int(query.get("limit", 0)) > 100:
            return answer(httpx.URL(url), httpx.Response(status))
        return response

    pager = Pager(fetch)
    assert items_of(crawl(pager)) == [0, 1, 2]
    crawl(pager)
    limits = [query["limit"] for query in shelf.queries]
    assert limits == ["1000", "100", "2", "100", "2"]


def test_page_size_was_not_the_reason() -> None:
    """A request refused either way is refused, and the page size stays."""
    shelf = Shelf([], conformant)

    async def fetch(url: str, query: Mapping[str, str]) -> Response:
        await shelf.fetch(url, query)
        return answer(httpx.URL(url), httpx.Response(422))

    pager = Pager(fetch, page_size=500)
    for _ in range(2):
        with pytest.raises(RefusedUpstreamError):
            crawl(pager)
    limits = [query["limit"] for query in shelf.queries]
    assert limits == ["500", "100", "500", "100"]


FAILURES: list[tuple[httpx.Response, type[AgentError]]] = [
    (httpx.Response(500), TransientUpstreamError),
    (httpx.Response(401), CredentialsError),
    (httpx.Response(410), RefusedUpstreamError),
    (envelope([], 3000), TransientUpstreamError),
    (envelope({"uid": "X"}), TransientUpstreamError),
    (
        httpx.Response(200, content=b'{"status_code": 1000, "data": ['),
        TransientUpstreamError,
    ),
    (httpx.Response(200, content=b"<html>"), TransientUpstreamError),
]


@pytest.mark.parametrize(("failure", "error"), FAILURES)
def test_failure_in_the_middle(
    failure: httpx.Response, error: type[AgentError]
) -> None:
    """Pages before a failure count; the crawl is not complete, and can be resumed."""
    shelf = Shelf(range(6), conformant)
    broken = True

    async def fetch(url: str, query: Mapping[str, str]) -> Response:
        response = await shelf.fetch(url, query)
        is_second = shelf.queries[-1]["offset"] == "2"
        return answer(httpx.URL(url), failure) if broken and is_second else response

    pager = Pager(fetch)
    pages: list[Page] = []

    async def run() -> None:
        async with aclosing(pager.crawl(URL, {}, START)) as crawled:
            async for page in crawled:
                pages.append(page)  # noqa: PERF401 - those before the failure

    with pytest.raises(error):
        run_virtual(run())
    assert items_of(pages) == [0, 1]
    broken = False
    assert pages[-1].resume is not None
    assert items_of(crawl(pager, pages[-1].resume)) == [2, 3, 4, 5]


@pytest.mark.parametrize(
    "next_url",
    [
        "https://evil.example/tokens?offset=4",
        "https://emsp.example/expired",
        "garbage",
        None,
    ],
)
def test_resuming_without_a_usable_link(next_url: str | None) -> None:
    """A stored position survives a new configuration and an expired link."""
    shelf = Shelf(range(6), conformant)
    asked: list[str] = []

    async def fetch(url: str, query: Mapping[str, str]) -> Response:
        asked.append(httpx.URL(url).host)
        if url.endswith("/expired"):
            return answer(httpx.URL(url), httpx.Response(404))
        return await shelf.fetch(url, query)

    pages = crawl(Pager(fetch), Position(4, next_url))
    assert items_of(pages) == [4, 5]
    assert set(asked) == {"emsp.example"}


def test_absent_data_is_an_empty_page() -> None:
    """Some servers leave an empty list out."""

    async def fetch(url: str, query: Mapping[str, str]) -> Response:
        del query
        return answer(httpx.URL(url), envelope())

    (page,) = crawl(Pager(fetch))
    assert (bytes(page.data), page.listed, page.resume) == (b"[]", 0, None)


HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80)


@given(
    st.lists(
        st.tuples(
            st.binary(max_size=20)
            | st.lists(st.integers(), max_size=3).map(
                lambda data: json.dumps({"status_code": 1000, "data": data}).encode()
            ),
            HEADER
            | st.builds("<{}>; rel=next".format, HEADER)
            | st.builds("<{}{}>; rel=next".format, st.just(URL), HEADER),
            HEADER | st.integers(0, 20).map(str),
            st.sampled_from([200, 200, 200, 404, 422, 500]),
        ),
        min_size=1,
    )
)
def test_any_server_ends(answers: list[tuple[bytes, str, str, int]]) -> None:
    """Every crawl ends, asks nobody else and raises nothing but our own errors."""
    script = iter(answers)

    async def fetch(url: str, query: Mapping[str, str]) -> Response:
        assert url.startswith("https://emsp.example")
        del query
        body, link, total, status = next(script, (b"", "", "", 500))
        raw = [
            (b"link", link.encode("latin-1")),
            (b"x-total-count", total.encode("latin-1")),
        ]
        reply = httpx.Response(status, headers=raw, content=body)
        return answer(httpx.URL(url), reply)

    try:
        pages = crawl(Pager(fetch))
    except (TransientUpstreamError, RefusedUpstreamError):
        return
    assert pages[-1].resume is None
