"""The daemon from typed cards to a relay, and on to what the backend hears."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from agent.cli.main import main as rfid_agent
from tests.e2e.tables import OTHER_EVSE
from tests.e2e.waiting import until
from tests.guest.chips import pulse
from tests.guest.keyboards import SYC, Keyboard
from tests.guest.soc_chip import LABEL, SocChip
from tests.guest.station import (
    BLUE,
    GREEN,
    METER,
    OTHER,
    RELAY,
    VEHICLE,
    GuestStation,
    patient_helpers,
)
from tests.reference.reference import Reference
from tests.reference.tokens import token

if TYPE_CHECKING:
    from collections.abc import Iterator

CARD = "04A1B2C3D4E5F6"
PULSE_S = 0.02


class Place:
    """A station, and what is plugged into it; parts may be replaced by a test."""

    def __init__(self, backend: Reference) -> None:
        self.backend = backend
        self.front = Keyboard(SYC, port="usb-1/input0")
        self.gate = Keyboard(OTHER, name="Gate", port="usb-2/input0")
        self.chip = SocChip()
        self.agent = GuestStation(backend)
        self.agent.cards.add(CARD)

    def unplug(self) -> None:
        """Take everything away."""
        self.front.unplug()
        self.gate.unplug()
        self.chip.unplug()

    def arrive(self) -> None:
        """Plug a vehicle into the charger of GPIO lines."""
        self.chip.drive(VEHICLE, high=False)
        self.agent.wait_for_vehicle("connected")

    def leave(self) -> None:
        """Let it go."""
        self.chip.drive(VEHICLE, high=True)
        self.agent.wait_for_vehicle("absent")

    def energy_wh(self) -> int:
        """What the station knows of the running session's energy."""
        return int(self.agent.evse(OTHER_EVSE)["energy_wh"] or 0)

    def wait_for_report(self, wh: int) -> str:
        """Wait until the backend knows a session's end and energy; return its id."""

        def last() -> tuple[str, int, str]:
            body = self.backend.session_history[-1].body
            return body["status"], round(body["kwh"] * 1000), body["id"]

        try:
            until(lambda: last()[:2] == ("COMPLETED", wh), "the report")
        finally:
            print(last())  # noqa: T201 - shown when it fails
        return last()[2]


@pytest.fixture
def place(lasting_place: Place) -> Iterator[Place]:
    """Give the station, and show what it has logged so far if the test fails."""
    yield lasting_place
    print(lasting_place.agent.log())  # noqa: T201


@pytest.fixture(scope="module")
def lasting_place() -> Iterator[Place]:
    """Run one station for all tests; starting it takes long."""
    with (
        patient_helpers(),
        Reference(token(CARD, whitelist="ALWAYS")) as backend,
    ):
        place = Place(backend)
        try:
            with place.agent as agent:
                agent.start()
                agent.wait_for_whitelist(1)
                yield place
        finally:
            place.unplug()


def test_a_typed_card_charges_and_stops(place: Place) -> None:
    """With the simulated charger: the number, energy, the same number, and a report."""
    agent = place.agent
    agent.plug()
    place.front.type(f"{CARD.lower()}\n")
    assert agent.outcome()["outcome"] == "started"
    assert agent.is_energy_on()
    agent.meter(2000)
    place.front.type(f"{CARD}\n", pause_s=0.01)
    agent.events.expect(outcome="stopped")
    place.wait_for_report(2000)
    agent.unplug()


def test_a_typed_card_switches_the_relay(place: Place) -> None:
    """With GPIO lines: lamps, energy by pulses, and energy off before the report."""
    agent, chip = place.agent, place.chip
    until(lambda: chip.is_high(GREEN), "the lamp of a free station")
    place.arrive()
    assert not chip.is_high(RELAY)
    place.gate.type(f"{CARD.lower()}\n")
    assert agent.outcome()["outcome"] == "started"
    assert chip.is_high(RELAY)
    until(lambda: chip.is_high(BLUE), "the lamp of a charge")
    pulse(chip, METER, 25, lasting_s=PULSE_S)
    until(lambda: place.energy_wh() == 25, "the energy")
    time.sleep(0.2)  # Until the card is off the reader
    place.gate.type(f"{CARD.lower()}\n")
    agent.events.expect(outcome="stopped")
    assert not chip.is_high(RELAY)
    place.wait_for_report(25)
    place.leave()


def test_a_daemon_that_is_killed_while_it_charges(place: Place) -> None:
    """Its relay falls to its resistor; started again it goes on with the session."""
    agent, chip = place.agent, place.chip
    chip.drive(RELAY, high=False)
    place.arrive()
    place.gate.type(f"{CARD.lower()}\n")
    assert agent.outcome()["outcome"] == "started"
    pulse(chip, METER, 5, lasting_s=PULSE_S)
    until(lambda: place.energy_wh() == 5, "the energy")
    session_id = agent.evse(OTHER_EVSE)["session_id"]
    agent.kill()
    assert not chip.is_high(RELAY)
    agent.start()
    until(lambda: chip.is_high(RELAY), "energy again")
    pulse(chip, METER, 5, lasting_s=PULSE_S)
    until(lambda: place.energy_wh() == 10, "the energy")
    chip.drive(VEHICLE, high=True)
    until(lambda: not chip.is_high(RELAY), "the relay to open")
    assert place.wait_for_report(10) == session_id
    place.agent.wait_for_vehicle("absent")


def test_what_goes_away_and_comes_back(place: Place) -> None:
    """The reader and the chip, while it charges: the session lasts, energy returns."""
    agent = place.agent
    place.arrive()
    place.gate.type(f"{CARD.lower()}\n")
    assert agent.outcome()["outcome"] == "started"
    place.gate.unplug()
    place.chip.unplug()
    agent.expect_log("reader gate", "down")
    until(lambda: not agent.evse(OTHER_EVSE)["reachable"], "the charger to be missed")
    place.chip = SocChip()
    place.chip.drive(VEHICLE, high=False)
    place.gate = Keyboard(OTHER, name="Gate", port="usb-2/input0")
    agent.wait_until_good("reader gate")
    until(lambda: place.chip.is_high(RELAY), "energy again", within_s=60)
    time.sleep(0.5)
    place.gate.type(f"{CARD.lower()}\n")
    agent.events.expect(outcome="stopped")
    assert not place.chip.is_high(RELAY)
    place.leave()


def test_doctor_finds_nothing_wrong_with_the_devices(place: Place) -> None:
    """It names them, and looks at them while the agent uses them."""
    config = str(place.agent.config)
    said = CliRunner().invoke(rfid_agent, ["doctor", "--json", "--config", config])
    findings = {one["what"]: one["problem"] for one in json.loads(said.output)}
    for node in (place.front.node, place.gate.node):
        assert [problem for what, problem in findings.items() if str(node) in what] == [
            ""
        ]
    lines = [problem for what, problem in findings.items() if LABEL in what]
    assert lines == [""] * 7


def test_probing_proposes_what_is_configured(place: Place) -> None:
    """Both keyboards, while they are in use."""
    config = str(place.agent.config)
    said = CliRunner().invoke(
        rfid_agent, ["readers", "list", "--probe", "--config", config]
    )
    assert said.exit_code == 0, said.output
    for reader in place.agent.tables["reader"]:
        assert f'device = "{reader["device"]}"' in said.output
