"""The daemon with readers that have lamps: a real pcscd, cards that answer for them."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from drivers.readers.pcsc_scard import Scard
from drivers.readers.pcsc_session import DOUBT_S
from drivers.readers.pcsc_states import EMPTY
from tests.conftest import PCSCD_TIMEOUT_S
from tests.drivers.indicators.acs_readers import GREEN, RED, Acr122u
from tests.e2e import cards
from tests.e2e.reports import statuses, the_session
from tests.e2e.station import AgentProcess
from tests.e2e.tables import READER, evse
from tests.e2e.waiting import until
from tests.interop.samples import make_token
from tests.stack.acs_cards import CardOnAcr122u
from tests.stack.eight import eight_slots, places

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.streams import Event
    from tests.interop.extrawest import ExtrawestServer
    from tests.stack.eight import Place
    from tests.stack.pcscd import Pcscd, VirtualSlot

pytestmark = pytest.mark.stack

READER_PART: Final = f"reader {READER}"
BOTH: Final = RED | GREEN
DARK: Final = 0
#: Other LEDs than those of accepted, to tell them apart.
CHARGING: Final = {"colours": ["red", "green"]}
#: For this long, what lies on a reader that came back may have lain there all the time.
FOUND_S: Final = DOUBT_S + 0.5


def reader(slot: str, name: str = READER, **more: object) -> dict[str, Any]:
    """Configure a reader, and its lamps, which virtual readers take through cards."""
    lamps: dict[str, Any] = {"driver": "acs", "model": "acr122u", "match": slot}
    lamps |= {"way": "apdu", "card_beep": False, "charging": CHARGING}
    return {
        "name": name,
        "driver": "pcsc",
        "match": slot,
        "indicator": lamps,
    } | more


@pytest.fixture
def agent(emsp: ExtrawestServer, pcscd: Pcscd) -> Iterator[AgentProcess]:
    """Run the daemon with one reader that has lamps, and a car that waits."""
    process = AgentProcess(emsp, start=False)
    process.tables["reader"] = [reader(pcscd.slots[0].reader)]
    with process as running:
        running.start()
        running.wait_for_whitelist(len(cards.listed()))
        running.wait_until_good(READER_PART)
        running.plug()
        yield running


@contextmanager
def held(agent: AgentProcess, uid: str, lamps: Acr122u, slot: str) -> Iterator[Event]:
    """Hold a card to the first reader until its tap has an outcome, and longer."""
    agent.cards.add(uid)
    with CardOnAcr122u(bytes.fromhex(uid), lamps):
        yield agent.outcome()
    wait_until_empty(slot)


def wait_until_empty(slot: str) -> None:
    """Wait until pcscd has noticed that the card is gone; it misses quick swaps."""
    scard = Scard.load()
    with scard.context() as context:
        until(lambda: scard.wait(context, 0, [(slot, 0)])[slot] & EMPTY, "removal")


def trouble(agent: AgentProcess) -> str:
    """Say what is wrong with the reader, nothing if it works."""
    parts = {one["part"]: one for one in agent.ask("status")["parts"]}
    said = parts.get(READER_PART, {"ok": True})  # Not told of yet
    return "" if said["ok"] else str(said["detail"])


def test_a_tap_is_seen_and_heard_at_the_reader(
    agent: AgentProcess, emsp: ExtrawestServer, pcscd: Pcscd
) -> None:
    """Read, accepted, charging; energy, its report; and dark when the agent ends."""
    slot = pcscd.slots[0].reader
    lamps = Acr122u()
    with held(agent, cards.ALWAYS, lamps, slot) as started:
        assert started["outcome"] == "started"
        assert agent.is_energy_on()
        until(
            lambda: lamps.states == [BOTH, GREEN, BOTH], "reading, accepted, charging"
        )
        # Two of accepted; what it interrupted may have been heard, too.
        assert lamps.beeps in ([100, 100], [100, 100, 100])
        assert lamps.card_beep is False
    agent.meter(6500)
    with held(agent, cards.ALWAYS, lamps, slot) as stopped:
        assert (stopped["outcome"], stopped["reason"]) == ("stopped", "local")
        assert not agent.is_energy_on()
        *_, completed = the_session(emsp)
        assert completed["id"] == started["session_id"]
        assert completed["kwh"] == 6.5
        agent.wait_for_empty_outbox()
        agent.terminate()
        assert lamps.leds == DARK


def test_a_refused_card_is_told_so(
    agent: AgentProcess, emsp: ExtrawestServer, pcscd: Pcscd
) -> None:
    """Red, and a long tone, in pieces that leave the reader time for cards."""
    lamps = Acr122u()
    with held(agent, cards.INVALID, lamps, pcscd.slots[0].reader) as refused:
        assert (refused["outcome"], refused["reason"]) == ("refused", "invalid")
        until(lambda: lamps.beeps[-3:] == [200, 200, 200], "a long tone")
        assert lamps.states[:2] == [BOTH, RED]
        assert lamps.deaf_ms == 200
    assert not agent.is_energy_on()
    assert emsp.sessions() == {}


def test_a_session_goes_on_without_its_reader(
    agent: AgentProcess, emsp: ExtrawestServer, pcscd: Pcscd
) -> None:
    """Without pcscd, without the reader, over a restart; then the card ends it."""
    slot = pcscd.slots[0].reader
    lamps = Acr122u()
    with held(agent, cards.ALWAYS, lamps, slot) as started:
        assert started["outcome"] == "started"
    pcscd.kill()
    until(lambda: "systemctl start pcscd" in trouble(agent), "the reader to be down")
    agent.meter(1000)
    pcscd.start(plugged=False)
    until(lambda: "attached: nothing" in trouble(agent), "pcscd without a reader")
    agent.meter(2000)
    agent.restart()
    until(lambda: "attached: nothing" in trouble(agent), "the reader to be missed")
    assert agent.is_energy_on()
    pcscd.plug()
    agent.wait_until_good(READER_PART)
    agent.meter(3000)
    time.sleep(FOUND_S)
    with held(agent, cards.ALWAYS, lamps, slot) as stopped:
        assert stopped["outcome"] == "stopped"
        until(lambda: lamps.leds == GREEN, "accepted")
    *_, completed = the_session(emsp)
    assert completed["id"] == started["session_id"]
    assert completed["kwh"] == 3.0


@contextmanager
def eight_stations(emsp: ExtrawestServer, pcscd: Pcscd) -> Iterator[AgentProcess]:
    """Run the daemon with eight EVSEs, each with a reader, its lamps, and a car."""
    agent = AgentProcess(emsp, start=False)
    agent.tables["evse"] = [
        evse(evse_uid(slot), slot_name(slot)) for slot in pcscd.slots
    ]
    agent.tables["reader"] = [
        reader(slot.reader, slot_name(slot), evses=[evse_uid(slot)])
        for slot in pcscd.slots
    ]
    with agent:
        agent.start()
        agent.wait_for_whitelist(8)
        for slot in pcscd.slots:
            agent.wait_until_good(f"reader {slot_name(slot)}")
            agent.plug(evse_uid(slot))
        yield agent


def slot_name(slot: VirtualSlot) -> str:
    """Name the reader of a slot."""
    return f"r{slot.port}"


def evse_uid(slot: VirtualSlot) -> str:
    """Give a slot an EVSE."""
    return f"SE*ABC*E{slot.port}"


def tap_all(agent: AgentProcess, table: list[Place], outcome: str) -> None:
    """Lay on the card of every place at once; each has this outcome, at its EVSE."""
    with ExitStack() as lying:
        for place in table:
            lying.enter_context(place.card(1))
        came = [agent.events.expect(outcome=outcome) for _ in table]
        assert {one["evse_uid"]: one["reader"] for one in came} == {
            evse_uid(place.slot): slot_name(place.slot) for place in table
        }
        until(lambda: all(place.device.leds == GREEN for place in table), "accepted")


@pytest.mark.timeout(PCSCD_TIMEOUT_S)
def test_eight_readers_of_one_station(emsp: ExtrawestServer, tmp_path: Path) -> None:
    """Eight cards at once, each at its own EVSE; pcscd dies, and eight taps end all."""
    with eight_slots(tmp_path) as pcscd:
        table = places(pcscd)
        uids = [place.card(1).uid.hex().upper() for place in table]
        emsp.set_tokens([make_token(uid, whitelist="ALWAYS") for uid in uids])
        with eight_stations(emsp, pcscd) as agent:
            agent.cards |= set(uids)
            tap_all(agent, table, "started")
            assert all(agent.is_energy_on(evse_uid(place.slot)) for place in table)
            pcscd.kill()
            downs = [f"reader {slot_name(place.slot)}: down" for place in table]
            until(lambda: all(down in agent.log() for down in downs), "the end")
            pcscd.start()
            for place in table:
                agent.wait_until_good(f"reader {slot_name(place.slot)}")
            time.sleep(FOUND_S)
            tap_all(agent, table, "stopped")
            assert not any(agent.is_energy_on(evse_uid(place.slot)) for place in table)
            until(
                lambda: statuses(emsp) == [["ACTIVE", "COMPLETED"]] * 8, "eight reports"
            )
            agent.wait_for_empty_outbox()
