"""The harness in OCPI 2.1.1: what extrawest_ocpi really does there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.interop.extrawest import ExtrawestServer
from tests.interop.samples import (
    encoded,
    make_cdr_211,
    make_location_211,
    make_session,
    make_session_211,
    make_token,
    raw,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.stack

OLD = "2.1.1"
SESSION = "SE/ABC/S-1"
# Length and alphabet decide what a server makes of a raw token that it decodes.
UNDECODABLE = "interop-credentials-token"  # No Base64: wrong padding
BINARY = "f" * 32  # Base64 of bytes that are no UTF-8
TEXT = "YWJj"  # Base64 of other text


@pytest.fixture(scope="module")
def lasting(extrawest_python: Path) -> Iterator[ExtrawestServer]:
    """Run one server with both versions for all tests here."""
    with ExtrawestServer(extrawest_python, versions=(OLD, "2.2.1")) as server:
        yield server


@pytest.fixture
def server(lasting: ExtrawestServer) -> ExtrawestServer:
    """Give a server without a past."""
    lasting.forget()
    lasting.set_tokens([])
    return lasting


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """Talk as a registered CPO of 2.1.1: with the raw token."""
    with httpx.Client(headers=raw(ExtrawestServer.token)) as client:
        yield client


def without(session: dict[str, Any], name: str) -> dict[str, Any]:
    """Return it without time_zone or tariff_id."""
    location = make_location_211()
    for part in (location, location["evses"][0]["connectors"][0]):
        part.pop(name, None)
    return session | {"location": location}


@pytest.mark.parametrize("versions", [("2.2.1",), (OLD,), (OLD, "2.2.1")])
def test_each_start_has_its_versions(
    extrawest_python: Path, versions: tuple[str, ...]
) -> None:
    """The versions of the constructor are offered, those set later after a restart."""
    header = encoded(ExtrawestServer.token)
    with ExtrawestServer(extrawest_python, versions=versions) as server:
        offered = httpx.get(server.versions_url, headers=header).json()["data"]
        assert tuple(one["version"] for one in offered) == versions
        assert [one["url"] for one in offered] == [
            server.details_url(one) for one in versions
        ]
        server.stop()
        server.versions = ("2.2.1", OLD)
        server.start()
        offered = httpx.get(server.versions_url, headers=header).json()["data"]
        assert [one["version"] for one in offered] == ["2.2.1", OLD]


def test_base64_is_for_the_versions_url_only(server: ExtrawestServer) -> None:
    """The version-less URL wants Base64; details and modules of 2.1.1 want it raw."""
    wanted = encoded(server.token)
    assert httpx.get(server.versions_url, headers=wanted).status_code == 200
    assert httpx.get(server.details_url(OLD), headers=wanted).status_code == 401
    assert httpx.get(server.url("tokens", OLD), headers=wanted).status_code == 403
    plain = raw(server.token)
    assert httpx.get(server.versions_url, headers=plain).json()["status_code"] == 3000
    for url in (server.details_url(OLD), server.url("tokens", OLD)):
        assert httpx.get(url, headers=plain).json()["status_code"] == 1000


@pytest.mark.parametrize(
    ("token", "versions", "details", "tokens"),
    [
        (UNDECODABLE, (200, 3000), (200, 3000), (200, 3000)),
        (BINARY, (200, 1000), (403, None), (403, None)),
        (TEXT, (401, None), (401, None), (403, None)),
    ],
)
def test_a_raw_token_has_three_fates(
    server: ExtrawestServer,
    token: str,
    versions: tuple[int, int | None],
    details: tuple[int, int | None],
    tokens: tuple[int, int | None],
) -> None:
    """Where Base64 is due a raw token fails softly, is refused, or even works.

    It works on the versions URL only, so success there proves nothing about 2.2.1.
    """
    server.invite(token)
    asked = (server.versions_url, server.details_url(), server.tokens_url)
    answers = [httpx.get(url, headers=raw(token)) for url in asked]
    seen = [(one.status_code, one.json().get("status_code")) for one in answers]
    assert seen == [versions, details, tokens]


def test_refusals(server: ExtrawestServer) -> None:
    """A wrong token is 401 on details and 403 on modules, a missing one always 403."""
    modules, details = server.url("tokens", OLD), server.details_url(OLD)
    assert httpx.get(details, headers=raw("wrong")).status_code == 401
    assert httpx.get(modules, headers=raw("wrong")).status_code == 403
    assert httpx.get(details).status_code == httpx.get(modules).status_code == 403
    # What may register may not use the modules.
    invited = raw(server.invite())
    assert httpx.get(details, headers=invited).status_code == 200
    assert httpx.get(modules, headers=invited).status_code == 403


def test_endpoints_have_no_role(server: ExtrawestServer, client: httpx.Client) -> None:
    """Details name four modules by URL alone."""
    data = client.get(server.details_url(OLD)).json()["data"]
    urls = {one.pop("identifier"): one for one in data["endpoints"]}
    assert urls == {
        name: {"url": server.url(name, OLD)}
        for name in ("credentials", "tokens", "sessions", "cdrs")
    }


def test_tokens_have_the_old_shape(
    server: ExtrawestServer, client: httpx.Client
) -> None:
    """auth_id for contract_id, no owner, no group; unknown types are left out."""
    app = make_token("APP-1", type="APP_USER")
    cards = [make_token("04AA", group_id="G-1"), make_token("04bb", type="OTHER")]
    server.set_tokens([app, *cards])
    page = client.get(server.url("tokens", OLD), params={"limit": 1})
    assert page.json()["data"] == [
        {
            # Strings are case-sensitive here, and left alone.
            "uid": "04AA",
            "type": "RFID",
            "auth_id": "NL-TNM-04AA",
            "visual_number": None,
            "issuer": "Interop eMSP",
            "valid": True,
            "whitelist": "ALLOWED",
            "language": None,
            "last_updated": "2026-01-01T00:00:00Z",
        }
    ]
    assert page.headers["X-Total-Count"] == "2"
    link = "/ocpi/cpo/VersionNumber.v_2_1_1/ModuleID.tokens/?date_from=None"
    assert link in page.headers["Link"]


def test_authorize_has_no_token(server: ExtrawestServer, client: httpx.Client) -> None:
    """Only allowed, location and info; `type` is ignored where token_type is meant."""
    outcome = {"allowed": "NO_CREDIT", "authorization_reference": "R", "info": "Empty"}
    server.set_tokens([make_token("04AA")], {"04AA": outcome})  # type: ignore[dict-item]  # a literal
    url = f"{server.url('tokens', OLD)}04AA/authorize"
    place = {"location_id": "LOC-1", "evse_uids": ["E1"], "connector_ids": ["1"]}
    assert client.post(url, json=place).json()["data"] == [
        {
            "allowed": "NO_CREDIT",
            "location": place,
            "info": {"language": "en", "text": "Empty"},
        }
    ]
    ignored = client.post(url, params={"type": "OTHER"}).json()["data"]
    assert ignored[0]["allowed"] == "NO_CREDIT"
    assert client.post(url, params={"token_type": "OTHER"}).status_code == 404


@pytest.mark.parametrize("missing", ["time_zone", "tariff_id"])
def test_a_session_needs_what_the_standard_does_not(
    server: ExtrawestServer, client: httpx.Client, missing: str
) -> None:
    """time_zone and the connector's tariff_id are demanded with HTTP 422."""
    url = server.url("sessions", OLD) + SESSION
    refused = client.put(url, json=without(make_session_211(), missing))
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"][-1] == missing
    assert client.put(url, json=make_session_211()).status_code == 200


