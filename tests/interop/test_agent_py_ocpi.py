"""The agent and py_ocpi, a second server, and a loose one: what works, what is said."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pytest
from msgspec.structs import replace

from agent.domain.reports import Delivered, Retry
from agent.domain.tariffs import Tariff
from agent.domain.tokens import Answer, Misconfigured, NoAnswer, Verdict
from agent.errors import (
    CredentialsError,
    HandshakeError,
    HeldBackError,
    RefusedUpstreamError,
    TransientUpstreamError,
)
from agent.ocpi.memory import State
from tests.agent.ocpi.examples import BILLED, ENDED, SESSION
from tests.interop import station_calls
from tests.interop.agent_side import PRICED, AgentSide, card
from tests.interop.py_ocpi_server import PyOcpiServer
from tests.interop.reachable_side import ReachableSide
from tests.interop.samples import make_token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.stack

FIVE: Final = [card(number) for number in range(5)]
PAGE: Final = 2
#: After the start of any server: it hides what has changed since then.
HIDDEN: Final = "2099-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def lasting(py_ocpi_python: Path) -> Iterator[PyOcpiServer]:
    """Run one server with small pages for all tests here."""
    with PyOcpiServer(py_ocpi_python, page_cap=PAGE) as server:
        yield server


@pytest.fixture
def server(lasting: PyOcpiServer) -> PyOcpiServer:
    """Give a server without a past that lists five cards."""
    lasting.forget()
    lasting.set_tokens([make_token(one) for one in FIVE])
    return lasting


@pytest.fixture
def agent(server: PyOcpiServer, tmp_path: Path) -> Iterator[AgentSide]:
    """Connect with a token that the server knows."""
    with AgentSide(server, tmp_path) as agent:
        yield agent


# ---- the list -----------------------------------------------------------------------


@pytest.mark.parametrize("link", ["wrong", "repaired"])
def test_the_whole_list_and_its_changes(
    server: PyOcpiServer, agent: AgentSide, link: str
) -> None:
    """Redirected pages, dates with a space and an offset, wrong links or right ones."""
    if link == "repaired":
        server.set_fault("repair_link", times=None)
    assert agent.sync().received == 5
    assert agent.listed(*FIVE) == FIVE
    found = agent.find(FIVE[0])
    assert found is not None
    assert found.last_updated.isoformat() == "2026-01-01T00:00:00+00:00"
    change = make_token(FIVE[0], valid=False, last_updated="2026-02-02T00:00:00Z")
    server.set_tokens([change])
    assert agent.sync(full=False).received == 1
    found = agent.find(FIVE[0])
    assert found is not None
    assert not found.valid
    assert agent.listed(*FIVE) == FIVE


def test_what_it_hides_by_default_comes_after_its_restart(
    server: PyOcpiServer, agent: AgentSide
) -> None:
    """A token that is newer than the server's start is not lost, it comes later.

    No cursor goes past it, so that the next incremental run after a restart finds it.
    """
    agent.sync()
    hidden = make_token(card(9), last_updated=HIDDEN)
    server.set_tokens([*(make_token(one) for one in FIVE), hidden])
    before = agent.cursor
    agent.sync(full=False)
    assert agent.listed(card(9)) == []
    assert agent.cursor == before
    # Restarted in the year of the token, so to speak.
    server.set_tokens([make_token(card(9), last_updated="2026-03-01T00:00:00Z")])
    agent.sync(full=False)
    assert agent.listed(*FIVE, card(9)) == [*FIVE, card(9)]


def test_a_changed_card_is_gone_with_the_next_whole_list(
    server: PyOcpiServer, agent: AgentSide
) -> None:
    """What it hides looks like what it has dropped; then its card has to be asked for.

    That fails to the safe side: the eMSP itself is asked, and knows the card.
    """
    agent.sync()
    changed = make_token(FIVE[4], last_updated=HIDDEN)
    server.set_tokens([*(make_token(one) for one in FIVE[:4]), changed])
    agent.sync()
    assert agent.listed(*FIVE) == FIVE[:4]
    said = agent.ask(FIVE[4])
    assert isinstance(said, Answer)
    assert said.verdict is Verdict.ALLOWED


def test_a_low_max_shrink_keeps_them(server: PyOcpiServer, tmp_path: Path) -> None:
    """With the setting that is advised for such servers the old list stays."""
    with AgentSide(server, tmp_path, max_shrink_percent=10) as agent:
        agent.sync()
        changed = make_token(FIVE[4], last_updated=HIDDEN)
        server.set_tokens([*(make_token(one) for one in FIVE[:4]), changed])
        with pytest.raises(HeldBackError, match="4 readable tokens, where 5"):
            agent.sync()
        assert agent.listed(*FIVE) == FIVE


def test_most_of_the_list_is_hidden(server: PyOcpiServer, agent: AgentSide) -> None:
    """A server that has been up since before the last import does not lock all out."""
    agent.sync()
    server.set_tokens([make_token(one, last_updated=HIDDEN) for one in FIVE])
    with pytest.raises(HeldBackError):
        agent.sync()
    assert agent.listed(*FIVE) == FIVE


# ---- cards --------------------------------------------------------------------------


def test_cards(server: PyOcpiServer, agent: AgentSide) -> None:
    """A list of one; 404 with 2004 and an empty list is unknown."""
    outcomes: Any = {
        FIVE[1]: {
            "allowed": "NO_CREDIT",
            "authorization_reference": "Ref-1",
            "info": "Empty",
        },
        FIVE[2]: {"allowed": "ALLOWED", "requires_location": True},
        FIVE[3]: {"allowed": "ALLOWED", "evse_uids": ["SE*ABC*E9"]},
    }
    server.set_tokens([make_token(one) for one in FIVE], outcomes)
    agent.sync()
    said = [agent.ask(one, agent.find(one)) for one in (*FIVE[:4], card(9))]
    answers = [one for one in said if isinstance(one, Answer)]
    assert [one.verdict for one in answers] == [
        "ALLOWED",
        "NO_CREDIT",
        "ALLOWED",
        "ALLOWED",
        "UNKNOWN",
    ]
    assert (answers[1].authorization_reference, answers[1].info) == ("ref-1", "Empty")
    assert not answers[3].allows("SE*ABC*E1")


# ---- sessions and CDRs --------------------------------------------------------------


def test_a_session_and_its_cdr(server: PyOcpiServer, agent: AgentSide) -> None:
    """With a price or without; the Location of the CDR is as wrong as elsewhere."""
    for session in (SESSION, PRICED, replace(ENDED, tariff=BILLED.tariff)):
        assert agent.tell(session) == Delivered()
    assert [one["status"] for one in server.sessions()[SESSION.id]] == [
        "ACTIVE",
        "ACTIVE",
        "COMPLETED",
    ]
    billed = agent.bill()
    assert isinstance(billed, Delivered)
    assert billed.url is not None
    assert "ModuleID.cdrs" in billed.url
    assert [one["id"] for one in server.cdrs()] == [SESSION.id]


def test_a_price_without_vat(server: PyOcpiServer, agent: AgentSide) -> None:
    """It demands incl_vat, which is optional; ours is always there."""
    tariff = Tariff(per_kwh=Decimal(250))
    assert agent.tell(replace(SESSION, tariff=tariff)) == Delivered()
    assert isinstance(agent.bill(replace(ENDED, tariff=tariff)), Delivered)
    (cdr,) = server.cdrs()
    assert cdr["total_cost"]["incl_vat"] == cdr["total_cost"]["excl_vat"]


def test_a_lost_answer(server: PyOcpiServer, agent: AgentSide) -> None:
    """Told and billed again under the same ids, which it takes."""
    server.set_fault("cut_after", path="/sessions/")
    server.set_fault("cut_after", path="/cdrs/")
    for send in (agent.tell, agent.bill):
        assert isinstance(send(), Retry)
        assert isinstance(send(), Delivered)
    assert len(server.sessions()[SESSION.id]) == len(server.cdrs()) == 2


# ---- what does not work -------------------------------------------------------------


def test_a_wrong_token(server: PyOcpiServer, tmp_path: Path) -> None:
    """Its 401 counts, though it breaks when it is shown the token as it is."""
    with AgentSide(server, tmp_path, token="wrong") as agent:
        with pytest.raises(CredentialsError, match="check that it is the current one"):
            agent.sync()
        assert isinstance(agent.ask(FIVE[0]), Misconfigured)
    (refused, broken) = [one for one in server.requests() if "details" in one.path][:2]
    assert (refused.status, broken.status) == (401, 500)


def test_a_version_that_it_does_not_have(server: PyOcpiServer, tmp_path: Path) -> None:
    """It is said which one there is."""
    with (
        AgentSide(server, tmp_path, version="2.1.1") as agent,
        pytest.raises(RefusedUpstreamError, match=r"expected version 2.1.1, got 2.2.1"),
    ):
        agent.sync()


def test_urls_that_it_is_not_served_by(py_ocpi_python: Path, tmp_path: Path) -> None:
    """Without a proxy before it, its https is no https, and that is said."""
    with (
        PyOcpiServer(py_ocpi_python, repairs=()) as server,
        AgentSide(server, tmp_path) as agent,
    ):
        with pytest.raises(TransientUpstreamError, match="does not speak TLS"):
            agent.sync()
        assert isinstance(agent.ask(FIVE[0]), NoAnswer)


def test_strangers_that_it_cannot_refuse_otherwise(
    py_ocpi_python: Path, tmp_path: Path
) -> None:
    """HTTP 500 on modules for a dead token is no answer, and never "unknown"."""
    with PyOcpiServer(py_ocpi_python, refuses_strangers=True) as server:
        server.set_tokens([make_token(one) for one in FIVE])
        with AgentSide(server, tmp_path) as agent:
            agent.sync()
        # Good for registering, and for nothing else.
        with AgentSide(server, tmp_path, token=server.invite()) as agent:
            with pytest.raises(TransientUpstreamError, match="HTTP 500"):
                agent.sync()
            assert isinstance(agent.ask(FIVE[0]), NoAnswer)
            told = agent.tell()
            assert isinstance(told, Retry)
            assert "HTTP 500" in told.why
            assert agent.listed(*FIVE) == FIVE


# ---- the handshake ------------------------------------------------------------------


def test_the_handshake(server: PyOcpiServer, tmp_path: Path) -> None:
    """Register, be called, leave; its PUT breaks, and the old tokens stay good."""
    with ReachableSide(server, tmp_path, invitation=server.invite()) as agent:
        agent.register()
        agent.sync()
        (station,) = server.registrations()
        revoked = make_token(FIVE[0], valid=False, last_updated="2026-02-02T00:00:00Z")
        pushed = agent.while_reachable(
            lambda: station_calls.push_token(station, revoked)
        )
        assert pushed.json()["status_code"] == 1000
        found = agent.find(FIVE[0])
        assert found is not None
        assert not found.valid

        with pytest.raises(HandshakeError, match="HTTP 500") as caught:
            agent.rotate()
        assert "try the same command again" in str(caught.value)
        assert agent.registration is not None
        assert agent.registration.state is State.ROTATING
        agent.sync()
        kept = agent.while_reachable(lambda: station_calls.get_token(station, FIVE[0]))
        assert kept.status_code == 200

        agent.unregister()
        assert server.registrations() == []


def test_a_handshake_that_it_cannot_do(server: PyOcpiServer, tmp_path: Path) -> None:
    """Not reaching us is HTTP 500 here; the next attempt works all the same."""
    with ReachableSide(server, tmp_path, invitation=server.invite()) as agent:
        agent.is_listening = False
        with pytest.raises(HandshakeError, match="may have registered us"):
            agent.register()
        agent.is_listening = True
        assert agent.register().state is State.REGISTERED


def test_an_invitation_in_base64_already(server: PyOcpiServer, tmp_path: Path) -> None:
    """It takes whatever can be decoded, so that a slip of the operator works too."""
    invitation = base64.b64encode(server.invite().encode()).decode()
    with ReachableSide(server, tmp_path, invitation=invitation) as agent:
        assert agent.register().state is State.REGISTERED
        assert agent.sync().received == 5
