"""The agent asks extrawest_ocpi about cards: every answer, and what is none."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from msgspec.structs import replace

from agent.domain.tokens import Answer, Misconfigured, NoAnswer, TokenType, Verdict
from tests.interop.agent_side import EVSE, AgentSide, card
from tests.interop.extrawest import ExtrawestServer
from tests.interop.samples import make_token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.domain.tokens import Token

pytestmark = pytest.mark.stack

BOTH: Final = ("2.1.1", "2.2.1")
LISTED, UNLISTED, STRANGER = card(1), card(2), card(3)
AUTHORIZE: Final = "/authorize"

each_version = pytest.mark.parametrize("version", BOTH)


@pytest.fixture(scope="module")
def lasting(extrawest_python: Path) -> Iterator[ExtrawestServer]:
    """Run one server with both versions for all tests here."""
    with ExtrawestServer(extrawest_python, versions=BOTH) as server:
        yield server


@pytest.fixture
def server(lasting: ExtrawestServer) -> ExtrawestServer:
    """Give a server without a past that lists one card."""
    lasting.forget()
    lasting.set_tokens([make_token(LISTED, whitelist="ALLOWED_OFFLINE")])
    return lasting


@pytest.fixture(params=BOTH)
def agent(
    server: ExtrawestServer, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[AgentSide]:
    """Connect in each version, with a synchronised whitelist."""
    with AgentSide(server, tmp_path, version=request.param) as agent:
        agent.sync()
        yield agent


def outcome(server: ExtrawestServer, **outcome: Any) -> None:  # noqa: ANN401 - AuthorizeOutcome
    """Let the server answer so about the listed card."""
    server.set_tokens([make_token(LISTED)], {LISTED: outcome})  # type: ignore[dict-item]  # as above


def listed(agent: AgentSide) -> Token:
    """Return the listed card as the whitelist has it."""
    token = agent.find(LISTED)
    assert token is not None
    return token


def answer(agent: AgentSide, uid: str = LISTED, token: Token | None = None) -> Answer:
    """Ask, and return the answer that must come."""
    reply = agent.ask(uid, token)
    assert isinstance(reply, Answer), reply
    return reply


def is_221(agent: AgentSide) -> bool:
    """Whether the version has tokens and references in its answers."""
    return agent.upstream.version == "2.2.1"


# ---- answers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "allowed", [one for one in Verdict if one is not Verdict.UNKNOWN]
)
def test_each_outcome(
    server: ExtrawestServer, agent: AgentSide, allowed: Verdict
) -> None:
    """§15.4: a list of one is opened; verdict, reference, text, and the token."""
    outcome(server, allowed=allowed, authorization_reference="Ref-1", info="Hello")
    said = answer(agent, token=listed(agent))
    assert (said.verdict, said.info) == (allowed, "Hello")
    # Back in the case of the server, and that is how it has to be repeated.
    assert said.authorization_reference == ("ref-1" if is_221(agent) else None)
    assert (said.token is not None) is is_221(agent)


def test_a_card_that_only_the_emsp_knows(
    server: ExtrawestServer, agent: AgentSide
) -> None:
    """It is in no list; 2.2.1 brings its token along, 2.1.1 only the verdict."""
    token = make_token(UNLISTED, whitelist="NEVER")
    known: Any = {UNLISTED: {"allowed": "ALLOWED", "token": token}}
    server.set_tokens([], known)
    said = answer(agent, UNLISTED)
    assert said.verdict is Verdict.ALLOWED
    if is_221(agent):
        assert said.token is not None
        assert said.token.contract_id.casefold() == token["contract_id"].casefold()
    else:
        assert said.token is None


def test_unknown_is_an_answer_though_there_is_no_envelope(agent: AgentSide) -> None:
    """§15.5: HTTP 404 with {"detail"} is "unknown", and not "not there"."""
    assert answer(agent, STRANGER).verdict is Verdict.UNKNOWN


def test_a_listed_card_that_the_emsp_has_forgotten(
    server: ExtrawestServer, agent: AgentSide
) -> None:
    """Unknown beats the whitelist."""
    known = listed(agent)
    server.set_tokens([])
    assert answer(agent, token=known).verdict is Verdict.UNKNOWN


def test_permission_for_another_place(
    server: ExtrawestServer, agent: AgentSide
) -> None:
    """An ALLOWED that is limited to other EVSEs is none here."""
    outcome(server, allowed="ALLOWED", evse_uids=["SE*ABC*E9"])
    assert not answer(agent, token=listed(agent)).allows(EVSE)
    outcome(server, allowed="ALLOWED", evse_uids=[EVSE, "SE*ABC*E9"])
    assert answer(agent, token=listed(agent)).allows(EVSE)


def test_the_place_is_always_told(server: ExtrawestServer, agent: AgentSide) -> None:
    """A server that demands LocationReferences is content with the first question."""
    outcome(server, allowed="ALLOWED", requires_location=True)
    server.clear_requests()
    assert answer(agent, token=listed(agent)).verdict is Verdict.ALLOWED
    (request,) = [one for one in server.requests() if AUTHORIZE in one.path]
    assert request.body["location_id"] == "LOC-1"
    assert request.body["evse_uids"] == [EVSE]


def test_message_ids_are_sent_and_not_missed(
    server: ExtrawestServer, agent: AgentSide
) -> None:
    """§15.19: no answer repeats our ids or names the parties."""
    server.clear_requests()
    answer(agent, token=listed(agent))
    answer(agent, token=listed(agent))
    one, other = [r.headers for r in server.requests() if AUTHORIZE in r.path]
    assert one["x-request-id"] != other["x-request-id"]
    assert ("ocpi-from-party-id" in one) is is_221(agent)


def test_a_type_that_the_server_ignores(
    server: ExtrawestServer, agent: AgentSide
) -> None:
    """§15.7: asked about another type it answers for the RFID card; not our token."""
    server.set_tokens([make_token(LISTED, contract_id="RFID-CONTRACT")])
    other = replace(listed(agent), type=TokenType.OTHER)
    server.clear_requests()
    said = answer(agent, token=other)
    assert said.token is None
    request = server.requests()[-1]
    assert request.query == {"type": "OTHER"}


# ---- no answers ---------------------------------------------------------------------

NO_ANSWERS: Final[dict[str, dict[str, Any]]] = {
    "500": {"kind": "status", "status": 500},
    "503": {"kind": "status", "status": 503},
    "408": {"kind": "status", "status": 408},
    "429": {"kind": "status", "status": 429, "retry_after": 60},
    "200 and 3000": {"kind": "status", "status": 200, "ocpi_status": 3000},
    "200 and 3001": {"kind": "status", "status": 200, "ocpi_status": 3001},
    "200 and 4002": {"kind": "status", "status": 200, "ocpi_status": 4002},
    "web page": {"kind": "html"},
    "truncated": {"kind": "truncate"},
    "no envelope": {"kind": "drop_envelope"},
    "cut before": {"kind": "cut_before"},
    "cut after": {"kind": "cut_after"},
}


@pytest.mark.parametrize("fault", list(NO_ANSWERS))
def test_no_answer(server: ExtrawestServer, agent: AgentSide, fault: str) -> None:
    """The offline rules decide; a cut connection counts as silence, words do not."""
    known = listed(agent)
    server.set_fault(**NO_ANSWERS[fault], path=AUTHORIZE, times=None)
    reply = agent.ask(LISTED, known)
    assert isinstance(reply, NoAnswer), reply
    assert reply.silent is fault.startswith("cut")
    server.clear_faults()
    assert answer(agent, token=known).verdict is Verdict.ALLOWED
    # And what is known of the card has not changed.
    assert listed(agent) == known


def test_a_slow_server(server: ExtrawestServer, agent: AgentSide) -> None:
    """Nobody waits longer than the time given, and a late answer harms nothing."""
    known = listed(agent)
    server.set_fault("delay", path=AUTHORIZE, seconds=0.4)
    reply = agent.ask(LISTED, known, timedelta(milliseconds=100))
    assert isinstance(reply, NoAnswer)
    assert reply.silent
    server.set_fault("delay", path=AUTHORIZE, seconds=0.1)
    assert answer(agent, token=known).verdict is Verdict.ALLOWED


def test_nobody_is_there(server: ExtrawestServer, agent: AgentSide) -> None:
    """A server that has ended is silent, and is found again when it is back."""
    known = listed(agent)
    server.kill()
    try:
        reply = agent.ask(LISTED, known)
        assert isinstance(reply, NoAnswer)
        assert reply.silent
        assert not agent.run(agent.connection.probe(timedelta(seconds=5)))
    finally:
        server.start()
    assert agent.run(agent.connection.probe(timedelta(seconds=5)))
    assert answer(agent, token=known).verdict is Verdict.ALLOWED


# ---- misconfigured ------------------------------------------------------------------

REFUSALS: Final[dict[str, dict[str, Any]]] = {
    "400": {"status": 400},
    "401": {"status": 401},
    "403": {"status": 403},
    "405": {"status": 405},
    "422": {"status": 422},
    "2001": {"status": 200, "ocpi_status": 2001},
    "2003": {"status": 200, "ocpi_status": 2003},
    "4001": {"status": 200, "ocpi_status": 4001},
}


@pytest.mark.parametrize("agent", ["2.2.1"], indirect=True)
@pytest.mark.parametrize("fault", list(REFUSALS))
def test_a_refusal_is_neither_an_answer_nor_silence(
    server: ExtrawestServer, agent: AgentSide, fault: str
) -> None:
    """Somebody has to do something: cards that have to be asked about are refused."""
    server.set_fault("status", **REFUSALS[fault], path=AUTHORIZE, times=None)
    assert isinstance(agent.ask(LISTED, listed(agent)), Misconfigured)


def test_422_is_told_in_the_words_of_the_server_without_the_card(
    agent: AgentSide,
) -> None:
    """§15.6: a framework's error object, not an OCPI status, says what is wrong."""
    long = replace(listed(agent), uid="0" * 37)
    reply = agent.ask(LISTED, long)
    assert isinstance(reply, Misconfigured)
    assert "HTTP 422" in reply.reason
    assert "lower or equal to 36" in reply.reason
    assert long.uid not in reply.reason


def test_2002_is_asked_once_more(server: ExtrawestServer, agent: AgentSide) -> None:
    """The place was told; a second refusal is a misconfiguration."""
    known = listed(agent)
    server.set_fault("status", status=200, ocpi_status=2002, path=AUTHORIZE)
    assert answer(agent, token=known).verdict is Verdict.ALLOWED
    server.set_fault("status", status=200, ocpi_status=2002, path=AUTHORIZE, times=2)
    assert isinstance(agent.ask(LISTED, known), Misconfigured)


def test_a_card_is_in_no_message(
    server: ExtrawestServer, agent: AgentSide, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong, its number is neither logged nor in the reason."""
    known = listed(agent)
    for settings in (*NO_ANSWERS.values(), *REFUSALS.values()):
        server.set_fault(**{"kind": "status"} | settings, path=AUTHORIZE)
        reply = agent.ask(LISTED, known)
        assert LISTED.casefold() not in repr(reply).casefold()
    assert LISTED.casefold() not in caplog.text.casefold()
