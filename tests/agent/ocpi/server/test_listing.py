"""Sessions and CDRs that a backend fetches."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from msgspec.structs import replace

from tests.agent.ocpi.examples import BILLED, ENDED, ID_ONLY, SESSION, at
from tests.agent.ocpi.server.hosting import (
    BASE,
    PUBLIC,
    VERSIONS,
    FakePeer,
    Host,
    MemorySessions,
    hosted,
)
from tests.reference.checking import check

if TYPE_CHECKING:
    from agent.domain.sessions import Session

START = "2026-05-06T07:08:09Z"


def numbered(count: int, session: Session = BILLED) -> list[Session]:
    """Make so many, a minute apart, the newest first."""
    return [
        replace(
            session,
            id=f"S{number:03}",
            started_at=at(60 * number),
            updated_at=at(60 * number + 7000),
            ended_at=at(60 * number + 7000) if session.ended_at else None,
        )
        for number in reversed(range(count))
    ]


def ids(data: list[dict[str, Any]]) -> list[str]:
    """Name what is on a page."""
    return [item["id"] for item in data]


@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_are_listed(version: str) -> None:
    """Open and ended ones, as the version writes them, oldest first."""
    told = [replace(ENDED, id="B", started_at=at(60)), replace(SESSION, id="A")]

    async def test(host: Host) -> None:
        answer = await host.ask("GET", f"/{version}/sessions?date_from={START}")
        assert (answer.http, answer.code) == (200, 1000)
        assert check(version, "Session[]", answer.data) == []
        assert ids(answer.data) == ["A", "B"]
        assert answer.headers["x-total-count"] == "2"
        assert "link" not in answer.headers

    hosted(test, sessions=MemorySessions(told=told))


@pytest.mark.parametrize("version", VERSIONS)
def test_cdrs_are_listed(version: str) -> None:
    """Those that there are, in the order in which they came to be."""
    early = replace(BILLED, id="early", ended_at=at(100), updated_at=at(9000))
    late = replace(BILLED, id="late", started_at=at(-100))

    async def test(host: Host) -> None:
        answer = await host.ask("GET", f"/{version}/cdrs")
        assert check(version, "CDR[]", answer.data) == []
        assert ids(answer.data) == ["early", "late"]

    hosted(test, sessions=MemorySessions(told=[SESSION], billed=[late, early]))


def test_everybody_sees_his_own() -> None:
    """Another upstream's sessions are not shown."""
    told = [SESSION, replace(SESSION, id="theirs", upstream="hub")]

    async def test(host: Host) -> None:
        answer = await host.ask("GET", "/2.2.1/sessions")
        assert ids(answer.data) == [SESSION.id]

    hosted(test, sessions=MemorySessions(told=told))


@pytest.mark.parametrize("module", ["sessions", "cdrs"])
def test_pages_lead_to_each_other(module: str) -> None:
    """Following the links shows everything once; the last page has none."""
    sessions = MemorySessions(told=numbered(7), billed=numbered(7))

    async def test(host: Host) -> None:
        following: str | None = f"{PUBLIC}/2.2.1/{module}?date_from={START}&limit=3"
        seen, pages = [], 0
        while following is not None:
            assert following.startswith(f"{PUBLIC}/2.2.1/{module}?")
            answer = await host.ask("GET", following.removeprefix(PUBLIC))
            assert answer.headers["x-total-count"] == "7"
            assert answer.headers["x-limit"] == "50"
            seen += ids(answer.data)
            pages += 1
            link = answer.headers.get("link")
            following = link and link.removeprefix("<").removesuffix('>; rel="next"')
        assert seen == [f"S{number:03}" for number in range(7)]
        assert pages == 3

    hosted(test, sessions=sessions)


def test_a_page_has_a_limit_of_its_own() -> None:
    """However much is wanted, and by default, 50 are given."""

    async def test(host: Host) -> None:
        for query in ("", "?limit=5000", "?limit=51"):
            answer = await host.ask("GET", f"/2.2.1/sessions{query}")
            assert len(answer.data) == 50
            assert "offset=50" in answer.headers["link"]
        rest = await host.ask("GET", "/2.2.1/sessions?offset=50")
        assert ids(rest.data) == ["S050"]
        assert (await host.ask("GET", "/2.2.1/sessions?offset=999")).data == []

    hosted(test, sessions=MemorySessions(told=numbered(51)))


