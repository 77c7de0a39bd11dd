"""Backends whose pages are broken or hostile, over a real connection.

Whatever comes: one clear error, little memory, a short log, and the list in force is
what it was.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest

from agent.errors import (
    AgentError,
    CredentialsError,
    HeldBackError,
    RefusedUpstreamError,
    TransientUpstreamError,
)
from agent.ocpi import page_requests
from agent.ocpi.page_requests import RETRIES
from tests.agent.ocpi.hostile import (
    IN_FORCE,
    MIB,
    AtOnce,
    check_log,
    check_refused,
    numbered,
    offset_of,
    synchronize,
)
from tests.agent.ocpi.raw_server import RawServer, Reply
from tests.fakes.lists import open_list, put_in_force, token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.store.whitelist import Whitelist


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again at once."""
    monkeypatch.setattr(page_requests, "Backoff", lambda *_: AtOnce())


@pytest.fixture
def whitelist(tmp_path: Path) -> Iterator[Whitelist]:
    """Open a list that has some tokens in force."""
    with closing(open_list(tmp_path)) as opened:
        put_in_force(opened, [token(card) for card in IN_FORCE])
        yield opened


# ---- lists without an end ---------------------------------------------------------


def next_link(target: str) -> str:
    """Write the header that leads to the next page."""
    return f'Link: <{target}>; rel="next"'


def test_too_many_pages(whitelist: Whitelist, caplog: pytest.LogCaptureFixture) -> None:
    """A list that goes on for ever ends at our limit."""

    def respond(query: dict[str, str]) -> Reply:
        number = offset_of(query)
        return Reply.of([numbered(number)], next_link(f"?offset={number + 1}"))

    server = check_refused(
        whitelist,
        respond,
        TransientUpstreamError,
        "at most 20 pages",
        caplog,
        max_pages=20,
    )
    assert len(server.queries) == 20


def test_one_page_for_ever(
    whitelist: Whitelist, caplog: pytest.LogCaptureFixture
) -> None:
    """The same items under ever new links are no next page."""

    def respond(query: dict[str, str]) -> Reply:
        step = int(query.get("step", "0"))
        return Reply.of([numbered(1)], next_link(f"?step={step + 1}"))

    server = check_refused(
        whitelist, respond, TransientUpstreamError, "the same again", caplog
    )
    assert len(server.queries) == 2


