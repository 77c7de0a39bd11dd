"""The daemon and extrawest_ocpi, unpatched, registered by the real handshake."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.e2e import cards
from tests.e2e.invited_station import invite, invited_station, register
from tests.e2e.registered import LOCATION, TARIFF
from tests.e2e.station import AgentProcess
from tests.e2e.tables import UPSTREAM
from tests.e2e.waiting import until
from tests.interop import station_calls
from tests.interop.extrawest import ExtrawestServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.interop.registration import Registration

pytestmark = pytest.mark.stack

BOTH: Final = ("2.1.1", "2.2.1")
END_QUIRK: Final = "cdr-end-date-time"
LATER: Final = "2026-02-02T00:00:00Z"
REFUSALS: Final = {
    "BLOCKED": "blocked",
    "EXPIRED": "expired",
    "NO_CREDIT": "no_credit",
    "NOT_ALLOWED": "not_allowed",
}


@pytest.fixture
def version() -> str:
    """Speak this version, where a test does not say otherwise."""
    return "2.1.1"


@pytest.fixture
def emsp(extrawest_python: Path, version: str) -> Iterator[ExtrawestServer]:
    """Run a server of one version, whose pages are small and whose links are wrong."""
    with ExtrawestServer(extrawest_python, versions=(version,), page_cap=2) as server:
        answer_never_cards(server, "ALLOWED")
        yield server


def answer_never_cards(emsp: ExtrawestServer, allowed: str) -> None:
    """List the usual cards; the one that must be asked about gets this answer."""
    outcome: Any = {"allowed": allowed, "authorization_reference": "Ref-N"}
    emsp.set_tokens(cards.listed(), {cards.NEVER: outcome})


def the_station(emsp: ExtrawestServer) -> Registration:
    """Return the only party that has registered."""
    (station,) = emsp.registrations()
    return station


def upstream_of(agent: AgentProcess) -> dict[str, Any]:
    """Return what `status` says of the connection."""
    upstream: dict[str, Any]
    (upstream,) = agent.ask("status")["upstreams"]
    return upstream


def charge(
    agent: AgentProcess, uid: str, meanwhile: Callable[[], None] = lambda: None
) -> None:
    """Start and stop a session with one card."""
    agent.plug()
    started = agent.tap(uid)
    assert started["outcome"] == "started", started
    meanwhile()
    assert agent.tap(uid)["outcome"] == "stopped"
    agent.unplug()


# ---- one life -----------------------------------------------------------------------


@pytest.mark.parametrize("version", BOTH)
def test_a_whole_life(emsp: ExtrawestServer, version: str) -> None:
    """Register, be asked, charge, be billed, be called, renew, leave, and come back."""
    quirks = [END_QUIRK] if version == "2.1.1" else []
    with invited_station(emsp, quirks=quirks) as agent:
        assert upstream_of(agent)["registration"] is None
        done = register(agent)
        assert (done.returncode, f"OCPI {version}" in done.stdout) == (0, True)
        agent.wait_for_whitelist(len(cards.listed()))
        check_answers(agent, emsp)
        check_reports(agent, emsp, version)
        check_pushes(agent, emsp)
        check_changes(agent, emsp)
        check_rotation(agent, emsp)
        check_return(agent, emsp)


def check_answers(agent: AgentProcess, emsp: ExtrawestServer) -> None:
    """Tap with every answer that there is."""
    agent.plug()
    for allowed, reason in REFUSALS.items():
        answer_never_cards(emsp, allowed)
        refused = agent.tap(cards.NEVER)
        assert (refused["outcome"], refused["reason"]) == ("refused", reason)
    unknown = agent.tap(cards.UNKNOWN)
    assert (unknown["outcome"], unknown["reason"]) == ("refused", "unknown_token")
    assert unknown["decided_by"] == "realtime"
    answer_never_cards(emsp, "ALLOWED")
    agent.unplug()


def check_reports(agent: AgentProcess, emsp: ExtrawestServer, version: str) -> None:
    """Charge, and read what was told and what can be fetched."""

    def draw_energy() -> None:
        agent.meter(5000)
        until(
            lambda: ("ACTIVE", 5.0) in told_of_the_session(emsp, version),
            "an update of the session",
        )

    charge(agent, cards.NEVER, draw_energy)
    until(lambda: emsp.cdrs(version), "a CDR")
    agent.wait_for_empty_outbox()
    told = told_of_the_session(emsp, version)
    assert told == [("ACTIVE", 0), ("ACTIVE", 5.0), ("COMPLETED", 5.0)]
    ((*_, last),) = emsp.sessions(version).values()
    assert last["auth_method"] == "AUTH_REQUEST"
    # The case is the server's; 2.1.1 has no such field.
    reference = None if version == "2.1.1" else "ref-n"
    assert last.get("authorization_reference") == reference
    (cdr,) = emsp.cdrs(version)
    total = cdr["total_cost"]
    # 5 kWh at 0.40, and 1.00 for the session, before VAT.
    assert (total if version == "2.1.1" else total["excl_vat"]) == 3.0
    assert cdr["total_energy"] == 5.0
    station = the_station(emsp)
    assert station_calls.list_sessions(station).json()["data"] == [last]
    assert station_calls.list_cdrs(station).json()["data"] == [cdr]


def told_of_the_session(emsp: ExtrawestServer, version: str) -> list[tuple[str, float]]:
    """Return status and energy of what was told of the only session, in order."""
    return [
        (body["status"], body["kwh"])
        for told in emsp.sessions(version).values()
        for body in told
    ]


def check_pushes(agent: AgentProcess, emsp: ExtrawestServer) -> None:
    """Revoke a card and give it back: in force at the next tap."""
    station = the_station(emsp)
    revoked = cards.token(cards.ALWAYS, "ALWAYS", valid=False, last_updated=LATER)
    assert station_calls.push_token(station, revoked).status_code == 200
    agent.plug()
    refused = agent.tap(cards.ALWAYS)
    assert (refused["outcome"], refused["reason"]) == ("refused", "invalid")
    change = {"valid": True, "last_updated": "2026-02-03T00:00:00Z"}
    patched = station_calls.patch_token(station, cards.ALWAYS, change)
    assert patched.json()["status_code"] == 1000
    shown = station_calls.get_token(station, cards.ALWAYS).json()["data"]
    assert shown["valid"] is True
    agent.unplug()
    charge(agent, cards.ALWAYS)


def check_changes(agent: AgentProcess, emsp: ExtrawestServer) -> None:
    """Read what has changed since, on more than one page, and what is gone."""
    changed = [
        *(one | {"last_updated": "2026-03-03T00:00:00Z"} for one in cards.listed()[1:]),
        cards.token(cards.SHORT, "ALWAYS", last_updated="2026-03-03T00:00:00Z"),
    ]
    emsp.set_tokens(changed)
    emsp.clear_requests()
    assert "changes, 5 tokens" in agent.cli("sync").stdout
    pages = [one.query for one in emsp.requests() if one.path.endswith("/tokens/")]
    assert len(pages) == 3
    assert all(one["date_from"].startswith("2026-01") for one in pages)
    charge(agent, cards.SHORT)
    # Only a whole list says that a card is gone.
    assert agent.cli("tokens", "find", cards.ALWAYS).returncode == 0
    assert "whole list, 5 tokens" in agent.cli("sync", "--full").stdout
    assert agent.cli("tokens", "find", cards.ALWAYS).returncode == 1


def check_rotation(agent: AgentProcess, emsp: ExtrawestServer) -> None:
    """New tokens both ways, and everything goes on."""
    before = the_station(emsp)
    assert agent.cli("rotate-credentials", UPSTREAM).returncode == 0
    after = the_station(emsp)
    assert after.token_for_station != before.token_for_station
    assert after.token_for_emsp != before.token_for_emsp
    assert agent.cli("sync", "--full").returncode == 0
    assert station_calls.get_token(after, cards.SHORT).status_code == 200
    assert station_calls.get_token(before, cards.SHORT).status_code == 401
    charge(agent, cards.SHORT)
    agent.wait_for_empty_outbox()


def check_return(agent: AgentProcess, emsp: ExtrawestServer) -> None:
    """Leave, and be invited again."""
    assert agent.cli("unregister", UPSTREAM).returncode == 0
    assert emsp.registrations() == []
    assert upstream_of(agent)["registration"] is None
    assert agent.cli("status").returncode == 1
    refused = register(agent)
    assert refused.returncode != 0
    assert "Ask the operator of cpo for a new token" in refused.stderr
    invite(agent, emsp)
    assert register(agent).returncode == 0
    charge(agent, cards.SHORT)
    agent.wait_for_empty_outbox()
    until(lambda: agent.cli("status").returncode == 0, "a healthy station")


# ---- CDRs that 2.1.1 wants otherwise ------------------------------------------------


def test_a_refused_cdr_waits_for_the_quirk(emsp: ExtrawestServer) -> None:
    """A dead letter with the server's words, and with the switch it is taken."""
    with invited_station(emsp) as agent:
        assert register(agent).returncode == 0
        agent.wait_for_whitelist(len(cards.listed()))
        charge(agent, cards.ALWAYS)
        until(
            lambda: agent.ask("status")["outbox"] == {"waiting": 0, "refused": 1},
            "a refused CDR",
        )
        listed = agent.cli("outbox", "list", "--json").stdout
        (entry,) = json.loads(listed)
        assert entry["refused"]
        assert "HTTP 422" in entry["why"]
        assert "end_date_time" in entry["why"]
        assert "0 waiting, 1 refused" in agent.cli("status").stdout
        # Once more without the switch is refused once more.
        assert "1 reports" in agent.cli("outbox", "retry").stdout
        agent.tables["upstream"][0]["quirks"] = [END_QUIRK]
        agent.reload()
        agent.wait_until_ready()
        until(
            lambda: agent.ask("status")["outbox"] == {"waiting": 0, "refused": 1},
            "the second refusal",
        )
        assert emsp.cdrs() == []
        assert agent.cli("outbox", "retry").returncode == 0
        agent.wait_for_empty_outbox()
        (cdr,) = emsp.cdrs("2.1.1")
        assert cdr["end_date_time"]
        # The sessions were no matter for the switch.
        (told,) = emsp.sessions("2.1.1").values()
        assert told[-1]["status"] == "COMPLETED"


