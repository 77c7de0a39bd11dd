"""Who may charge, stop and take back: groups, operators, and late answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e import cards
from tests.e2e.reports import the_session
from tests.e2e.station import AgentProcess
from tests.e2e.tables import EVSE
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from tests.interop.extrawest import ExtrawestServer

pytestmark = pytest.mark.stack

AUTHORIZE: Final = "authorize"


def is_ended_by(agent: AgentProcess, reason: str) -> bool:
    """Whether the newest session has ended for this reason."""
    return [row["stop_reason"] for row in agent.sessions()][:1] == [reason]


# ---- operators


def test_explain_reads_the_rules_and_does_nothing(agent: AgentProcess) -> None:
    """For a listed card, a card that has to be asked about, and one in no list."""
    agent.plug()
    said = agent.cli("explain", cards.ALWAYS).stdout
    assert "listed by NL*TNM (cpo): ALWAYS, valid" in said
    assert f"started at {EVSE}, decided by whitelist" in said
    assert "-> 7. The whitelist decides" in said
    asked = "asks upstream; no answer: refused (offline_not_permitted)"
    assert asked in agent.cli("explain", cards.NEVER).stdout
    offline = agent.cli("explain", cards.NEVER, "--offline").stdout
    assert "= no answer: refused (offline_not_permitted)" in offline
    found = json.loads(agent.cli("explain", cards.UNKNOWN, "--json").stdout)
    assert found["readers"][0]["row"] == "in no list"
    assert not agent.is_energy_on()
    assert [one for one in agent.heard() if "outcome" in one] == []
    agent.cards |= {cards.ALWAYS, cards.NEVER, cards.UNKNOWN}


def test_explain_knows_a_card_that_is_listed_backwards(
    emsp: ExtrawestServer,
) -> None:
    """It names the spelling and the key that would help."""
    backwards = bytes.fromhex(cards.ALWAYS)[::-1].hex().upper()
    emsp.set_tokens([cards.token(cards.ALWAYS, "ALWAYS") | {"uid": backwards}])
    with AgentProcess(emsp) as agent:
        agent.wait_for_whitelist(1)
        said = agent.cli("explain", cards.ALWAYS).stdout
        assert 'also_match = ["reversed"]' in said
        agent.terminate()
        agent.tables["authorization"]["also_match"] = ["reversed"]
        agent.start()
        assert agent.tap(cards.ALWAYS)["outcome"] == "granted"


def test_an_operator_takes_back_what_was_granted_and_stops_what_runs(
    agent: AgentProcess,
) -> None:
    """By EVSE, by card, and all; what is not there is said not to be."""
    assert agent.cli("withdraw", "--all").returncode == 1
    assert agent.tap(cards.ALWAYS)["outcome"] == "granted"
    assert agent.cli("withdraw", "--card", cards.ALLOWED).returncode == 1
    assert agent.cli("withdraw", "--card", cards.ALWAYS).returncode == 0
    agent.plug()
    assert not agent.is_energy_on()
    assert agent.tap(cards.ALWAYS)["outcome"] == "started"
    done = agent.cli("withdraw", "--evse", EVSE, "--json")
    assert json.loads(done.stdout) == {"waiting": 0, "grants": 0, "sessions": 1}
    until(lambda: is_ended_by(agent, "operator"), "the end of the session")
    assert not agent.is_energy_on()


def test_withdraw_wants_to_know_what(agent: AgentProcess) -> None:
    """Nothing, everything and something, or a place that there is not."""
    assert agent.cli("withdraw").returncode == 2
    assert agent.cli("withdraw", "--all", "--evse", EVSE).returncode == 2
    unknown = agent.cli("withdraw", "--evse", "E9")
    assert (unknown.returncode, EVSE in unknown.stderr) == (1, True)


# ---- groups


def test_a_colleague_stops_and_so_does_the_master(emsp: ExtrawestServer) -> None:
    """A card of the group ends the session of another; the master ends any."""
    emsp.set_tokens(
        [
            cards.token(cards.ALWAYS, "ALWAYS", group_id="FLEET"),
            cards.token(cards.ALLOWED, "ALWAYS", group_id="fleet"),
            cards.token(cards.OFFLINE, "ALWAYS", group_id="OPERATORS"),
        ]
    )
    with AgentProcess(emsp, start=False) as agent:
        agent.tables["authorization"]["master_group"] = "OPERATORS"
        agent.start()
        agent.wait_for_whitelist(3)
        agent.plug()
        assert agent.tap(cards.ALWAYS)["outcome"] == "started"
        assert agent.tap(cards.ALLOWED)["outcome"] == "stopped"
        assert agent.tap(cards.OFFLINE)["reason"] == "master_cannot_start"
        assert agent.tap(cards.ALLOWED)["outcome"] == "started"
        stopped = agent.tap(cards.OFFLINE)
        assert (stopped["outcome"], stopped["reason"]) == ("stopped", "master")


# ---- backends that speak late


def test_a_late_refusal_stops_the_session(emsp: ExtrawestServer) -> None:
    """The driver was let go at the deadline; the answer that came later says no."""
    emsp.set_tokens(cards.listed(), authorize={cards.OFFLINE: "BLOCKED"})
    emsp.set_fault("delay", path=AUTHORIZE, seconds=1.5, times=None)
    with AgentProcess(emsp, start=False) as agent:
        agent.tables["authorization"]["deadline"] = "400ms"
        agent.start()
        agent.wait_for_whitelist(len(cards.listed()))
        agent.plug()
        assert agent.tap(cards.OFFLINE)["outcome"] == "started"
        until(lambda: is_ended_by(agent, "deauthorized"), "the end of the session")
        assert not agent.is_energy_on()
        the_session(emsp)


def test_60_the_next_driver_does_not_wait_for_a_silent_backend(
    emsp: ExtrawestServer,
) -> None:
    """One has found out; it is probed behind their backs until it speaks again."""
    with AgentProcess(emsp, start=False) as agent:
        agent.tables["authorization"]["deadline"] = "1s"
        agent.start()
        agent.wait_for_whitelist(len(cards.listed()))
        agent.plug()
        emsp.set_fault("delay", path="", seconds=3, times=None)
        assert agent.tap(cards.NEVER)["latency_ms"] >= 900
        assert agent.tap(cards.NEVER)["latency_ms"] < 900
        emsp.clear_faults()
        agent.wait_until_good("asking cpo")
        assert agent.tap(cards.NEVER)["outcome"] == "started"


def test_64_an_unknown_card_is_verified_when_the_backend_is_back(
    emsp: ExtrawestServer,
) -> None:
    """It was let in by policy, and the answer that comes later sends it away."""
    emsp.set_tokens(cards.listed(), authorize={cards.UNKNOWN: "BLOCKED"})
    with AgentProcess(emsp, start=False) as agent:
        agent.tables["authorization"]["offline"] = "allow-unknown"
        country_code, party_id = cards.PARTY
        agent.tables["upstream"][0] |= {
            "country_code": country_code,
            "party_id": party_id,
        }
        agent.start()
        agent.wait_for_whitelist(len(cards.listed()))
        agent.plug()
        emsp.stop()
        started = agent.tap(cards.UNKNOWN)
        assert (started["outcome"], started["flagged"]) == ("started", True)
        emsp.start()
        until(lambda: is_ended_by(agent, "deauthorized"), "the end of the session")
        assert not agent.is_energy_on()
        assert agent.cli("tokens", "find", cards.UNKNOWN).returncode == 1