def test_offsets_that_do_not_matter(
    whitelist: Whitelist, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that always begins at the beginning has no next page either."""
    server = check_refused(
        whitelist,
        lambda _: Reply.of([numbered(1)], "X-Total-Count: 100"),
        TransientUpstreamError,
        "the same again",
        caplog,
    )
    assert len(server.queries) == 2


def test_links_in_a_circle(
    whitelist: Whitelist, caplog: pytest.LogCaptureFixture
) -> None:
    """Going round is noticed at the first page that was there before."""

    def respond(query: dict[str, str]) -> Reply:
        number = offset_of(query)
        return Reply.of([numbered(number)], next_link(f"?offset={(number + 1) % 5}"))

    server = check_refused(
        whitelist, respond, TransientUpstreamError, "a link back", caplog
    )
    assert len(server.queries) == 6


@pytest.mark.parametrize(
    ("total", "error", "match"),
    [
        (None, HeldBackError, "0 readable tokens"),
        (0, HeldBackError, "0 readable tokens"),
        (5, TransientUpstreamError, "ended after 0 of 5"),
    ],
)
def test_a_limit_of_nothing(
    whitelist: Whitelist,
    caplog: pytest.LogCaptureFixture,
    total: int | None,
    error: type[AgentError],
    match: str,
) -> None:
    """An empty page is the end, although it links on for ever."""
    headers = [next_link("?offset=0&limit=0")]
    headers += [] if total is None else [f"X-Total-Count: {total}"]
    server = check_refused(
        whitelist, lambda _: Reply.of([], *headers), error, match, caplog
    )
    # When the list is held back the changes are asked for as well.
    assert len(server.queries) <= 2


def test_a_total_that_runs_away(
    whitelist: Whitelist, caplog: pytest.LogCaptureFixture
) -> None:
    """A total that grows with every page is caught up with, or it is not the list's."""

    def respond(query: dict[str, str]) -> Reply:
        number = offset_of(query)
        items = [numbered(number)] if number < 9 else []
        return Reply.of(items, f"X-Total-Count: {1000 + 1000 * number}")

    server = check_refused(
        whitelist, respond, TransientUpstreamError, "ended after 9 of 10000", caplog
    )
    assert len(server.queries) == 10


def test_a_total_that_melts_away(
    whitelist: Whitelist, caplog: pytest.LogCaptureFixture
) -> None:
    """Each loss takes us back, so that a token comes fifty times and counts once."""
    put_in_force(whitelist, [token(card) for card in "ABCDEFGH"])
    totals = iter(range(50, -1, -1))

    def respond(query: dict[str, str]) -> Reply:
        total = next(totals, 0)
        items = [numbered(offset_of(query))] if total else []
        return Reply.of(items, f"X-Total-Count: {total}")

    server = check_refused(
        whitelist, respond, HeldBackError, "has 2 readable tokens", caplog
    )
    assert len(server.queries) <= 60


# ---- answers that are too much ----------------------------------------------------


@pytest.mark.parametrize("claimed", [None, 100 * MIB], ids=["unannounced", "announced"])
def test_a_page_of_100_megabytes(
    whitelist: Whitelist, caplog: pytest.LogCaptureFixture, claimed: int | None
) -> None:
    """It is not read to its end, and smaller pages are asked for."""

    def respond(_: dict[str, str]) -> Reply:
        piece = b" " * MIB
        return Reply((piece for _ in range(100)), length=claimed)

    server = check_refused(
        whitelist,
        respond,
        TransientUpstreamError,
        "at most 16,777,216 bytes, got",
        caplog,
    )
    limits = [int(query["limit"]) for query in server.queries]
    assert limits == [1000, 100, 10, 1]
    assert server.sent_bytes < (RETRIES + 1) * 30 * MIB


def test_a_page_that_trickles(
    whitelist: Whitelist,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A byte now and then does not put the deadline off."""
    real, running = asyncio.timeout, []

    def start(delay: float | None) -> asyncio.Timeout:
        """Begin a deadline that passes when the test says so."""
        assert delay is not None
        running.append(real(None))
        return running[-1]

    def pass_by() -> None:
        running[-1].reschedule(asyncio.get_running_loop().time())

    monkeypatch.setattr(asyncio, "timeout", start)
    pieces = [b'{"status', b'_code":', b" ", b" ", b"1000,"]
    server = check_refused(
        whitelist,
        lambda _: Reply(list(pieces), length=1000, after_body=pass_by),
        TransientUpstreamError,
        "no complete answer within 30 s",
        caplog,
    )
    assert [query["limit"] for query in server.queries] == ["1000", "100", "10", "1"]


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 1_000_000,
        b'{"a":' * 1_000_000,
        b"[" + b"[" * 1_000_000 + b"]" * 1_000_000 + b"]",
        b'[{"uid":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}]",
    ],
    ids=["open lists", "open objects", "lists", "a field"],
)
def test_deep_json(
    whitelist: Whitelist, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    """It is no reason to run out of stack."""
    check_refused(
        whitelist,
        lambda _: Reply.raw(data),
        TransientUpstreamError,
        "expected",
        caplog,
    )


def test_millions_of_tiny_items(
    whitelist: Whitelist, caplog: pytest.LogCaptureFixture
) -> None:
    """Eight million zeros fit into 16 MiB, and would not fit into memory as items."""
    check_refused(
        whitelist,
        lambda _: Reply.raw(b"[" + b"0," * 8_000_000 + b"0]"),
        TransientUpstreamError,
        "at most 100000 items",
        caplog,
    )


# ---- answers that are none --------------------------------------------------------

HTML: Final = b"<!doctype html><title>Sign in</title>"
NO_LISTS: list[tuple[str, Reply, type[AgentError], str]] = [
    # what comes, how, what it is, in which words
    (
        "HTML as HTML",
        Reply([HTML], content_type="text/html", length=len(HTML)),
        TransientUpstreamError,
        "with text/html, expected an OCPI envelope",
    ),
    (
        "HTML as JSON",
        Reply([HTML], length=len(HTML)),
        TransientUpstreamError,
        "expected an OCPI envelope",
    ),
    ("nothing", Reply(length=0), TransientUpstreamError, "expected an OCPI envelope"),
    ("no bytes", Reply(length=10, is_cut=True), TransientUpstreamError, "GET .*tokens"),
    (
        "half of it",
        Reply.raw(b"[]", length=1000, is_cut=True),
        TransientUpstreamError,
        "GET .*tokens",
    ),
    ("an object", Reply.of({"a": 1}), TransientUpstreamError, "expected a list"),
    ("a text", Reply.of("tokens"), TransientUpstreamError, "expected a list"),
    ("a refusal", Reply.of([], status=410), RefusedUpstreamError, "HTTP 410"),
    ("no credentials", Reply.of([], status=401), CredentialsError, "HTTP 401"),
    ("a failure", Reply.of([], status=500), TransientUpstreamError, "HTTP 500"),
]


@pytest.mark.parametrize("what", NO_LISTS, ids=[name for name, *_ in NO_LISTS])
@pytest.mark.parametrize("pages_before", [0, 1])
def test_no_list(
    whitelist: Whitelist,
    caplog: pytest.LogCaptureFixture,
    what: tuple[str, Reply, type[AgentError], str],
    pages_before: int,
) -> None:
    """The error says what came; what came before it is in force no more than it is."""
    _, reply, error, match = what
    good = Reply.of([numbered(1)], "X-Total-Count: 2")

    def respond(query: dict[str, str]) -> Reply:
        return good if offset_of(query) < pages_before else reply

    check_refused(whitelist, respond, error, match, caplog)


# ---- headers ----------------------------------------------------------------------

LINKS: Final = (
    "Link: garbage",
    "Link: <>",
    "Link: <>; rel=next",
    "Link: <https://[>; rel=next",
    "Link: <http://127.0.0.1:99999/>; rel=next",
    "Link: <ftp://127.0.0.1/>; rel=next",
    "Link: <http://evil.example/tokens>; rel=next",
    "Link: <javascript:alert(1)>; rel=next",
    f"Link: <?x={'y' * 60_000}>; rel=next",
    "Link: " + ", ".join(f"<?page={n}>; rel=next" for n in range(1000)),
    "Link: <?offset=None&limit=None>; rel=next",
    "Link: \u00ff\u00fe; rel=\u00e9",
)


@pytest.mark.parametrize("link", LINKS, ids=range(len(LINKS)))
@pytest.mark.parametrize("has_total", [True, False])
def test_links_that_lead_nowhere(
    whitelist: Whitelist,
    caplog: pytest.LogCaptureFixture,
    link: str,
    has_total: bool,  # noqa: FBT001 - a table's column
) -> None:
    """The list is read all the same if it can be, and nobody else is asked."""

    def respond(query: dict[str, str]) -> Reply:
        if "page" in query:
            return Reply.of([], status=404)
        offset = offset_of(query)
        items = [numbered(number) for number in range(offset, min(offset + 2, 6))]
        headers = (link, *(["X-Total-Count: 6"] if has_total else []))
        return Reply.of(items, *headers)

    with caplog.at_level(logging.INFO):
        result = synchronize(whitelist, RawServer(respond))

    is_end = "rel=" in link and "next" not in link and not has_total
    assert result.received == (2 if is_end else 6)
    check_log(caplog)


TOTALS: list[tuple[str, str | None]] = [
    # X-Total-Count, the error of a list of two tokens if it has one
    ("-1", None),
    ("-99999999999999999999", None),
    ("0x10", None),
    ("many", None),
    ("", None),
    ("2.5", None),
    ("NaN", None),
    ("1, 2", None),
    ("\u00b2", None),
    ("2", None),
    ("1", None),
    ("0", None),
    ("3", "ended after 2 of 3"),
    ("9" * 1000, "ended after 2 of 999999999999999"),
]


LIMITS: Final = ("", "-5", "0", "1", "2", "9" * 1000, "many")


@pytest.mark.parametrize(
    ("total", "match", "limit"),
    [
        *((total, match, "1000") for total, match in TOTALS),
        *(("2", None, limit) for limit in LIMITS),
        *(("", None, limit) for limit in LIMITS),
    ],
)
def test_totals_and_limits(
    whitelist: Whitelist,
    caplog: pytest.LogCaptureFixture,
    total: str,
    match: str | None,
    limit: str,
) -> None:
    """A number that is none is as if it were not there; too large a one is an error."""
    names = "X-Total-Count", "X-Limit"

    def respond(query: dict[str, str]) -> Reply:
        items = [numbered(1), numbered(2)] if offset_of(query) == 0 else []
        headers = (f"{names[0]}: {total}", f"{names[1]}: {limit}")
        return Reply.of(items, *headers)

    if match is not None:
        check_refused(whitelist, respond, TransientUpstreamError, match, caplog)
        return
    assert synchronize(whitelist, RawServer(respond)).received == 2
    assert whitelist.count_of("cpo") == 2


@pytest.mark.parametrize(
    "date",
    [
        "garbage",
        "",
        "Thu, 01 Jan 2026 00:00:00 -0000",
        "Mon, 01 Jan 0001 00:00:00 +1400",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Thu, 01 Jan 99999 00:00:00 GMT",
    ],
)
def test_dates(whitelist: Whitelist, date: str) -> None:
    """The server's time is a limit where it is one, for both kinds of run."""
    server = RawServer(lambda _: Reply.of([numbered(1), numbered(2)], f"Date: {date}"))

    synchronize(whitelist, server, then_changes=True)

    assert whitelist.count_of("cpo") == 2


@pytest.mark.parametrize("year", ["0001", "9999"])
def test_tokens_of_another_age(whitelist: Whitelist, year: str) -> None:
    """The next run cannot ask for a time that no calendar has."""
    at = f"{year}-01-01T00:00:00Z"
    server = RawServer(
        lambda _: Reply.of([numbered(n, last_updated=at) for n in range(2)])
    )

    synchronize(whitelist, server, then_changes=True)

    assert ["date_from" in query for query in server.queries] == [False, True]
    assert whitelist.count_of("cpo") == 2
