"""Asking for a page again, and for less."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from agent.errors import (
    AgentError,
    CredentialsError,
    RefusedUpstreamError,
    TransientUpstreamError,
)
from agent.ocpi.page_requests import (
    MAX_ITEMS,
    MAX_PAUSE,
    RETRIES,
    PageRequests,
    read_count,
)
from agent.ocpi.pages import Pager, Position
from agent.ocpi.transport import Call, Response
from tests.agent.ocpi.peer import envelope, respond

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

URL = "https://emsp.example/tokens"
LINK = "https://emsp.example/opaque"
TOO_LONG = TransientUpstreamError("expected at most 16 MiB, got more")
CUT = TransientUpstreamError("ReadError")
CUT.__cause__ = httpx.ReadError("cut")
TOO_SLOW = TransientUpstreamError("no complete answer within 30 s")
TOO_SLOW.__cause__ = TimeoutError()

#: What a request brings: an answer, or what `fetch` raises.
Outcome = httpx.Response | TransientUpstreamError


class Seconds:
    """One second, two seconds, three."""

    def delay_s(self, attempt: int) -> float:
        """Seconds to wait after a failed attempt."""
        return float(attempt)


@dataclass
class Server:
    """Answers one request after another as its script says, then with one item."""

    script: list[Outcome] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    async def fetch(self, url: str, query: Mapping[str, str]) -> Response:
        """Answer as Pager's `fetch`."""
        shown = "link" if url == LINK else f"{query['offset']}+{query['limit']}"
        self.asked.append(shown)
        outcome = self.script.pop(0) if self.script else envelope([1])
        if isinstance(outcome, Exception):
            raise outcome
        call = Call(method="GET", url=url)
        return respond(outcome.content, outcome.status_code, outcome.headers, call=call)

    async def sleep(self, seconds: float) -> None:
        """Note how long a rest was wanted."""
        self.slept.append(seconds)

    def requests(self, page_size: int = 1000) -> PageRequests:
        """Ask this server, without waiting."""
        return PageRequests(self.fetch, page_size, pauses=Seconds(), sleep=self.sleep)

    def pager(self, page_size: int = 1000) -> Pager:
        """Crawl this server, without waiting."""
        return Pager(self.fetch, page_size, pauses=Seconds(), sleep=self.sleep)


def ask(
    requests: PageRequests, offset: int = 0, link: str | None = None
) -> tuple[int, bool]:
    """Ask for one page; return its items and whether it came by link."""
    answer = asyncio.run(requests.ask(URL, {}, offset, link))
    return answer.listed, answer.by_link


def crawl(pager: Pager) -> int:
    """Crawl a whole list; return how many items it had."""

    async def run() -> int:
        return sum([page.listed async for page in pager.crawl(URL, {}, Position())])

    return asyncio.run(run())


# ---- again ------------------------------------------------------------------------

TRANSIENT: dict[str, Callable[[], Outcome]] = {
    "cut": lambda: CUT,
    "500": lambda: httpx.Response(500),
    "503": lambda: httpx.Response(503),
    "429": lambda: httpx.Response(429),
    "OCPI 3000": lambda: envelope([], 3000),
    "HTML": lambda: httpx.Response(200, content=b"<html>"),
    "truncated": lambda: httpx.Response(200, content=b'{"status_code": 1000, "da'),
    "no list": lambda: envelope({"uid": "X"}),
}


@pytest.mark.parametrize("failure", TRANSIENT.values(), ids=TRANSIENT)
@pytest.mark.parametrize("link", [None, LINK])
def test_a_page_that_fails_is_asked_for_again(
    failure: Callable[[], Outcome], link: str | None
) -> None:
    """In the same way, after a pause that grows."""
    server = Server([failure() for _ in range(RETRIES)])

    assert ask(server.requests(), 2000, link) == (1, link is not None)

    assert server.asked == ["link" if link else "2000+1000"] * (RETRIES + 1)
    assert server.slept == [1, 2, 3]


@pytest.mark.parametrize("failure", TRANSIENT.values(), ids=TRANSIENT)
def test_there_is_an_end_to_patience(failure: Callable[[], Outcome]) -> None:
    """The crawl gives up with what the last attempt met, and does not pause then."""
    server = Server([failure() for _ in range(RETRIES + 1)])

    with pytest.raises(TransientUpstreamError):
        ask(server.requests())

    assert len(server.asked) == RETRIES + 1
    assert len(server.slept) == RETRIES