def test_sessions_are_kept_by_version(
    server: ExtrawestServer, client: httpx.Client
) -> None:
    """The same id in both versions is two sessions, each in its own shape."""
    old, new = make_session_211("COMPLETED"), make_session("ACTIVE")
    client.put(server.url("sessions", OLD) + SESSION, json=old)
    header = encoded(server.token)
    httpx.put(server.url("sessions") + SESSION, json=new, headers=header)
    assert server.sessions(OLD) == {"S-1": [old]}
    assert server.sessions("2.2.1") == {"S-1": [new]}
    assert server.sessions() == {"S-1": [old, new]}
    (kept,) = client.get(server.url("sessions", OLD) + SESSION).json()["data"]
    assert kept["auth_id"] == "NL-TNM-04AA"


def test_a_cdr_needs_another_name_for_its_end(
    server: ExtrawestServer, client: httpx.Client
) -> None:
    """The standard's stop_date_time gets 422; with end_date_time besides it is fine."""
    url, cdr = server.url("cdrs", OLD), make_cdr_211()
    refused = client.post(url, json=cdr)
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["body", "end_date_time"]
    both = cdr | {"end_date_time": cdr["stop_date_time"]}
    accepted = client.post(url, json=both)
    assert accepted.json()["status_code"] == 1000
    # Of all strings the id of a CDR is case-insensitive already, and is changed.
    assert accepted.json()["data"][0]["id"] == "c-1"
    assert "stop_date_time" not in accepted.json()["data"][0]
    assert accepted.headers["Location"].endswith(
        "VersionNumber.v_2_1_1/ModuleID.cdrs/c-1"
    )
    assert server.cdrs(OLD) == [both]
    assert server.cdrs("2.2.1") == []
