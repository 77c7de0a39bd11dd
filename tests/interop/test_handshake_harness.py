"""The handshake with extrawest_ocpi, with a stub in place of the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.interop.extrawest import ExtrawestServer
from tests.interop.samples import encoded, raw
from tests.interop.station_stub import StationStub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.stack,
    pytest.mark.parametrize("version", ["2.1.1", "2.2.1"]),
]

HEADERS: dict[str, Callable[[str], dict[str, str]]] = {"2.1.1": raw, "2.2.1": encoded}


@pytest.fixture(scope="module")
def lasting(extrawest_python: Path) -> Iterator[ExtrawestServer]:
    """Run one server with both versions for all tests here."""
    with ExtrawestServer(extrawest_python, versions=("2.1.1", "2.2.1")) as server:
        yield server


@pytest.fixture
def server(lasting: ExtrawestServer) -> ExtrawestServer:
    """Give a server without a past."""
    lasting.forget()
    return lasting


@pytest.fixture
def station() -> Iterator[StationStub]:
    """Run a CPO that can be called back."""
    with StationStub() as stub:
        yield stub


class Cpo:
    """Sends credentials requests of one version."""

    def __init__(self, server: ExtrawestServer, version: str) -> None:
        self._server, self._version = server, version
        self._url = server.url("credentials", version)

    def send(self, method: str, secret: str, body: object = None) -> httpx.Response:
        """Send one request with this token in the header."""
        header = HEADERS[self._version](secret)
        return httpx.request(method, self._url, headers=header, json=body)

    def shake(self, method: str, secret: str, station: StationStub) -> str:
        """POST or PUT the station's credentials; return the token that came back."""
        answer = self.send(method, secret, station.credentials(self._version))
        token: str = answer.json()["data"]["token"]
        return token

    def knock(self, secret: str) -> int:
        """Return the HTTP status that a module answers for this token."""
        url = self._server.url("tokens", self._version)
        return httpx.get(url, headers=HEADERS[self._version](secret)).status_code


@pytest.fixture
def cpo(server: ExtrawestServer, version: str) -> Cpo:
    """Send to this server."""
    return Cpo(server, version)


def test_registration(
    server: ExtrawestServer, station: StationStub, cpo: Cpo, version: str
) -> None:
    """It calls back before it answers, the invitation dies, the new token lives."""
    invitation = server.invite()
    fresh = cpo.shake("POST", invitation, station)
    wanted = HEADERS[version](station.token)["Authorization"]
    assert [(one.path, one.headers["authorization"]) for one in station.calls] == [
        ("/ocpi/versions", wanted),
        (f"/ocpi/{version}", wanted),
    ]
    # Neither message ids nor routing on these, in no version.
    assert not [name for name in station.calls[0].headers if name.startswith("x-")]
    assert cpo.knock(fresh) == 200
    details, header = server.details_url(version), HEADERS[version](invitation)
    assert httpx.get(details, headers=header).status_code == 401
    again = cpo.send("POST", invitation, station.credentials(version))
    assert again.status_code == 401


def test_what_the_station_gave(
    server: ExtrawestServer, station: StationStub, cpo: Cpo, version: str
) -> None:
    """Credentials and endpoints of the registered station are there to be used."""
    fresh = cpo.shake("POST", server.invite(), station)
    (registration,) = server.registrations()
    assert registration.version == version
    assert registration.token_for_station == fresh
    assert registration.token_for_emsp == station.token
    assert registration.credentials["url"] == station.versions_url
    # CiStrings of 2.2.1 come out in lower case.
    assert registration.party == (
        ("SE", "ABC") if version == "2.1.1" else ("se", "abc")
    )
    assert registration.is_base64 is (version == "2.2.1")
    url = f"{station.versions_url.removesuffix('versions')}{version}/tokens"
    assert registration.endpoint("tokens", "RECEIVER") == url
    with pytest.raises(LookupError, match="locations SENDER"):
        registration.endpoint("locations", "SENDER")


def test_its_own_credentials(
    server: ExtrawestServer, station: StationStub, cpo: Cpo, version: str
) -> None:
    """GET returns the object as POST did, in the shape of the version."""
    body = station.credentials(version)
    posted = cpo.send("POST", server.invite(), body).json()["data"]
    assert cpo.send("GET", posted["token"]).json()["data"] == posted
    assert posted["url"] == server.versions_url
    if version == "2.1.1":
        party = (posted["country_code"], posted["party_id"])
        assert party == ("NL", "TNM")
    else:
        assert [one["role"] for one in posted["roles"]] == ["EMSP"]


