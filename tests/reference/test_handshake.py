"""Registration by handshake, as the station begins it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.reference.checking import check
from tests.reference.cpo import Cpo
from tests.reference.headers import TO
from tests.reference.reference import Reference
from tests.reference.refusals import rules
from tests.reference.small_station import SmallStation

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from tests.reference.messages import Reply


def test_registration(hosting: Reference, guest: Cpo, station: SmallStation) -> None:
    """The backend looks at the station first, then gives the token that counts."""
    token_a = guest.token
    answer = guest.register(station.credentials())
    assert check(guest.version, "Credentials", answer.json()["data"]) == []
    assert [one.path for one in station.requests] == ["/versions", "/details"]
    assert hosting.token == guest.token != token_a
    assert hosting.registered is not None
    assert hosting.registered.their_token_for_us == station.token
    names = {name for name, _ in hosting.registered.endpoints}
    assert names == {"credentials", "tokens", "sessions", "cdrs"}
    assert guest.list_tokens().json()["status_code"] == 1000
    hosting.assert_clean()
    guest.token = token_a
    again = guest.ask("GET", hosting.versions_url, is_routed=False)
    assert again.status_code == 401


def test_token_a_opens_set_up_only(hosting: Reference, guest: Cpo) -> None:
    """TOKEN_A is refused by the functional modules."""
    assert guest.list_tokens().status_code == 401
    assert [one.rule for one in hosting.problems] == ["Authorization"]
    with pytest.raises(LookupError):
        _ = hosting.token


def test_no_open_routing_where_the_party_is_known(
    hosting: Reference, guest: Cpo, station: SmallStation
) -> None:
    """After a handshake without a hub every request is addressed."""
    guest.register(station.credentials())
    guest.authorize()
    hosting.assert_clean()
    guest.authorize(changes=dict.fromkeys(TO))
    assert rules(hosting) == ([] if guest.version == "2.1.1" else ["routing"])


def test_rotation(hosting: Reference, guest: Cpo, station: SmallStation) -> None:
    """A PUT looks at the station anew and kills the old token."""
    guest.register(station.credentials())
    old = guest.token
    answer = guest.send_credentials(station.credentials(), "PUT")
    assert len(station.requests) == 4
    assert guest.list_tokens().status_code == 401
    guest.token = answer.json()["data"]["token"]
    assert guest.token == hosting.token != old
    assert guest.list_tokens().status_code == 200


def test_end(hosting: Reference, guest: Cpo, station: SmallStation) -> None:
    """A DELETE ends everything."""
    guest.register(station.credentials())
    url = guest.url("credentials")
    answer = guest.ask("DELETE", url, is_routed=False)
    assert answer.json()["status_code"] == 1000
    assert hosting.registered is None
    assert guest.ask("GET", url, is_routed=False).status_code == 401


def test_405(hosting: Reference, guest: Cpo, station: SmallStation) -> None:
    """POST is for the unregistered, PUT and DELETE for the others."""
    url = guest.url("credentials")
    for method in ("PUT", "DELETE"):
        body = station.credentials() if method == "PUT" else None
        answer = guest.ask(method, url, body=body, is_routed=False)
        assert answer.status_code == 405
    guest.register(station.credentials())
    assert guest.send_credentials(station.credentials()).status_code == 405
    guest.token = hosting.invite()
    assert guest.send_credentials(station.credentials()).status_code == 405
    assert guest.ask("GET", url, is_routed=False).status_code == 200


def test_provisioned_token_is_no_invitation(
    cpo: Cpo, version: str, station: SmallStation
) -> None:
    """Who was given the final token has nothing to register."""
    assert cpo.send_credentials(station.credentials()).status_code == 405
    assert cpo.version == version


BODIES: list[tuple[dict[str, Any], str]] = [
    ({"token": "with space"}, "token: expected"),
    ({"token": "x" * 65}, "token: expected"),
    ({"url": "station.example"}, "url: expected"),
    ({"url": None}, "url: required"),
    ({"invented": 1}, "invented: unknown field"),
    ({"token": "mine"}, "token: one of ours"),
]


@pytest.mark.parametrize(("changes", "says"), BODIES)
def test_body(
    hosting: Reference,
    guest: Cpo,
    station: SmallStation,
    changes: dict[str, Any],
    says: str,
) -> None:
    """A credentials object is held to its fields before anybody is called."""
    own = {"token": guest.token} if changes.get("token") == "mine" else {}
    answer = guest.send_credentials(station.credentials(**(changes | own)))
    assert answer.json()["status_code"] == 2001
    assert says in hosting.problems[0].message
    assert station.requests == []


def test_wrong_party(client: httpx.Client, station: SmallStation) -> None:
    """A backend that expects one CPO registers no other."""
    with Reference(provisioned_token=None, cpo=("DE", "XYZ")) as backend:
        guest = Cpo(backend, station.version, client, token=backend.invite())
        assert (
            guest.send_credentials(station.credentials()).json()["status_code"] == 2001
        )
        assert "expected ('DE', 'XYZ')" in backend.problems[0].message


def _spoil_version(reply: Reply) -> None:
    reply.replace_json(reply.json() | {"data": [{"version": "2.2.1"}]})


def _drop_ids(reply: Reply) -> None:
    reply.headers.pop("X-Request-ID", None)


def _fail(reply: Reply) -> None:
    reply.status = 500


def _no_stamp(reply: Reply) -> None:
    reply.replace_json({"status_code": 1000, "data": reply.json()["data"]})


CHANGES: list[tuple[str, Callable[[Reply], None]]] = [
    ("/versions", _spoil_version),
    ("/versions", _fail),
    ("/details", _fail),
    ("/details", _no_stamp),
]


@pytest.mark.parametrize(("path", "change"), CHANGES)
def test_station_that_cannot_be_used(
    hosting: Reference,
    guest: Cpo,
    station: SmallStation,
    path: str,
    change: Callable[[Reply], None],
) -> None:
    """A defect in versions or details is 3001, and TOKEN_A stays good."""
    station.changes[path] = change
    assert guest.send_credentials(station.credentials()).json()["status_code"] == 3001
    assert hosting.registered is None
    station.changes.clear()
    guest.register(station.credentials())


def test_station_without_ids(client: httpx.Client) -> None:
    """From 2.2 on an answer repeats the ids of its request."""
    with (
        Reference(provisioned_token=None) as backend,
        SmallStation("2.2.1", changes={"/versions": _drop_ids}) as station,
    ):
        guest = Cpo(backend, "2.2.1", client, token=backend.invite())
        assert (
            guest.send_credentials(station.credentials()).json()["status_code"] == 3001
        )
        assert "X-Request-ID" in backend.problems[0].message


def test_station_out_of_reach(hosting: Reference, guest: Cpo) -> None:
    """Nobody at the URL is 3001."""
    with SmallStation(guest.version) as gone:
        body = gone.credentials()
    assert guest.send_credentials(body).json()["status_code"] == 3001
    assert hosting.registered is None


def test_station_of_other_versions(guest: Cpo, station: SmallStation) -> None:
    """A station that does not offer the version of the request is 3002."""
    station.versions = ("2.0",)
    assert guest.send_credentials(station.credentials()).json()["status_code"] == 3002


def test_station_without_tokens(guest: Cpo, station: SmallStation) -> None:
    """A station that takes no tokens is 3003."""
    station.left_out = ("tokens",)
    assert guest.send_credentials(station.credentials()).json()["status_code"] == 3003


def test_station_may_call_back_in_the_middle(
    hosting: Reference, guest: Cpo, station: SmallStation
) -> None:
    """A handshake blocks nobody else who asks meanwhile."""
    url = hosting.versions_url
    asked = threading.Event()

    def look(reply: Reply) -> None:
        assert reply.status == 200
        guest.ask("GET", url, is_routed=False)
        asked.set()

    guest.url("credentials")
    station.changes["/details"] = look
    guest.register(station.credentials())
    assert asked.is_set()