def test_each_page_has_its_own_patience() -> None:
    """A crawl over a bad line gets through, however many pages there are."""
    pages: list[Outcome] = []
    for page in range(20):
        pages += [CUT] * RETRIES
        pages.append(envelope([page], headers={"x-total-count": "20"}))
    server = Server(pages)

    assert crawl(server.pager()) == 20

    assert len(server.slept) == 20 * RETRIES


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (httpx.Response(401), CredentialsError),
        (httpx.Response(403), CredentialsError),
        (httpx.Response(404), RefusedUpstreamError),
        (envelope([], 2001), RefusedUpstreamError),
        (envelope([], 3002), RefusedUpstreamError),
    ],
    ids=["401", "403", "404", "OCPI 2001", "OCPI 3002"],
)
def test_a_refusal_is_not_repeated(
    failure: httpx.Response, error: type[AgentError]
) -> None:
    """It would be refused again."""
    server = Server([failure])

    with pytest.raises(error):
        ask(server.requests())

    assert (server.asked, server.slept) == (["0+1000"], [])


RETRY_AFTER: list[tuple[float, list[float]]] = [
    # seconds the server wants, pauses made; none is giving up
    (0, [1]),
    (1, [1]),
    (7, [7]),
    (MAX_PAUSE.total_seconds(), [MAX_PAUSE.total_seconds()]),
    (MAX_PAUSE.total_seconds() + 1, []),
    (86_400, []),
]


@pytest.mark.parametrize(("wanted_s", "pauses"), RETRY_AFTER)
def test_a_server_may_want_a_longer_pause(wanted_s: float, pauses: list[float]) -> None:
    """It gets it, or the crawl ends, to go on from here another time."""
    headers = {"retry-after": f"{wanted_s:.0f}"}
    server = Server([httpx.Response(429, headers=headers)])

    if pauses:
        assert ask(server.requests()) == (1, False)
    else:
        with pytest.raises(TransientUpstreamError) as caught:
            ask(server.requests())
        assert caught.value.retry_after == timedelta(seconds=wanted_s)

    assert server.slept == pauses


# ---- for less ---------------------------------------------------------------------

TOO_MUCH: dict[str, Callable[[], Outcome]] = {
    "too long": lambda: TOO_LONG,
    "too slow": lambda: TOO_SLOW,
    "too slow for a gateway": lambda: httpx.Response(504),
}


