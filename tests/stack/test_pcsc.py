"""The PC/SC reader driver on the real pcscd with virtual cards."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from drivers.errors import TransientDeviceError
from drivers.readers.base import (
    CardArrived,
    CardLeft,
    CardUnreadable,
    ReaderDown,
    ReaderUp,
    Technology,
)
from drivers.readers.pcsc import PcscConfig, PcscReader, list_readers
from drivers.readers.pcsc_codes import ScardError
from tests.stack import virtual_card
from tests.stack.pcsc_bench import (
    OTHER_UID,
    UID,
    arrival,
    departure,
    end_of_driver_threads,
    following,
    held_exclusively,
    listen,
)
from tests.stack.virtual_card import Fault, VirtualCard

if TYPE_CHECKING:
    from tests.drivers.readers.listening import Events
    from tests.stack.pcscd import Pcscd

pytestmark = pytest.mark.stack

SHORT: Final = timedelta(seconds=0.5)


def test_a_card_arrives_and_leaves(pcscd: Pcscd) -> None:
    """One arrival with the uid, one removal, and the reader's name on both."""
    slot = pcscd.slots[0]

    async def scenario() -> None:
        async with aclosing(PcscReader(PcscConfig()).events()) as events:
            assert await following(events) == ReaderUp(
                ", ".join(s.reader for s in pcscd.slots)
            )
            with VirtualCard(UID):
                arrived = await following(events)
            left = await following(events)
        assert isinstance(arrived, CardArrived)
        assert (arrived.uid, arrived.slot) == (UID, slot.reader)
        assert arrived.technology is Technology.ISO14443
        assert isinstance(left, CardLeft)
        assert left.slot == slot.reader
        assert arrived.at <= left.at <= time.monotonic()

    asyncio.run(scenario())


def test_card_that_lies_there_at_the_opening(pcscd: Pcscd) -> None:
    """Whoever looks at a reader first cannot tell when its card came; then one can."""
    slot = pcscd.slots[0]

    async def scenario(events: Events) -> None:
        found = await following(events)
        card.remove()
        assert isinstance(await following(events), CardLeft)
        card.insert()
        came = await following(events)
        assert isinstance(found, CardArrived)
        assert isinstance(came, CardArrived)
        assert (found.slot, found.lying, came.lying) == (slot.reader, True, False)

    with VirtualCard(UID) as card:
        listen(scenario)


def test_two_slots_are_apart(pcscd: Pcscd) -> None:
    """Cards on two readers of one pattern arrive and leave each on its own slot."""
    first, second = pcscd.slots

    async def scenario(events: Events) -> None:
        with VirtualCard(UID, port=first.port):
            assert await arrival(events) == (UID, first.reader)
            with VirtualCard(OTHER_UID, port=second.port):
                assert await arrival(events) == (OTHER_UID, second.reader)
            assert await departure(events) == second.reader
        assert await departure(events) == first.reader

    listen(scenario, match="Virtual PCD*")


def test_iso15693_uid_is_turned(pcscd: Pcscd) -> None:
    """A uid that the reader gives as sent is told E0 first."""
    del pcscd
    uid = bytes.fromhex("E004010012345678")

    async def scenario(events: Events) -> None:
        with VirtualCard(uid[::-1], atr=virtual_card.ISO15693):
            arrived = await following(events)
        assert isinstance(arrived, CardArrived)
        assert arrived.uid == uid
        assert arrived.technology is Technology.ISO15693

    listen(scenario)


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        (VirtualCard(UID, fault=Fault.TORN), "torn"),
        (VirtualCard(UID, fault=Fault.MUTE), "does not answer"),
        (VirtualCard(UID, fault=Fault.REFUSING), "got 6A 81"),
        (VirtualCard(UID, atr=virtual_card.GARBAGE), "ATR"),
    ],
    ids=["torn", "mute", "refusing", "garbage ATR"],
)
def test_unreadable_card(pcscd: Pcscd, card: VirtualCard, reason: str) -> None:
    """A card without a uid is told of once, leaves, and the next card is read."""
    del pcscd

    async def scenario(events: Events) -> None:
        with card:
            unreadable = await following(events)
        assert isinstance(unreadable, CardUnreadable)
        assert reason in unreadable.reason
        assert isinstance(await following(events), CardLeft)
        with VirtualCard(UID):
            assert (await arrival(events))[0] == UID

    listen(scenario, card_timeout=SHORT)
    assert end_of_driver_threads()


def test_slow_card_is_read(pcscd: Pcscd) -> None:
    """A card may use all of its time."""
    del pcscd

    async def scenario(events: Events) -> None:
        with VirtualCard(UID, delay_s=0.3):
            assert (await arrival(events))[0] == UID

    listen(scenario)


def test_card_held_by_another_program(pcscd: Pcscd) -> None:
    """A card that another program keeps is unreadable, and the reason says so."""

    async def scenario(events: Events) -> None:
        unreadable = await following(events)
        assert isinstance(unreadable, CardUnreadable)
        assert "another program holds the card" in unreadable.reason

    with VirtualCard(UID), held_exclusively(pcscd.slots[0]):
        listen(scenario, card_timeout=SHORT)


def test_card_let_go_by_another_program(pcscd: Pcscd) -> None:
    """A card that another program lets go in time is read."""

    async def scenario(events: Events) -> None:
        let_go()
        assert (await arrival(events))[0] == UID

    with VirtualCard(UID), held_exclusively(pcscd.slots[0]) as let_go:
        listen(scenario)


def test_no_reader_matches(pcscd: Pcscd) -> None:
    """The reason names the readers that are there."""

    async def scenario() -> None:
        async with aclosing(PcscReader(PcscConfig("ACS *")).events()) as events:
            down = await following(events)
            assert isinstance(down, ReaderDown)
            assert "no PC/SC reader matches 'ACS *'" in down.reason
            assert all(slot.reader in down.reason for slot in pcscd.slots)

    asyncio.run(scenario())


def test_alive_at_follows_the_watcher(pcscd: Pcscd) -> None:
    """The proof of life is renewed with every round, and gone when closed."""
    del pcscd
    reader = PcscReader(PcscConfig())

    async def scenario() -> None:
        async with aclosing(reader.events()) as events:
            await following(events)
            before = reader.alive_at()
            assert before is not None
            with VirtualCard(UID):
                await arrival(events)
            await following(events)
            after = reader.alive_at()
            assert after is not None
            assert before < after <= time.monotonic()

    assert reader.alive_at() is None
    asyncio.run(scenario())
    assert reader.alive_at() is None


def test_list_readers(pcscd: Pcscd) -> None:
    """The readers are named while pcscd runs; without it, the error says what to do."""
    assert sorted(list_readers()) == [slot.reader for slot in pcscd.slots]
    pcscd.stop()
    with pytest.raises(ScardError, match="systemctl start pcscd") as caught:
        list_readers()
    assert isinstance(caught.value, TransientDeviceError)