def test_rotation(server: ExtrawestServer, station: StationStub, cpo: Cpo) -> None:
    """PUT calls back again and returns a new token; the old one dies at once."""
    first = cpo.shake("POST", server.invite(), station)
    second = cpo.shake("PUT", first, station)
    assert first != second
    assert (cpo.knock(first), cpo.knock(second)) == (403, 200)
    assert len(station.calls) == 4
    (registration,) = server.registrations()
    assert registration.token_for_station == second


def test_end(server: ExtrawestServer, station: StationStub, cpo: Cpo) -> None:
    """DELETE unregisters; a second one is not told from a stranger's."""
    token = cpo.shake("POST", server.invite(), station)
    assert cpo.send("DELETE", token).json()["status_code"] == 1000
    assert server.registrations() == []
    assert cpo.knock(token) == cpo.send("DELETE", token).status_code == 403


def test_wrong_moments(
    server: ExtrawestServer, station: StationStub, cpo: Cpo, version: str
) -> None:
    """POST while registered and PUT while not are 405, DELETE while not is 403."""
    body, token = (
        station.credentials(version),
        cpo.shake("POST", server.invite(), station),
    )
    assert cpo.send("POST", token, body).status_code == 405
    assert cpo.send("PUT", server.invite(), body).status_code == 405
    assert cpo.send("PUT", "stranger", body).status_code == 405
    assert cpo.send("DELETE", server.invite()).status_code == 403
    assert cpo.send("POST", "stranger", body).status_code == 401


@pytest.mark.parametrize(
    ("trouble", "code"),
    [("refuses", 3001), ("redirects", 3001), ("has no version", 3002), ("gone", 3000)],
)
def test_call_back_fails(
    server: ExtrawestServer,
    station: StationStub,
    cpo: Cpo,
    version: str,
    *,
    trouble: str,
    code: int,
) -> None:
    """HTTP 200, no data, a code that names the trouble; the invitation lives on."""
    body: dict[str, Any] = station.credentials(version)
    match trouble:
        case "refuses":
            station.status = 401
        case "redirects":
            station.status = 307
        case "has no version":
            station.versions = ("2.2",)
        case "gone":
            # Reserved: nobody can listen on port 0.
            body["url"] = "http://127.0.0.1:0/ocpi/versions"
    invitation = server.invite()
    answer = cpo.send("POST", invitation, body)
    assert answer.status_code == 200
    assert (answer.json()["status_code"], answer.json()["data"]) == (code, [])
    assert server.registrations() == []
    station.status, station.versions = None, ("2.1.1", "2.2.1")
    assert cpo.shake("POST", invitation, station)


def test_a_lost_answer_locks_out(
    server: ExtrawestServer, station: StationStub, cpo: Cpo, version: str
) -> None:
    """Cut after processing, the invitation is dead and the new token unknown."""
    server.set_fault("cut_after", path="/credentials")
    invitation, body = server.invite(), station.credentials(version)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        cpo.send("POST", invitation, body)
    assert len(server.registrations()) == 1
    assert cpo.send("POST", invitation, body).status_code == 401


def test_registrations_survive_a_restart(
    server: ExtrawestServer, station: StationStub, cpo: Cpo
) -> None:
    """The server still knows the station, and other invitations, after a kill."""
    token, other = cpo.shake("POST", server.invite(), station), server.invite()
    before = server.registrations()
    server.kill()
    server.start()
    assert server.registrations() == before
    assert cpo.knock(token) == 200
    assert cpo.shake("POST", other, station) != token


def test_forget_goes_back_to_the_first_day(
    server: ExtrawestServer, station: StationStub, cpo: Cpo, version: str
) -> None:
    """Registrations and invitations are gone, the tokens of the first day are back."""
    token, invitation = cpo.shake("POST", server.invite(), station), server.invite()
    cpo.shake("POST", server.registration_token, station)
    server.forget()
    assert server.registrations() == []
    assert (cpo.knock(token), cpo.knock(server.token)) == (403, 200)
    body = station.credentials(version)
    assert cpo.send("POST", invitation, body).status_code == 401
    assert cpo.shake("POST", server.registration_token, station)
