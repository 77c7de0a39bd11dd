"""The ACS indicator on the real pcscd, with a virtual card that answers for a reader.

Virtual readers have no LEDs: what comes as an APDU the card takes, as an ACR122U would.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import TYPE_CHECKING, Final

import pytest

from drivers.errors import (
    DeviceGoneError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.indicators.acs import AcsIndicator, AcsIndicatorConfig
from drivers.indicators.acs_commands import Model
from drivers.indicators.acs_link import Way
from drivers.indicators.acs_thread import HangingReaderError
from drivers.indicators.base import Signal
from drivers.indicators.patterns import Colour, Pattern
from drivers.readers.base import CardArrived, CardLeft
from drivers.readers.pcsc import PcscConfig, PcscReader
from tests.drivers.indicators.acs_readers import GREEN, RED, Acr122u
from tests.stack import virtual_card
from tests.stack.pcscd import Pcscd, why_unavailable
from tests.stack.test_pcsc import EVENT_S, following, held_exclusively
from tests.stack.virtual_card import Fault, VirtualCard

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from drivers.readers.base import ReaderEvent
    from tests.stack.pcscd import VirtualSlot

pytestmark = pytest.mark.stack

MATCH: Final = "Virtual PCD * 00"
UID: Final = bytes.fromhex("04A1B2C3D4E5F6")
TAPS: Final = 20  # On each of five readers
#: A beep holds up its signal; these change as fast as they are shown.
SILENT: Final = AcsIndicatorConfig(
    model=Model.ACR122U,
    reading=Pattern(colours=(Colour.WHITE,)),
    accepted=Pattern(colours=(Colour.GREEN,)),
    refused=Pattern(colours=(Colour.RED,)),
    locked=Pattern(colours=(Colour.YELLOW,)),
)
DEFAULTS: Final = AcsIndicatorConfig(model=Model.ACR122U)


@dataclass
class ListenedAcr122u(Acr122u):
    """An ACR122U that tells when it has beeped twice."""

    second_beep: threading.Event = field(default_factory=threading.Event)

    def answer(self, command: bytes) -> bytes:
        """Listen to the beeps."""
        answer = super().answer(command)
        if len(self.beeps) > 1:
            self.second_beep.set()
        return answer


class CardOnAcr122u(VirtualCard):
    """A card whose reader has LEDs; they stay when the card leaves."""

    def __init__(
        self,
        uid: bytes,
        reader: Acr122u,
        *,
        port: int = virtual_card.PORT,
        fault: Fault = Fault.NONE,
    ) -> None:
        super().__init__(uid, port=port, fault=fault)
        self.reader = reader
        self.told = threading.Event()  # Something came through this card

    def _answer(self, message: bytes) -> bytes | None:
        if message.startswith((b"\xff\x00\x40", b"\xff\x00\x52")):
            self.told.set()
            return self.reader.answer(message)
        return super()._answer(message)


def indicator(
    way: Way, config: AcsIndicatorConfig = DEFAULTS, match: str = MATCH
) -> AcsIndicator:
    """Build an indicator for the first virtual reader, or those that match."""
    return AcsIndicator(replace(config, way=way, match=match))


async def arrived(events: AsyncGenerator[ReaderEvent]) -> None:
    """Wait for a card to have been read."""
    while not isinstance(await following(events), CardArrived):
        pass


@pytest.mark.parametrize("way", [Way.APDU, Way.AUTO])
def test_leds_through_the_card(pcscd: Pcscd, way: Way) -> None:
    """While a card lies there every signal reaches the LEDs, though escapes fail."""
    del pcscd
    reader = Acr122u()
    lamp = indicator(way, SILENT)

    async def scenario() -> None:
        async with aclosing(PcscReader(PcscConfig(MATCH)).events()) as events:
            with CardOnAcr122u(UID, reader):
                await arrived(events)
                for signal in Signal:
                    await lamp.show(signal)

    asyncio.run(scenario())
    both = RED | GREEN
    assert reader.states == [GREEN, both, GREEN, RED, GREEN, both, RED]


def test_beeps_through_the_card(pcscd: Pcscd) -> None:
    """Accepted is heard twice, and the reader's own beep is switched off."""
    del pcscd
    reader = ListenedAcr122u()
    config = AcsIndicatorConfig(model=Model.ACR122U, match=MATCH, card_beep=False)
    lamp = AcsIndicator(config)

    async def scenario() -> None:
        async with aclosing(PcscReader(PcscConfig(MATCH)).events()) as events:
            with CardOnAcr122u(UID, reader):
                await arrived(events)
                await lamp.show(Signal.ACCEPTED)
                assert await asyncio.to_thread(reader.second_beep.wait, EVENT_S)

    asyncio.run(scenario())
    assert (reader.beeps, reader.card_beep) == ([100, 100], False)


