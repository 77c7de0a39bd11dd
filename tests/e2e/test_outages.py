"""The backend is away, slow, or answers nonsense; the drivers hardly notice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.e2e import cards
from tests.e2e.reports import statuses, the_session
from tests.e2e.station import AgentProcess
from tests.e2e.waiting import until
from tests.interop.extrawest import ExtrawestServer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.extrawest import FaultKind

pytestmark = pytest.mark.stack

AUTHORIZE: Final = "authorize"
SESSIONS: Final = "/sessions/"
NONSENSE: Final[tuple[dict[str, Any], ...]] = (
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 429},
    {"kind": "status", "status": 200, "ocpi_status": 3000},
    {"kind": "html"},
    {"kind": "cut_before"},
    {"kind": "truncate"},
    {"kind": "drop_envelope"},
)
WHOLE_SESSION: Final = ["ACTIVE", "COMPLETED"]


def charge(agent: AgentProcess, uid: str) -> None:
    """Start and stop a session with one card; a car is plugged in."""
    assert agent.tap(uid)["outcome"] == "started"
    assert agent.tap(uid)["outcome"] == "stopped"


def test_the_stored_whitelist_decides_while_the_backend_is_away(
    agent: AgentProcess, emsp: ExtrawestServer
) -> None:
    """A start without network: listed cards charge, and are reported later."""
    agent.terminate()
    emsp.stop()
    agent.start()
    agent.plug()
    charge(agent, cards.ALWAYS)
    charge(agent, cards.ALLOWED)
    charge(agent, cards.OFFLINE)
    for uid, reason in {
        cards.NEVER: "offline_not_permitted",
        cards.INVALID: "invalid",
        cards.UNKNOWN: "unknown_token",
    }.items():
        refused = agent.tap(uid)
        assert (refused["outcome"], refused["reason"]) == ("refused", reason)
    assert agent.ask("status")["outbox"]["waiting"] == 6
    emsp.start()
    agent.wait_for_empty_outbox()
    assert statuses(emsp) == [WHOLE_SESSION] * 3


def test_a_first_start_without_the_backend_is_ready(emsp: ExtrawestServer) -> None:
    """Nobody is listed yet; an unknown card charges if the installer wanted that."""
    emsp.stop()
    with AgentProcess(emsp, start=False) as agent:
        agent.tables["authorization"]["offline"] = "allow-unknown"
        agent.tables["upstream"][0] |= {"country_code": "NL", "party_id": "TNM"}
        agent.start()
        agent.plug()
        started = agent.tap(cards.UNKNOWN)
        assert (started["outcome"], started["flagged"]) == ("started", True)
        assert agent.tap(cards.UNKNOWN)["outcome"] == "stopped"
        emsp.start()
        *_, completed = the_session(emsp)
        assert completed["cdr_token"]["uid"].upper() == cards.UNKNOWN


def test_a_session_ends_while_the_backend_is_away(
    agent: AgentProcess, emsp: ExtrawestServer
) -> None:
    """Its card stops it at once; the end is told when somebody listens."""
    agent.plug()
    assert agent.tap(cards.NEVER)["outcome"] == "started"
    until(emsp.sessions, "the start of a session")
    emsp.kill()
    agent.meter(1500)
    assert agent.tap(cards.NEVER)["outcome"] == "stopped"
    assert not agent.is_energy_on()
    emsp.start()
    *_, completed = the_session(emsp)
    assert (completed["status"], completed["kwh"]) == ("COMPLETED", 1.5)
    assert completed["authorization_reference"] == "ref-n"
    agent.wait_for_empty_outbox()


def test_nonsense_in_place_of_an_answer_is_no_answer(
    agent: AgentProcess, emsp: ExtrawestServer
) -> None:
    """The offline rules decide, and no stored token changes."""
    agent.plug()
    for fault in NONSENSE:
        emsp.set_fault(**fault, path=AUTHORIZE, times=None)
        refused = agent.tap(cards.NEVER)
        assert (refused["outcome"], refused["reason"]) == (
            "refused",
            "offline_not_permitted",
        ), fault
        refused = agent.tap(cards.UNKNOWN)
        assert (refused["outcome"], refused["reason"]) == (
            "refused",
            "unknown_token",
        ), fault
        started = agent.tap(cards.OFFLINE)
        assert (started["outcome"], started["auth_method"]) == (
            "started",
            "WHITELIST",
        ), fault
        emsp.clear_faults()
        assert agent.tap(cards.OFFLINE)["outcome"] == "stopped"
        agent.wait_until_good("asking cpo")
    assert agent.tap(cards.NEVER)["auth_method"] == "AUTH_REQUEST"


def test_the_driver_hears_within_the_deadline(emsp: ExtrawestServer) -> None:
    """An answer that takes longer decides nothing."""
    emsp.set_fault("delay", path=AUTHORIZE, seconds=3, times=None)
    with AgentProcess(emsp, start=False) as agent:
        agent.tables["authorization"]["deadline"] = "400ms"
        agent.start()
        agent.wait_for_whitelist(len(cards.listed()))
        agent.plug()
        refused = agent.tap(cards.NEVER)
        assert refused["reason"] == "offline_not_permitted"
        assert refused["decided_by"] == "offline_policy"
        started = agent.tap(cards.OFFLINE)
        assert (started["outcome"], started["auth_method"]) == ("started", "WHITELIST")
        for event in (refused, started):
            assert event["latency_ms"] < 1500


def test_reports_are_sent_again_until_they_are_taken(
    agent: AgentProcess, emsp: ExtrawestServer
) -> None:
    """In order, and with the energy off when the card says so, not later."""
    emsp.set_fault("status", path=SESSIONS, status=500)
    emsp.set_fault("html", path=SESSIONS)
    agent.plug()
    charge(agent, cards.ALWAYS)
    assert not agent.is_energy_on()
    the_session(emsp)
    assert statuses(emsp) == [WHOLE_SESSION]
    agent.wait_for_empty_outbox()


def test_a_report_whose_answer_was_lost_can_be_recognised(
    agent: AgentProcess, emsp: ExtrawestServer
) -> None:
    """Sent again under the same session and correlation ids, until it is answered."""
    emsp.set_fault("cut_after", path=SESSIONS, times=1)
    agent.plug()
    charge(agent, cards.ALWAYS)
    the_session(emsp)
    agent.wait_for_empty_outbox()
    assert statuses(emsp) == [["ACTIVE", *WHOLE_SESSION]]
    puts = [one for one in emsp.requests() if one.method == "PUT"]
    correlations = [one.headers["x-correlation-id"] for one in puts]
    assert correlations[0] == correlations[1] != correlations[2]
    assert len({one.headers["x-request-id"] for one in puts}) == 3


def test_an_update_on_its_way_does_not_take_the_end_with_it(
    agent: AgentProcess, emsp: ExtrawestServer
) -> None:
    """The session ends while the backend still thinks about an update."""
    agent.tables["reporting"] = {"meter_every": "1ms", "update_every": "1ms"}
    agent.restart()
    agent.plug()
    assert agent.tap(cards.ALWAYS)["outcome"] == "started"
    until(emsp.sessions, "the start of a session")
    agent.wait_for_empty_outbox()
    emsp.set_fault("delay", path=SESSIONS, seconds=1)
    emsp.clear_requests()
    agent.meter(500)
    until(emsp.requests, "an update on its way")
    assert agent.tap(cards.ALWAYS)["outcome"] == "stopped"
    *_, completed = the_session(emsp)
    assert completed["kwh"] == 0.5
    agent.wait_for_empty_outbox()


def test_a_broken_token_costs_only_itself(emsp: ExtrawestServer) -> None:
    """The others of its page are usable, and the log names the problem."""
    emsp.set_fault("broken_token", path="/tokens")
    with AgentProcess(emsp) as agent:
        agent.wait_for_whitelist(len(cards.listed()) - 1)
        agent.expect_log("skipped", "token 0", "whitelist")
        assert agent.tap(cards.ALLOWED)["decided_by"] == "whitelist"
        agent.cards.add(cards.ALWAYS)


@pytest.mark.parametrize("link", ["broken_link", "repair_link"])
def test_every_page_is_read_whatever_its_link_is_like(
    extrawest_python: Path, link: FaultKind
) -> None:
    """Pages of two tokens: by the server's links, or by offset."""
    with ExtrawestServer(extrawest_python, page_cap=2) as emsp:
        emsp.set_tokens(cards.listed())
        emsp.set_fault(link, path="/tokens", times=None)
        with AgentProcess(emsp) as agent:
            agent.wait_for_whitelist(len(cards.listed()))
            refused = agent.tap(cards.INVALID)
            assert (refused["reason"], refused["decided_by"]) == (
                "invalid",
                "whitelist",
            )


def test_a_refused_credentials_token_is_not_taken_for_offline(
    agent: AgentProcess, emsp: ExtrawestServer
) -> None:
    """Cards that must be asked about are refused; status says what is wrong."""
    emsp.set_fault("status", status=401, times=None)
    agent.plug()
    for uid in (cards.OFFLINE, cards.NEVER, cards.UNKNOWN):
        refused = agent.tap(uid)
        assert (refused["outcome"], refused["reason"]) == ("refused", "misconfigured")
    until(lambda: not agent.ask("status")["healthy"], "a health problem")
    charge(agent, cards.ALWAYS)
    emsp.clear_faults()
    the_session(emsp)
    assert agent.tap(cards.NEVER)["outcome"] == "started"
