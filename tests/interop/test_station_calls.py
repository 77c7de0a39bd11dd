"""Calls from the eMSP's side reach the station as the version wants them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.interop.registration import Registration
from tests.interop.samples import encoded, make_token, raw
from tests.interop.station_calls import (
    call,
    get_token,
    list_cdrs,
    list_sessions,
    patch_token,
    push_token,
)
from tests.interop.station_stub import StationStub

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def stub() -> Iterator[StationStub]:
    """Run a station that notes what it gets."""
    with StationStub() as stub:
        yield stub


def registered(stub: StationStub, version: str) -> Registration:
    """Return what a handshake of this version leaves at the eMSP."""
    return Registration.from_json(
        {
            "version": version,
            "token_for_station": "unused",
            "credentials": stub.credentials(version),
            "endpoints": stub.details(version),
        }
    )


@pytest.mark.parametrize("version", ["2.1.1", "2.2.1"])
def test_a_token_goes_there_and_back(stub: StationStub, version: str) -> None:
    """PUT, PATCH and GET meet the same token under the eMSP's name."""
    station = registered(stub, version)
    assert get_token(station, "04AA").status_code == 404
    assert push_token(station, make_token("04AA")).status_code == 200
    assert patch_token(station, "04AA", {"valid": False}).status_code == 200
    kept = get_token(station, "04AA").json()["data"]
    assert kept["valid"] is False
    shape = {"auth_id"} if version == "2.1.1" else {"contract_id", "country_code"}
    assert {"auth_id", "contract_id", "country_code"} & set(kept) == shape
    assert {one.path for one in stub.calls} == {f"/ocpi/{version}/tokens/NL/TNM/04AA"}


def test_headers_of_each_version(stub: StationStub) -> None:
    """Raw and nothing else in 2.1.1; Base64, ids and routing in 2.2.1."""
    for version in ("2.1.1", "2.2.1"):
        get_token(registered(stub, version), "04AA")
    old, new = (one.headers for one in stub.calls)
    assert old["authorization"] == raw(stub.token)["Authorization"]
    assert new["authorization"] == encoded(stub.token)["Authorization"]
    added = {"x-request-id", "x-correlation-id"}
    routing = {
        "ocpi-from-country-code": "NL",
        "ocpi-from-party-id": "TNM",
        "ocpi-to-country-code": "SE",
        "ocpi-to-party-id": "ABC",
    }
    assert set(new) - set(old) == added | set(routing)
    assert {name: new[name] for name in routing} == routing


def test_lies(stub: StationStub) -> None:
    """A wrong token, the wrong encoding and a foreign owner can be sent."""
    station = registered(stub, "2.2.1")
    assert get_token(replace(station, token_for_emsp="no"), "04AA").status_code == 401
    get_token(replace(station, is_base64=False), "04AA")
    assert stub.calls[-1].headers["authorization"] == f"Token {stub.token}"
    push_token(station, make_token("a/b"), owner=("DE", "XYZ"))
    assert stub.calls[-1].path.endswith("/tokens/DE/XYZ/a%2Fb")


def test_the_type_is_named_unless_it_is_rfid(stub: StationStub) -> None:
    """`type` exists from 2.2 on, and RFID is its default."""
    for version in ("2.1.1", "2.2.1"):
        station = registered(stub, version)
        push_token(station, make_token("1", type="OTHER"))
        push_token(station, make_token("1"))
    assert [one.query for one in stub.calls] == [{}, {}, {"type": "OTHER"}, {}]


@pytest.mark.parametrize("version", ["2.1.1", "2.2.1"])
def test_lists(stub: StationStub, version: str) -> None:
    """Sessions and CDRs are asked for with the filters given, and from the start."""
    stub.lists = {"sessions": [{"id": "S-1"}], "cdrs": [{"id": "C-1"}]}
    station = registered(stub, version)
    sessions = list_sessions(station, limit=2, offset=1)
    assert sessions.json()["data"] == [{"id": "S-1"}]
    cdrs = list_cdrs(station, date_from=None)
    assert cdrs.json()["data"] == [{"id": "C-1"}]
    since = {"date_from": "2000-01-01T00:00:00Z"}
    asked = [one.query for one in stub.calls]
    assert asked == [since | {"limit": "2", "offset": "1"}, {}]
    # A Link is followed as it is.
    call(station, "GET", f"{station.endpoint('cdrs', 'SENDER')}?offset=7")
    assert stub.calls[-1].query == {"offset": "7"}
