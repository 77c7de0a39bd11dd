"""The harness itself: the server answers, records, remembers and fails on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.interop.extrawest import ExtrawestServer, FaultKind
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

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.process import Repair

pytestmark = pytest.mark.stack

SESSION = "/SE/ABC/S-1"


def discover(server: ExtrawestServer, client: httpx.Client) -> dict[str, str]:
    """Return the advertised endpoint URLs by module."""
    version = client.get(server.versions_url).json()["data"][0]
    endpoints = client.get(version["url"]).json()["data"]["endpoints"]
    return {one["identifier"]: one["url"] for one in endpoints}


def test_discovery_leads_to_the_modules(
    extrawest: ExtrawestServer, client: httpx.Client
) -> None:
    """Versions and details name the endpoints this harness builds by hand."""
    urls = discover(extrawest, client)
    assert set(urls) == {"credentials", "tokens", "sessions", "cdrs"}
    assert urls["tokens"] == extrawest.tokens_url
    assert urls["sessions"] == extrawest.sessions_url + "/"


def test_wrong_credentials(extrawest: ExtrawestServer) -> None:
    """A raw token looks like an empty success, a wrong one is refused."""
    looks_empty = httpx.get(extrawest.versions_url, headers=raw(extrawest.token))
    assert looks_empty.status_code == 200
    assert looks_empty.json()["status_code"] == 3000
    assert looks_empty.json()["data"] == []
    wrong = encoded("wrong")
    assert httpx.get(extrawest.versions_url, headers=wrong).status_code == 401
    assert httpx.get(extrawest.tokens_url, headers=wrong).status_code == 403
    assert httpx.get(extrawest.tokens_url).status_code == 403


def test_token_pages(extrawest_python: Path, client: httpx.Client) -> None:
    """Paging, the page cap, date_from and the change of case are as documented."""
    old = "2025-01-01T00:00:00Z"
    with ExtrawestServer(extrawest_python, page_cap=2, upper_case=True) as server:
        tokens = [make_token(u, last_updated=old) for u in ("04aa", "04bb", "04cc")]
        server.set_tokens([*tokens, make_token("04dd")])
        page = client.get(server.tokens_url, params={"limit": 100})
        assert [one["uid"] for one in page.json()["data"]] == ["04AA", "04BB"]
        assert (page.headers["X-Total-Count"], page.headers["X-Limit"]) == ("4", "2")
        assert "date_from=None" in page.headers["Link"]
        assert page.headers["Link"].startswith("<https://")
        rest = client.get(server.tokens_url, params={"offset": 2})
        assert [one["uid"] for one in rest.json()["data"]] == ["04CC", "04DD"]
        assert rest.headers["Link"] == ""
        new = client.get(server.tokens_url, params={"date_from": "2025-06-01T00:00Z"})
        assert [one["uid"] for one in new.json()["data"]] == ["04DD"]


def test_without_trailing_slash_the_server_redirects(
    extrawest_python: Path, client: httpx.Client
) -> None:
    """With trailing_slash=False the advertised URL is not the one that answers."""
    with ExtrawestServer(extrawest_python, trailing_slash=False) as server:
        advertised = discover(server, client)["tokens"]
        assert advertised + "/" == server.tokens_url
        redirect = client.get(advertised)
        assert redirect.status_code == 307
        assert redirect.headers["Location"] == server.tokens_url


def test_authorize_outcomes(extrawest: ExtrawestServer, client: httpx.Client) -> None:
    """Each outcome of the map, its extras, and both defaults reach the client."""
    extrawest.set_tokens(
        [make_token("04AA"), make_token("04BB", valid=False), make_token("04CC")],
        {
            "04cc": {
                "allowed": "ALLOWED",
                "authorization_reference": "REF-1",
                "evse_uids": ["E9"],
                "info": "Hello",
                "requires_location": True,
            },
            "04DD": {"allowed": "NO_CREDIT", "token": make_token("04DD")},
        },
    )

    def ask(uid: str, place: object = PLACE) -> httpx.Response:
        return client.post(f"{extrawest.tokens_url}{uid}/authorize", json=place)

    assert ask("04AA").json()["data"][0]["allowed"] == "ALLOWED"
    assert ask("04BB").json()["data"][0]["allowed"] == "BLOCKED"
    info = ask("04CC").json()["data"][0]
    assert info["authorization_reference"] == "ref-1"
    assert info["location"] == {"location_id": "loc-1", "evse_uids": ["e9"]}
    assert info["info"]["text"] == "Hello"
    assert ask("04CC", None).json()["status_code"] == 2002
    assert ask("04DD").json()["data"][0]["allowed"] == "NO_CREDIT"
    unknown = ask("04EE")
    assert unknown.status_code == 404
    assert unknown.json() == {"detail": "Object not found."}


def test_session_history_survives_a_kill(
    extrawest: ExtrawestServer, client: httpx.Client
) -> None:
    """Accepted PUT bodies are kept in order; refused ones and PATCHes are not."""
    url = extrawest.sessions_url + SESSION
    active, completed = make_session("ACTIVE"), make_session("COMPLETED")
    assert client.put(url, json=active).json()["status_code"] == 1000
    assert client.put(url, json={"id": "S-1"}).status_code == 422
    extrawest.kill()
    with pytest.raises(httpx.ConnectError):
        client.put(url, json=completed)
    extrawest.start()
    assert client.get(url).json()["data"][0]["status"] == "ACTIVE"
    assert client.patch(url, json={"kwh": 1}).json()["status_code"] == 1000
    assert client.put(url, json=completed).json()["status_code"] == 1000
    assert extrawest.sessions() == {"S-1": [active, completed]}
    extrawest.forget()
    assert not extrawest.sessions()


def test_requests_are_recorded_without_the_secret(
    extrawest: ExtrawestServer, client: httpx.Client
) -> None:
    """A record has query, headers, body and status, and no credentials token."""
    url = f"{extrawest.tokens_url}04AA/authorize"
    client.post(url, params={"type": "RFID"}, json=PLACE)
    (recorded,) = extrawest.requests()
    assert (recorded.method, recorded.status) == ("POST", 404)
    assert recorded.path == "/ocpi/emsp/2.2.1/tokens/04AA/authorize"
    assert (recorded.query, recorded.body) == ({"type": "RFID"}, PLACE)
    assert recorded.headers["authorization"] == "***"
    extrawest.clear_requests()
    assert extrawest.requests() == []


def test_status_fault_has_filter_and_count(
    extrawest: ExtrawestServer, client: httpx.Client
) -> None:
    """A fault hits only its path and method, as often as told, oldest first."""
    extrawest.set_fault("status", path="/tokens", status=429, retry_after=7)
    extrawest.set_fault("status", method="GET", status=200, ocpi_status=3000)
    url = extrawest.sessions_url + SESSION
    assert client.put(url, json=make_session("ACTIVE")).status_code == 200
    busy = client.get(extrawest.tokens_url)
    assert (busy.status_code, busy.headers["Retry-After"]) == (429, "7")
    assert client.get(extrawest.tokens_url).json()["status_code"] == 3000
    assert client.get(extrawest.tokens_url).json()["status_code"] == 1000
    faults = [recorded.faults for recorded in extrawest.requests()]
    assert faults == [[], ["status"], ["status"], []]


def test_fault_until_cleared(extrawest: ExtrawestServer, client: httpx.Client) -> None:
    """`times=None` lasts until clear_faults()."""
    extrawest.set_fault("html", times=None)
    for _ in range(3):
        portal = client.get(extrawest.tokens_url)
        assert portal.status_code == 200
        assert portal.headers["Content-Type"] == "text/html"
    extrawest.clear_faults()
    assert client.get(extrawest.tokens_url).json()["status_code"] == 1000


@pytest.mark.parametrize(("kind", "kept"), [("cut_before", 0), ("cut_after", 1)])
def test_cut(
    extrawest: ExtrawestServer, client: httpx.Client, kind: FaultKind, kept: int
) -> None:
    """The connection ends without a byte; only cut_after has processed the PUT."""
    extrawest.set_fault(kind, path="/sessions/")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        client.put(extrawest.sessions_url + SESSION, json=make_session("ACTIVE"))
    assert len(extrawest.sessions().get("S-1", [])) == kept
    (recorded,) = extrawest.requests()
    assert (recorded.status, recorded.faults) == (None, [kind])


def test_link_faults(extrawest: ExtrawestServer, client: httpx.Client) -> None:
    """A repaired Link leads to the last page; a broken one is no URL."""
    extrawest.set_tokens([make_token(uid) for uid in ("04AA", "04BB", "04CC")])
    extrawest.set_fault("repair_link", times=None)
    first = client.get(extrawest.tokens_url, params={"limit": 2})
    last = client.get(first.links["next"]["url"])
    assert [one["uid"] for one in last.json()["data"]] == ["04cc"]
    assert "Link" not in last.headers
    extrawest.set_fault("broken_link")
    assert "not a url" in client.get(f"{extrawest.tokens_url}?limit=2").headers["Link"]


def test_body_faults(extrawest: ExtrawestServer, client: httpx.Client) -> None:
    """One token is spoiled, the envelope is missing, the JSON is cut: once each."""
    extrawest.set_tokens([make_token("04AA"), make_token("04BB")])
    url = extrawest.tokens_url
    extrawest.set_fault("broken_token")
    # Nothing to spoil here: the fault waits for a page.
    assert client.get(extrawest.versions_url).status_code == 200
    spoiled, whole = client.get(url).json()["data"]
    assert "whitelist" not in spoiled
    assert "whitelist" in whole
    extrawest.set_fault("drop_envelope")
    assert [one["uid"] for one in client.get(url).json()] == ["04aa", "04bb"]
    extrawest.set_fault("truncate")
    with pytest.raises(ValueError, match=r".+"):
        client.get(url).json()
    assert len(client.get(url).json()["data"]) == 2


def test_repairs_are_permanent_and_silent(
    extrawest_python: Path, client: httpx.Client
) -> None:
    """Started with repairs, Link and Location are right and no fault is noted."""
    repairs: tuple[Repair, ...] = ("repair_link", "repair_location")
    with ExtrawestServer(extrawest_python, page_cap=1, repairs=repairs) as server:
        server.set_tokens([make_token("04AA"), make_token("04BB")])
        server.forget()
        first = client.get(server.tokens_url)
        last = client.get(first.links["next"]["url"])
        assert [one["uid"] for one in last.json()["data"]] == ["04bb"]
        location = client.post(server.cdrs_url, json=make_cdr()).headers["Location"]
        assert client.get(location).json()["data"][0]["id"] == "c-1"
        # A redirect is no new CDR.
        redirect = client.post(server.cdrs_url.removesuffix("/"), json=make_cdr())
        assert redirect.headers["Location"] == server.cdrs_url
        assert [one.faults for one in server.requests()] == [[]] * 5


def test_cdrs_are_kept_as_sent(
    extrawest: ExtrawestServer, client: httpx.Client
) -> None:
    """A CDR is answered 200 even twice, at a Location that is not there."""
    first, second = make_cdr(), make_cdr(remark="again")
    answer = client.post(extrawest.cdrs_url, json=first)
    assert (answer.status_code, answer.json()["status_code"]) == (200, 1000)
    # The server knows no evse_uid.
    assert "evse_uid" not in answer.json()["data"][0]["cdr_location"]
    assert client.post(extrawest.cdrs_url, json=second).status_code == 200
    assert extrawest.cdrs() == [first, second]
    location = answer.headers["Location"]
    assert location.endswith("/emsp/VersionNumber.v_2_2_1/ModuleID.cdrs/c-1")
    assert location.startswith("https://")
    assert client.get(location.replace("https", "http")).status_code == 404
    found = client.get(f"{extrawest.cdrs_url}C-1").json()["data"]
    assert [one["remark"] for one in found] == ["again"]
    assert client.get(f"{extrawest.cdrs_url}C-9").status_code == 404


def test_a_patch_replaces_the_periods(
    extrawest: ExtrawestServer, client: httpx.Client
) -> None:
    """Periods are not appended, last_updated may be missing, 0 is a change."""
    url = extrawest.sessions_url + SESSION
    assert client.patch(url, json={"kwh": 1}).status_code == 404
    client.put(url, json=make_session(kwh=3))
    for start in (NOON, ONE):
        client.patch(url, json={"charging_periods": [make_period(start)], "kwh": 0})
    (session,) = client.get(url).json()["data"]
    assert [one["start_date_time"] for one in session["charging_periods"]] == [ONE]
    assert session["kwh"] == 0
