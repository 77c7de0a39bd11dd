"""The real handshake of both: extrawest_ocpi looks at our own server and back."""

from __future__ import annotations

import base64
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest
from msgspec.structs import replace as changed

from agent.domain.reports import Retry
from agent.errors import CredentialsError, HandshakeError, RefusedUpstreamError
from agent.ocpi.memory import State
from agent.ocpi.station import Party
from tests.agent.ocpi.examples import BILLED, ENDED, STATION
from tests.interop import station_calls
from tests.interop.agent_side import card
from tests.interop.extrawest import ExtrawestServer
from tests.interop.reachable_side import ReachableSide, the_station
from tests.interop.samples import make_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

pytestmark = pytest.mark.stack

BOTH: Final = ("2.1.1", "2.2.1")
CARD, OTHER = card(1), card(2)
LATER: Final = "2026-03-01T00:00:00Z"


@pytest.fixture(scope="module")
def lasting(extrawest_python: Path) -> Iterator[ExtrawestServer]:
    """Run one server with both versions for all tests here."""
    with ExtrawestServer(extrawest_python, versions=BOTH) as server:
        yield server


@pytest.fixture
def server(lasting: ExtrawestServer) -> ExtrawestServer:
    """Give a server without a past that lists one card."""
    lasting.forget()
    lasting.set_tokens([make_token(CARD)])
    return lasting