@pytest.mark.parametrize("failure", TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_page_that_is_too_much_is_made_smaller(
    failure: Callable[[], Outcome],
) -> None:
    """And so are those after it."""
    server = Server([failure(), failure()])
    requests = server.requests()

    ask(requests)
    ask(requests, 10)

    assert server.asked == ["0+1000", "0+100", "0+10", "10+10"]


def test_a_link_that_leads_to_too_much_is_left_for_an_offset() -> None:
    """A link names a size that is not ours; links are followed again after that."""
    server = Server([TOO_SLOW])
    requests = server.requests()

    assert ask(requests, 4000, LINK) == (1, False)
    assert ask(requests, 4001, LINK) == (1, True)

    assert server.asked == ["link", "4000+100", "link"]


def test_a_single_item_may_be_too_much() -> None:
    """There is nothing less than one; then the crawl gives up."""
    server = Server([TOO_LONG] * 9)

    with pytest.raises(TransientUpstreamError, match="16 MiB"):
        ask(server.requests(20))

    assert server.asked == ["0+20", "0+2", "0+1", "0+1"]


def test_the_size_was_not_the_reason() -> None:
    """A page that fails at every size leaves the size as it was."""
    server = Server([TOO_SLOW] * (RETRIES + 1))
    requests = server.requests()

    with pytest.raises(TransientUpstreamError):
        ask(requests)
    ask(requests)

    assert server.asked == ["0+1000", "0+100", "0+10", "0+1", "0+1000"]


def test_a_later_crawl_tries_larger_pages_again() -> None:
    """One slow moment does not make every list slow until the next restart."""
    server = Server([TOO_SLOW, TOO_SLOW])
    pager = server.pager()

    for _ in range(4):
        crawl(pager)

    limits = [int(asked.partition("+")[2]) for asked in server.asked]
    assert limits == [1000, 100, 10, 100, 1000, 1000]


# ---- the cap ----------------------------------------------------------------------


def page(start: int, items: int, total: int, **headers: str) -> httpx.Response:
    """Answer with some items of a list of `total`, the first being number `start`."""
    fields = {"x-total-count": str(total)}
    fields |= {name.replace("_", "-"): text for name, text in headers.items()}
    return envelope(list(range(start, start + items)), headers=fields)


CAPS: list[tuple[str, str | None, list[str]]] = [
    # what the server says, X-Limit, requests for a list of 120 in pages of 50
    ("its cap", "50", ["0+1000", "50+50", "100+50"]),
    ("nothing", None, ["0+1000", "50+1000", "100+1000"]),
    ("what was asked for", "1000", ["0+1000", "50+1000", "100+1000"]),
    ("more than was asked for", "9999", ["0+1000", "50+1000", "100+1000"]),
    ("less than it sends", "10", ["0+1000", "50+1000", "100+1000"]),
    ("nothing at all", "0", ["0+1000", "50+1000", "100+1000"]),
    ("a negative number", "-50", ["0+1000", "50+1000", "100+1000"]),
    ("garbage", "fifty", ["0+1000", "50+1000", "100+1000"]),
    ("an endless number", "5" * 500, ["0+1000", "50+1000", "100+1000"]),
]


@pytest.mark.parametrize(
    ("name", "cap", "asked"), CAPS, ids=[name for name, *_ in CAPS]
)
def test_the_cap_is_what_is_asked_for(
    name: str, cap: str | None, asked: list[str]
) -> None:
    """Of a server that keeps to it; where the next page begins is what came."""
    headers = {} if cap is None else {"x_limit": cap}
    pages = [(0, 50), (50, 50), (100, 20)]
    server = Server([page(start, items, 120, **headers) for start, items in pages])
    del name

    assert crawl(server.pager()) == 120

    assert server.asked == asked


def test_a_cap_is_kept_to_in_later_crawls() -> None:
    """It was not a bad moment, so nothing larger is tried again."""
    server = Server([page(0, 50, 60, x_limit="50"), page(50, 10, 60)])
    pager = server.pager()

    crawl(pager)
    crawl(pager)

    assert server.asked == ["0+1000", "50+50", "0+50"]


@pytest.mark.parametrize("items", [0, 1, 50])
def test_the_last_page_says_nothing_about_the_cap(items: int) -> None:
    """Some servers give the number of items there; one change makes no cap of 1."""
    server = Server([page(0, items, items, x_limit=str(items))])
    pager = server.pager()

    crawl(pager)
    crawl(pager)

    assert server.asked == ["0+1000", "0+1000"]


def test_the_limit_of_a_link_is_no_cap() -> None:
    """A hub's opaque link may ask for less than it would give."""
    link = f'<{LINK}>; rel="next"'
    server = Server(
        [
            page(0, 50, 120, link=link),
            page(50, 50, 120, x_limit="50"),
            page(100, 20, 120),
        ]
    )

    assert crawl(server.pager()) == 120

    assert server.asked == ["0+1000", "link", "100+1000"]


# ---- what a page may be -----------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "is_taken"), [(MAX_ITEMS, True), (MAX_ITEMS + 1, False)]
)
def test_a_page_has_a_largest_number_of_items(
    items: int,
    is_taken: bool,  # noqa: FBT001 - a table's column
) -> None:
    """Each costs memory, however small it is."""
    body = b'{"status_code":1000,"data":[' + b"0," * (items - 1) + b"0]}"
    server = Server([httpx.Response(200, content=body) for _ in range(RETRIES + 1)])

    if is_taken:
        assert ask(server.requests()) == (items, False)
    else:
        with pytest.raises(TransientUpstreamError, match="at most 100000 items"):
            ask(server.requests())


def test_a_page_is_not_taken_apart_when_that_takes_much_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Eight million zeros fit into a body; they are counted where they stand."""
    body = b'{"status_code":1000,"data":[' + b"0," * 8_000_000 + b"0]}"
    server = Server([httpx.Response(200, content=body) for _ in range(RETRIES + 1)])
    monkeypatch.setattr("agent.ocpi.page_requests.split_items", pytest.fail)

    with pytest.raises(TransientUpstreamError, match="at most 100000 items"):
        ask(server.requests())


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        (" 17 ", 17),
        ("007", 7),
        ("9" * 400, 10**15 - 1),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("1e3", None),
        ("0x10", None),
        ("1_000", None),
        ("", None),
        ("many", None),
        ("\u00b3", None),
    ],
)
def test_a_number_is_nothing_but_digits(text: str, number: int | None) -> None:
    """Whatever else stands in the header is as if it were not there."""
    headers = httpx.Headers([(b"x-total-count", text.encode("latin-1"))])
    assert read_count(headers, "x-total-count") == number
    assert read_count(httpx.Headers(), "x-total-count") is None
