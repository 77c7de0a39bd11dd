"""The ACS indicator on the real pcscd, with a virtual card that answers for a reader.

Virtual readers have no LEDs: what comes as an APDU the card takes, as an ACR122U would.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
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
from drivers.readers.base import CardArrived
from drivers.readers.pcsc import PcscConfig, PcscReader
from tests.drivers.indicators.acs_readers import GREEN, RED, Acr122u
from tests.drivers.indicators.showing import Screen
from tests.stack.acs_cards import (
    MATCH,
    SILENT,
    CardOnAcr122u,
    ListenedAcr122u,
    indicator,
)
from tests.stack.pcsc_bench import EVENT_S, following, held_exclusively
from tests.stack.virtual_card import Fault, VirtualCard

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from drivers.readers.base import ReaderEvent
    from tests.stack.pcscd import Pcscd

pytestmark = pytest.mark.stack

UID: Final = bytes.fromhex("04A1B2C3D4E5F6")


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
    lamp = Screen(AcsIndicator(config))

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
    lamp = Screen(AcsIndicator(AcsIndicatorConfig(model=Model.ACR122U)))

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
