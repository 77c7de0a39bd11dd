"""The daemon with a PN532 for its reader: from the card in the field to the report."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.e2e import cards
from tests.e2e.equipment import station_with
from tests.e2e.reports import the_session
from tests.e2e.tables import READER
from tests.e2e.waiting import until
from tests.stack.nfc_pty import Pn532OnPty

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.station import AgentProcess
    from tests.e2e.streams import Event
    from tests.interop.extrawest import ExtrawestServer

pytestmark = pytest.mark.stack

READER_PART = f"reader {READER}"


@pytest.fixture
def pn532(tmp_path: Path) -> Iterator[Pn532OnPty]:
    """Plug a PN532 in."""
    with Pn532OnPty(tmp_path / "usb-1a86_USB_Serial-if00-port0") as plugged:
        yield plugged


@contextmanager
def station(emsp: ExtrawestServer, pn532: Pn532OnPty) -> Iterator[AgentProcess]:
    """Run the daemon with that reader, synchronised, and ready for cards."""
    reader = {
        "driver": "nfc",
        "device": str(pn532.link),
        "poll_every": "20ms",
        "held_for": "200ms",
    }
    with station_with(emsp, reader=reader) as agent:
        pn532.wait_for_looks(3)
        yield agent


def tap(agent: AgentProcess, pn532: Pn532OnPty, uid: str) -> Event:
    """Hold a card to the reader until the station has answered, and lift it."""
    agent.cards.add(uid)
    pn532.lay(bytes.fromhex(uid))
    outcome = agent.outcome()
    pn532.lift()
    # Without an absence it would be the same tap.
    pn532.wait_for_looks(20)
    return outcome


def test_a_card_charges_and_the_session_is_reported(
    emsp: ExtrawestServer, pn532: Pn532OnPty
) -> None:
    """Plug, tap, charge, tap: energy flows just then, and the report has it."""
    with station(emsp, pn532) as agent:
        agent.plug()
        started = tap(agent, pn532, cards.ALWAYS)
        assert started["outcome"] == "started"
        until(agent.is_energy_on, "energy")
        agent.meter(7500)
        stopped = tap(agent, pn532, cards.ALWAYS)
        assert (stopped["outcome"], stopped["reason"]) == ("stopped", "local")
        until(lambda: not agent.is_energy_on(), "the end of energy")
        *_, completed = the_session(emsp)
        assert completed["id"] == started["session_id"]
        assert completed["kwh"] == 7.5
        agent.wait_for_empty_outbox()


def test_a_bad_plug_is_no_tap(emsp: ExtrawestServer, pn532: Pn532OnPty) -> None:
    """The reader is torn off while its card lies there, and comes back with it."""
    with station(emsp, pn532) as agent:
        agent.plug()
        agent.cards.add(cards.ALWAYS)
        pn532.lay(bytes.fromhex(cards.ALWAYS))
        assert agent.outcome()["outcome"] == "started"
        lying = pn532.chip.card
        pn532.unplug()
        agent.expect_log(READER_PART, "unplugged")
        pn532.plug(lying)
        pn532.wait_for_looks(20)
        agent.wait_until_good(READER_PART)
        pn532.lift()
        pn532.wait_for_looks(20)
        assert len([e for e in agent.heard() if e.get("event") == "tap.received"]) == 1
        assert agent.is_energy_on()
        assert tap(agent, pn532, cards.ALWAYS)["outcome"] == "stopped"
