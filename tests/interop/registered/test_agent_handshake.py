"""The real handshake: extrawest_ocpi looks at our own server, and we agree."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from agent.domain.reports import Retry
from agent.errors import CredentialsError, RefusedUpstreamError
from agent.ocpi.memory import State
from agent.ocpi.station import Party
from tests.interop import station_calls
from tests.interop.extrawest import ExtrawestServer
from tests.interop.reachable_side import ReachableSide
from tests.interop.registered.exchanges import (
    BOTH,
    CARD,
    fail,
    state_of,
    status_of,
    the_station,
)
from tests.interop.samples import make_token

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.stack


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
