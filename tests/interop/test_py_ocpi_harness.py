"""The other independent server: what py_ocpi really does, and that it can be driven."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.interop.py_ocpi_server import PyOcpiServer
from tests.interop.samples import (
    NOON,
    ONE,
    PLACE,
    encoded,
    make_cdr,
    make_period,
    make_session,
    make_token,
    raw,
)
from tests.interop.station_stub import StationStub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.stack

SESSION = "/SE/ABC/S-1"


@pytest.fixture(scope="module")
def lasting(py_ocpi_python: Path) -> Iterator[PyOcpiServer]:
    """Run one server for all tests here."""
    with PyOcpiServer(py_ocpi_python) as server:
        yield server


@pytest.fixture
def server(lasting: PyOcpiServer) -> PyOcpiServer:
    """Give a server without a past."""
    lasting.forget()
    lasting.set_tokens([])
    return lasting


# ---- discovery and credentials ------------------------------------------------------


def test_discovery(server: PyOcpiServer, client: httpx.Client) -> None:
    """It has 2.2.1 only, and endpoints without the slash that its routes want."""
    (version,) = client.get(server.versions_url).json()["data"]
    assert version == {"version": "2.2.1", "url": server.details_url()}
    endpoints = client.get(version["url"]).json()["data"]["endpoints"]
    urls = {(one["identifier"], one["role"]): one["url"] for one in endpoints}
    assert urls["tokens", "SENDER"] + "/" == server.tokens_url
    assert urls["sessions", "RECEIVER"] == server.sessions_url
    assert urls["cdrs", "RECEIVER"] + "/" == server.cdrs_url
    # Also what the app does not have.
    assert {name for name, _ in urls} >= {"commands", "locations", "tariffs"}
    redirect = client.post(urls["cdrs", "RECEIVER"], json=make_cdr())
    assert redirect.status_code == 307
    assert redirect.headers["Location"] == server.cdrs_url


def test_unrepaired_it_advertises_https(py_ocpi_python: Path) -> None:
    """Every URL it gives out is https, whatever it is served by."""
    with PyOcpiServer(py_ocpi_python, repairs=()) as server:
        (version,) = httpx.get(server.versions_url).json()["data"]
        assert version["url"].startswith(f"https://127.0.0.1:{server.port}/")


def test_the_token_is_hardly_looked_at(server: PyOcpiServer) -> None:
    """Only details tell a stranger from a friend; what is no Base64 breaks it."""
    assert httpx.get(server.versions_url).status_code == 200
    for header in ({}, encoded("wrong")):
        assert httpx.get(server.details_url(), headers=header).status_code == 401
        assert httpx.get(server.tokens_url, headers=header).status_code == 200
    for header in (raw(server.token), raw("f" * 32), {"Authorization": "Token"}):
        for url in (server.details_url(), server.tokens_url):
            broken = httpx.get(url, headers=header)
            assert (broken.status_code, broken.text) == (500, "Internal Server Error")


def test_refusing_strangers_is_an_internal_error(py_ocpi_python: Path) -> None:
    """An app that checks tokens as the library foresees can only answer HTTP 500."""
    with PyOcpiServer(py_ocpi_python, refuses_strangers=True) as server:
        for header, status in ((encoded("wrong"), 500), (encoded(server.token), 200)):
            assert httpx.get(server.tokens_url, headers=header).status_code == status
        assert [one.status for one in server.requests()] == [500, 200]


def test_handshake(server: PyOcpiServer) -> None:
    """POST calls back and registers, even strangers; PUT fails after the call-back."""
    url = server.credentials_url
    with StationStub() as station:
        body, header = station.credentials("2.2.1"), encoded(server.invite())
        token = httpx.post(url, json=body, headers=header).json()["data"]["token"]
        (registration,) = server.registrations()
        assert registration.token_for_station == token
        assert registration.endpoint("tokens", "RECEIVER").endswith("/tokens")
        assert len(station.calls) == 2
        friend = encoded(token)
        assert httpx.post(url, json=body, headers=friend).status_code == 405
        assert httpx.put(url, json=body, headers=friend).status_code == 500
        assert len(station.calls) == 4
        assert server.registrations() == [registration]
        assert httpx.delete(url, headers=friend).json()["status_code"] == 1000
        assert httpx.delete(url, headers=friend).status_code == 405
        assert httpx.get(url, headers=friend).status_code == 500
        stranger = encoded("stranger")
        assert httpx.post(url, json=body, headers=stranger).status_code == 200
        station.status = 401
        refused = httpx.post(url, json=body, headers=encoded("another"))
        assert (refused.status_code, refused.json()["status_code"]) == (200, 3001)
    unreachable = httpx.post(url, json=body, headers=encoded("another"))
    assert unreachable.status_code == 500


# ---- envelope and times -------------------------------------------------------------


def test_the_envelope_has_the_time_of_the_start(
    server: PyOcpiServer, client: httpx.Client
) -> None:
    """All answers of one process bear one timestamp, in a format of its own."""
    stamps = {
        client.get(url).json()["timestamp"]
        for url in (server.versions_url, server.details_url(), server.tokens_url)
    }
    (stamp,) = stamps
    assert " " in stamp
    assert stamp.endswith("+00:00")
    server.stop()
    server.start()
    assert client.get(server.versions_url).json()["timestamp"] != stamp


def test_dates_have_a_space_and_an_offset(
    server: PyOcpiServer, client: httpx.Client
) -> None:
    """The offset that came in goes out; a fraction grows to six digits."""
    dates = {
        "04aa": ("2026-01-01T00:00:00Z", "2026-01-01 00:00:00+00:00"),
        "04bb": ("2026-01-01T02:00:00.5+02:00", "2026-01-01 02:00:00.500000+02:00"),
        "04cc": ("2026-01-01T00:00:00", "2026-01-01 00:00:00"),
    }
    server.set_tokens(
        [make_token(uid, last_updated=sent) for uid, (sent, _) in dates.items()]
    )
    page = client.get(server.tokens_url).json()["data"]
    seen = {one["uid"]: one["last_updated"] for one in page}
    assert seen == {uid: shown for uid, (_, shown) in dates.items()}


# ---- tokens -------------------------------------------------------------------------


def test_token_pages(py_ocpi_python: Path, client: httpx.Client) -> None:
    """Paging works, Link is as wrong as elsewhere, CiStrings lose their case."""
    with PyOcpiServer(py_ocpi_python, page_cap=2) as server:
        server.set_tokens([make_token(uid) for uid in ("04AA", "04BB", "04CC")])
        page = client.get(server.tokens_url)
        assert [one["uid"] for one in page.json()["data"]] == ["04aa", "04bb"]
        assert (page.headers["X-Total-Count"], page.headers["X-Limit"]) == ("3", "2")
        start = f"<https://127.0.0.1:{server.port}/ocpi/cpo/VersionNumber.v_2_2_1/"
        assert page.headers["Link"].startswith(start)
        assert "date_from=None" in page.headers["Link"]
        rest = client.get(server.tokens_url, params={"offset": 2})
        assert [one["uid"] for one in rest.json()["data"]] == ["04cc"]
        assert rest.headers["Link"] == ""


def test_tokens_changed_since_the_start_are_hidden(
    server: PyOcpiServer, client: httpx.Client
) -> None:
    """Without date_to the list ends at the start of the server, filters or not."""
    server.set_tokens(
        [make_token("04AA"), make_token("04BB", last_updated="2099-01-01T00:00:00Z")]
    )
    page = client.get(server.tokens_url)
    assert [one["uid"] for one in page.json()["data"]] == ["04aa"]
    assert page.headers["X-Total-Count"] == "1"
    later = {"date_to": "2100-01-01T00:00:00Z"}
    page = client.get(server.tokens_url, params=later)
    assert [one["uid"] for one in page.json()["data"]] == ["04aa", "04bb"]


def test_authorize(server: PyOcpiServer, client: httpx.Client) -> None:
    """A list of one, 2002 without a place, `type` ignored where token_type is meant."""
    server.set_tokens(
        [make_token("04AA"), make_token("04BB")],
        {
            "04AA": {"allowed": "ALLOWED", "authorization_reference": "REF-1"},
            "04BB": {"allowed": "ALLOWED", "requires_location": True},
        },
    )
    url = f"{server.tokens_url}04AA/authorize"
    (info,) = client.post(url, json=PLACE).json()["data"]
    assert (info["allowed"], info["token"]["uid"]) == ("ALLOWED", "04aa")
    assert info["authorization_reference"] == "ref-1"
    assert info["location"] == {"location_id": "loc-1", "evse_uids": ["se*abc*e1"]}
    assert client.post(url, params={"type": "APP_USER"}).status_code == 200
    assert client.post(url, params={"token_type": "APP_USER"}).status_code == 404
    incomplete = client.post(f"{server.tokens_url}04BB/authorize").json()
    assert (incomplete["status_code"], incomplete["data"]) == (2002, [])


def test_unknown_and_impossible_cards(
    server: PyOcpiServer, client: httpx.Client
) -> None:
    """Unknown is 404 with 2004 and an empty list; too long a uid is 422."""
    unknown = client.post(f"{server.tokens_url}04EE/authorize", json=PLACE)
    assert unknown.status_code == 404
    assert (unknown.json()["status_code"], unknown.json()["data"]) == (2004, [])
    impossible = client.post(f"{server.tokens_url}{'0' * 37}/authorize", json=PLACE)
    assert impossible.status_code == 422
    assert "status_code" not in impossible.json()


# ---- sessions and CDRs --------------------------------------------------------------


def test_sessions(server: PyOcpiServer, client: httpx.Client) -> None:
    """PUT and PATCH answer a list of one, an unknown session is HTTP 500."""
    url = server.sessions_url + SESSION
    for method in ("GET", "PATCH"):
        assert client.request(method, url, json={"kwh": 1}).status_code == 500
    session = make_session()
    (kept,) = client.put(url, json=session).json()["data"]
    assert (kept["id"], kept["start_date_time"]) == ("s-1", "2026-01-01 12:00:00+00:00")
    assert client.put(url, json={"id": "S-1"}).status_code == 422
    for start in (NOON, ONE):
        client.patch(url, json={"charging_periods": [make_period(start)]})
    (patched,) = client.get(url).json()["data"]
    # Replaced, not appended.
    assert len(patched["charging_periods"]) == 1
    assert server.sessions() == {"S-1": [session]}


def test_a_price_needs_its_tax(server: PyOcpiServer, client: httpx.Client) -> None:
    """incl_vat, optional in the standard, is demanded with HTTP 422."""
    session = make_session(total_cost={"excl_vat": 1})
    refused = client.put(server.sessions_url + SESSION, json=session)
    assert refused.status_code == 422
    assert "incl_vat" in refused.text
    cdr = make_cdr(total_cost={"excl_vat": 1})
    assert client.post(server.cdrs_url, json=cdr).status_code == 422


def test_cdrs(server: PyOcpiServer, client: httpx.Client) -> None:
    """Kept, even twice; a Location that is not there; unknown is HTTP 500."""
    answer = client.post(server.cdrs_url, json=make_cdr())
    (kept,) = answer.json()["data"]
    assert kept["total_cost"] == {"excl_vat": 1, "incl_vat": 1.25}
    assert "evse_uid" not in kept["cdr_location"]
    assert client.post(server.cdrs_url, json=make_cdr()).status_code == 200
    assert server.cdrs() == [make_cdr()] * 2
    location = answer.headers["Location"]
    assert location.endswith("/emsp/VersionNumber.v_2_2_1/ModuleID.cdrs/c-1")
    assert client.get(location.replace("https", "http")).status_code == 404
    (found,) = client.get(f"{server.cdrs_url}C-1").json()["data"]
    assert found == kept
    assert client.get(f"{server.cdrs_url}C-9").status_code == 500


def test_signed_data_is_misspelt(server: PyOcpiServer, client: httpx.Client) -> None:
    """The standard's signed_values gets 422: the server knows signed_value."""
    value = {"nature": "End", "plain_data": "1.5", "signed_data": "AA=="}
    signed = {"encoding_method": "OCMF", "signed_values": [value]}
    refused = client.post(server.cdrs_url, json=make_cdr(signed_data=signed))
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"][-1] == "signed_value"


# ---- the harness --------------------------------------------------------------------


def test_faults_reach_this_server_too(
    server: PyOcpiServer, client: httpx.Client
) -> None:
    """Faults and repairs are the same as for the other server."""
    server.set_tokens([make_token("04AA"), make_token("04BB")])
    server.set_fault("status", path="/tokens", status=503, retry_after=3)
    busy = client.get(server.tokens_url)
    assert (busy.status_code, busy.headers["Retry-After"]) == (503, "3")
    server.set_fault("repair_link")
    page = client.get(server.tokens_url, params={"limit": 1})
    last = client.get(page.links["next"]["url"])
    assert [one["uid"] for one in last.json()["data"]] == ["04bb"]
    server.set_fault("cut_after", path="/sessions/")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        client.put(server.sessions_url + SESSION, json=make_session())
    assert list(server.sessions()) == ["S-1"]
