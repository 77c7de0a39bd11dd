"""Handshakes with extrawest_ocpi that go wrong, and what a person reads then."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace as changed

from agent.ocpi.memory import State
from tests.agent.ocpi.examples import STATION
from tests.interop.extrawest import ExtrawestServer
from tests.interop.reachable_side import ReachableSide
from tests.interop.registered.exchanges import (
    fail,
    state_of,
)

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.stack


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
