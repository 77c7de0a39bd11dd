"""A card on a real pcscd, the daemon, and an independent OCPI server, end to end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from drivers.readers.pcsc_scard import Scard
from drivers.readers.pcsc_states import EMPTY
from tests.e2e import cards
from tests.e2e.reports import asked_about, the_session
from tests.e2e.station import AgentProcess
from tests.e2e.tables import EVSE, READER, pcsc_reader
from tests.e2e.waiting import until
from tests.stack.virtual_card import VirtualCard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.streams import Event
    from tests.interop.extrawest import ExtrawestServer
    from tests.stack.pcscd import Pcscd

pytestmark = pytest.mark.stack

OCPI_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.fixture
def agent(emsp: ExtrawestServer, pcscd: Pcscd) -> Iterator[AgentProcess]:
    """Run the daemon with a PC/SC reader and a synchronised whitelist."""
    del pcscd
    process = AgentProcess(emsp, start=False)
    process.tables["reader"] = [pcsc_reader(READER)]
    with process as running:
        running.start()
        running.wait_for_whitelist(len(cards.listed()))
        until(lambda: running.ask("readers")[0]["up"], "the reader")
        yield running


def hold(agent: AgentProcess, pcscd: Pcscd, uid: str) -> Event:
    """Lay a virtual card on until its tap has an outcome; return when it is off."""
    agent.cards.add(uid)
    slot = pcscd.slots[0].reader
    with VirtualCard(bytes.fromhex(uid)):
        outcome = agent.outcome()
    scard = Scard.load()
    with scard.context() as context:
        # pcscd does not see a quick swap.
        until(lambda: scard.wait(context, 0, [(slot, 0)])[slot] & EMPTY, "removal")
    return outcome


@pytest.mark.parametrize(
    "expected",
    [
        (cards.ALWAYS, "WHITELIST", None),
        (cards.ALLOWED, "WHITELIST", None),
        (cards.OFFLINE, "AUTH_REQUEST", "ref-o"),
        (cards.NEVER, "AUTH_REQUEST", "ref-n"),
        (cards.UNKNOWN, "AUTH_REQUEST", "ref-u"),
    ],
    ids=["ALWAYS", "ALLOWED", "ALLOWED_OFFLINE", "NEVER", "in no list"],
)
def test_a_card_charges_and_both_ends_of_its_session_are_told(
    agent: AgentProcess,
    emsp: ExtrawestServer,
    pcscd: Pcscd,
    expected: tuple[str, str, str | None],
) -> None:
    """Tap, plug, charge, tap: one session, ACTIVE then COMPLETED, with every fact."""
    uid, method, reference = expected
    granted = hold(agent, pcscd, uid)
    assert (granted["outcome"], granted["auth_method"]) == ("granted", method)
    agent.plug()
    started = agent.events.expect(outcome="started", grant_id=granted["tap_id"])
    assert agent.is_energy_on()
    agent.meter(4321)
    stopped = hold(agent, pcscd, uid)
    assert (stopped["outcome"], stopped["reason"]) == ("stopped", "local")
    assert not agent.is_energy_on()

    active, completed = the_session(emsp)
    for body in (active, completed):
        assert body["id"] == started["session_id"] == stopped["session_id"]
        assert body["cdr_token"] == {
            "country_code": cards.PARTY[0].lower(),
            "party_id": cards.PARTY[1].lower(),
            "uid": uid.lower(),
            "type": "RFID",
            "contract_id": cards.contract_of(uid).lower(),
        }
        assert body["auth_method"] == method
        assert body.get("authorization_reference") == reference
        assert (body["location_id"], body["evse_uid"]) == ("LOC-1", EVSE)
        assert OCPI_TIME.fullmatch(body["start_date_time"])
        assert OCPI_TIME.fullmatch(body["last_updated"])
    assert (active["status"], active["kwh"]) == ("ACTIVE", 0)
    assert "end_date_time" not in active
    assert (completed["status"], completed["kwh"]) == ("COMPLETED", 4.321)
    assert OCPI_TIME.fullmatch(completed["end_date_time"])
    assert completed["start_date_time"] == active["start_date_time"]
    assert completed["end_date_time"] >= completed["start_date_time"]
    # Only for ALWAYS it is forbidden to ask; ALLOWED is verified behind.
    assert asked_about(emsp) == ([] if uid == cards.ALWAYS else [uid])
    agent.wait_for_empty_outbox()


def test_refused_cards_give_no_energy(
    agent: AgentProcess, emsp: ExtrawestServer, pcscd: Pcscd
) -> None:
    """A card that is invalid here, and one that the eMSP does not know."""
    agent.plug()
    refused = hold(agent, pcscd, cards.INVALID)
    assert (refused["outcome"], refused["reason"]) == ("refused", "invalid")
    refused = hold(agent, pcscd, cards.SHORT)
    assert (refused["outcome"], refused["reason"]) == ("refused", "unknown_token")
    assert not agent.is_energy_on()
    assert asked_about(emsp) == [cards.SHORT]
    assert emsp.sessions() == {}


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_the_next_tap_works_after_pcscd_was_restarted(
    agent: AgentProcess, pcscd: Pcscd, end: str
) -> None:
    """Whether pcscd ended in order or not, its return is enough."""
    assert hold(agent, pcscd, cards.ALWAYS)["outcome"] == "granted"
    # Another card shows that the first has left; the same one would be no second tap.
    assert hold(agent, pcscd, cards.INVALID)["outcome"] == "refused"
    getattr(pcscd, end)()
    agent.expect_log(f"reader {READER}: down")
    pcscd.start()
    agent.expect_log(f"reader {READER}: up")
    assert hold(agent, pcscd, cards.ALWAYS)["outcome"] == "withdrawn"