@pytest.fixture(params=BOTH)
def invited(
    server: ExtrawestServer, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[ReachableSide]:
    """Be invited in each version, and not registered yet."""
    invitation = server.invite()
    with ReachableSide(
        server, tmp_path, invitation=invitation, version=request.param
    ) as agent:
        yield agent


@pytest.fixture
def agent(invited: ReachableSide) -> ReachableSide:
    """Be registered, with a whitelist in force."""
    invited.register()
    invited.sync()
    return invited


def fail(command: Callable[[], object]) -> str:
    """Return what a person reads of a command that fails."""
    with pytest.raises(HandshakeError) as caught:
        command()
    return str(caught.value)


def state_of(agent: ReachableSide) -> State | None:
    """Say how far the registration has come."""
    return agent.registration.state if agent.registration else None


def status_of(
    agent: ReachableSide, call: Callable[[], httpx.Response]
) -> tuple[int, int]:
    """Let the server's side call us; return the HTTP and OCPI status."""
    answer = agent.while_reachable(call)
    return answer.status_code, answer.json()["status_code"]


# ---- registered ---------------------------------------------------------------------


def test_both_sides_know_each_other(
    server: ExtrawestServer, agent: ReachableSide
) -> None:
    """Parties, versions and tokens of both directions are what was exchanged."""
    theirs, ours = the_station(server), agent.registration
    assert ours is not None
    assert (ours.state, ours.version) == (State.REGISTERED, theirs.version)
    assert tuple(one.casefold() for one in theirs.party) == ("se", "abc")
    assert theirs.token_for_emsp == ours.our_token_for_them.value
    assert ours.their_token_for_us is not None
    assert theirs.token_for_station == ours.their_token_for_us.value
    assert theirs.credentials["url"] == f"{agent.public_url}/versions"
    (role,) = ours.their_roles
    assert (str(role.party).upper(), role.name) == ("NL*TNM", "Interop eMSP")
    # The invitation is used up, and what it was good for works.
    assert agent.listed(CARD) == [CARD]


def test_the_party_of_211_is_learned(agent: ReachableSide) -> None:
    """Nothing of the configuration says whose cards these are."""
    token = agent.find(CARD)
    assert token is not None
    assert (token.country_code.upper(), token.party_id.upper()) == ("NL", "TNM")


def test_a_registration_outlives_both(
    server: ExtrawestServer, agent: ReachableSide, tmp_path: Path
) -> None:
    """After a kill of the server and a restart of ours everything goes on."""
    server.kill()
    server.start()
    version = agent.upstream.version
    with ReachableSide(
        server, tmp_path, invitation="used up", port=agent.port, version=version
    ) as restarted:
        restarted.sync(full=False)
        station = the_station(server)
        known = status_of(restarted, lambda: station_calls.get_token(station, CARD))
        assert known == (200, 1000)


def test_the_newest_common_version(server: ExtrawestServer, tmp_path: Path) -> None:
    """Of 2.1.1 and 2.2.1 the newer is agreed on, without anybody's choice."""
    with ReachableSide(server, tmp_path, invitation=server.invite()) as agent:
        assert agent.register().version == "2.2.1"
        assert the_station(server).version == "2.2.1"


# ---- called -------------------------------------------------------------------------


def test_a_pushed_token_is_in_force(
    server: ExtrawestServer, agent: ReachableSide
) -> None:
    """PUT a new one, PATCH it, GET it: in the shape and under the token agreed on."""
    station = the_station(server)
    token = make_token(OTHER, last_updated=LATER)
    new = status_of(agent, lambda: station_calls.push_token(station, token))
    assert new == (201, 1000)
    assert agent.listed(CARD, OTHER) == [CARD, OTHER]
    change = {"valid": False, "last_updated": "2026-03-02T00:00:00Z"}
    patched = status_of(
        agent, lambda: station_calls.patch_token(station, OTHER, change)
    )
    assert patched == (200, 1000)
    found = agent.find(OTHER)
    assert found is not None
    assert found.valid is False
    shown = agent.while_reachable(lambda: station_calls.get_token(station, OTHER))
    assert shown.json()["data"]["valid"] is False
    assert shown.json()["data"]["uid"].upper() == OTHER


def test_an_unknown_token_and_an_old_one(
    server: ExtrawestServer, agent: ReachableSide
) -> None:
    """404 asks for a PUT; what is older than what is known changes nothing."""
    station = the_station(server)
    change = {"valid": False, "last_updated": LATER}
    unknown = status_of(
        agent, lambda: station_calls.patch_token(station, OTHER, change)
    )
    assert unknown[0] == 404
    old = make_token(CARD, valid=False, last_updated="2025-01-01T00:00:00Z")
    status_of(agent, lambda: station_calls.push_token(station, old))
    found = agent.find(CARD)
    assert found is not None
    assert found.valid


def test_another_owner_is_refused(
    server: ExtrawestServer, agent: ReachableSide
) -> None:
    """Nobody pushes cards of somebody else's."""
    station, token = the_station(server), make_token(OTHER)
    stolen = status_of(
        agent,
        lambda: station_calls.push_token(station, token, owner=("DE", "XYZ")),
    )
    assert stolen[1] // 1000 == 2
    assert agent.listed(OTHER) == []


def test_who_may_call(server: ExtrawestServer, agent: ReachableSide) -> None:
    """Their token in either encoding; not a wrong one, not ours, not TOKEN_A."""
    station = the_station(server)
    for is_base64 in (True, False):
        known = replace(station, is_base64=is_base64)
        shown = status_of(agent, partial(station_calls.get_token, known, CARD))
        assert shown == (200, 1000)
    for wrong in ("wrong", station.token_for_station, agent.invitation):
        stranger = replace(station, token_for_emsp=wrong)
        shown = status_of(agent, partial(station_calls.get_token, stranger, CARD))
        assert shown[0] == 401


def test_sessions_and_cdrs_are_fetched_as_they_were_told(
    server: ExtrawestServer, agent: ReachableSide
) -> None:
    """The lists show what was PUT, in the version of the registration."""
    priced = changed(ENDED, tariff=BILLED.tariff)
    agent.tell(priced)
    agent.sessions.told = [priced]
    agent.sessions.billed = [BILLED]
    station = the_station(server)
    lists = agent.while_reachable(lambda: station_calls.list_sessions(station))
    (fetched,) = lists.json()["data"]
    version = agent.upstream.version
    assert server.sessions(version)[priced.id] == [fetched]
    bills = agent.while_reachable(lambda: station_calls.list_cdrs(station))
    (cdr,) = bills.json()["data"]
    assert cdr["id"] == BILLED.id
    assert bills.headers["X-Total-Count"] == "1"


# ---- rotated ------------------------------------------------------------------------


def test_rotation(server: ExtrawestServer, agent: ReachableSide) -> None:
    """New tokens both ways; the old ones are dead once the new one was used."""
    before = the_station(server)
    agent.rotate()
    after = the_station(server)
    assert after.token_for_station != before.token_for_station
    assert after.token_for_emsp != before.token_for_emsp
    assert status_of(agent, lambda: station_calls.get_token(after, CARD))[0] == 200
    assert status_of(agent, lambda: station_calls.get_token(before, CARD))[0] == 401
    # New credentials are a reason to look at the whole list.
    assert agent.sync(full=False).full


def test_a_rotation_whose_answer_is_lost(
    server: ExtrawestServer, agent: ReachableSide
) -> None:
    """Our old token is dead and the new one unknown: a person must ask for another.

    Until then they can call us with what we told them.
    """
    server.set_fault("cut_after", path="/credentials", method="PUT")
    words = fail(agent.rotate)
    assert "try the same command again" in words
    assert state_of(agent) is State.ROTATING
    station = the_station(server)
    assert status_of(agent, lambda: station_calls.get_token(station, CARD))[0] == 200
    with pytest.raises(CredentialsError):
        agent.sync()
    assert agent.listed(CARD) == [CARD]
    words = fail(agent.rotate)
    assert "Ask the operator of emsp for a new token" in words
    assert "register --again" in words
    agent.invitation = server.invite()
    agent.register(again=True)
    assert agent.sync().received == 1


def test_a_rotation_that_does_not_arrive(
    server: ExtrawestServer, agent: ReachableSide
) -> None:
    """Nothing has changed there, so that the second attempt works."""
    server.set_fault("cut_before", path="/credentials", method="PUT")
    fail(agent.rotate)
    agent.sync()
    agent.rotate()
    assert state_of(agent) is State.REGISTERED
    agent.sync()


def test_another_version_is_agreed_on_by_a_rotation(
    extrawest_python: Path, tmp_path: Path
) -> None:
    """The server learns 2.2.1 and later loses it; the registration follows."""
    with ExtrawestServer(extrawest_python, versions=("2.1.1",)) as server:
        server.set_tokens([make_token(CARD)])
        with ReachableSide(server, tmp_path, invitation=server.invite()) as agent:
            assert agent.register().version == "2.1.1"
            for versions, version in ((BOTH, "2.2.1"), (("2.1.1",), "2.1.1")):
                server.stop()
                server.versions = versions
                server.start()
                assert agent.rotate().version == version
                assert agent.sync(full=False).full
                assert agent.whitelist.count() == 1
                station = the_station(server)
                assert station.version == version
                called = partial(station_calls.get_token, station, CARD)
                assert status_of(agent, called) == (200, 1000)


def test_the_version_that_was_agreed_on_is_gone(
    extrawest_python: Path, tmp_path: Path
) -> None:
    """It is said, and nobody changes to another one in silence."""
    with ExtrawestServer(extrawest_python, versions=BOTH) as server:
        server.set_tokens([make_token(CARD)])
        with ReachableSide(server, tmp_path, invitation=server.invite()) as agent:
            agent.register()
            agent.sync()
            server.stop()
            server.versions = ("2.1.1",)
            server.start()
            agent.connection.backend.forget_endpoints()
            with pytest.raises(RefusedUpstreamError, match=r"2\.2\.1, got 2\.1\.1"):
                agent.sync()
            assert agent.listed(CARD) == [CARD]
            assert isinstance(agent.tell(), Retry)


# ---- not registered -----------------------------------------------------------------


def test_they_cannot_reach_us(server: ExtrawestServer, invited: ReachableSide) -> None:
    """§15.20: HTTP 200 and 3000; what may be the reason is said, and a retry works."""
    invited.is_listening = False
    words = fail(invited.register)
    assert "OCPI 3000" in words
    assert f"could not reach {invited.public_url}/versions" in words
    assert server.registrations() == []
    invited.is_listening = True
    assert invited.register().state is State.REGISTERED


def test_they_reach_something_else(
    server: ExtrawestServer, invited: ReachableSide
) -> None:
    """3001 for a public_url that leads past our server; the next attempt is right."""
    wrong = invited.make_registrar(f"{invited.public_url}/elsewhere")
    words = fail(lambda: invited.run(wrong.register()))
    assert "OCPI 3001" in words
    assert "could not reach" in words
    assert "elsewhere/versions" in words
    assert invited.register().state is State.REGISTERED
    assert len(server.registrations()) == 1


def test_an_answer_that_is_lost(
    server: ExtrawestServer, invited: ReachableSide
) -> None:
    """They have registered us, TOKEN_A is dead, and a person is told what to do."""
    server.set_fault("cut_after", path="/credentials")
    words = fail(invited.register)
    assert "may have registered us all the same" in words
    assert state_of(invited) is State.REGISTERING
    words = fail(invited.register)
    assert "Ask the operator of emsp for a new token for registering" in words
    invited.invitation = server.invite()
    invited.register()
    assert invited.sync().received == 1


@pytest.mark.parametrize("fault", ["truncate", "drop_envelope", "html", "cut_before"])
def test_an_answer_that_is_none(
    server: ExtrawestServer, invited: ReachableSide, fault: str
) -> None:
    """What cannot be read leaves it open whether we are registered, and says so."""
    server.set_fault(fault, path="/credentials")  # type: ignore[arg-type]  # from the table
    assert "may have registered us all the same" in fail(invited.register)
    assert state_of(invited) is State.REGISTERING
    # Only where nothing was processed the invitation lives on.
    if fault in ("html", "cut_before"):
        assert invited.register().state is State.REGISTERED
    else:
        assert "Ask the operator" in fail(invited.register)


def test_an_invitation_of_nobody(
    server: ExtrawestServer, invited: ReachableSide
) -> None:
    """A wrong TOKEN_A is the operator's affair; we keep nothing of it."""
    invited.invitation = "copied-wrongly"
    words = fail(invited.register)
    assert "Ask the operator of emsp for a new token" in words
    assert "copied-wrongly" not in words
    assert state_of(invited) is None
    assert server.registrations() == []


def test_an_invitation_in_base64_already(
    server: ExtrawestServer, invited: ReachableSide
) -> None:
    """What somebody has encoded too early works where it is read in Base64."""
    invited.invitation = base64.b64encode(invited.invitation.encode()).decode()
    if invited.upstream.version == "2.2.1":
        invited.register()
        assert invited.sync().received == 1
    else:
        assert "Ask the operator" in fail(invited.register)
        assert server.registrations() == []


def test_a_version_that_they_do_not_have(
    server: ExtrawestServer, tmp_path: Path
) -> None:
    """Nothing is told to anybody, and the words name both sides' versions."""
    with ReachableSide(
        server, tmp_path, invitation=server.invite(), version="2.3.0"
    ) as agent:
        words = fail(agent.register)
        assert "expected version 2.3.0, got 2.1.1, 2.2.1" in words
        assert "Nothing has changed here." in words
        assert state_of(agent) is None
    assert [one.method for one in server.requests()] == ["GET"]


def test_a_version_that_our_configuration_is_too_short_for(
    extrawest_python: Path, tmp_path: Path
) -> None:
    """Without a whole Location 2.1.1 is not for us; what is missing is named."""
    bare = changed(STATION, location=None)
    with ExtrawestServer(extrawest_python, versions=("2.1.1",)) as server:
        invitation = server.invite()
        with ReachableSide(
            server, tmp_path, invitation=invitation, station=bare
        ) as agent:
            words = fail(agent.register)
        assert "2.1.1 needs address, city" in words
        assert server.registrations() == []
        with ReachableSide(server, tmp_path, invitation=invitation) as agent:
            assert agent.register().version == "2.1.1"


# ---- left ---------------------------------------------------------------------------


def test_leaving_twice(server: ExtrawestServer, agent: ReachableSide) -> None:
    """The second time there is nothing to tell, and no error."""
    station = the_station(server)
    agent.unregister()
    assert server.registrations() == []
    assert agent.registration is None
    server.clear_requests()
    agent.unregister()
    assert server.requests() == []
    assert status_of(agent, lambda: station_calls.get_token(station, CARD))[0] == 401
    # The cards of the list stay good until somebody changes the configuration.
    assert agent.listed(CARD) == [CARD]


def test_leaving_somebody_who_has_forgotten_us(
    server: ExtrawestServer, agent: ReachableSide
) -> None:
    """Whoever does not know us needs no telling."""
    server.forget()
    agent.unregister()
    assert agent.registration is None


def test_leaving_somebody_who_is_away(
    server: ExtrawestServer, agent: ReachableSide
) -> None:
    """It is said that we are still registered, and how to leave all the same."""
    server.kill()
    try:
        words = fail(agent.unregister)
        assert "Still registered" in words
        assert "unregister --forget emsp" in words
        assert state_of(agent) is State.REGISTERED
        agent.unregister(forget=True)
        assert agent.registration is None
    finally:
        server.start()


def test_registering_again_after_leaving(
    server: ExtrawestServer, agent: ReachableSide
) -> None:
    """A new invitation begins a new registration, with a whole list."""
    first = the_station(server).token_for_emsp
    agent.unregister()
    agent.invitation = server.invite()
    agent.register()
    assert the_station(server).token_for_emsp != first
    assert agent.sync(full=False).full


def test_registering_twice_needs_to_be_meant(
    server: ExtrawestServer, agent: ReachableSide
) -> None:
    """A second `register` is refused here, before anybody hears of it."""
    server.clear_requests()
    words = fail(agent.register)
    assert "already registered with emsp" in words
    assert server.requests() == []
    agent.invitation = server.invite()
    agent.register(again=True)
    assert agent.sync().received == 1
    assert agent.connection.backend.their_party is not None
    assert str(agent.connection.backend.their_party).upper() == str(Party("NL", "TNM"))
