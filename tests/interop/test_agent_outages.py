"""What befalls a crawl of extrawest_ocpi, and that the old list stays in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from agent.errors import CredentialsError, RefusedUpstreamError, TransientUpstreamError
from agent.ocpi.page_requests import RETRIES
from tests.interop.agent_side import AgentSide, card
from tests.interop.extrawest import ExtrawestServer
from tests.interop.samples import make_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from agent.ocpi.sync import Progress

pytestmark = pytest.mark.stack

BOTH: Final = ("2.1.1", "2.2.1")
OLD: Final = [card(number) for number in range(5)]
#: What the server lists now: one has left, two have come.
NEW: Final = [*OLD[1:], card(10), card(11)]
PAGE: Final = 2

PASSING: Final[dict[str, dict[str, Any]]] = {
    "500": {"kind": "status", "status": 500},
    "502": {"kind": "status", "status": 502},
    "503": {"kind": "status", "status": 503},
    "408": {"kind": "status", "status": 408},
    "200 and 3000": {"kind": "status", "status": 200, "ocpi_status": 3000},
    "200 and 4002": {"kind": "status", "status": 200, "ocpi_status": 4002},
    "web page": {"kind": "html"},
    "truncated": {"kind": "truncate"},
    "no envelope": {"kind": "drop_envelope"},
    "cut before": {"kind": "cut_before"},
    "cut after": {"kind": "cut_after"},
    "429": {"kind": "status", "status": 429, "retry_after": 9},
}
LASTING: Final[dict[str, tuple[dict[str, Any], type[Exception]]]] = {
    "401": ({"status": 401}, CredentialsError),
    "403": ({"status": 403}, CredentialsError),
    "404": ({"status": 404}, RefusedUpstreamError),
    "422": ({"status": 422}, RefusedUpstreamError),
    "2001": ({"status": 200, "ocpi_status": 2001}, RefusedUpstreamError),
    "3002": ({"status": 200, "ocpi_status": 3002}, RefusedUpstreamError),
}


@pytest.fixture(scope="module")
def lasting(extrawest_python: Path) -> Iterator[ExtrawestServer]:
    """Run one server with both versions and small pages for all tests here."""
    with ExtrawestServer(extrawest_python, versions=BOTH, page_cap=PAGE) as server:
        yield server


@pytest.fixture
def server(lasting: ExtrawestServer) -> ExtrawestServer:
    """Give a server without a past that lists the old cards."""
    lasting.forget()
    lasting.set_tokens([make_token(one) for one in OLD])
    return lasting


@pytest.fixture
def version() -> str:
    """Speak this version, where a test does not want both."""
    return "2.2.1"


@pytest.fixture
def agent(server: ExtrawestServer, tmp_path: Path, version: str) -> Iterator[AgentSide]:
    """Have the old list in force; the server has another one by now."""
    with AgentSide(server, tmp_path, version=version) as agent:
        agent.sync()
        server.set_tokens([make_token(one) for one in NEW])
        server.clear_requests()
        yield agent


def in_force(agent: AgentSide) -> list[str]:
    """Say which cards the whitelist in force has, of all that there are."""
    return agent.listed(OLD[0], *NEW)


def after_a_page(do: Callable[[], None]) -> Callable[[Progress], None]:
    """Make something to call with each page, that acts on the first."""
    steps = iter([do])

    def act(_: Progress) -> None:
        for step in steps:
            step()

    return act


# ---- at the first page --------------------------------------------------------------


@pytest.mark.parametrize("version", ["2.1.1"])
@pytest.mark.parametrize("fault", list(PASSING))
def test_trouble_that_passes(
    server: ExtrawestServer, agent: AgentSide, fault: str
) -> None:
    """One failure costs a pause; the crawl goes on, and the new list is in force."""
    server.set_fault(**PASSING[fault], path="/tokens")
    assert agent.sync().received == 6
    assert in_force(agent) == NEW
    (pause,) = agent.pauses
    assert pause >= (9 if fault == "429" else 0)


@pytest.mark.parametrize("fault", list(PASSING))
def test_trouble_that_stays(
    server: ExtrawestServer, agent: AgentSide, fault: str
) -> None:
    """After some attempts it is given up, and not one card is lost or added."""
    server.set_fault(**PASSING[fault], path="/tokens", times=None)
    with pytest.raises(TransientUpstreamError):
        agent.sync()
    assert len(agent.pauses) == RETRIES
    assert agent.listed(*OLD) == OLD
    assert agent.listed(card(10)) == []
    server.clear_faults()
    agent.sync()
    assert in_force(agent) == NEW


@pytest.mark.parametrize("fault", list(LASTING))
def test_refusals_are_not_repeated(
    server: ExtrawestServer, agent: AgentSide, fault: str
) -> None:
    """What was refused once is refused again, so nobody asks; the old list stays."""
    settings, error = LASTING[fault]
    server.set_fault("status", **settings, path="/tokens", times=None)
    with pytest.raises(error):
        agent.sync()
    assert agent.pauses == []
    assert agent.listed(*OLD) == OLD
    assert agent.listed(card(10)) == []


def test_a_server_that_wants_a_long_pause(
    server: ExtrawestServer, agent: AgentSide
) -> None:
    """Nobody waits an hour in the middle of a crawl; the error says how long."""
    server.set_fault("status", path="/tokens", status=503, retry_after=3600)
    with pytest.raises(TransientUpstreamError) as caught:
        agent.sync()
    assert caught.value.retry_after is not None
    assert caught.value.retry_after.total_seconds() == 3600
    assert agent.listed(*OLD) == OLD


def test_a_slow_page_is_waited_for(server: ExtrawestServer, agent: AgentSide) -> None:
    """Slowness alone is no failure."""
    server.set_fault("delay", path="/tokens", seconds=0.2)
    agent.sync()
    assert agent.pauses == []
    assert in_force(agent) == NEW


# ---- in the middle ------------------------------------------------------------------


@pytest.mark.parametrize("link", ["wrong link", "repaired link"])
@pytest.mark.parametrize("fault", ["503", "truncated", "cut after", "web page"])
def test_trouble_in_the_middle(
    server: ExtrawestServer, agent: AgentSide, fault: str, link: str
) -> None:
    """Half a list is no list: the old one stays, and the next crawl goes on there."""
    if link == "repaired link":
        server.set_fault("repair_link", times=None)

    def break_off() -> None:
        server.set_fault(**PASSING[fault], path="/tokens", times=RETRIES + 1)

    with pytest.raises(TransientUpstreamError):
        agent.sync(on_progress=after_a_page(break_off))
    assert agent.listed(*OLD) == OLD
    assert agent.listed(card(10)) == []
    server.clear_requests()
    agent.sync()
    assert in_force(agent) == NEW
    pages = [one.query["offset"] for one in server.requests() if "/tokens" in one.path]
    assert pages == ["2", "4"]


def test_a_crawl_goes_on_after_a_restart_of_both(
    server: ExtrawestServer, tmp_path: Path
) -> None:
    """The server dies between two pages, then we; nothing is fetched twice."""
    with AgentSide(server, tmp_path) as agent:
        agent.sync()
        server.set_tokens([make_token(one) for one in NEW])
        try:
            with pytest.raises(TransientUpstreamError):
                agent.sync(on_progress=after_a_page(server.kill))
        finally:
            server.start()
        assert agent.listed(*OLD) == OLD
    with AgentSide(server, tmp_path) as agent:
        agent.sync()
        assert in_force(agent) == NEW
    pages = [one.query["offset"] for one in server.requests() if "/tokens" in one.path]
    assert pages == ["2", "4"]


# ---- changes only -------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["503", "truncated", "cut after", "200 and 3000"])
def test_changes_that_do_not_arrive(
    server: ExtrawestServer, agent: AgentSide, fault: str
) -> None:
    """The cursor stays where it was, so that nothing is passed over."""
    new = [make_token(one, last_updated="2026-06-06T00:00:00Z") for one in NEW]
    server.set_tokens(new)
    before = agent.cursor

    def break_off() -> None:
        server.set_fault(**PASSING[fault], path="/tokens", times=None)

    with pytest.raises(TransientUpstreamError):
        agent.sync(full=False, on_progress=after_a_page(break_off))
    assert agent.cursor == before
    assert agent.listed(*OLD) == OLD
    server.clear_faults()
    agent.sync(full=False)
    # Nobody is swept by changes.
    assert agent.listed(*OLD, *NEW[4:]) == [*OLD, *NEW[4:]]
    assert agent.cursor is not None
    assert agent.cursor.month == 6


# ---- discovery ----------------------------------------------------------------------


@pytest.mark.parametrize("fault", list(PASSING))
def test_discovery_in_trouble(
    server: ExtrawestServer, tmp_path: Path, fault: str
) -> None:
    """Whatever the versions answer, it is trouble and no verdict; the list stays."""
    with AgentSide(server, tmp_path) as agent:
        agent.sync()
    with AgentSide(server, tmp_path) as agent:
        for path in ("/versions", "/details"):
            server.set_fault(**PASSING[fault], path=path)
            with pytest.raises(TransientUpstreamError):
                agent.sync()
            assert agent.listed(*OLD) == OLD
        agent.sync()
