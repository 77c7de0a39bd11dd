"""Several backends, grants that are told, and TLS on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trustme

from tests.e2e.registered import LOCATION, TARIFF
from tests.e2e.station import AgentProcess
from tests.e2e.waiting import until
from tests.reference.reference import Reference
from tests.reference.server import Tls
from tests.reference.tokens import token

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.stack

CARD = "04A1B2C3D4E5F6"
OTHER = "04A1B2C3D4E5F7"
#: Whom the reference wants its requests addressed to.
PARTY = {"country_code": "NL", "party_id": "TNM"}


def add_backend(agent: AgentProcess, name: str, reference: Reference) -> None:
    """Configure one more upstream."""
    secret = agent.directory / f"{name}.token"
    secret.write_text(reference.token)
    secret.chmod(0o600)
    agent.tables["upstream"].append(
        {
            "name": name,
            "versions_url": reference.versions_url,
            "token": {"file": secret.name},
        }
    )


def statuses(reference: Reference) -> list[str]:
    """Return what was told of sessions, in order and without repetitions."""
    told = [one.body["status"] for one in reference.session_history]
    return [one for i, one in enumerate(told) if i == 0 or told[i - 1] != one]


def test_each_backend_is_told_of_what_it_wants() -> None:
    """Its own cards' sessions, all of them, or none; the rest is nobody's business."""
    with (
        Reference(token(CARD, whitelist="ALWAYS")) as one,
        Reference(token(OTHER, whitelist="ALWAYS"), party=("DE", "XYZ")) as other,
        AgentProcess(one, start=False) as agent,
    ):
        agent.tables["station"] |= LOCATION
        agent.tables["upstream"][0] |= {"version": "2.2.1", **PARTY}
        add_backend(agent, "other", other)
        agent.tables["upstream"][1] |= {
            "sessions": "none",
            "as_party": "SE*XYZ",
            "country_code": "DE",
            "party_id": "XYZ",
        }
        agent.start()
        until(
            lambda: (
                [row["tokens"] for row in agent.ask("status")["whitelist"]] == [1, 1]
            ),
            "both lists",
        )
        for card in (OTHER, CARD):
            agent.plug()
            assert agent.tap(card)["outcome"] == "started"
            assert agent.tap(card)["outcome"] == "stopped"
            agent.unplug()
        agent.wait_for_empty_outbox()
        assert statuses(one) == ["ACTIVE", "COMPLETED"]
        assert statuses(other) == []
        one.assert_clean()
        other.assert_clean()


def test_a_grant_is_told_and_taken_back() -> None:
    """PENDING becomes ACTIVE with a vehicle, and INVALID without one."""
    with (
        Reference(token(CARD, whitelist="ALWAYS")) as reference,
        AgentProcess(reference, start=False) as agent,
    ):
        agent.tables["upstream"][0] |= PARTY
        agent.tables["reporting"]["tell_grants"] = True
        agent.tables["authorization"]["connection_timeout"] = "1s"
        agent.start()
        agent.wait_for_whitelist(1)
        assert agent.tap(CARD)["outcome"] == "granted"
        until(lambda: "INVALID" in statuses(reference), "the lapse of a grant")
        # The next one is not to lapse before the car is there.
        del agent.tables["authorization"]["connection_timeout"]
        agent.reload()
        agent.wait_until_ready()
        assert agent.tap(CARD)["outcome"] == "granted"
        agent.plug()
        until(lambda: statuses(reference)[-1] == "ACTIVE", "a start")
        assert agent.tap(CARD)["outcome"] == "stopped"
        agent.wait_for_empty_outbox()
        assert statuses(reference) == [
            *("PENDING", "INVALID", "PENDING", "ACTIVE", "COMPLETED")
        ]
        assert len(reference.sessions) == 2
        reference.assert_clean()


def test_a_backend_behind_a_private_authority_that_wants_to_know_us(
    tmp_path: Path,
) -> None:
    """Both show certificates; without ours nothing is answered."""
    theirs, ours = trustme.CA(), trustme.CA()
    theirs.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    ours.cert_pem.write_to_path(str(tmp_path / "clients.pem"))
    server = theirs.issue_cert("127.0.0.1")
    server.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    client = ours.issue_cert("station@cpo.example")
    client.cert_chain_pems[0].write_to_path(str(tmp_path / "client.pem"))
    client.private_key_pem.write_to_path(str(tmp_path / "client.key"))
    (tmp_path / "client.key").chmod(0o600)
    pem = tmp_path / "server.pem"
    tls = Tls(certificate=pem, key=pem, client_ca=tmp_path / "clients.pem")
    with (
        Reference(token(CARD, whitelist="ALWAYS"), tls=tls) as reference,
        AgentProcess(reference, start=False) as agent,
    ):
        upstream = agent.tables["upstream"][0]
        upstream["ca_file"] = str(tmp_path / "ca.pem")
        agent.write_config()
        assert agent.cli("check-config", "--online").returncode == 3
        upstream["client_certificate"] = str(tmp_path / "client.pem")
        upstream["client_key"] = {"file": str(tmp_path / "client.key")}
        agent.tables["station"] |= LOCATION
        agent.tables["evse"][0]["evse_id"] = "SE*ABC*E1*1"
        agent.tables["tariff"] = TARIFF
        upstream |= {"cdrs": True, **PARTY}
        agent.start()
        agent.wait_for_whitelist(1)
        agent.plug()
        assert agent.tap(CARD)["outcome"] == "started"
        assert agent.tap(CARD)["outcome"] == "stopped"
        agent.wait_for_empty_outbox()
        assert len(reference.cdrs) == 1
        reference.assert_clean()