# The first was updated at 09:04:49.5, the others each a minute later.
FILTERS = [
    ("date_from=2026-05-06T09:05:49Z", "12"),
    ("date_from=2026-05-06T09:05:49.000Z", "12"),
    ("date_from=2026-05-06T09:05:49.100Z", "2"),
    ("date_from=2026-05-06T09:05:50Z", "2"),
    ("date_from=2026-05-06T09:05:49", "12"),
    ("date_from=2026-05-06 09:05:49", "12"),
    ("date_from=2026-05-06T11:05:49%2B02:00", "12"),
    ("date_from=2026-05-06T11:05:49+02:00", "12"),
    ("date_from=2026-05-06T09:05:49%2B00:00", "12"),
    ("date_to=2026-05-06T09:05:49Z", "0"),
    ("date_to=2026-05-06T09:05:50Z", "01"),
    ("date_from=2026-05-06T09:05:49Z&date_to=2026-05-06T09:06:49Z", "1"),
    ("date_from=&date_to=", "012"),
    ("date_from=2026-05-07", ""),
]


@pytest.mark.parametrize(("query", "expected"), FILTERS)
@pytest.mark.parametrize("module", ["sessions", "cdrs"])
def test_dates_filter_by_the_last_update(
    module: str, query: str, expected: str
) -> None:
    """From inclusive, to exclusive, by what was told, in any spelling of a moment."""
    sessions = MemorySessions(told=numbered(3), billed=numbered(3))

    async def test(host: Host) -> None:
        answer = await host.ask("GET", f"/2.2.1/{module}?{query}")
        assert answer.code == 1000
        assert ids(answer.data) == [f"S00{number}" for number in expected]
        assert answer.headers["x-total-count"] == str(len(expected))

    hosted(test, sessions=sessions)


@pytest.mark.parametrize(
    "query",
    [
        "date_from=yesterday",
        "date_to=2026-13-01T00:00:00Z",
        "date_from=None",
        "date_from=0001-01-01T00:00:00%2B23:59",
        "date_from=" + "9" * 4000,
        "limit=0",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=%C2%B2",
        "offset=-1",
        "offset=1.5",
        "offset=" + "9" * 5000,
    ],
)
def test_nonsense_is_named(query: str) -> None:
    """OCPI 2001 names the parameter; a limit of nothing would lead nowhere."""

    async def test(host: Host) -> None:
        answer = await host.ask("GET", f"/2.2.1/sessions?{query}")
        assert (answer.http, answer.code, answer.data) == (200, 2001, None)
        assert query.partition("=")[0] in str(answer.message)

    hosted(test, sessions=MemorySessions(told=[SESSION]))


def test_filters_survive_in_the_link() -> None:
    """What was asked with the first page is asked with the next."""
    query = f"date_from={quote('2026-05-06T08:00:00+02:00')}&date_to=2027-01-01&limit=1"

    async def test(host: Host) -> None:
        link = (await host.ask("GET", f"/2.3.0/cdrs?{query}")).headers["link"]
        assert link == (
            f"<{PUBLIC}/2.3.0/cdrs?date_from=2026-05-06T08%3A00%3A00%2B02%3A00"
            f'&date_to=2027-01-01&offset=1&limit=1>; rel="next"'
        )
        assert BASE in link

    hosted(test, sessions=MemorySessions(billed=numbered(2)))


def test_what_cannot_be_written_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """One session that a version cannot tell does not hide the others."""
    told = numbered(4)
    told[2] = replace(told[2], id="S" * 40)

    async def test(host: Host) -> None:
        first = await host.ask("GET", "/2.2.1/sessions?limit=2")
        assert ids(first.data) == ["S000"]
        assert first.headers["x-total-count"] == "4"
        assert "offset=2" in first.headers["link"]
        rest = await host.ask("GET", "/2.2.1/sessions?offset=2")
        assert ids(rest.data) == ["S002", "S003"]

    with caplog.at_level(logging.WARNING):
        hosted(test, sessions=MemorySessions(told=told))

    [record] = caplog.records
    assert "cannot be shown to emsp in OCPI 2.2.1: id" in record.getMessage()


def test_211_without_a_location_shows_nothing() -> None:
    """It tells places whole, and this station knows an id only."""

    async def test(host: Host) -> None:
        assert (await host.ask("GET", "/2.1.1/sessions")).data == []
        assert ids((await host.ask("GET", "/2.2.1/sessions")).data) == [SESSION.id]

    hosted(
        test,
        peers=[FakePeer(station=ID_ONLY)],
        sessions=MemorySessions(told=[SESSION]),
    )
