"""What of extrawest_ocpi's list is in force, and what no longer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

from agent.domain.tokens import Answer, Verdict
from agent.errors import HeldBackError
from tests.interop.agent_side import AgentSide, card
from tests.interop.extrawest import ExtrawestServer
from tests.interop.samples import make_token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.stack

BOTH: Final = ("2.1.1", "2.2.1")
FIVE: Final = [card(number) for number in range(5)]
PAGE: Final = 2

each_version = pytest.mark.parametrize("version", BOTH)


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


@pytest.fixture(scope="module")
def lasting_odd(extrawest_python: Path) -> Iterator[ExtrawestServer]:
    """Run a server with other settings: upper case, and no slash at the end."""
    with ExtrawestServer(
        extrawest_python, trailing_slash=False, upper_case=True, page_cap=PAGE
    ) as server:
        yield server


@pytest.fixture
def odd_server(lasting_odd: ExtrawestServer) -> ExtrawestServer:
    """Give the other server without a past."""
    lasting_odd.forget()
    return lasting_odd


def test_a_list_that_is_suddenly_empty(server: ExtrawestServer, tmp_path: Path) -> None:
    """It is held back until a person says that it is right."""
    with AgentSide(server, tmp_path) as agent:
        agent.sync()
        server.set_tokens([])
        with pytest.raises(HeldBackError, match="0 readable tokens, where 5"):
            agent.sync()
        assert agent.listed(*FIVE) == FIVE
        agent.sync(accept_shrink=True)
        assert agent.listed(*FIVE) == []


def test_what_is_no_longer_listed_is_gone_after_a_whole_list(
    server: ExtrawestServer, tmp_path: Path
) -> None:
    """An incremental run leaves it, a full one sweeps it."""
    with AgentSide(server, tmp_path) as agent:
        agent.sync()
        server.set_tokens([make_token(one) for one in FIVE[1:]])
        agent.sync(full=False)
        assert agent.listed(*FIVE) == FIVE
        agent.sync()
        assert agent.listed(*FIVE) == FIVE[1:]


def test_another_version_begins_with_a_whole_list(
    server: ExtrawestServer, tmp_path: Path
) -> None:
    """Going from 2.1.1 to 2.2.1 leaves no row of the old version behind."""
    with AgentSide(server, tmp_path, version="2.1.1") as agent:
        agent.sync()
        found = agent.find(FIVE[0])
        assert found is not None
        assert found.party_id == "TNM"
    with AgentSide(server, tmp_path, version="2.2.1") as agent:
        assert agent.sync(full=False).full
        assert agent.whitelist.count() == 5
        found = agent.find(FIVE[0])
        assert found is not None
        assert found.party_id == "tnm"


# ---- what is in a page --------------------------------------------------------------


@pytest.mark.parametrize("prefers", ["lower", "upper"])
def test_the_case_of_names_changes_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, prefers: str
) -> None:
    """§15.11: the same card, the same group, whichever case the server prefers."""
    name = {"lower": "server", "upper": "odd_server"}[prefers]
    server: ExtrawestServer = request.getfixturevalue(name)
    tokens = [
        make_token("04Ab00000000aB", group_id="Fleet"),
        make_token("04aB00000000Cd", group_id="fLEET"),
    ]
    server.set_tokens(tokens, {"04ab00000000ab": "BLOCKED"})
    with AgentSide(server, tmp_path) as agent:
        agent.sync()
        one, other = agent.find("04AB00000000AB"), agent.find("04AB00000000CD")
        assert one is not None
        assert other is not None
        assert one.uid == getattr("04Ab00000000aB", prefers)()
        assert one.group_id is not None
        assert one.group_id == other.group_id
        asked = agent.ask("04AB00000000AB", one)
        assert isinstance(asked, Answer)
        assert asked.verdict is Verdict.BLOCKED
        # It is the card that was asked about, in whatever case it comes back.
        assert asked.token is not None


def test_without_its_trailing_slash(
    odd_server: ExtrawestServer, tmp_path: Path
) -> None:
    """§15.10: the pages of a list are redirected, and read."""
    odd_server.set_tokens([make_token(one) for one in FIVE])
    with AgentSide(odd_server, tmp_path) as agent:
        assert agent.sync().received == 5
    pages = [one for one in odd_server.requests() if "/tokens" in one.path]
    assert [one.status for one in pages] == [307, 200] * 3


@each_version
def test_dates_of_any_zone(
    server: ExtrawestServer, tmp_path: Path, version: str
) -> None:
    """§15.12: an offset is converted, none is UTC, a fraction is cut by the server."""
    dates = [
        "2026-01-01T02:00:00+02:00",
        "2025-12-31T18:30:00-05:30",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00.987654Z",
    ]
    rows: list[dict[str, Any]] = [
        make_token(uid, last_updated=date)
        for uid, date in zip(FIVE, dates, strict=False)
    ]
    server.set_tokens(rows)
    with AgentSide(server, tmp_path, version=version) as agent:
        agent.sync()
        for uid in FIVE[:4]:
            found = agent.find(uid)
            assert found is not None
            assert found.last_updated == datetime(2026, 1, 1, tzinfo=UTC)


@each_version
def test_a_broken_token_costs_only_itself(
    server: ExtrawestServer, tmp_path: Path, version: str
) -> None:
    """The others of its page are in force, and the list counts as complete."""
    server.set_fault("broken_token", path="/tokens")
    with AgentSide(server, tmp_path, version=version) as agent:
        assert agent.sync().skipped == 1
        assert agent.listed(*FIVE) == FIVE[1:]


def test_types_that_are_no_cards(server: ExtrawestServer, tmp_path: Path) -> None:
    """An app user of the same uid is no card, and does not hide one."""
    app = [make_token(uid, type="APP_USER") for uid in FIVE[:2]]
    server.set_tokens([*app, make_token(FIVE[1])])
    with AgentSide(server, tmp_path) as agent:
        agent.sync()
        assert agent.listed(*FIVE) == FIVE[1:2]
