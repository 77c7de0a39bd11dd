"""The agent reads every page of extrawest_ocpi's list, whatever they are like."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

from agent.errors import TransientUpstreamError
from agent.ocpi.sync import OVERLAP
from tests.interop.agent_side import AgentSide, Meddler, card
from tests.interop.extrawest import ExtrawestServer
from tests.interop.samples import make_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from agent.ocpi.sync import Progress
    from tests.interop.extrawest import FaultKind

pytestmark = pytest.mark.stack

BOTH: Final = ("2.1.1", "2.2.1")
LINKS: Final[dict[str, FaultKind | None]] = {
    "wrong": None,
    "repaired": "repair_link",
    "unreadable": "broken_link",
}
FIVE: Final = [card(number) for number in range(5)]
PAGE: Final = 2

each_version = pytest.mark.parametrize("version", BOTH)
each_link = pytest.mark.parametrize("link", list(LINKS))


@pytest.fixture(scope="module")
def lasting(extrawest_python: Path) -> Iterator[ExtrawestServer]:
    """Run one server with both versions and small pages for all tests here."""
    with ExtrawestServer(extrawest_python, versions=BOTH, page_cap=PAGE) as server:
        yield server


@pytest.fixture
def server(lasting: ExtrawestServer) -> ExtrawestServer:
    """Give a server without a past that lists five cards."""
    lasting.forget()
    lasting.set_tokens([make_token(one) for one in FIVE])
    return lasting


def spoil_links(server: ExtrawestServer, link: str) -> None:
    """Have the server's links as the test wants them."""
    if (fault := LINKS[link]) is not None:
        server.set_fault(fault, times=None)


def queries(server: ExtrawestServer) -> list[dict[str, str]]:
    """Return what each page that was given was asked for with."""
    return [
        one.query
        for one in server.requests()
        if one.path.rstrip("/").endswith("/tokens") and one.status == 200
    ]


# ---- links (§15.8) ------------------------------------------------------------------


@each_version
@each_link
def test_every_page_is_read(
    server: ExtrawestServer, tmp_path: Path, version: str, link: str
) -> None:
    """By the links if they lead somewhere, else by offset, and no page twice."""
    spoil_links(server, link)
    with AgentSide(server, tmp_path, version=version) as agent:
        assert agent.sync().received == 5
        assert agent.listed(*FIVE) == FIVE
    asked = queries(server)
    assert [one["offset"] for one in asked] == ["0", "2", "4"]
    assert "None" not in str(asked)
    # What cannot be read as a link is tried once, and never again.
    failed = [one for one in server.requests() if one.status != 200]
    assert len(failed) <= (link == "unreadable")


def test_links_are_followed_where_they_work(
    server: ExtrawestServer, tmp_path: Path
) -> None:
    """The second page is asked for as the server's own link says, filters included."""
    server.set_fault("repair_link", times=None)
    with AgentSide(server, tmp_path, page_size=3) as agent:
        agent.sync()
        agent.sync(full=False)
    full, since = queries(server)[:3], queries(server)[3:]
    assert [one["limit"] for one in full] == ["3", "2", "2"]
    ours, *theirs = [one["date_from"] for one in since]
    # Only the server writes a date like this.
    assert ours.endswith("Z")
    assert theirs == [ours.replace("T", " ").replace("Z", "+00:00")] * 2


@each_version
@each_link
def test_changes_on_several_pages_are_all_found(
    server: ExtrawestServer, tmp_path: Path, version: str, link: str
) -> None:
    """date_from holds on every page, and nothing that is missing is swept."""
    with AgentSide(server, tmp_path, version=version) as agent:
        agent.sync()
        new = [card(number) for number in range(10, 15)]
        moment = "2026-05-05T05:05:05Z"
        server.set_tokens([make_token(one, last_updated=moment) for one in new])
        server.clear_requests()
        spoil_links(server, link)
        done = agent.sync(full=False)
        assert (done.full, done.received) == (False, 5)
        assert agent.listed(*FIVE, *new) == [*FIVE, *new]
        assert agent.cursor == datetime(2026, 5, 5, 5, 5, 5, tzinfo=UTC)
        first = datetime(2026, 1, 1, tzinfo=UTC) - OVERLAP
    asked = queries(server)
    assert len(asked) == 3
    for one in asked:
        assert datetime.fromisoformat(one["date_from"]) == first


def test_broken_links_are_remembered(server: ExtrawestServer, tmp_path: Path) -> None:
    """They are not even looked at in the next crawl of the same start."""
    with AgentSide(server, tmp_path) as agent:
        agent.sync()
        agent.sync()
    assert [one["offset"] for one in queries(server)] == ["0", "2", "4"] * 2


# ---- sizes (§15.18) -----------------------------------------------------------------


@each_link
def test_one_item_pages(server: ExtrawestServer, tmp_path: Path, link: str) -> None:
    """A server that gives one token at a time takes as many requests, and no more."""
    spoil_links(server, link)
    with AgentSide(server, tmp_path, page_size=1) as agent:
        assert agent.sync().received == 5
        assert agent.listed(*FIVE) == FIVE
    assert len(queries(server)) == 5


@each_link
def test_an_endless_list_of_nothing(
    server: ExtrawestServer, tmp_path: Path, link: str
) -> None:
    """limit=0 gives a Link to itself; one look is enough, and the old list stays."""
    with AgentSide(server, tmp_path) as agent:
        agent.sync()
    server.clear_requests()
    spoil_links(server, link)
    # No configuration says so; a server may cap a limit to nothing by itself.
    with AgentSide(server, tmp_path, page_size=0) as agent:
        with pytest.raises(TransientUpstreamError, match="after 0 of 5"):
            agent.sync()
        assert agent.listed(*FIVE) == FIVE
    assert len(queries(server)) == 1


def test_a_page_that_repeats(server: ExtrawestServer, tmp_path: Path) -> None:
    """Whoever ignores `offset` is not believed, and the old list stays."""
    with AgentSide(server, tmp_path) as agent:
        agent.sync()
    server.clear_requests()
    with AgentSide(server, tmp_path, transport=Meddler("offset")) as agent:
        with pytest.raises(TransientUpstreamError, match="the same again"):
            agent.sync()
        assert agent.listed(*FIVE) == FIVE
    assert len(queries(server)) == 2


# ---- lists that change --------------------------------------------------------------


def list_once(server: ExtrawestServer, cards: list[str]) -> Callable[[Progress], None]:
    """Make something to call with each page: the list changes after the first."""
    changes = iter([cards])

    def change(_: Progress) -> None:
        for present in changes:
            server.set_tokens([make_token(one) for one in present])

    return change


@each_version
@each_link
def test_a_total_that_shrinks(
    server: ExtrawestServer, tmp_path: Path, version: str, link: str
) -> None:
    """Nobody is overlooked because others moved up past the page boundary."""
    spoil_links(server, link)
    with AgentSide(server, tmp_path, version=version) as agent:
        agent.sync(on_progress=list_once(server, FIVE[1:]))
        assert agent.listed(*FIVE[1:]) == FIVE[1:]


@each_link
def test_a_total_that_grows(server: ExtrawestServer, tmp_path: Path, link: str) -> None:
    """Whoever is added at the end while we read is read, too."""
    six = [*FIVE, card(5)]
    spoil_links(server, link)
    with AgentSide(server, tmp_path) as agent:
        assert agent.sync(on_progress=list_once(server, six)).received == 6
        assert agent.listed(*six) == six