@pytest.mark.parametrize("way", [Way.ESCAPE, Way.AUTO])
def test_vpcd_refuses_escapes(pcscd: Pcscd, way: Way) -> None:
    """A real refusal of a real pcscd is the error that says what to change."""
    del pcscd
    with pytest.raises(UnsupportedDeviceError, match="ifdDriverOptions") as caught:
        asyncio.run(indicator(way).show(Signal.READY))
    assert "0x8010001F" in str(caught.value)


def test_without_a_card(pcscd: Pcscd) -> None:
    """By APDU an empty field is no failure."""
    del pcscd
    asyncio.run(indicator(Way.APDU).show(Signal.READY))


def test_without_the_reader(pcscd: Pcscd) -> None:
    """No match names what is attached; no pcscd says what to start."""
    lamp = AcsIndicator(AcsIndicatorConfig(model=Model.ACR122U))

    async def scenario() -> None:
        with pytest.raises(DeviceGoneError, match="attached: Virtual PCD"):
            await lamp.show(Signal.READY)
        pcscd.stop()
        with pytest.raises(TransientDeviceError, match="systemctl start pcscd"):
            await lamp.show(Signal.READY)

    asyncio.run(scenario())


def test_card_that_is_no_reader(pcscd: Pcscd) -> None:
    """A reader that hands the command on to its card is the wrong model."""
    del pcscd

    async def scenario() -> None:
        async with aclosing(PcscReader(PcscConfig(MATCH)).events()) as events:
            with VirtualCard(UID):
                await arrived(events)
                with pytest.raises(UnsupportedDeviceError, match="got 6D 00"):
                    await indicator(Way.APDU).show(Signal.READY)

    asyncio.run(scenario())


def test_it_gives_way(pcscd: Pcscd) -> None:
    """What another program holds for itself is left alone, without an error."""
    reader = Acr122u()

    async def scenario() -> None:
        await indicator(Way.APDU).show(Signal.REFUSED)

    with CardOnAcr122u(UID, reader), held_exclusively(pcscd.slots[0]):
        asyncio.run(scenario())
    assert reader.states == []


def test_mute_card_under_the_reader(pcscd: Pcscd) -> None:
    """A reader that hangs is an error in time, and the loop ends all the same."""
    del pcscd
    card = CardOnAcr122u(UID, Acr122u(), fault=Fault.MUTE)

    async def scenario() -> None:
        async with aclosing(PcscReader(PcscConfig(MATCH)).events()) as events:
            await following(events)
            card.insert()
            assert await asyncio.to_thread(card.asked.wait, EVENT_S)
            with pytest.raises(HangingReaderError):
                await indicator(Way.APDU).show(Signal.READING)

    try:
        asyncio.run(scenario())
    finally:
        card.remove()


async def tap_often(slot: VirtualSlot, reader: Acr122u) -> None:
    """Lay cards on one slot, one after the other; each is read once and leaves once."""
    async with aclosing(PcscReader(PcscConfig(slot.reader)).events()) as events:
        await following(events)
        for number in range(TAPS):
            uid = UID[:-1] + bytes([number])
            with CardOnAcr122u(uid, reader, port=slot.port) as card:
                event = await following(events)
                assert isinstance(event, CardArrived), event
                assert event.uid == uid
                assert await asyncio.to_thread(card.told.wait, EVENT_S)
            event = await following(events)
            assert isinstance(event, CardLeft), event


@pytest.mark.parametrize("way", [Way.APDU, Way.AUTO])
def test_signals_do_not_disturb_taps(tmp_path: Path, way: Way) -> None:
    """A hundred taps are read while signals are shown on all readers, all the time."""
    if reason := why_unavailable():
        pytest.skip(reason)
    lamp = indicator(way, SILENT, "Virtual PCD * 00")
    shown = 0

    async def chatter() -> None:
        nonlocal shown
        for signal in cycle(Signal):
            with suppress(UnsupportedDeviceError):  # Of the slots without a card
                await lamp.show(signal)
            shown += 1
            await asyncio.sleep(0.005)

    async def scenario(slots: list[VirtualSlot], reader: Acr122u) -> None:
        noise = asyncio.create_task(chatter())
        async with asyncio.TaskGroup() as group:
            for slot in slots:
                group.create_task(tap_often(slot, reader))
        assert not noise.done()
        noise.cancel()
        await asyncio.wait({noise})

    reader = Acr122u()
    with Pcscd(tmp_path / "pcscd", pairs=5) as pcscd:
        # One slot of each pair: the two of a pair share what their driver knows.
        asyncio.run(scenario(pcscd.slots[::2], reader))
    assert shown > TAPS
    assert len(reader.states) > TAPS
