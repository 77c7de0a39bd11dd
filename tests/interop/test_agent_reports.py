"""The agent tells extrawest_ocpi of sessions and CDRs, through all its quirks."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from msgspec.structs import replace

from agent.domain.reports import Delivered, Refused, Retry
from agent.ocpi.quirks import Quirk
from tests.agent.ocpi.examples import BILLED, ENDED, PENDING, SESSION, STATION
from tests.interop.agent_side import PRICED, AgentSide
from tests.interop.extrawest import ExtrawestServer
from tests.interop.samples import encoded, raw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.stack

BOTH: Final = ("2.1.1", "2.2.1")
ID: Final = SESSION.id
END_QUIRK: Final = frozenset({Quirk.CDR_END_DATE_TIME})
PRICED_END: Final = replace(ENDED, tariff=BILLED.tariff)

each_version = pytest.mark.parametrize("version", BOTH)


@pytest.fixture(scope="module")
def lasting(extrawest_python: Path) -> Iterator[ExtrawestServer]:
    """Run one server with both versions for all tests here."""
    with ExtrawestServer(extrawest_python, versions=BOTH) as server:
        yield server


@pytest.fixture
def server(lasting: ExtrawestServer) -> ExtrawestServer:
    """Give a server without a past."""
    lasting.forget()
    return lasting


@pytest.fixture(params=BOTH)
def agent(
    server: ExtrawestServer, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[AgentSide]:
    """Connect in each version, with the switch that one of them needs."""
    with AgentSide(server, tmp_path, version=request.param, quirks=END_QUIRK) as agent:
        yield agent


def told(server: ExtrawestServer, agent: AgentSide) -> list[dict[str, Any]]:
    """Return what the server has accepted of the session, oldest first."""
    return server.sessions(agent.upstream.version).get(ID, [])


# ---- sessions -----------------------------------------------------------------------


def test_a_session_from_its_start_to_its_end(
    server: ExtrawestServer, agent: AgentSide
) -> None:
    """§15.4, §15.15: the whole object each time, 200 for a new one, a list of one."""
    later = replace(PRICED, energy_wh=5000)
    for session in (PRICED, later, PRICED_END):
        assert agent.tell(session) == Delivered()
    history = told(server, agent)
    assert [one["status"] for one in history] == ["ACTIVE", "ACTIVE", "COMPLETED"]
    assert [one["kwh"] for one in history] == [1.234, 5.0, 1.234]
    # Never a PATCH, which this server applies in its own way (§15.13, §15.14).
    assert {one.method for one in server.requests()} == {"GET", "PUT"}


def test_what_the_server_understood(server: ExtrawestServer, agent: AgentSide) -> None:
    """Its own model keeps every fact of the session."""
    agent.tell(PRICED_END)
    version = agent.upstream.version
    header = (raw if version == "2.1.1" else encoded)(server.token)
    url = f"{server.url('sessions', version)}SE/ABC/{ID}"
    (kept,) = httpx.get(url, headers=header).json()["data"]
    (sent,) = told(server, agent)
    assert kept["kwh"] == sent["kwh"]
    assert kept["status"] == "COMPLETED"
    assert kept["auth_method"] == sent["auth_method"]
    name = "end_datetime" if version == "2.1.1" else "end_date_time"
    assert kept[name] == sent[name]
    assert len(kept["charging_periods"]) == len(sent["charging_periods"])


def test_a_session_that_was_told_before_it_began(
    server: ExtrawestServer, agent: AgentSide
) -> None:
    """PENDING, then ACTIVE under the same id."""
    assert agent.tell(replace(PENDING, tariff=BILLED.tariff)) == Delivered()
    assert agent.tell(PRICED) == Delivered()
    assert [one["status"] for one in told(server, agent)] == ["PENDING", "ACTIVE"]


@pytest.mark.parametrize(
    ("lack", "missing"),
    [
        ({"location": replace(STATION.location, time_zone=None)}, "time_zone"),  # type: ignore[type-var]  # it has one
        ({}, "tariff_id"),
    ],
)
def test_what_211_wants_of_a_location(
    server: ExtrawestServer, tmp_path: Path, lack: dict[str, Any], missing: str
) -> None:
    """§15.17: time_zone and tariff_id go out when known; else its 422 names them."""
    station = replace(STATION, **lack)
    session = SESSION if missing == "tariff_id" else PRICED
    with AgentSide(server, tmp_path, version="2.1.1", station=station) as agent:
        refused = agent.tell(session)
        assert isinstance(refused, Refused)
        assert "HTTP 422" in refused.why
        assert missing in refused.why
    with AgentSide(server, tmp_path, version="2.1.1") as agent:
        assert agent.tell(PRICED) == Delivered()
    (body,) = server.sessions("2.1.1")[ID]
    assert body["location"]["time_zone"] == "Europe/Stockholm"
    (connector,) = body["location"]["evses"][0]["connectors"]
    assert connector["tariff_id"]


# ---- CDRs ---------------------------------------------------------------------------


def test_a_cdr_and_where_it_is_said_to_be(
    server: ExtrawestServer, agent: AgentSide
) -> None:
    """§15.9: a Location that leads nowhere is kept as it is, and costs nothing."""
    delivered = agent.bill()
    assert isinstance(delivered, Delivered)
    assert delivered.url is not None
    assert "ModuleID.cdrs" in delivered.url
    (cdr,) = server.cdrs(agent.upstream.version)
    assert cdr["id"] == ID
    assert cdr["total_energy"] == 1.234


@each_version
def test_a_cdr_can_be_found_where_the_location_is_right(
    server: ExtrawestServer, tmp_path: Path, version: str
) -> None:
    """What the server says of its place is what is kept."""
    server.set_fault("repair_location")
    with AgentSide(server, tmp_path, version=version, quirks=END_QUIRK) as agent:
        delivered = agent.bill()
    assert isinstance(delivered, Delivered)
    assert delivered.url is not None
    header = (raw if version == "2.1.1" else encoded)(server.token)
    (found,) = httpx.get(delivered.url, headers=header).json()["data"]
    assert found["id"].casefold() == ID
    # §15.22: what the server drops in silence is no reason to doubt it.
    if version == "2.2.1":
        assert "evse_uid" not in found["cdr_location"]


def test_the_same_cdr_twice(server: ExtrawestServer, agent: AgentSide) -> None:
    """§15.15: after a lost answer it goes out again under its id, which is taken."""
    server.set_fault("cut_after", path="/cdrs")
    assert isinstance(agent.bill(), Retry)
    assert isinstance(agent.bill(), Delivered)
    one, other = server.cdrs(agent.upstream.version)
    assert one == other


def test_211_wants_another_name_for_the_end_of_a_cdr(
    server: ExtrawestServer, tmp_path: Path
) -> None:
    """§15.16: without the switch its words name the field; with it all is well."""
    with AgentSide(server, tmp_path, version="2.1.1") as agent:
        refused = agent.bill()
        assert isinstance(refused, Refused)
        assert "HTTP 422" in refused.why
        assert "end_date_time" in refused.why
    assert server.cdrs() == []
    with AgentSide(server, tmp_path, version="2.1.1", quirks=END_QUIRK) as agent:
        assert isinstance(agent.bill(), Delivered)
    (cdr,) = server.cdrs("2.1.1")
    assert "stop_date_time" not in cdr
    assert cdr["end_date_time"] == "2026-05-06T08:38:39Z"


def test_nulls_are_no_harm_in_221(server: ExtrawestServer, tmp_path: Path) -> None:
    """§15.21: a session and a CDR with every optional field as null are taken."""
    quirks = frozenset({Quirk.EXPLICIT_NULLS})
    with AgentSide(server, tmp_path, version="2.2.1", quirks=quirks) as agent:
        assert agent.tell(SESSION) == Delivered()
        assert isinstance(agent.bill(), Delivered)
    (body,) = server.sessions("2.2.1")[ID]
    assert body["end_date_time"] is None


def test_redirected_reports_arrive_whole(
    extrawest_python: Path, tmp_path: Path
) -> None:
    """§15.10: 307 for a POST keeps method, body and token; nothing is sent twice."""
    with ExtrawestServer(
        extrawest_python, versions=BOTH, trailing_slash=False
    ) as server:
        for version in BOTH:
            server.forget()
            with AgentSide(
                server, tmp_path, version=version, quirks=END_QUIRK
            ) as agent:
                assert agent.tell() == Delivered()
                assert isinstance(agent.bill(), Delivered)
            assert len(server.sessions(version)[ID]) == 1
            assert len(server.cdrs(version)) == 1
            statuses = [one.status for one in server.requests() if one.method == "POST"]
            assert statuses == [307, 200]


# ---- faults -------------------------------------------------------------------------

AGAIN: Final[dict[str, dict[str, Any]]] = {
    "500": {"kind": "status", "status": 500},
    "503": {"kind": "status", "status": 503},
    "408": {"kind": "status", "status": 408},
    "200 and 3000": {"kind": "status", "status": 200, "ocpi_status": 3000},
    "200 and 4003": {"kind": "status", "status": 200, "ocpi_status": 4003},
    "web page": {"kind": "html"},
    "cut before": {"kind": "cut_before"},
    "truncated": {"kind": "truncate"},
    "no envelope": {"kind": "drop_envelope"},
    "cut after": {"kind": "cut_after"},
}
#: Where the server has processed what it could not say so of.
APPLIED: Final = ("truncated", "no envelope", "cut after")


@pytest.mark.parametrize("fault", list(AGAIN))
def test_told_again(server: ExtrawestServer, agent: AgentSide, fault: str) -> None:
    """Until the server says that it has it; what it had already does no harm."""
    server.set_fault(**AGAIN[fault], path="/sessions")
    server.set_fault(**AGAIN[fault], path="/cdrs")
    for send in (agent.tell, agent.bill):
        again = send()
        assert isinstance(again, Retry), again
        assert not again.pause
        assert isinstance(send(), Delivered)
    for bodies in (told(server, agent), server.cdrs(agent.upstream.version)):
        assert len(bodies) == (2 if fault in APPLIED else 1)
        assert bodies[0] == bodies[-1]


def test_when_the_server_says_when(server: ExtrawestServer, agent: AgentSide) -> None:
    """429 with Retry-After is taken at its word."""
    server.set_fault("status", path="/sessions", status=429, retry_after=7)
    again = agent.tell()
    assert isinstance(again, Retry)
    assert again.after == timedelta(seconds=7)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 400},
        {"status": 404},
        {"status": 422},
        {"status": 200, "ocpi_status": 2001},
        {"status": 200, "ocpi_status": 4001},
    ],
    ids=str,
)
def test_refused_for_good(
    server: ExtrawestServer, agent: AgentSide, fault: dict[str, int]
) -> None:
    """Nobody repeats what will be refused again; a person sees the code."""
    server.set_fault("status", path="/sessions", **fault)  # type: ignore[arg-type]  # numbers by name
    refused = agent.tell()
    assert isinstance(refused, Refused)
    assert str(max(fault.values())) in refused.why


def test_no_server_no_report_lost(server: ExtrawestServer, agent: AgentSide) -> None:
    """Told while nobody listens it waits, and the next attempt finds the server."""
    assert agent.tell() == Delivered()
    server.kill()
    try:
        assert isinstance(agent.tell(PRICED_END), Retry)
    finally:
        server.start()
    assert agent.tell(PRICED_END) == Delivered()
    assert [one["status"] for one in told(server, agent)] == ["ACTIVE", "COMPLETED"]
