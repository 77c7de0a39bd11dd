"""What the backend asks of a station, and does to it, once it is registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.reference.cpo import UID, Cpo
from tests.reference.examples import example
from tests.reference.messages import RefusalError
from tests.reference.tokens import token

if TYPE_CHECKING:
    from tests.reference.messages import Reply
    from tests.reference.reference import Reference
    from tests.reference.small_station import SmallStation


def test_calls_at_the_station(
    hosting: Reference, guest: Cpo, station: SmallStation
) -> None:
    """Tokens are pushed, changed and read back; lists are crawled."""
    guest.register(station.credentials())
    card = token(UID, contract_id="NL-TNM-C00112233")
    assert hosting.station.push_token(card).is_success
    changes = {"valid": False, "last_updated": "2026-03-01T00:00:00Z"}
    assert hosting.station.patch_token(card, changes).is_success
    called = hosting.station.get_token(card)
    assert called.data["valid"] is False
    assert called.data["uid"] == UID
    since = "2026-01-01T00:00:00Z"
    sessions = hosting.station.get_sessions(date_from=since)
    assert [one["id"] for one in sessions] == ["X-0", "X-1"]
    assert [one["id"] for one in hosting.station.get_cdrs()] == ["X-0", "X-1"]
    assert hosting.station.get_credentials().is_success
    (asked, *_) = [one for one in station.requests if one.path == "/sessions"]
    assert asked.query == {"date_from": since}
    hosting.assert_clean()


def test_other_types_are_named(
    hosting: Reference, guest: Cpo, station: SmallStation
) -> None:
    """A Token that is no RFID card is pushed with its type in the query."""
    guest.register(station.credentials())
    hosting.station.push_token(token("A B", type="OTHER"))
    (asked,) = [one for one in station.requests if one.path.startswith("/tokens")]
    assert asked.segments[-1] == "A B"
    assert asked.query == {"type": "OTHER"}


def test_wrong_answers_of_a_station(
    hosting: Reference, guest: Cpo, station: SmallStation
) -> None:
    """What a station serves is held to the same tables."""
    guest.register(station.credentials())
    station.tokens[UID] = example(guest.version, "Token", issuer=None)
    hosting.station.get_token(token(UID))
    assert [one.message for one in hosting.problems] == ["data: issuer: required"]
    hosting.problems.clear()

    def lose_count(reply: Reply) -> None:
        reply.headers.pop("X-Total-Count", None)

    station.changes["/cdrs"] = lose_count
    assert len(hosting.station.get_cdrs()) == 2
    assert {one.message for one in hosting.problems} == {
        "X-Total-Count: expected a number, got ''"
    }


def test_missing_endpoint(
    hosting: Reference, guest: Cpo, station: SmallStation
) -> None:
    """Asking for what a station does not serve is the test's mistake."""
    station.left_out = ("cdrs",)
    guest.register(station.credentials())
    with pytest.raises(LookupError, match="cdrs"):
        hosting.station.get_cdrs()


def test_rotation_from_this_side(
    hosting: Reference, guest: Cpo, station: SmallStation
) -> None:
    """While a station is given a new token, that opens set-up, and then everything."""
    guest.register(station.credentials())
    old = guest.token
    seen: list[int] = []

    def call_back(body: dict[str, Any]) -> None:
        guest.token = body["token"]
        answer = guest.ask("GET", hosting.versions_url, is_routed=False)
        seen.append(answer.status_code)

    station.on_credentials = call_back
    assert hosting.station.rotate().is_success
    assert seen == [200]
    assert hosting.registered is not None
    assert hosting.registered.their_token_for_us == station.next_token
    assert guest.token == hosting.token != old
    assert guest.list_tokens().status_code == 200
    hosting.assert_clean()


def test_registration_from_this_side(
    hosting: Reference, station: SmallStation, version: str
) -> None:
    """The backend can be the one that begins."""
    called = hosting.station.register(station.versions_url, station.token, version)
    assert called.is_success
    assert hosting.token
    hosting.assert_clean()
    with pytest.raises(RefusalError):
        hosting.station.meet(station.versions_url, "wrong", version)


def test_end_from_this_side(
    hosting: Reference, guest: Cpo, station: SmallStation
) -> None:
    """A DELETE at the station ends the registration here too."""
    guest.register(station.credentials())
    assert hosting.station.unregister().is_success
    assert hosting.registered is None
    with pytest.raises(LookupError, match="registered"):
        hosting.station.get_credentials()