# ---- encodings ----------------------------------------------------------------------


def test_how_the_token_is_read_is_remembered_over_a_restart(
    extrawest_python: Path,
) -> None:
    """2.1.1 with a token for good: Base64 on the versions URL only, found once."""
    with ExtrawestServer(extrawest_python, versions=BOTH) as emsp:
        emsp.set_tokens(cards.listed())
        with AgentProcess(emsp, start=False) as agent:
            agent.tables["station"] |= LOCATION
            agent.tables["tariff"] = TARIFF
            country_code, party_id = cards.PARTY
            agent.tables["upstream"][0] |= {
                "version": "2.1.1",
                "country_code": country_code,
                "party_id": party_id,
            }
            agent.start()
            agent.wait_for_whitelist(len(cards.listed()))
            charge(agent, cards.ALWAYS)
            agent.wait_for_empty_outbox()
            assert asked(emsp) == ["versions", "versions", "details"]
            agent.kill()
            emsp.clear_requests()
            agent.start()
            assert agent.cli("sync").returncode == 0
            assert asked(emsp) == ["versions", "details"]
            assert {one.status for one in emsp.requests()} == {200}


def asked(emsp: ExtrawestServer) -> list[str]:
    """Return the requests for versions and details, in order."""
    ends = [one.path.rpartition("/")[2] for one in emsp.requests()]
    return [end for end in ends if end in ("versions", "details")]
