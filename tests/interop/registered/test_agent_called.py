"""What extrawest_ocpi's side may do with our server after a handshake."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest
from msgspec.structs import replace as changed

from tests.agent.ocpi.examples import BILLED, ENDED
from tests.interop import station_calls
from tests.interop.registered.exchanges import (
    CARD,
    OTHER,
    status_of,
    the_station,
)
from tests.interop.samples import make_token

if TYPE_CHECKING:
    from tests.interop.extrawest import ExtrawestServer
    from tests.interop.reachable_side import ReachableSide

pytestmark = pytest.mark.stack


LATER: Final = "2026-03-01T00:00:00Z"


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
